// A table of any number of rows: only those that are seen are elements.

import { colourOf, stack } from "../../charts.js";
import { h, say, set } from "../../dom.js";
import { count, percent, probability } from "../../format.js";
import { UNLIKE } from "../../answer.js";
import { cellsOf } from "./csv.js";

/** @typedef {import("./results.js").Results} Results */
/** @typedef {import("./results.js").Row} Row */

const BEYOND = 6; // rows above and below those that are seen
const MOST_COLUMNS = 12; // of the file

/** How rows are sorted by each column. @type {Record<string, (row: Row) => number>} */
const KEYS = {
  Line: ({ line }) => line,
  Label: ({ best }) => best,
  Probability: ({ p, best }) => p[best],
  Set: (row) => row.set.length,
  Typicality: ({ typicality }) => typicality,
};

export class Grid {
  /**
   * @param {Results} results
   * @param {(row: Row) => void} chosen
   */
  constructor(results, chosen) {
    this.results = results;
    this.chosen = chosen;
    this.sorted = { name: "Line", isDown: false };
    this.filter = "";
    this.order = new Uint32Array(0);
    this.height = 40; // of a row, measured once there is one
    this.names = results.names.slice(0, MOST_COLUMNS);
    const columns = ["Line", "Label", "Probability", ...(results.model.calibration ? ["Set", "Typicality"] : [])];
    this.answers = columns.length - 1;
    this.heads = columns.map((name) => this.head(name));
    this.body = h("tbody");
    this.table = h(
      "table",
      { class: "virtual", "--columns": this.names.length },
      h("colgroup", {}, ...columns.map((name) => h("col", { class: `col-${name.toLowerCase()}` }))),
      h(
        "thead",
        {},
        h("tr", {}, ...this.heads, ...this.names.map((text) => h("th", { scope: "col", text, title: text }))),
      ),
      this.body,
    );
    this.element = h(
      "div",
      { class: "rows", tabindex: "0", role: "region", "aria-label": "The rows and their answers" },
      this.table,
    );
    this.element.addEventListener("scroll", () => this.look());
    this.watch = new ResizeObserver(() => this.look());
    this.watch.observe(this.element);
  }

  /** @param {string} name */
  head(name) {
    const text = name === "Set" ? `${Math.round(100 * Number(this.results.coverage))} % set` : name;
    return h(
      "th",
      { scope: "col", "data-name": name, "aria-sort": name === "Line" ? "ascending" : null },
      h(
        "button",
        { type: "button", class: "quiet", onclick: () => this.sort(name) },
        text,
        h("span", { "aria-hidden": "true" }),
      ),
    );
  }

  /** @param {string} name */
  sort(name) {
    this.sorted = { name, isDown: this.sorted.name === name && !this.sorted.isDown };
    for (const head of this.heads) {
      const isIt = head.dataset.name === name;
      set(head, { "aria-sort": isIt ? (this.sorted.isDown ? "descending" : "ascending") : null });
    }
    this.element.scrollTop = 0;
    this.show();
    say(`Sorted by ${name}, ${this.sorted.isDown ? "descending" : "ascending"}`);
  }

  /** @param {string} filter the index of a class, `problem`, or nothing */
  choose(filter) {
    this.filter = filter;
    this.element.scrollTop = 0;
    this.show();
  }

  /** Show the rows that there are now. Rows with a problem come last in any order but that of the file. */
  show() {
    const { rows } = this.results;
    const { name, isDown } = this.sorted;
    const wanted = Number(this.filter);
    const isSeen = (/** @type {Row} */ { problem, best }) =>
      this.filter === "" || (this.filter === "problem" ? problem !== "" : problem === "" && best === wanted);
    const found = [];
    for (let index = 0; index < rows.length; index += 1) {
      if (isSeen(rows[index])) {
        found.push(index);
      }
    }
    this.order = Uint32Array.from(found);
    if (name !== "Line" || isDown) {
      const keys = Float64Array.from(rows, (row) =>
        row.problem && name !== "Line" ? Infinity : KEYS[name](row) * (isDown ? -1 : 1),
      );
      this.order.sort((one, other) => (keys[one] < keys[other] ? -1 : keys[one] > keys[other] ? 1 : one - other));
    }
    this.look();
  }

  /** Make the rows that are seen. */
  look() {
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / this.height) - BEYOND);
    const to = Math.min(this.order.length, Math.ceil((scrollTop + clientHeight) / this.height) + BEYOND);
    set(this.table, { "aria-rowcount": this.order.length + 1 });
    const made = [];
    for (let place = from; place < to; place += 1) {
      made.push(this.row(this.results.rows[this.order[place]], place));
    }
    const hadFocus = this.body.contains(document.activeElement);
    this.body.replaceChildren(this.space(from), ...made, this.space(this.order.length - to));
    if (hadFocus) {
      this.element.focus({ preventScroll: true });
    }
    this.height = made[0]?.offsetHeight || this.height;
  }

  /** @param {number} rows that are not made */
  space(rows) {
    return h(
      "tr",
      { class: "space", "aria-hidden": "true", "--height": `${Math.max(0, rows) * this.height}px` },
      h("td"),
    );
  }

  /** @param {Row} row @param {number} place */
  row(row, place) {
    const cells = cellsOf(row.text, this.results.mark);
    const show = h("button", {
      type: "button",
      class: "quiet",
      text: count(row.line),
      "aria-label": `Show line ${row.line} as one row`,
      onclick: () => this.chosen(row),
    });
    show.disabled = cells.length !== this.results.names.length;
    return h(
      "tr",
      { "aria-rowindex": place + 2 },
      h("td", { class: "number" }, show),
      ...(row.problem
        ? [h("td", { colspan: this.answers, class: "wrong", text: row.problem, title: row.problem })]
        : this.answer(row)),
      ...this.names.map((_, index) => h("td", { text: cells[index] ?? "", title: cells[index] ?? "" })),
    );
  }

  /** @param {Row} row */
  answer({ best, p, set: labels, typicality }) {
    const { classes, calibration } = this.results.model;
    const name = classes[best];
    const text = labels.join(", ") || "none";
    return [
      h(
        "td",
        { title: name },
        h("span", { class: "dot", "--colour": colourOf(best), "aria-hidden": "true" }),
        ` ${name}`,
      ),
      h(
        "td",
        {},
        h(
          "span",
          { class: "stacked" },
          h("span", { "--stack": stack(p), "aria-hidden": "true" }),
          h("span", { class: "number", text: probability(p[best]) }),
        ),
      ),
      ...(calibration
        ? [
            h("td", { text, title: text }),
            h("td", { class: typicality < UNLIKE ? "number wrong" : "number", text: percent(typicality) }),
          ]
        : []),
    ];
  }
}
