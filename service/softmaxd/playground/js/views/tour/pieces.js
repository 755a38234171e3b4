// The live pieces of the tour, made of parts of the other views.

import { predict } from "../../answer.js";
import { latest, readyModels } from "../../api.js";
import { h } from "../../dom.js";
import { short } from "../../format.js";
import { nameOf } from "../../models.js";
import { linkTo } from "../../state.js";
import { showScores, stateOf } from "../explorer/answer.js";
import { Bars } from "../explorer/bars.js";
import { Controls } from "../explorer/controls.js";
import { Curves } from "../explorer/curves.js";
import { Steps } from "../explorer/steps.js";
import { isPlane } from "../map/grid.js";
import { Here } from "../map/here.js";
import { seeds } from "../model/origin.js";
import { note, panel } from "../model/parts.js";
import { reliability } from "../model/pictures.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {import("./chapters.js").Chapter} Chapter */
/** @typedef {import("../../dom.js").Child} Child */

/**
 * The live piece of a chapter.
 * @param {Chapter} chapter
 * @returns {Promise<HTMLElement>}
 */
export async function pieceOf(chapter) {
  if (chapter.scores) {
    return scoresPiece(chapter, chapter.scores);
  }
  const models = await readyModels();
  if (chapter.piece === "reliability") {
    const model = models.find(({ name }) => name === "digits") ?? models.find(({ evaluation }) => evaluation);
    return model?.evaluation ? reliabilityPiece(model) : missing("model with figures of test rows");
  }
  const all = models.filter((model) => model.name === "blobs" && isPlane(model));
  const blobs = all.find((model) => model.default) ?? all.at(-1);
  if (!blobs || (chapter.piece === "seeds" && !blobs.provenance)) {
    return missing("model of the article's blobs");
  }
  return chapter.piece === "point" ? pointPiece(blobs) : seedsPiece(blobs);
}

/**
 * @param {Chapter} chapter
 * @param {import("../explorer.js").Scores} scores
 */
async function scoresPiece({ parts = [], tries = [] }, scores) {
  const [bars, curves, steps] = [new Bars(), new Curves(), new Steps()];
  const elements = {
    bars: bars.element,
    curves: curves.element,
    slope: curves.slope,
    steps: panel("Step by step", steps.element),
  };
  const link = h("a", { text: "Open this in the explorer" });
  const { problem, guarded } = watched();
  const update = latest(
    guarded(async (/** @type {import("../explorer.js").Scores} */ now) => {
      link.setAttribute("href", linkTo("explorer", stateOf(now)));
      await showScores(now, controls.moved, { bars, curves, steps });
    }),
  );
  const controls = new Controls(scores, update);
  await controls.tell();
  const buttons = tries.map(([text, change]) =>
    h("button", {
      type: "button",
      text,
      onclick: () => controls.put({ ...controls.scores, ...change(controls.scores) }),
    }),
  );
  const beside = parts.filter((part) => part !== "steps").map((part) => elements[part]);
  return live([...buttons, link], problem, controls.element, beside, parts.includes("steps") && elements.steps);
}

/** @param {Model} model */
async function pointPiece(model) {
  const here = new Here(model);
  const link = h("a", { text: "Open this on the map" });
  const { problem, guarded } = watched();
  const fields = model.features.map(({ name, min, max }, index) => {
    const field = h("input", {
      type: "range",
      id: `at-${index}`,
      min: Math.floor(min ?? 0) - 10,
      max: Math.ceil(max ?? 0) + 200,
      step: 0.5,
    });
    field.addEventListener("input", () => update());
    return { name, field };
  });
  const update = latest(
    guarded(async () => {
      const [x, y] = fields.map(({ field }) => field.valueAsNumber);
      link.setAttribute("href", linkTo("map", { model: nameOf(model), at: `${x},${y}` }));
      here.show([x, y], await predict(model, [[x, y]]));
    }),
  );
  /** @param {number[]} point */
  const put = (point) => {
    fields.forEach(({ field }, index) => {
      field.value = String(point[index]);
    });
    return update();
  };
  const buttons = /** @type {[string, number[]][]} */ ([
    ["In a cloud", [15, 0]],
    ["Between two", [22.5, 15]],
    ["Far away", [15, 200]],
  ]).map(([text, point]) => h("button", { type: "button", text, onclick: () => put(point) }));
  await put([15, 0]);
  const sliders = panel(
    "The point",
    ...fields.map(({ name, field }) => h("div", {}, h("label", { for: field.id, text: name }), field)),
    note("Far away the softmax is as sure as in a cloud. Only the typicality says that no training row is near."),
  );
  return live([...buttons, link], problem, sliders, [here.element]);
}

/** @param {Model} model */
function seedsPiece(model) {
  const { seed, seeds: all } = model.provenance ?? { seeds: [] };
  const link = h("a", { href: linkTo("model", { model: nameOf(model) }), text: "Open all figures of the model" });
  const part = panel(
    `${all.length} runs of the same network`,
    seeds(all),
    note(
      `Seed ${seed} has the lowest validation loss, so it is the one that is served. Its loss after calibration is ${short(model.metrics.test_loss, 4)}.`,
    ),
  );
  return live([link], null, part);
}

/** @param {Model} model */
function reliabilityPiece(model) {
  const link = h("a", { href: linkTo("model", { model: nameOf(model) }), text: `Open all figures of ${model.name}` });
  const map = h("a", { href: linkTo("map", { model: "blobs", at: "15,200" }), text: "See a row unlike all others" });
  return live([link, map], null, reliability(model.evaluation ?? {}));
}

/** @param {string} kind */
function missing(kind) {
  return h("p", { class: "panel", text: `No ${kind} is served. This makes one: softmaxd train blobs` });
}

/**
 * @param {Child[]} line
 * @param {Child} problem
 * @param {HTMLElement} first
 * @param {HTMLElement[]} [beside]
 * @param {Child} [below]
 */
function live(line, problem, first, beside = [], below = null) {
  const parts = beside.length
    ? h("div", { class: "columns flush" }, first, h("div", { class: "stack" }, ...beside))
    : first;
  return h("div", { class: "stack" }, h("div", { class: "line flush" }, ...line), problem, parts, below);
}

/** A place for the service's refusals, and a guard that puts them there. */
function watched() {
  const problem = h("p", { class: "problem", role: "alert" });
  /**
   * @template {any[]} Arguments
   * @param {(...given: Arguments) => Promise<void>} run
   * @returns {(...given: Arguments) => Promise<void>}
   */
  const guarded =
    (run) =>
    async (...given) => {
      try {
        await run(...given);
        problem.textContent = "";
      } catch (error) {
        problem.textContent = /** @type {Error} */ (error).message;
      }
    };
  return { problem, guarded };
}
