// The choice of a model: the views that need one share it.

import { latest, readyModels } from "./api.js";
import { h } from "./dom.js";

/** @typedef {import("./api.js").Model} Model */

/**
 * The models that a view can show, and the one that the URL names, or else the service's default, or else the first.
 * @param {URLSearchParams} values of the URL: `model` is a name, or `name/version`
 * @param {(model: Model) => boolean} [fits]
 * @returns {Promise<{models: Model[], chosen: Model | undefined}>}
 */
export async function modelsFor(values, fits = () => true) {
  const models = (await readyModels()).filter(fits);
  const wanted = values.get("model");
  const chosen =
    models.find((model) => wanted === nameOf(model) || wanted === model.name) ??
    models.find((model) => model.default) ??
    models[0];
  return { models, chosen };
}

/**
 * The name of a version, as it stands in the URL.
 * @param {Model} model
 */
export function nameOf(model) {
  return `${model.name}/${model.version}`;
}

/**
 * A field to choose among models.
 * @param {Model[]} models
 * @param {Model} chosen
 * @param {(model: Model) => void} changed
 */
export function picker(models, chosen, changed) {
  const options = models.map((model) =>
    h("option", { value: nameOf(model), selected: model === chosen, text: `${model.name}, version ${model.version}` }),
  );
  const field = h("select", { id: "model" }, ...options);
  field.addEventListener("change", () => changed(models[field.selectedIndex]));
  return h("label", { for: "model" }, "Model", field);
}

/**
 * Fill a view that is about one model at a time: a heading, the choice among the models that fit, and the rest, which
 * `fill` makes again for another model. `fill` may return a function that ends whatever it has started, and so does
 * this.
 * @param {HTMLElement} main
 * @param {{title: string, text: string, none: string, values: URLSearchParams, fits: (model: Model) => boolean,
 *   fill: (place: HTMLElement, model: Model, values: URLSearchParams) => Promise<void | (() => void)>}} about `none`
 *   says why there is no model, and how to get one
 */
export async function showModels(main, { title, text, none, values, fits, fill }) {
  const { models, chosen } = await modelsFor(values, fits);
  main.append(h("h1", { text: title }), h("p", { class: "muted", text }));
  if (chosen === undefined) {
    main.append(h("p", { class: "panel", text: none }));
    return undefined;
  }
  const place = h("div");
  const change = latest(async (/** @type {Model} */ model) => {
    const filled = h("div");
    const next = await fill(filled, model, new URLSearchParams());
    end?.();
    end = next;
    place.replaceChildren(...filled.childNodes);
  });
  let end = await fill(place, chosen, values);
  main.append(h("div", { class: "line" }, picker(models, chosen, change)), place);
  return () => end?.();
}
