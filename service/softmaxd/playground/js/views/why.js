// Why this answer: how the probabilities of a row move as each of its features moves.

import { AnswerPanel, predict } from "../answer.js";
import { get, latest, pathOf } from "../api.js";
import { colourOf, legend } from "../charts.js";
import { h, say } from "../dom.js";
import { Form, rowAt, valuesOf } from "../form.js";
import { nameOf, showModels } from "../models.js";
import { keepState } from "../state.js";
import { Card, kindOf } from "./why/card.js";
import { effectsOf, MOST_MOVES, movesOf, rowsOf } from "./why/moves.js";

/** @typedef {import("../api.js").Model} Model */
/** @typedef {import("./why/moves.js").Effect} Effect */
/** @typedef {import("./why/moves.js").Value} Value */

const MOST_CURVES = 8; // classes
const SEEN = 0.05; // a class that never gets as probable has no curve
const PAPER = "https://doi.org/10.1080/10618600.2014.907095";

/** @type {import("../main.js").View} */
export function view(main, values) {
  return showModels(main, {
    title: "Why this answer?",
    text: "Each feature of a row moves over its range while the others stay. Where the curves are steep, the answer hangs on it.",
    none: "No served model has features of single values. softmaxd train table makes one of your own table, and softmaxd models add takes yours.",
    values,
    fits: ({ features }) => features.every(({ shape }) => shape.length === 0),
    fill: async (place, model, given) => {
      const { sample } = await get(pathOf(model, "manifest"));
      const reasons = new Reasons(model, given, sample);
      await reasons.update();
      place.append(reasons.element);
    },
  });
}

/** The answer for one row of a model, and its moves. */
class Reasons {
  /**
   * @param {Model} model
   * @param {URLSearchParams} values of the URL
   * @param {{rows: number[][], classes: number[]} | null | undefined} sample of the training rows, if the model has one
   */
  constructor(model, values, sample) {
    this.model = model;
    this.sample = sample;
    this.tell = latest(() => this.update());
    this.isSorted = false;
    this.form = new Form(model, () => this.restart());
    this.form.put(valuesOf(values.get("row")) ?? rowAt(model, 0.5));
    this.answer = new AnswerPanel(model, "Answer");
    this.key = h("div");
    this.cards = model.features.slice(0, MOST_MOVES).map(
      ({ name }, index) =>
        new Card(name, model.classes, (text) => {
          this.form.fields[index].put(text);
          this.tell();
        }),
    );
    this.gallery = h("div", { class: "gallery" });
    this.unmoved = h("p", { class: "muted" });
    this.element = this.laidOut();
  }

  laidOut() {
    const more = this.model.features.length - MOST_MOVES;
    return h(
      "div",
      {},
      this.examples(),
      h("div", { class: "columns" }, this.form.element, this.answer.element),
      h(
        "section",
        { "aria-labelledby": "moves" },
        h("h2", { id: "moves", text: "As one feature moves" }),
        h(
          "p",
          {},
          h("strong", { text: "A picture of the model, not of the world. " }),
          "It does not say what would happen if you changed something. The other features stay as they are, so some of these rows may never occur. Features that move the answer most come first (",
          h("a", { href: PAPER, text: "individual conditional expectation, 2015" }),
          ").",
        ),
        more > 0 &&
          h("p", { class: "muted", text: `The first ${MOST_MOVES} features are moved, the other ${more} are not.` }),
        this.key,
        this.gallery,
        this.unmoved,
      ),
    );
  }

  /** Buttons of rows to begin with: the middle of the ranges, and a training row of each class. */
  examples() {
    const { classes } = this.model;
    const button = (/** @type {string} */ text, /** @type {(string | null)[]} */ row) =>
      h("button", {
        type: "button",
        text,
        onclick: () => {
          this.form.put(row);
          this.restart();
        },
      });
    const rows = classes.slice(0, MOST_CURVES).flatMap((name, index) => {
      const row = this.sample?.rows[this.sample.classes.indexOf(index)];
      return row ? [button(`A training row of ${name}`, row.map(String))] : [];
    });
    const middle = button("The middle of the ranges", rowAt(this.model, 0.5));
    return h("div", { class: "line", role: "group", "aria-label": "Examples" }, middle, ...rows);
  }

  /** After a change in the form, the features are sorted again; while a slider moves, they keep their places. */
  restart() {
    this.isSorted = false;
    return this.tell();
  }

  async update() {
    const json = this.form.read();
    if (json === "") {
      return this.grey(true);
    }
    /** @type {Value[]} */
    const row = JSON.parse(json);
    this.keep();
    const moves = movesOf(this.model, row);
    try {
      const reply = await predict(this.model, rowsOf(row, moves));
      this.form.problem.textContent = "";
      this.grey(false);
      this.show(row, effectsOf(moves, reply), reply);
      say(this.answer.verdict.textContent ?? "");
    } catch (error) {
      this.grey(true);
      this.form.tell(/** @type {Error} */ (error));
    }
  }

  /**
   * Answers that are not of the row in the form are grey.
   * @param {boolean} isOld
   */
  grey(isOld) {
    for (const element of [this.answer.element, this.gallery]) {
      element.classList.toggle("old", isOld);
    }
    if (isOld) {
      this.answer.verdict.textContent = "Mend the row first.";
    }
  }

  /** Keep the row in the URL, as the view Try has it. */
  keep() {
    keepState("why", { model: nameOf(this.model), row: JSON.stringify(this.form.values) });
  }

  /**
   * @param {Value[]} row
   * @param {Effect[]} effects
   * @param {import("../api.js").PredictReply} reply
   */
  show(row, effects, reply) {
    this.answer.show(reply);
    const highest = this.model.classes.map((_, index) => Math.max(...reply.probabilities.map((p) => p[index])));
    const shown = [...highest.keys()]
      .filter((index) => highest[index] >= SEEN)
      .sort((one, other) => highest[other] - highest[one])
      .slice(0, MOST_CURVES)
      .sort((one, other) => one - other);
    this.key.replaceChildren(this.legend(shown));
    for (const effect of effects) {
      this.cards[effect.index].show(effect, row[effect.index], reply.probabilities[0], shown);
    }
    const moved = new Set(effects.map(({ index }) => index));
    const rest = this.model.features.slice(0, MOST_MOVES).filter((_, index) => !moved.has(index));
    this.unmoved.textContent = rest.length
      ? `Not moved: ${rest.map(({ name }) => name).join(", ")}. Any text is possible there.`
      : "";
    if (!this.isSorted) {
      this.isSorted = true;
      const sorted = [...effects].sort((one, other) => other.high - other.low - (one.high - one.low));
      this.gallery.replaceChildren(...sorted.map(({ index }) => this.cards[index].element));
    }
  }

  /** @param {number[]} shown */
  legend(shown) {
    const list = legend(
      shown.map((index) => ({ name: this.model.classes[index], colour: colourOf(index), kind: kindOf(index) })),
    );
    const { length } = this.model.classes;
    list.append(
      ...(this.model.calibration ? [h("li", {}, h("span", { class: "unlike" }), "unlike the training rows")] : []),
      ...(shown.length < length
        ? [h("li", { class: "muted", text: `${length - shown.length} of ${length} classes are not probable anywhere` })]
        : []),
    );
    return list;
  }
}
