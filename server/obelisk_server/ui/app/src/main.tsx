/** The beginning: which page an address shows. */

import { type JSX, render } from "preact";
import "./style/base.css"; // before what pages import, which refines it
import "./style/shell.css";
import "./style/parts.css";
import { Empty } from "./look/parts.tsx";
import { ComponentsPage } from "./pages/components/ComponentsPage.tsx";
import { ExecutionPage } from "./pages/execution/ExecutionPage.tsx";
import { Executions } from "./pages/executions/Executions.tsx";
import { filtersOf, listPath } from "./pages/executions/filters.ts";
import { HealthPage } from "./pages/health/HealthPage.tsx";
import { SubmitPage } from "./pages/submit/SubmitPage.tsx";
import { Link, type Place, here, usePlace } from "./router.tsx";
import { Shell, applyTheme } from "./shell.tsx";
import { askAhead, path } from "./wire/client.ts";
import { learnRights } from "./wire/rights.ts";
import { pause } from "./wire/waiting.ts";

function CurrentPage(): JSX.Element {
  const [page = "executions", name, tab = ""] = usePlace().path;
  switch (page) {
    case "executions":
      return name ? <ExecutionPage key={name} id={name} tab={tab} /> : <Executions />;
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

/** So long the first picture waits for what it is to show: drawing twice takes longer. */
const FIRST_PICTURE_MS = 100;

/** The request that the page of this address begins with. */
function firstRequest({ path: [page = "executions", name], query }: Place): string | null {
  if (page !== "executions") return null;
  return name === undefined ? listPath(filtersOf(query)) : path("executions", name);
}

applyTheme();
const first = firstRequest(here());
const shown = first === null ? null : Promise.race([askAhead(first), pause(FIRST_PICTURE_MS)]);
await learnRights();
await shown;
render(
  <Shell>
    <CurrentPage />
  </Shell>,
  document.getElementById("app")!,
);
