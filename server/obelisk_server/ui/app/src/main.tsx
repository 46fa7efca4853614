/** The beginning: which page an address shows. */

import { type JSX, render } from "preact";
import { Empty } from "./look/parts.tsx";
import { ComponentsPage } from "./pages/components/ComponentsPage.tsx";
import { ExecutionPage } from "./pages/execution/ExecutionPage.tsx";
import { Executions } from "./pages/executions/Executions.tsx";
import { HealthPage } from "./pages/health/HealthPage.tsx";
import { SubmitPage } from "./pages/submit/SubmitPage.tsx";
import { Link, usePlace } from "./router.tsx";
import { Shell, applyTheme } from "./shell.tsx";
import "./style/base.css";
import "./style/shell.css";
import "./style/parts.css";
import "./style/pages.css";

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

applyTheme();
render(
  <Shell>
    <CurrentPage />
  </Shell>,
  document.getElementById("app")!,
);
