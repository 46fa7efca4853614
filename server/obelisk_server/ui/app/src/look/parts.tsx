/** Small things that every page is made of. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Refused } from "../wire/client.ts";
import { Link, componentPath, executionPath } from "../router.tsx";
import { notify } from "./notices.tsx";
import { ago, clockTime, duration, micros, useNow } from "./time.ts";

const COPIED_MS = 1_200;

export function Copy({ text, label }: { text: string; label: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async (event: Event): Promise<void> => {
    event.preventDefault();
    event.stopPropagation();
    // browsers give it to pages of this machine, and over TLS
    if (!navigator.clipboard) return notify("The browser lets pages without TLS copy nothing.", { bad: true });
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), COPIED_MS);
  };
  return (
    <button type="button" class="copy" onClick={copy} aria-label={copied ? "copied" : `copy ${label}`} title="copy">
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {copied ? <path d="M3 8.500 6.500 12 13 4.500" /> : <path d="M5.500 5.500h7v8h-7zM3.500 10.500v-8h7" />}
      </svg>
    </button>
  );
}

/** An id: the head dim, the end, which tells siblings apart, always visible. */
export function Id({ id, link = true }: { id: string; link?: boolean }): JSX.Element {
  const cut = id.includes(".") ? id.indexOf(".") : id.length - 8;
  const text = (
    <>
      <span class="id-head">{id.slice(0, cut)}</span>
      <span class="id-tail">{id.slice(cut)}</span>
    </>
  );
  return (
    <span class="id" title={id}>
      {link && id.startsWith("E_") ? <Link to={executionPath(id)}>{text}</Link> : <span class="id-text">{text}</span>}
      <Copy text={id} label="id" />
    </span>
  );
}

/** The name that matters in full strength, the interface before it dim. */
export function FunctionName({ name }: { name: string }): JSX.Element {
  const dot = name.lastIndexOf(".") + 1;
  return (
    <span class="function" title={name}>
      <span class="function-interface">{name.slice(0, dot)}</span>
      <span class="function-name">{name.slice(dot)}</span>
    </span>
  );
}

export function Digest({ digest }: { digest: string }): JSX.Element {
  return (
    <span class="id" title={digest}>
      <span class="id-text">{digest.replace("sha256:", "").slice(0, 12)}</span>
      <Copy text={digest} label="digest" />
    </span>
  );
}

export function ComponentLink({ name }: { name: string }): JSX.Element {
  return <Link to={componentPath(name)}>{name}</Link>;
}

export function Time({ at }: { at: string }): JSX.Element {
  const now = useNow(1_000);
  return (
    <time dateTime={at} title={at}>
      {ago(micros(at), now)}
    </time>
  );
}

export function Moment({ at }: { at: string }): JSX.Element {
  return (
    <time dateTime={at} title={at}>
      {clockTime(micros(at))}
    </time>
  );
}

export function Duration({ from, to }: { from: string; to?: string | undefined }): JSX.Element {
  const now = useNow(500, to === undefined);
  return <span class="number">{duration((to ? micros(to) : now) - micros(from))}</span>;
}

export function Card({ title, extra, children }: CardProps): JSX.Element {
  return (
    <section class="card">
      <header>
        <h2>{title}</h2>
        {extra}
      </header>
      {children}
    </section>
  );
}
type CardProps = { title: ComponentChildren; extra?: ComponentChildren; children: ComponentChildren };

export function Trouble({ error, what }: { error: Refused; what: string }): JSX.Element {
  return (
    <div class="trouble" role="alert">
      <strong>{error.status === 0 ? error.title : `${what}: ${error.title}`}</strong>
      <p>{error.message}</p>
    </div>
  );
}

export function Loading(): JSX.Element {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function NotPermitted({ what, scope }: { what: string; scope: string }): JSX.Element {
  return (
    <Empty title={`This token may not ${what}`}>
      <p>That needs a token of obelisk.toml with the scope {scope}. Sign out to use another one.</p>
    </Empty>
  );
}

export function Command({ text, label }: { text: string; label: string }): JSX.Element {
  return (
    <div class="command">
      <pre tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <Copy text={text} label={label} />
    </div>
  );
}

type DialogProps = { title: string; onClose: () => void; children: ComponentChildren };

/** A modal dialog; Escape and the page behind close it. However it ends, the focus goes back to where it was. */
export function Dialog({ title, onClose, children }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  // before anything else can happen: what is typed next is meant for the dialog
  useLayoutEffect(() => {
    const before = document.activeElement;
    element.current!.showModal();
    return () => queueMicrotask(() => giveFocusBack(before)); // while the dialog is there nothing else takes it
  }, []);
  return (
    <dialog
      ref={element}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => event.target === element.current && element.current?.close()}
    >
      <div class="dialog-body">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** To the content of the page if what had it is gone too, so that Tab does not begin anew. */
function giveFocusBack(before: Element | null): void {
  if (document.activeElement !== document.body) return;
  const to = before?.isConnected && before !== document.body ? before : document.getElementById("main");
  (to as HTMLElement | null)?.focus({ preventScroll: true });
}

export type Tab = { name: string; label: ComponentChildren };

/** Links, so that every tab has an address. The chosen one is in view, also where not all of them have room. */
export function Tabs({ tabs, chosen, to, label }: TabsProps): JSX.Element {
  const element = useRef<HTMLElement>(null);
  useEffect(() => {
    const nav = element.current!;
    const link = nav.querySelector<HTMLElement>("[aria-current]");
    if (link) nav.scrollLeft = link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.clientWidth) / 2;
  }, [chosen]);
  return (
    <nav class="tabs" aria-label={label} ref={element}>
      {tabs.map((tab) => (
        <Link key={tab.name} to={to(tab.name)} aria-current={tab.name === chosen ? "page" : undefined}>
          {tab.label}
        </Link>
      ))}
    </nav>
  );
}
type TabsProps = { tabs: Tab[]; chosen: string; to: (name: string) => string; label: string };
