/** Page: what is deployed: imports, exports, WIT, versions, and who calls whom. */

import type { JSX } from "preact";
import { Card, Command, ComponentLink, Digest, Empty, FunctionName, Loading, Trouble } from "../../look/parts.tsx";
import { Link, componentPath, submitPath } from "../../router.tsx";
import { get, path } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import { limited } from "../../wire/rights.ts";
import type { ComponentItem, Page } from "../../wire/shapes.ts";
import { edgesOf } from "./graph.ts";
import { Graph } from "./Graph.tsx";
import { size } from "../../look/size.ts";
import { piecesOf } from "./wit.ts";
import "./components.css";

function NoComponent(): JSX.Element {
  if (limited()) {
    return (
      <Empty title="This token sees no component">
        <p>It is limited to some functions, and sees components all of whose functions are among them.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No component is deployed">
      <p>Name one in obelisk.toml, then type this:</p>
      <Command label="command" text="obelisk server reload" />
    </Empty>
  );
}

export function ComponentsPage({ name }: { name: string | undefined }): JSX.Element {
  const { value, error } = useLoad("components", (signal) => get<Page<ComponentItem>>("/v1/components", signal));
  if (error && !value) return <Trouble error={error} what="The components" />;
  if (!value) return <Loading />;
  const chosen = value.items.find((item) => item.name === name);
  return (
    <div class="page page-components">
      <header class="page-head">
        <h1>Components</h1>
        <span class="none">{value.items.length} deployed</span>
      </header>
      {value.items.length === 0 ? (
        <NoComponent />
      ) : (
        <>
          <Graph components={value.items} chosen={name} />
          <div class="component-split">
            <nav class="component-list panel" aria-label="Components">
              {value.items.map((item) => (
                <Link
                  key={item.name}
                  to={componentPath(item.name)}
                  aria-current={item.name === name ? "page" : undefined}
                >
                  <strong>{item.name}</strong>
                  <span class="kind">{item.kind}</span>
                  <span class="number">{size(item.size)}</span>
                </Link>
              ))}
            </nav>
            {chosen ? (
              <Details key={chosen.name} item={chosen} all={value.items} />
            ) : (
              <p class="none pad">{name ? `No component is called ${name}.` : "Choose a component."}</p>
            )}
          </div>
        </>
      )}
    </div>
  );
}

type Version = { digest: string | null; deployed: boolean; unfinished: number; finished: number };
type More = ComponentItem & { wit: string; versions: Version[] };

function Details({ item, all }: { item: ComponentItem; all: ComponentItem[] }): JSX.Element {
  const more = useLoad(item.name, (signal) => get<More>(path("components", item.name), signal));
  const edges = edgesOf(all);
  const calls = edges.filter((edge) => edge.from === item.name).map((edge) => edge.to);
  const callers = edges.filter((edge) => edge.to === item.name).map((edge) => edge.from);
  return (
    <div class="component stack">
      <h2>{item.name}</h2>
      <dl class="facts">
        <div>
          <dt>kind</dt>
          <dd>{item.kind}</dd>
        </div>
        <div>
          <dt>source</dt>
          <dd>
            <code>{item.location}</code>
          </dd>
        </div>
        <div>
          <dt>digest</dt>
          <dd>
            <Digest digest={item.digest} />
          </dd>
        </div>
        <div>
          <dt>size</dt>
          <dd class="number">{size(item.size)}</dd>
        </div>
        <Neighbours label="calls" names={calls} />
        <Neighbours label="called by" names={callers} />
      </dl>
      <Card title="Exports">
        <ul class="plain">
          {item.exports.map((each) => (
            <li key={each.function}>
              <Link to={submitPath(each.function)} title="submit">
                <FunctionName name={each.function} />
              </Link>{" "}
              <Link class="quiet" to={`/executions?function=${encodeURIComponent(each.function)}&children=yes`}>
                executions
              </Link>
              <code class="signature">{each.type}</code>
            </li>
          ))}
        </ul>
      </Card>
      <Imports item={item} all={all} />
      {more.error && !more.value && <Trouble error={more.error} what="The details" />}
      {more.value && <Versions versions={more.value.versions} />}
      {more.value && <Wit text={more.value.wit} item={item} />}
    </div>
  );
}

function Neighbours({ label, names }: { label: string; names: string[] }): JSX.Element {
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        {names.length === 0 ? (
          <span class="none">nothing</span>
        ) : (
          names.map((name) => (
            <span key={name} class="neighbour">
              <ComponentLink name={name} />
            </span>
          ))
        )}
      </dd>
    </div>
  );
}

function Imports({ item, all }: { item: ComponentItem; all: ComponentItem[] }): JSX.Element {
  const exported = new Set(all.flatMap((each) => each.exports.map((one) => one.function)));
  const interfaces = Map.groupBy(item.imports, (imported) => {
    const name = imported.slice(0, imported.indexOf(": "));
    return name.slice(0, name.lastIndexOf("."));
  });
  return (
    <Card title="Imports">
      {interfaces.size === 0 && <p class="none">nothing</p>}
      {[...interfaces].map(([name, imports]) => (
        <details key={name}>
          <summary>
            <code>{name}</code> <span class="number count">{imports.length}</span>
          </summary>
          <ul class="plain">
            {imports.map((imported) => {
              const [full, type] = [
                imported.slice(0, imported.indexOf(": ")),
                imported.slice(imported.indexOf(": ") + 2),
              ];
              const short = full.slice(full.lastIndexOf(".") + 1);
              return (
                <li key={imported}>
                  {exported.has(full) ? <Link to={submitPath(full)}>{short}</Link> : short}{" "}
                  <code class="signature">{type}</code>
                </li>
              );
            })}
          </ul>
        </details>
      ))}
    </Card>
  );
}

function Versions({ versions }: { versions: Version[] }): JSX.Element {
  return (
    <Card title="Executions on each version">
      <table>
        <thead>
          <tr>
            <th scope="col">version</th>
            <th scope="col" class="number">
              unfinished
            </th>
            <th scope="col" class="number">
              finished
            </th>
          </tr>
        </thead>
        <tbody>
          {versions.length === 0 && (
            <tr>
              <td colSpan={3} class="none">
                none yet
              </td>
            </tr>
          )}
          {versions.map(({ digest, deployed, unfinished, finished }) => (
            <tr key={digest}>
              <td>
                {digest ? <Digest digest={digest} /> : "not pinned"} {deployed && <span class="kind">deployed</span>}
              </td>
              <td class="number">
                {digest ? (
                  <Link to={`/executions?digest=${encodeURIComponent(digest)}&children=yes`}>{unfinished}</Link>
                ) : (
                  unfinished
                )}
              </td>
              <td class="number">{finished}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function Wit({ text, item }: { text: string; item: ComponentItem }): JSX.Element {
  const functions = new Set(item.exports.map((each) => each.function));
  return (
    <Card title="WIT">
      <pre class="wit" tabIndex={0} aria-label="WIT of the component">
        {piecesOf(text, functions).map((piece, index) => {
          const key = `${index}`;
          if (piece.kind === "link") {
            return (
              <a key={key} href={`#type-${piece.target}`} class="wit-link">
                {piece.text}
              </a>
            );
          }
          if (piece.kind === "function") {
            return (
              <Link key={key} to={submitPath(piece.target!)} class="wit-function">
                {piece.text}
              </Link>
            );
          }
          if (piece.kind === "plain") return piece.text;
          return (
            <span
              key={key}
              class={`wit-${piece.kind}`}
              id={piece.kind === "declared" ? `type-${piece.target}` : undefined}
            >
              {piece.text}
            </span>
          );
        })}
      </pre>
    </Card>
  );
}
