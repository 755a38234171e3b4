// The card of a version, from its manifest, and the service as it runs now.

import { get } from "../api.js";
import { h } from "../dom.js";
import { count } from "../format.js";
import { nameOf, showModels } from "../models.js";
import { keepState } from "../state.js";
import { coverage } from "./model/coverage.js";
import { confusion, figures } from "./model/figures.js";
import { files } from "./model/files.js";
import { origin, routed, unserved, versions } from "./model/origin.js";
import { panel } from "./model/parts.js";
import { reliability, typicality } from "./model/pictures.js";
import { Service } from "./model/service.js";

/** @typedef {import("../api.js").Model} Model */

const NONE = "No model is served. Train one: softmaxd train blobs, or bring your own: softmaxd models add.";

/** @type {import("../main.js").View} */
export async function view(main, values) {
  const service = new Service();
  const asked = { coverage: Number(values.get("coverage")) };
  await showModels(main, {
    title: "A model and its service",
    text: "How well a model did on rows that it had not seen, and how far its answers can be trusted: for rows like those, and no others.",
    none: NONE,
    values,
    fits: () => true,
    fill: async (place, model) => {
      place.append(h("div", { class: "stack" }, ...(await card(model, asked))));
    },
  });
  main.append(...unserved((await get("models")).models), service.element);
  await service.start();
  return () => service.stop();
}

/**
 * Everything about a version.
 * @param {Model} model
 * @param {{coverage: number}} asked the coverage that is shown class by class; 0: the usual one
 */
async function card(model, asked) {
  const { models } = await get("models");
  const keep = () => keepState("model", { model: nameOf(model), coverage: asked.coverage || null });
  const facts = await about(model);
  keep(); // when the version is about to be shown
  return [
    ...facts,
    ...measured(model, asked, keep),
    h("div", { class: "columns even flush" }, origin(model), versions(model, models)),
  ];
}

/**
 * The facts of a version, and its files.
 * @param {Model} model
 */
async function about(model) {
  const { rows } = model.calibration ?? {};
  const { shape } = model.features[0];
  const facts = [
    ["Classes", count(model.classes.length)],
    ["A row", shape.length ? `${shape.join(" × ")} numbers` : `${count(model.features.length)} features`],
    ["Calibration rows", rows ? count(rows) : "none: no prediction sets, no typicality"],
    ["Runs on", (model.provider ?? "").replace("ExecutionProvider", "")],
    ["POST /predict asks it", model.default ? "yes" : "no"],
    ["Pinned", model.pinned ? "yes" : "no"],
    ...routed(model).map((part) => ["Route", part]),
  ];
  return [
    h(
      "section",
      { class: "panel", "aria-label": "About this version" },
      h(
        "dl",
        { class: "facts" },
        ...facts.map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", { text: value }))),
      ),
      model.reason && h("p", { class: "problem", text: `A newer file is not served: ${model.reason}` }),
      await files(model),
    ),
  ];
}

/**
 * Everything that was measured on the test rows.
 * @param {Model} model
 * @param {{coverage: number}} asked
 * @param {() => void} keep
 */
function measured(model, asked, keep) {
  const { evaluation } = model;
  if (!evaluation) {
    const line = `softmaxd models calibrate ${model.name} rows.csv --target label`;
    return [
      panel(
        "Not measured",
        h("p", {
          text: "The manifest has no figures of test rows. With labelled rows, this measures and calibrates the model:",
        }),
        h("pre", { tabindex: "0", text: line }),
      ),
    ];
  }
  return [
    h("div", { class: "columns even flush" }, figures(model), reliability(evaluation)),
    h("div", { class: "columns even flush" }, coverage(model, evaluation, asked, keep), confusion(model, evaluation)),
    typicality(evaluation),
  ];
}
