/** The beginning: what the first page needs is asked for at once, and then it is drawn. */

import { render } from "preact";
import "./style/base.css"; // before what pages import, which refines it
import "./style/shell.css";
import "./style/parts.css";
import { filtersOf, listPath } from "./pages/executions/filters.ts";
import { CurrentPage, isOther, loadOthers } from "./pages/pages.tsx";
import { type Place, here } from "./router.tsx";
import { Shell, applyTheme } from "./shell.tsx";
import { askAhead, path } from "./wire/client.ts";
import { learnRights } from "./wire/rights.ts";
import { pause } from "./wire/waiting.ts";

/** So long the first picture waits for what it is to show: drawing twice takes longer. */
const FIRST_PICTURE_MS = 100;
/** When the first page has drawn what it has, and the rest of the code does not slow it down any more. */
const OTHERS_AFTER_MS = 1_000;

/** The request that the page of this address begins with; `FIRST_LIST` and `FIRST_ONE` of the server's `pages.py`. */
function firstRequest({ path: [page = "executions", name], query }: Place): string | null {
  if (page !== "executions") return null;
  return name === undefined ? listPath(filtersOf(query)) : path("executions", name);
}

const ignored = (): undefined => undefined;

applyTheme();
const place = here();
const first = firstRequest(place);
const asked = first === null ? null : Promise.race([askAhead(first), pause(FIRST_PICTURE_MS)]);
const code = isOther(place) ? loadOthers().catch(ignored) : null; // the page says what is wrong
await learnRights();
await Promise.all([asked, code]);
render(
  <Shell>
    <CurrentPage />
  </Shell>,
  document.getElementById("app")!,
);
await pause(OTHERS_AFTER_MS);
await loadOthers().catch(ignored);
