/** Which page an address shows. The list, which is mostly seen first, is there at once; the others come when there is time. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Empty, Loading } from "../look/parts.tsx";
import { Link, type Place, usePlace } from "../router.tsx";
import { Executions } from "./executions/Executions.tsx";

type Others = typeof import("./others.ts");
let others: Others | undefined;

/** Whether a page is drawn by what `loadOthers` loads. */
export function isOther({ path: [page = "executions", name] }: Place): boolean {
  return page !== "executions" || name !== undefined;
}

/** What is loaded once stays. Rejects if the server is away, or has a newer version with files of other names. */
export async function loadOthers(): Promise<void> {
  others ??= await import("./others.ts");
}

export function CurrentPage(): JSX.Element {
  const place = usePlace();
  return isOther(place) ? <Other place={place} /> : <Executions />;
}

function Other({ place }: { place: Place }): JSX.Element {
  const [state, setState] = useState<"loading" | "there" | "missing">(others ? "there" : "loading");
  useEffect(() => {
    if (state === "loading")
      void loadOthers().then(
        () => setState("there"),
        () => setState("missing"),
      );
  }, []);
  if (state === "missing") return <Missing />;
  if (!others) return <Loading />;
  const { ComponentsPage, ExecutionPage, HealthPage, SubmitPage } = others;
  const [page, name, tab = ""] = place.path;
  switch (page) {
    case "executions":
      return <ExecutionPage key={name} id={name!} tab={tab} />;
    case "submit":
      return <SubmitPage />;
    case "components":
      return <ComponentsPage name={name} />;
    case "health":
      return <HealthPage />;
    default:
      return (
        <Empty title="There is no such page">
          <Link to="/executions">All executions</Link>
        </Empty>
      );
  }
}

function Missing(): JSX.Element {
  return (
    <Empty title="This page could not be loaded">
      <p>The server does not answer, or it was replaced by another version.</p>
      <button type="button" onClick={() => location.reload()}>
        Load it again
      </button>
    </Empty>
  );
}
