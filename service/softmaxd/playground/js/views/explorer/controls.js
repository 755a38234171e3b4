// The logits as sliders and number fields, the classes' names, the true class, and the temperature.

import { h, say, set } from "../../dom.js";
import { colourOf } from "../../charts.js";

/** @typedef {import("../explorer.js").Scores} Scores */

export const MOST_CLASSES = 12;
export const MOST_LETTERS = 40; // of a name
const REACH = 10; // of a slider, unless a logit is farther out

export class Controls {
  /**
   * @param {Scores} scores
   * @param {(scores: Scores) => Promise<void>} changed
   */
  constructor(scores, changed) {
    this.changed = changed;
    this.moved = scores.target; // the class whose logit the curves move
    this.rows = h("div", { class: "stack" });
    this.add = h("button", { type: "button", text: "Add a class", onclick: () => this.put(this.withOneMore()) });
    this.temperature = h("input", {
      type: "range",
      id: "t",
      min: -2,
      max: 2,
      step: 0.01,
      "aria-describedby": "t-help",
    });
    this.temperatureNumber = h("input", {
      type: "number",
      min: 0.01,
      step: "any",
      "aria-label": "Temperature, as a number",
      class: "narrow",
    });
    this.element = h(
      "form",
      { class: "panel stack", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h("fieldset", {}, h("legend", { text: "Logits" }), this.rows, h("p", { class: "line" }, this.add)),
      h(
        "div",
        {},
        h("div", { class: "line spread" }, h("label", { for: "t", text: "Temperature" }), this.temperatureNumber),
        this.temperature,
        h("p", {
          class: "muted small",
          id: "t-help",
          text: "Logits are divided by it: below 1 the answer is surer, above 1 less sure. The order never changes.",
        }),
      ),
    );
    this.temperature.addEventListener("input", () => this.setTemperature(10 ** this.temperature.valueAsNumber));
    this.temperatureNumber.addEventListener("input", () => this.takeTemperature());
    this.scores = scores;
    this.put(scores, false);
  }

  /** Tell the scores to whoever shows them. */
  tell() {
    return this.changed(structuredClone(this.scores));
  }

  /**
   * Show other scores.
   * @param {Scores} scores
   */
  put(scores, isTold = true) {
    this.scores = structuredClone(scores);
    this.moved = scores.target;
    const { logits } = this.scores;
    this.low = Math.min(-REACH, Math.floor(Math.min(...logits)));
    this.high = Math.max(REACH, Math.ceil(Math.max(...logits)));
    this.rows.replaceChildren(...logits.map((_, index) => this.row(index)));
    this.add.disabled = logits.length >= MOST_CLASSES;
    this.setTemperature(this.scores.temperature, false);
    if (isTold) {
      this.tell();
    }
  }

  /**
   * The controls of one class.
   * @param {number} index
   */
  row(index) {
    const { logits, target } = this.scores;
    const name = () => this.scores.names[index];
    const slider = h("input", {
      type: "range",
      min: this.low,
      max: this.high,
      step: 0.01,
      value: logits[index],
      "aria-label": `Logit of ${name()}`,
    });
    const number = h("input", {
      type: "number",
      step: "any",
      value: logits[index],
      "aria-label": `Logit of ${name()}, as a number`,
      class: "narrow",
    });
    const radio = h("input", { type: "radio", name: "target", "aria-label": `${name()} is the true class` });
    radio.checked = index === target;
    const label = h("input", { value: name(), "aria-label": `Name of class ${index}`, maxlength: MOST_LETTERS });
    slider.addEventListener("input", () => {
      number.value = String(slider.valueAsNumber);
      this.setLogit(index, slider.valueAsNumber, number);
    });
    number.addEventListener("input", () => {
      slider.value = number.value;
      this.setLogit(index, number.valueAsNumber, number);
    });
    radio.addEventListener("change", () => {
      this.scores.target = this.moved = index;
      this.tell();
    });
    label.addEventListener("input", () => {
      this.scores.names[index] = label.value.replaceAll("|", "/") || `class ${index}`;
      this.tell();
    });
    const remove = h("button", {
      type: "button",
      class: "quiet",
      "aria-label": `Remove ${name()}`,
      text: "×",
      onclick: () => this.remove(index),
    });
    remove.disabled = logits.length === 1;
    return h(
      "div",
      { class: "logit" },
      h("span", { class: "dot", "--colour": colourOf(index), "aria-hidden": "true" }),
      label,
      number,
      slider,
      h("label", { title: "The true class, for the loss" }, radio, h("span", { class: "small", text: "true" })),
      remove,
    );
  }

  /**
   * @param {number} index
   * @param {number} value
   * @param {HTMLInputElement} field
   */
  setLogit(index, value, field) {
    const isNumber = Number.isFinite(value);
    set(field, { "aria-invalid": isNumber ? null : "true" });
    if (isNumber) {
      this.scores.logits[index] = value;
      this.moved = index;
      this.tell();
    } else {
      say("A logit must be a number");
    }
  }

  takeTemperature() {
    const value = this.temperatureNumber.valueAsNumber;
    const isRight = Number.isFinite(value) && value > 0;
    set(this.temperatureNumber, { "aria-invalid": isRight ? null : "true" });
    if (isRight) {
      this.temperature.value = String(Math.log10(value));
      this.scores.temperature = value;
      this.tell();
    } else {
      say("A temperature must be a number above 0");
    }
  }

  /**
   * @param {number} value
   * @param {boolean} [isTold]
   */
  setTemperature(value, isTold = true) {
    this.scores.temperature = Number(value.toPrecision(3));
    this.temperatureNumber.value = String(this.scores.temperature);
    set(this.temperatureNumber, { "aria-invalid": null });
    this.temperature.value = String(Math.log10(value));
    if (isTold) {
      this.tell();
    }
  }

  /** @param {number} index */
  remove(index) {
    const { names, logits, temperature, target } = this.scores;
    const without = (/** @type {any[]} */ list) => list.filter((_, other) => other !== index);
    say(`Removed ${names[index]}`);
    this.put({
      names: without(names),
      logits: without(logits),
      temperature,
      target: target > index || target === logits.length - 1 ? Math.max(target - 1, 0) : target,
    });
    this.add.focus();
  }

  /** @returns {Scores} */
  withOneMore() {
    const { names, logits, temperature, target } = this.scores;
    return { names: [...names, `class ${names.length}`], logits: [...logits, 0], temperature, target };
  }
}
