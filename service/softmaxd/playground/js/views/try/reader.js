// A worker: it reads a table, and gives its rows as JSON, some at a time and only when it is asked for more.

import { asJson, rowOf } from "../../cells.js";
import { layoutOf, Records } from "./csv.js";

/** @typedef {import("../../cells.js").Column} Column */
/** @typedef {{source: Blob | string, columns: Column[], shape: number[]}} Job */
/** @typedef {{names: string[], mark: string}} Head */
/** The rows of a table, and how much of it they end. `json` is empty for a row with a problem.
 * @typedef {{lines: number[], texts: string[], json: string[], problems: string[], share: number, isLast: boolean}} Rows */

const MOST_CHARACTERS = 1_000_000; // of JSON, at a time
const MOST_BYTES = 256 * 2 ** 20;

const page = /** @type {Worker} */ (/** @type {unknown} */ (self));
/** @type {(most: number) => Rows} */
let more;

page.addEventListener("message", async ({ data }) => {
  try {
    if (typeof data === "number") {
      page.postMessage(more(data));
    } else {
      page.postMessage(await open(data));
    }
  } catch (error) {
    page.postMessage({ problem: /** @type {Error} */ (error).message });
  }
});

/**
 * @param {Job} job
 * @returns {Promise<Head>}
 */
async function open({ source, columns, shape }) {
  const records = new Records(typeof source === "string" ? source : await textOf(source));
  let first = records.next();
  if (!first) {
    throw new Error("There are no rows.");
  }
  const { places, names, hasHeader } = layoutOf(first, columns, shape.length > 0);
  if (hasHeader) {
    first = null;
  }
  more = (most) => {
    /** @type {Rows} */
    const rows = { lines: [], texts: [], json: [], problems: [], share: 1, isLast: false };
    let characters = 0;
    while (rows.lines.length < most && characters < MOST_CHARACTERS) {
      const found = first ?? records.next();
      first = null;
      if (!found) {
        rows.isLast = true;
        break;
      }
      const { json, problem } = convert(found, { columns, places, names, shape, mark: records.mark });
      rows.lines.push(found.line);
      rows.texts.push(found.text);
      rows.json.push(json);
      rows.problems.push(problem);
      characters += json.length;
    }
    rows.share = Math.min(1, records.at / records.text.length);
    return rows;
  };
  return { names, mark: records.mark };
}

/** @param {Blob} file */
async function textOf(file) {
  if (file.size > MOST_BYTES) {
    throw new Error("The file is larger than 256 MiB. The command softmaxd predict answers files of any size.");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error("The file is not UTF-8: save the table as CSV in UTF-8.");
  }
}

/**
 * @param {import("./csv.js").Found} found
 * @param {{columns: Column[], places: number[], names: string[], shape: number[], mark: string}} layout
 */
function convert({ cells, problem }, { columns, places, names, shape, mark }) {
  if (problem) {
    return { json: "", problem };
  }
  if (cells.length !== names.length) {
    const hint = cells.length > names.length && mark === "," ? "; a number needs a decimal point, not a comma" : "";
    return { json: "", problem: `it has ${cells.length} values, not ${names.length}${hint}` };
  }
  let at = 0;
  try {
    const values = [];
    for (; at < columns.length; at += 1) {
      values.push(asJson(cells[places[at]], columns[at]));
    }
    return { json: rowOf(values, shape), problem: "" };
  } catch (error) {
    return { json: "", problem: `${columns[at].name}: ${/** @type {Error} */ (error).message}` };
  }
}
