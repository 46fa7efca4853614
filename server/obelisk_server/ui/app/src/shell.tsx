/** What surrounds every page: the way to the others, the way to an id, the look, the sign-in. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Notices } from "./look/notices.tsx";
import { Link, executionPath, navigate, usePlace } from "./router.tsx";
import { hasToken, setToken } from "./wire/client.ts";
import type { Connection } from "./wire/feed.ts";
import { SignIn } from "./signin.tsx";
import { useConnection } from "./wire/hooks.ts";
import { may } from "./wire/rights.ts";

/** `operation`: the page is of no use without it. */
const PAGES = [
  { path: "executions", label: "Executions", operation: "list-executions", icon: "M2 3.500h12M2 8h12M2 12.500h8" },
  { path: "submit", label: "Submit", operation: "submit", icon: "M4 2.500 13 8 4 13.500Z" },
  {
    path: "components",
    label: "Components",
    operation: "list-components",
    icon: "M8 1.500 14 5v6l-6 3.500L2 11V5ZM2 5l6 3.500L14 5M8 8.500v6",
  },
  { path: "health", label: "Health", operation: "health", icon: "M1.500 8.500H5l2-5.500 3 10 1.800-4.500h2.700" },
];

export function Shell({ children }: { children: ComponentChildren }): JSX.Element {
  const { path } = usePlace();
  const [page = "executions"] = path;
  const main = useRef<HTMLElement>(null);
  useShortcuts();
  useEffect(() => {
    const title = PAGES.find((each) => each.path === page)?.label ?? "Obelisk";
    document.title = `${path[1] ?? title} · Obelisk`;
  }, [path.join("/")]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <header class="bar">
        <Link to="/executions" class="brand" aria-label="Obelisk, executions">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M16 2 20.600 7 22.400 25H9.600L11.400 7ZM7 26.500h18V30H7Z" />
          </svg>
          <span>Obelisk</span>
        </Link>
        <nav class="pages" aria-label="Pages">
          {PAGES.filter((each) => may(each.operation)).map((each) => (
            <Link key={each.path} to={`/${each.path}`} aria-current={each.path === page ? "page" : undefined}>
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d={each.icon} />
              </svg>
              {each.label}
            </Link>
          ))}
        </nav>
        <GoTo />
        <ConnectionMark />
        <ThemeSwitch />
        {hasToken() && (
          <button type="button" class="quiet" onClick={() => (setToken(null), location.reload())}>
            sign out
          </button>
        )}
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {children}
      </main>
      <Notices />
      <SignIn />
    </>
  );
}

function GoTo(): JSX.Element {
  const go = (event: SubmitEvent): void => {
    event.preventDefault();
    const input = (event.currentTarget as HTMLFormElement).elements.namedItem("id") as HTMLInputElement;
    const id = input.value.trim();
    if (/^E_[0-9A-Z]{26}/.test(id)) {
      navigate(executionPath(id));
      input.value = "";
    } else if (id) {
      navigate(`/executions?id=${encodeURIComponent(id)}&children=yes`);
    }
  };
  return (
    <form class="goto" role="search" aria-label="Go to an execution" onSubmit={go}>
      <input
        name="id"
        type="search"
        placeholder="Go to id ( / )"
        aria-label="id of an execution"
        spellcheck={false}
        autocomplete="off"
      />
    </form>
  );
}

/** `/` goes to the field of ids, as on many pages. */
function useShortcuts(): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as Element).closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      document.querySelector<HTMLInputElement>(".goto input")?.focus();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
}

const CONNECTION_WORDS: Record<Connection, string> = {
  connecting: "connecting",
  live: "live",
  lost: "reconnecting",
  ended: "",
};

function ConnectionMark(): JSX.Element | null {
  const state = useConnection();
  const { path } = usePlace();
  const followed = (path[0] ?? "executions") === "executions";
  if (!followed || state === "ended") return null;
  return (
    <span class={`connection connection-${state}`} role="status">
      <i aria-hidden="true" /> {CONNECTION_WORDS[state]}
    </span>
  );
}

const THEMES = ["auto", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const THEME = "obelisk-theme";

/** Before anything is drawn. */
export function applyTheme(theme: string | null = localStorage.getItem(THEME)): void {
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
  else delete document.documentElement.dataset["theme"];
}

function ThemeSwitch(): JSX.Element {
  const [theme, setTheme] = useState<Theme>(() => (localStorage.getItem(THEME) as Theme | null) ?? "auto");
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
  const change = (): void => {
    localStorage.setItem(THEME, next);
    applyTheme(next);
    setTheme(next);
  };
  return (
    <button
      type="button"
      class="theme"
      onClick={change}
      aria-label={`theme: ${theme}; change to ${next}`}
      title={`theme: ${theme}`}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="8" cy="8" r="6" fill="none" />
        {theme === "auto" && <path d="M8 2a6 6 0 0 1 0 12Z" />}
        {theme === "dark" && <circle cx="8" cy="8" r="6" />}
      </svg>
    </button>
  );
}
