// Several rows: pasted, dropped or chosen, read by a worker, answered in batches, and shown in a table.

import { columnsOf, shapeOf } from "../../cells.js";
import { h, say, set } from "../../dom.js";
import { UNLIKE } from "../../answer.js";
import { rowAt } from "../../form.js";
import { count, percent } from "../../format.js";
import { cell } from "./csv.js";
import { Grid } from "./grid.js";
import { Results } from "./results.js";
import { Sender } from "./send.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {import("./results.js").Row} Row */

const MOST_ROWS = 250_000;
const MOST_NUMBERS = 10_000_000; // probabilities
const MOST_TYPED = 20_000; // characters that a text field takes without delay
const MOST_LISTED = 5; // problems
const UNREAD = "The part of this page that reads rows did not come. Is the service still running?";
const RED = `A typicality below ${percent(UNLIKE)} is red: the row is unlike the training rows, so do not rely on its label.`;

export class Many {
  /**
   * @param {Model} model
   * @param {() => string} coverage
   * @param {(text: string, results: Results) => void} chosen
   */
  constructor(model, coverage, chosen) {
    this.model = model;
    this.coverage = coverage;
    this.chosen = chosen;
    this.abort = new AbortController();
    this.text = h("textarea", { id: "many", rows: 5, spellcheck: "false", "aria-describedby": "many-help" });
    this.file = h("input", { type: "file", id: "file", accept: ".csv,.tsv,.txt,text/csv", class: "unseen" });
    this.progress = h("progress", { max: 1, value: 0, "aria-label": "Rows answered" });
    this.status = h("span", { class: "muted" });
    this.cancel = h("button", { type: "button", text: "Cancel", onclick: () => this.abort.abort() });
    this.running = h("div", { class: "line", hidden: true }, this.progress, this.cancel);
    this.problem = h("div", { class: "problem", role: "alert" });
    this.filter = h("select", { id: "filter" });
    this.place = h("div");
    this.tools = h(
      "div",
      { class: "line spread", hidden: true },
      h("label", { for: "filter" }, "Show", this.filter),
      h("button", { type: "button", text: "Download as CSV", onclick: () => this.download() }),
    );
    this.element = this.panel();
    this.listen();
  }

  panel() {
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick, kind = "") =>
      h("button", { type: "button", text, onclick, class: kind });
    return h(
      "section",
      { class: "panel many", "aria-label": "Several rows" },
      h("h2", { text: "Several rows" }),
      h("p", { class: "muted", id: "many-help", text: this.help() }),
      h("label", { for: "many", class: "unseen", text: "Rows, pasted" }),
      this.text,
      h(
        "div",
        { class: "line" },
        button("Answer these rows", () => this.run(this.text.value), "primary"),
        this.file,
        h("label", { for: "file", class: "button", text: "Choose a CSV file" }),
        button("Example rows", () => this.example()),
      ),
      this.running,
      h("p", { class: "line" }, this.status),
      this.problem,
      this.tools,
      this.place,
    );
  }

  help() {
    const names = columnsOf(this.model).map(({ name }) => name);
    const listed = names.length > 6 ? `${names.slice(0, 6).join(", ")} …` : names.join(", ");
    return `Paste cells from a spreadsheet, or drop a CSV file on this page. The first line may name the columns (${listed}), in any order and with others beside them; without names they are in this order. Empty cells are missing values, and so are words such as NA, null and ?. The rows go to this service only.`;
  }

  listen() {
    this.text.addEventListener("paste", (event) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (text.length > MOST_TYPED) {
        event.preventDefault(); // a text field would take seconds
        this.run(text);
      } else {
        setTimeout(() => this.run(this.text.value));
      }
    });
    this.file.addEventListener("change", () => {
      const [file] = this.file.files ?? [];
      if (file) {
        this.run(file);
        this.file.value = ""; // the same file may be chosen again
      }
    });
    this.filter.addEventListener("change", () => this.grid?.choose(this.filter.value));
  }

  example() {
    const names = columnsOf(this.model).map(({ name }) => name);
    const isTensor = shapeOf(this.model).length > 0;
    const rows = [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) =>
      rowAt(this.model, share).flatMap((text) => (isTensor ? (text ?? "").split(/\s+/) : [text ?? ""])),
    );
    this.text.value = [names, ...rows].map((cells) => cells.map(cell).join(",")).join("\n");
    this.run(this.text.value);
  }

  /**
   * Answer the rows of a table.
   * @param {Blob | string} source
   */
  async run(source) {
    this.abort.abort();
    const abort = new AbortController();
    this.abort = abort;
    this.problem.replaceChildren();
    this.status.textContent = "";
    this.progress.value = 0;
    this.tools.hidden = true;
    this.place.replaceChildren();
    this.running.hidden = false;
    const reader = new Reader(abort.signal);
    try {
      const columns = columnsOf(this.model);
      const head = await reader.ask({ source, columns, shape: shapeOf(this.model) });
      await this.answer(reader, new Results(this.model, this.coverage(), head), abort.signal);
    } catch (error) {
      if (this.abort === abort) {
        const message = abort.signal.aborted ? "Cancelled." : /** @type {Error} */ (error).message;
        this.problem.prepend(h("p", { text: message }));
      }
    } finally {
      reader.end();
      if (this.abort === abort) {
        this.running.hidden = true;
      }
    }
  }

  /**
   * @param {Reader} reader
   * @param {Results} results
   * @param {AbortSignal} signal
   */
  async answer(reader, results, signal) {
    const sender = new Sender(this.model, results.coverage, signal);
    const grid = new Grid(results, ({ text }) => this.chosen(text, results));
    this.grid = grid;
    this.place.replaceChildren(grid.element, this.model.calibration ? h("p", { class: "muted small", text: RED }) : "");
    this.tools.hidden = false;
    const most = Math.min(MOST_ROWS, Math.floor(MOST_NUMBERS / this.model.classes.length));
    let next = reader.ask(sender.most);
    for (let isLast = false; !isLast; ) {
      const part = await next;
      if (!this.element.isConnected) {
        return this.abort.abort(); // the person has gone to another view
      }
      isLast = part.isLast;
      if (!isLast) {
        next = reader.ask(sender.most); // it reads on while the service answers
        next.catch(() => {}); // told where it is awaited
      }
      try {
        await this.send(sender, part, results);
      } finally {
        this.progress.value = part.share;
        this.tell(results, grid, isLast);
      }
      if (!isLast && results.rows.length >= most) {
        throw new Error(
          `This page takes ${count(most)} rows of this model. The command softmaxd predict answers files of any size.`,
        );
      }
    }
    say(this.status.textContent ?? "");
  }

  /**
   * @param {Sender} sender
   * @param {import("./reader.js").Rows} part
   * @param {Results} results
   */
  async send(sender, { lines, texts, json, problems }, results) {
    const rows = lines.map((line, index) => {
      /** @type {Row} */
      const row = { line, text: texts[index], problem: problems[index], best: -1, p: [], set: [], typicality: NaN };
      return row;
    });
    try {
      await sender.send(json, {
        answered: (row, reply, index) => results.answer(rows[row], reply, index),
        refused: (row, problem) => (rows[row].problem = problem),
        waiting: (seconds) => (this.status.textContent = `The service is busy: trying again in ${seconds} s`),
      });
    } finally {
      for (const row of rows) {
        if (row.problem || row.best >= 0) {
          results.add(row);
        }
      }
    }
  }

  /** @param {Results} results @param {Grid} grid @param {boolean} isLast */
  tell(results, grid, isLast) {
    const answered = results.rows.length - results.problems;
    this.status.textContent = `${rowsOf(answered)} answered${results.problems ? `, ${rowsOf(results.problems)} with a problem` : ""}.`;
    const kept = this.filter.value;
    const options = [["", `all ${rowsOf(results.rows.length)}`]];
    this.model.classes.forEach((name, index) => {
      if (results.counts[index]) {
        options.push([String(index), `${name} (${count(results.counts[index])})`]);
      }
    });
    if (results.problems) {
      options.push(["problem", `with a problem (${count(results.problems)})`]);
    }
    if (results.problems && (isLast || !this.problem.hasChildNodes())) {
      const listed = results.rows.filter(({ problem }) => problem).slice(0, MOST_LISTED);
      const more = results.problems - listed.length;
      const items = listed.map(({ line, problem }) => h("li", { text: `Line ${line}: ${problem}` }));
      this.problem.replaceChildren(
        h("ul", { class: "list" }, ...items, more > 0 && h("li", { text: `and ${count(more)} more` })),
      );
    }
    this.filter.replaceChildren(...options.map(([value, text]) => h("option", { value, text })));
    set(this.filter, { value: options.some(([value]) => value === kept) ? kept : "" });
    grid.show();
  }

  async download() {
    if (this.grid) {
      const url = URL.createObjectURL(await this.grid.results.csv());
      h("a", { href: url, download: `${this.model.name}-answers.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    }
  }
}

/** The worker that reads a table: one question at a time. */
class Reader {
  /** @param {AbortSignal} signal */
  constructor(signal) {
    this.signal = signal;
    this.worker = new Worker(new URL("./reader.js", import.meta.url), { type: "module" });
  }

  /**
   * @param {unknown} question
   * @returns {Promise<any>}
   */
  ask(question) {
    return new Promise((resolve, reject) => {
      this.signal.addEventListener("abort", reject, { once: true });
      this.worker.onmessage = ({ data }) => (data.problem ? reject(new Error(data.problem)) : resolve(data));
      this.worker.onerror = ({ message }) => reject(new Error(message || UNREAD));
      this.worker.postMessage(question);
    });
  }

  end() {
    this.worker.terminate();
  }
}

/** @param {number} number */
function rowsOf(number) {
  return `${count(number)} ${number === 1 ? "row" : "rows"}`;
}
