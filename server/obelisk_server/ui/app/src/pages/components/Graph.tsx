/** Who calls whom, drawn. */

import type { JSX } from "preact";
import { componentPath, Link } from "../../router.tsx";
import type { ComponentItem } from "../../wire/shapes.ts";
import { type Placed, graphOf } from "./graph.ts";

const BOX = { width: 150, height: 30, gap: 90, line: 40, margin: 4 };
const NAME_SHOWN = 19;

function left(node: Placed): number {
  return BOX.margin + node.column * (BOX.width + BOX.gap);
}

function middle(node: Placed): number {
  return BOX.margin + node.row * BOX.line + BOX.height / 2;
}

export function Graph({
  components,
  chosen,
}: {
  components: ComponentItem[];
  chosen: string | undefined;
}): JSX.Element | null {
  const { nodes, edges, columns, rows } = graphOf(components);
  if (edges.length === 0) return null;
  const places = new Map(nodes.map((node) => [node.name, node]));
  const width = columns * (BOX.width + BOX.gap) - BOX.gap + 2 * BOX.margin;
  const height = rows * BOX.line + 2 * BOX.margin;
  return (
    <figure class="graph panel" tabIndex={0} aria-label="Who calls whom">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
        {edges.map(({ from, to, functions }) => {
          const [a, b] = [places.get(from)!, places.get(to)!];
          const [x, y] = [left(a) + BOX.width, left(b)];
          const bend = Math.max(30, Math.abs(y - x) / 2);
          return (
            <path
              key={`${from} ${to}`}
              class={from === chosen || to === chosen ? "edge chosen" : "edge"}
              d={`M${x},${middle(a)}C${x + bend},${middle(a)} ${y - bend},${middle(b)} ${y - 5},${middle(b)}`}
            >
              <title>{`${from} calls ${functions.join(", ")}`}</title>
            </path>
          );
        })}
        {nodes.map((node) => (
          <Link key={node.name} to={componentPath(node.name)} aria-label={node.name}>
            <rect
              class={node.name === chosen ? "node chosen" : "node"}
              x={left(node)}
              y={middle(node) - BOX.height / 2}
              width={BOX.width}
              height={BOX.height}
              rx={6}
            />
            <text x={left(node) + BOX.width / 2} y={middle(node) + 4} text-anchor="middle">
              {node.name.length > NAME_SHOWN ? node.name.slice(0, NAME_SHOWN - 1) + "…" : node.name}
            </text>
          </Link>
        ))}
      </svg>
      <figcaption class="visually-hidden">{edges.map(({ from, to }) => `${from} calls ${to}`).join("; ")}</figcaption>
    </figure>
  );
}
