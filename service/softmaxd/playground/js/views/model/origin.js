// Where a version comes from, and its other versions.

import { h } from "../../dom.js";
import { count, percent, short } from "../../format.js";
import { linkTo } from "../../state.js";
import { note, panel, table } from "./parts.js";

/** @typedef {import("../../api.js").Model} Model */

/** @param {Model} model */
export function origin({ provenance, sha256, notes }) {
  const facts = [["SHA-256 of the file", sha256 ?? ""]];
  if (provenance) {
    const list = (/** @type {Record<string, any>} */ of) =>
      Object.entries(of)
        .map(([name, value]) => `${name} ${typeof value === "number" ? count(value) : value}`)
        .join(", ");
    facts.unshift(
      ["Command", provenance.command],
      ["Created", provenance.created.replace("T", " ").replace("+00:00", " UTC")],
      ["Rows", list(provenance.rows)],
      ["Seed, of the data", `${provenance.seed}, ${provenance.data_seed}`],
      ["SHA-256 of the data", provenance.data_sha256],
      ["Packages", list(provenance.packages)],
    );
  }
  return panel(
    "Where it comes from",
    h(
      "dl",
      { class: "facts long" },
      ...facts.map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", { text: value }))),
    ),
    provenance?.seeds.length > 1 &&
      h(
        "details",
        {},
        h("summary", { text: `The same network from ${provenance?.seeds.length} seeds: its spread` }),
        seeds(provenance?.seeds),
      ),
    notes.length > 0 && h("ul", {}, ...notes.map((text) => h("li", { text }))),
    !provenance && note("The manifest does not say how the model was made."),
  );
}

/** @param {{seed: number, validation_loss: number, test_loss: number, test_accuracy: number}[]} all */
export function seeds(all) {
  const rows = all.map((each) => [
    String(each.seed),
    short(each.validation_loss, 4),
    short(each.test_loss, 4),
    percent(each.test_accuracy),
  ]);
  return table("Results by seed", ["Seed", "Validation loss", "Test loss", "Accuracy"], rows);
}

/**
 * The parts of a version in the route of its model, in words.
 * @param {Model} model
 */
export function routed({ share, shadow }) {
  const answers = share > 0 && share < 1 ? [`answers ${percent(share)} of the requests`] : [];
  return shadow ? [...answers, "runs beside as a shadow"] : answers;
}

/**
 * All versions of the same name.
 * @param {Model} model
 * @param {Model[]} all
 */
export function versions(model, all) {
  const rows = all
    .filter((each) => each.name === model.name)
    .map((each) => {
      const marks = [
        each.state,
        each.default && "default",
        each.pinned && "pinned",
        ...routed(each),
        each.version === model.version && "shown",
      ];
      const isLink = each.state === "ready";
      return [
        isLink
          ? h("a", { href: linkTo("model", { model: `${each.name}/${each.version}` }), text: each.version })
          : each.version,
        marks.filter(Boolean).join(", "),
        each.reason,
      ];
    });
  return panel(
    `Versions of ${model.name}`,
    table("Versions", ["Version", "State", "Reason"], rows, 1),
    note(
      "The pinned version answers for the name of the model, or else the highest that is ready. " +
        "A route gives others a share of its requests, or lets one run beside it as a shadow.",
    ),
  );
}

/**
 * The versions of all models that are not served, with the reasons.
 * @param {Model[]} all
 */
export function unserved(all) {
  const rows = all
    .filter(({ state }) => state !== "ready")
    .map((each) => [`${each.name}/${each.version}`, each.state, each.reason]);
  return rows.length
    ? [panel("Not served", table("Versions that are not served", ["Version", "State", "Reason"], rows, 1))]
    : [];
}
