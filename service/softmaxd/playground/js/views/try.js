// Try a model: one row by a form, or many by a table.

import { AnswerPanel } from "../answer.js";
import { curl, latest, pathOf, post } from "../api.js";
import { isMissing } from "../cells.js";
import { codeLine, h, say, set } from "../dom.js";
import { Form, rowAt, valuesOf } from "../form.js";
import { nameOf, showModels } from "../models.js";
import { keepState, linkTo } from "../state.js";
import { cellsOf, layoutOf } from "./try/csv.js";
import { Many } from "./try/many.js";
import { bodyOf, fieldsOf } from "./try/send.js";

/** @typedef {import("../api.js").Model} Model */

const COVERAGES = ["0.8", "0.9", "0.95", "0.99"];
const USUAL = "0.95";
const MOST_KEPT = 20_000; // characters of a row in the URL

/** @type {import("../main.js").View} */
export function view(main, values) {
  return showModels(main, {
    title: "Try a model",
    text: "Give it a row, or a table of them, and see what it says and how far to trust it.",
    none: "No model is served now. Start the service with a folder of models, or add one: softmaxd models add.",
    values,
    fits: () => true,
    fill: async (place, model, given) => {
      const trial = new Trial(model, given);
      await trial.update();
      place.append(...trial.elements);
    },
  });
}

/** One model that is tried. */
class Trial {
  /** @param {Model} model @param {URLSearchParams} values of the URL */
  constructor(model, values) {
    this.model = model;
    this.update = latest(() => this.ask());
    this.coverage = h(
      "select",
      { id: "coverage" },
      ...COVERAGES.map((value) => h("option", { value, text: `${Math.round(100 * Number(value))} %` })),
    );
    this.coverage.value = COVERAGES.find((each) => each === values.get("coverage")) ?? USUAL;
    this.coverage.addEventListener("change", this.update);
    this.form = new Form(model, this.update);
    this.form.put(valuesOf(values.get("row")) ?? rowAt(model, 0.5));
    this.answer = new AnswerPanel(model, "Answer");
    this.why = h("a", { text: "Why this answer?" });
    if (!this.form.shape.length) {
      this.answer.element.append(h("p", {}, this.why));
    }
    this.line = codeLine("The same request for a shell");
    const many = new Many(
      model,
      () => this.coverage.value,
      (text, results) => {
        this.put(text, results);
        this.form.focus();
      },
    );
    this.elements = [
      model.calibration &&
        h("p", { class: "line" }, h("label", { for: "coverage" }, "Coverage of prediction sets", this.coverage)),
      h("div", { class: "columns" }, this.form.element, this.answer.element),
      h("section", { class: "panel" }, h("h2", { text: "The same from a shell" }), this.line.element),
      many.element,
    ].filter((each) => each !== null);
  }

  async ask() {
    const json = this.form.read();
    if (json === "") {
      return this.grey(true);
    }
    const coverage = this.coverage.value;
    this.keep(coverage);
    const path = pathOf(this.model, "predict");
    const body = bodyOf([json], fieldsOf(this.model, coverage));
    try {
      this.answer.coverage = Number(coverage);
      this.answer.show(await post(path, body));
      say(this.answer.verdict.textContent ?? "");
      this.form.problem.textContent = "";
      this.grey(false);
    } catch (error) {
      this.grey(true);
      this.form.tell(/** @type {Error} */ (error));
    }
    this.line.show(curl(path, body));
  }

  /**
   * Keep the row in the URL.
   * @param {string} coverage
   */
  keep(coverage) {
    const row = JSON.stringify(this.form.values);
    const state = { model: nameOf(this.model), row: row.length > MOST_KEPT ? null : row };
    set(this.why, { href: linkTo("why", state) });
    const isUsual = coverage === USUAL || !this.model.calibration;
    keepState("try", { ...state, coverage: isUsual ? null : coverage });
  }

  /**
   * An answer that is not of the row in the form is grey.
   * @param {boolean} isOld
   */
  grey(isOld) {
    this.answer.element.classList.toggle("old", isOld);
    if (isOld) {
      this.answer.verdict.textContent = "Mend the row first.";
    }
  }

  /**
   * Put a row of a table into the form.
   * @param {string} text
   * @param {import("./try/results.js").Results} results
   */
  put(text, { names, mark }) {
    const { columns, shape } = this.form;
    const first = { line: 1, text: "", cells: names, problem: "" };
    const { places } = layoutOf(first, columns, shape.length > 0);
    const cells = cellsOf(text, mark);
    const values = places.map((at, index) => (isMissing(cells[at], columns[index]) ? null : cells[at]));
    this.form.put(shape.length ? [values.join(" ")] : values);
    this.update();
  }
}
