/** Page: run a function, through a form made from its type. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { useAttempt } from "../../look/notices.tsx";
import { Card, Command, Empty, FunctionName, Id, Loading, NotPermitted, Trouble } from "../../look/parts.tsx";
import { executionPath, Link, navigate, submitPath, usePlace } from "../../router.tsx";
import { type Draft, Mismatch, type Problem, blank, draftOf, read } from "../../values/draft.ts";
import { type Json, parseJson, printJson } from "../../values/json.ts";
import { type FunctionType, readFunction } from "../../values/types.ts";
import { get, hasToken, path, post } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import { may } from "../../wire/rights.ts";
import type { Execution, FunctionItem, Page } from "../../wire/shapes.ts";
import { type Submit, bodyOf, cli, curl, tagsOf } from "./commands.ts";
import { Field } from "./Field.tsx";
import "./submit.css";

export function SubmitPage(): JSX.Element {
  if (!may("submit")) return <NotPermitted what="submit executions" scope="submit" />;
  return <Submitting />;
}

function Submitting(): JSX.Element {
  const { query } = usePlace();
  const name = query.get("function");
  const from = query.get("from");
  const functions = useLoad("functions", (signal) => get<Page<FunctionItem>>("/v1/functions", signal));
  const original = useLoad(from, (signal) => get<Execution>(path("executions", from!), signal));
  if (functions.error && !functions.value) return <Trouble error={functions.error} what="The functions" />;
  if (!functions.value || (from && !original.value && !original.error)) return <Loading />;
  const item = functions.value.items.find((each) => each.function === name);
  return (
    <div class="page page-submit">
      <header class="page-head">
        <h1>Submit</h1>
        {from && (
          <span>
            with the parameters of <Id id={from} />
          </span>
        )}
      </header>
      {from && original.error && <Trouble error={original.error} what="Those parameters" />}
      {name === null || !item ? (
        <Choose items={functions.value.items} missing={name} />
      ) : (
        <Typed key={`${name} ${from}`} item={item} params={original.value?.params ?? null} />
      )}
    </div>
  );
}

function Choose({ items, missing }: { items: FunctionItem[]; missing: string | null }): JSX.Element {
  const [text, setText] = useState("");
  const shown = items.filter((item) => item.function.includes(text.trim()));
  if (items.length === 0) {
    return (
      <Empty title="No function is deployed">
        <p>Name a component in obelisk.toml, then type this:</p>
        <Command label="command" text="obelisk server reload" />
      </Empty>
    );
  }
  return (
    <>
      {missing && <p class="trouble">No deployed component exports {missing}. Choose another function.</p>}
      <label class="field which">
        <span>Which function</span>
        <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <ul class="choices panel" aria-label="Functions">
        {shown.map((item) => (
          <li key={item.function}>
            <Link to={submitPath(item.function)}>
              <FunctionName name={item.function} />
              <span class="kind">{item.kind}</span>
              <code>{item.type}</code>
            </Link>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p class="none">No function has that in its name.</p>}
    </>
  );
}

function Typed({ item, params }: { item: FunctionItem; params: Json[] | null }): JSX.Element {
  const type = useMemo(() => readFunction(item.type), [item.type]);
  if (type) return <Form item={item} type={type} params={params} />;
  return (
    <Empty title="There is no form for this function">
      <p>
        This page cannot read its type, <code>{item.type}</code>
      </p>
      <p>
        <Link to="/submit">another function</Link>
      </p>
    </Empty>
  );
}

type FormProps = { item: FunctionItem; type: FunctionType; params: Json[] | null };

function Form({ item, type, params }: FormProps): JSX.Element {
  const [drafts, setDrafts] = useState<Draft[]>(() => begin(type, params));
  const [json, setJson] = useState<string | null>(null);
  const [jsonProblem, setJsonProblem] = useState("");
  const [options, setOptions] = useState<Options>(NO_OPTIONS);
  const [shown, setShown] = useState<Problem[]>([]);
  const [busy, setBusy] = useState(false);
  const attempt = useAttempt();
  const { values, problems } = readAll(type, drafts);
  const text =
    json ??
    printJson(
      values.map((value) => value ?? null),
      2,
      60,
    );
  const change = (index: number, draft: Draft): void => {
    setDrafts(drafts.with(index, draft));
    setJson(null);
    setJsonProblem("");
    setShown([]);
  };
  const type_json = (typed: string): void => {
    setJson(typed);
    setShown([]);
    try {
      setDrafts(fromJson(type, typed));
      setJsonProblem("");
    } catch (error) {
      setJsonProblem(messageOf(error));
    }
  };
  const submit = async (): Promise<void> => {
    setShown(problems);
    if (problems.length || jsonProblem) return focusFirstProblem();
    setBusy(true);
    await attempt(async () => {
      const answer = await post<{ id: string; existed: boolean }>(
        "/v1/executions",
        bodyOf(submitOf(item, values as Json[], options)),
      );
      navigate(executionPath(answer.id));
      return answer.existed ? "this had been submitted before" : "submitted";
    });
    setBusy(false);
  };
  return (
    <form class="submit" noValidate onSubmit={(event) => (event.preventDefault(), void submit())}>
      <Card
        title={<FunctionName name={item.function} />}
        extra={
          <Link to="/submit" class="quiet">
            another function
          </Link>
        }
      >
        {type.params.length === 0 && <p class="none">It takes no parameters.</p>}
        {type.params.map((param, index) => (
          <Field
            key={param.name}
            type={param.type}
            draft={drafts[index]!}
            label={param.name}
            path={param.name}
            problems={shown}
            onChange={(draft) => change(index, draft)}
          />
        ))}
        <OptionFields options={options} onChange={setOptions} />
        <footer>
          {(shown.length > 0 || jsonProblem) && (
            <p class="problem" role="alert">
              {jsonProblem || `${shown[0]!.path}: ${shown[0]!.message}`}
            </p>
          )}
          <button type="submit" class="primary" disabled={busy}>
            Submit
          </button>
        </footer>
      </Card>
      <div class="stack">
        <Card title="JSON">
          <textarea
            class="json-view"
            aria-label="parameters as JSON"
            aria-invalid={jsonProblem !== ""}
            spellcheck={false}
            rows={Math.min(24, Math.max(4, text.split("\n").length + 1))}
            value={text}
            onInput={(event) => type_json(event.currentTarget.value)}
          />
          {jsonProblem ? (
            <p class="problem">{jsonProblem}</p>
          ) : (
            problems.length > 0 && <p class="none">{problems.length} still to fill in</p>
          )}
        </Card>
        <Commands item={item} values={values} options={options} ready={problems.length === 0 && !jsonProblem} />
      </div>
    </form>
  );
}

function begin(type: FunctionType, params: Json[] | null): Draft[] {
  if (params?.length === type.params.length) {
    try {
      return type.params.map((param, index) => draftOf(param.type, params[index]!));
    } catch {
      // the function has changed since: its form begins empty
    }
  }
  return type.params.map((param) => blank(param.type));
}

function readAll(type: FunctionType, drafts: Draft[]): { values: (Json | undefined)[]; problems: Problem[] } {
  const problems: Problem[] = [];
  const values = type.params.map((param, index) => read(param.type, drafts[index]!, param.name, problems));
  return { values, problems };
}

function fromJson(type: FunctionType, text: string): Draft[] {
  const value = parseJson(text);
  if (!Array.isArray(value) || value.length !== type.params.length) {
    throw new SyntaxError(`expected an array of ${type.params.length} parameters`);
  }
  return type.params.map((param, index) => draftOf(param.type, value[index]!, param.name));
}

function messageOf(error: unknown): string {
  if (error instanceof Mismatch) return `${error.path}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

function focusFirstProblem(): void {
  setTimeout(() => document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
}

type Options = { id: string; tags: string; due: string; deadline: string; paused: boolean };
const NO_OPTIONS: Options = { id: "", tags: "", due: "", deadline: "", paused: false };

const OPTION_LABELS: [Exclude<keyof Options, "paused">, string, string][] = [
  ["id", "Id", "made by the server"],
  ["tags", "Tags", "user=ann team=blue"],
  ["due", "Begin", "at once; or 10s, or 2026-01-31T12:00:00Z"],
  ["deadline", "Deadline", "none; or 1h, or a time"],
];

function OptionFields({ options, onChange }: { options: Options; onChange: (options: Options) => void }): JSX.Element {
  return (
    <details class="options">
      <summary>Id, tags, when</summary>
      <div class="grid-fields">
        {OPTION_LABELS.map(([name, label, hint]) => (
          <label key={name} class="field">
            <span>{label}</span>
            <input
              value={options[name]}
              placeholder={hint}
              spellcheck={false}
              onInput={(event) => onChange({ ...options, [name]: event.currentTarget.value })}
            />
          </label>
        ))}
        <label class="check">
          <input
            type="checkbox"
            checked={options.paused}
            onChange={() => onChange({ ...options, paused: !options.paused })}
          />{" "}
          paused: it waits until it is resumed
        </label>
      </div>
    </details>
  );
}

/** Throws SyntaxError for tags that are none. */
function submitOf(item: FunctionItem, params: Json[], options: Options): Submit {
  const submit: Submit = { function: item.function, params };
  const tags = tagsOf(options.tags);
  if (options.id.trim()) submit.id = options.id.trim();
  if (tags) submit.tags = tags;
  if (options.due.trim()) submit.due = options.due.trim();
  if (options.deadline.trim()) submit.deadline = options.deadline.trim();
  if (options.paused) submit.paused = true;
  return submit;
}

type Tool = "obelisk" | "curl";

function commandOf(tool: Tool, item: FunctionItem, values: Json[], options: Options): string {
  try {
    const submit = submitOf(item, values, options);
    return tool === "curl" ? curl(location.origin, submit, hasToken()) : cli(location.origin, submit);
  } catch (error) {
    return `# ${messageOf(error)}`;
  }
}

type CommandsProps = { item: FunctionItem; values: (Json | undefined)[]; options: Options; ready: boolean };

function Commands({ item, values, options, ready }: CommandsProps): JSX.Element {
  const [tool, setTool] = useState<Tool>("obelisk");
  const text = ready ? commandOf(tool, item, values as Json[], options) : "";
  return (
    <Card
      title="The same in a shell"
      extra={
        <span class="segments" role="group" aria-label="Tool">
          {(["obelisk", "curl"] as const).map((each) => (
            <button key={each} type="button" aria-pressed={tool === each} onClick={() => setTool(each)}>
              {each}
            </button>
          ))}
        </span>
      }
    >
      {text ? <Command label={`${tool} command`} text={text} /> : <p class="none">Once the parameters are complete.</p>}
    </Card>
  );
}
