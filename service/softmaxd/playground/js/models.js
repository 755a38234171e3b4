// The choice of a model: the views that need one share it.

import { get, latest } from "./api.js";
import { h } from "./dom.js";

/** @typedef {import("./api.js").Model} Model */

/**
 * The models that a view can show, and the one that the URL names, or else the service's default, or else the first.
 * @param {URLSearchParams} values of the URL: `model` is a name, or `name/version`
 * @param {(model: Model) => boolean} [fits]
 * @returns {Promise<{models: Model[], chosen: Model | undefined, missed: string}>} `missed` says why it is another one
 */
export async function modelsFor(values, fits = () => true) {
  /** @type {Model[]} */
  const all = (await get("models")).models;
  const models = all.filter((model) => model.state === "ready" && fits(model));
  const wanted = values.get("model") ?? "";
  const named = wanted === "" ? undefined : among(models, wanted);
  const [name] = wanted.split("/");
  const chosen = named ?? among(models, name) ?? models.find((model) => model.default) ?? models[0];
  return { models, chosen, missed: wanted && !named ? why(wanted, among(all, wanted)) : "" };
}

/**
 * The model of a name, or of a name and a version. The pinned version answers for a name, or else the highest.
 * @param {Model[]} models
 * @param {string} wanted
 */
function among(models, wanted) {
  const versions = models.filter(({ name }) => name === wanted);
  return models.find((model) => nameOf(model) === wanted) ?? versions.find(({ pinned }) => pinned) ?? versions.at(-1);
}

/**
 * Why a model is not shown.
 * @param {string} wanted
 * @param {Model | undefined} found
 */
function why(wanted, found) {
  if (found === undefined) {
    return `There is no model ${wanted} here.`;
  }
  return found.state === "ready"
    ? `${wanted} is no model for this view.`
    : `${wanted} is ${found.state}: ${found.reason.replace(/\.?$/, ".")}`;
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
  const { models, chosen, missed } = await modelsFor(values, fits);
  const problem = h("p", { class: "problem", role: "status", text: missed });
  main.append(h("h1", { text: title }), h("p", { class: "muted", text }), problem);
  if (chosen === undefined) {
    main.append(h("p", { class: "panel", text: none }));
    return undefined;
  }
  const place = h("div");
  const change = latest(async (/** @type {Model} */ model) => {
    const filled = h("div");
    try {
      const next = await fill(filled, model, new URLSearchParams());
      end?.();
      end = next;
      place.replaceChildren(...filled.childNodes);
      problem.textContent = "";
    } catch (error) {
      problem.textContent = `${nameOf(model)} could not be shown: ${/** @type {Error} */ (error).message}`;
    }
  });
  problem.textContent &&= `${missed} This is ${nameOf(chosen)}.`;
  let end = await fill(place, chosen, missed ? new URLSearchParams() : values);
  main.append(h("div", { class: "line" }, picker(models, chosen, change)), place);
  return () => end?.();
}
