/** Page: one execution. */

import type { JSX } from "preact";
import {
  ComponentLink,
  Digest,
  Duration,
  FunctionName,
  Id,
  Loading,
  type Tab,
  Tabs,
  Trouble,
} from "../../look/parts.tsx";
import { StateMark, stateOf } from "../../look/states.tsx";
import { executionPath } from "../../router.tsx";
import { type FunctionType, readFunction } from "../../values/types.ts";
import { get } from "../../wire/client.ts";
import { type Loaded as Reading, useLoad } from "../../wire/hooks.ts";
import { type Execution, type FunctionItem, hasChildren, type Page } from "../../wire/shapes.ts";
import { Actions } from "./Actions.tsx";
import { Debugger } from "./Debugger.tsx";
import { Events } from "./Events.tsx";
import { Logs } from "./Logs.tsx";
import { Overview } from "./Overview.tsx";
import { Requests } from "./Requests.tsx";
import { type Loaded, useExecution } from "./store.ts";
import { Timeline } from "./Timeline.tsx";
import { Tree } from "./Tree.tsx";
import "./execution.css";

function tabsOf(execution: Execution): Tab[] {
  const workflow = execution.kind === "workflow";
  return [
    { name: "", label: "Overview" },
    { name: "timeline", label: "Timeline" },
    ...(hasChildren(execution.kind) ? [{ name: "tree", label: "Tree" }] : []),
    {
      name: "events",
      label: (
        <>
          Events <span class="number count">{execution.events}</span>
        </>
      ),
    },
    { name: "logs", label: "Logs" },
    ...(workflow ? [{ name: "debug", label: "Debugger" }] : [{ name: "requests", label: "Requests" }]),
  ];
}

export function ExecutionPage({ id, tab }: { id: string; tab: string }): JSX.Element {
  const loaded = useExecution(id);
  const { execution, error } = loaded;
  const functions = useLoad("functions", (signal) => get<Page<FunctionItem>>("/v1/functions", signal));
  const item = functions.value?.items.find((each) => each.function === execution?.function);
  const type = item && readFunction(item.type);
  if (!execution) {
    return <div class="page">{error ? <Trouble error={error} what="This execution" /> : <Loading />}</div>;
  }
  return (
    <div class="page page-execution">
      <header class="execution-head">
        <div class="execution-title">
          <StateMark state={stateOf(execution)} />
          <h1>
            <FunctionName name={execution.function} />
          </h1>
          <span class="execution-duration">
            <Duration from={execution.created_at} to={execution.finished_at} />
          </span>
        </div>
        <div class="execution-ids">
          <Id id={id} link={false} />
          <Version digest={execution.digest} component={item?.component ?? null} />
          {execution.parent && (
            <span>
              child of <Id id={execution.parent} />
            </span>
          )}
        </div>
        <Actions
          execution={execution}
          type={type ?? lackOf(execution.function, functions, item)}
          onDone={loaded.refresh}
        />
      </header>
      <Tabs
        label="Views of the execution"
        tabs={tabsOf(execution)}
        chosen={tab}
        to={(name) => executionPath(id, name)}
      />
      {error && error.status !== 0 && <Trouble error={error} what="This execution" />}
      <View tab={tab} loaded={loaded} type={type} component={item?.component} />
    </div>
  );
}

type ViewProps = { tab: string; loaded: Loaded; type: FunctionType | undefined; component: string | null | undefined };

function View({ tab, loaded, type, component }: ViewProps): JSX.Element {
  switch (tab) {
    case "timeline":
      return <Timeline loaded={loaded} />;
    case "tree":
      return <Tree loaded={loaded} />;
    case "events":
      return <Events loaded={loaded} />;
    case "logs":
      return <Logs id={loaded.id} />;
    case "requests":
      return <Requests id={loaded.id} changes={loaded.changes} />;
    case "debug":
      return <Debugger loaded={loaded} />;
    default:
      return <Overview loaded={loaded} type={type} component={component} />;
  }
}

/** A workflow is pinned to a version; an attempt of an activity takes the one that is deployed. */
function Version({ digest, component }: { digest: string | null; component: string | null }): JSX.Element | null {
  const link = component === null ? null : <ComponentLink name={component} />;
  if (digest === null) return link && <span>component {link}</span>;
  return (
    <span>
      version <Digest digest={digest} /> {link && <>of {link}</>}
    </span>
  );
}

/** Why a form for the function of this execution cannot be made. */
function lackOf(name: string, functions: Reading<Page<FunctionItem>>, item: FunctionItem | undefined): string {
  if (functions.value === undefined) return functions.error?.message ?? "The type of the function is being read…";
  if (item === undefined) return `${name} is not deployed any more, so nobody here knows its type.`;
  return `This page cannot read its type, ${item.type}`;
}
