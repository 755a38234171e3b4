// The decision map of a model with two features: what it says of every point of the plane.

import { predict } from "../answer.js";
import { get, latest, pathOf } from "../api.js";
import { h, say } from "../dom.js";
import { short } from "../format.js";
import { nameOf, showModels } from "../models.js";
import { keepState, numbersOf } from "../state.js";
import { extentOf, farOf, homeOf } from "./map/extents.js";
import { gridOf, isPlane } from "./map/grid.js";
import { Here } from "./map/here.js";
import { levelsOf } from "./map/picture.js";
import { Plane } from "./map/plane.js";
import { Points } from "./map/points.js";

/** @typedef {import("../api.js").Model} Model */
/** @typedef {import("./map/extents.js").Point} Point */

const MOST_POINTS = 20;

/** @type {import("../main.js").View} */
export function view(main, values) {
  return showModels(main, {
    title: "The map of a model",
    text: "Each point of the plane is a row of two features. Its colour is the most probable class, stronger where the model is surer.",
    none: NONE,
    values,
    fits: isPlane,
    fill: async (place, model, state) => {
      const map = await mapOf(model, state);
      place.append(...map.elements);
      return map.end;
    },
  });
}

const KEYS =
  "Point at the map to read it, click to drop a point, drag to move. After a click the wheel zooms; two fingers do on a touch screen. Keys: arrows move the crosshair, with Shift the map; + and − zoom, Enter drops a point, 0 resets.";
const NONE =
  "No model with two numbers as features is served. Train one on a table of two columns and a label: softmaxd train table rows.csv --target label. Or train the article's blobs: softmaxd train blobs.";

/** The map of a model.
 * @param {Model} model @param {URLSearchParams} values */
async function mapOf(model, values) {
  const problem = h("p", { class: "problem", role: "alert" });
  /** @type {Record<string, string>} */
  const problems = {};
  /** @type {import("./map/picture.js").Sample | null} */
  let sample = null;
  await attempt("manifest", async () => {
    ({ sample = null } = await get(pathOf(model, "manifest")));
  });
  const home = homeOf(model, sample);
  const plane = new Plane(
    model,
    { home, extent: extentOf(values.get("view")) ?? home, sample },
    { moved, pointed, dropped },
  );
  plane.points = pointsOf(values.get("at"));
  const here = new Here(model);
  const points = new Points(model, (index) => change(plane.points.toSpliced(index, 1)));
  let isByKey = false;

  const refresh = latest(() =>
    attempt("grid", async () => {
      plane.grid = await gridOf(model, plane.extent, plane.box());
    }),
  );
  const answer = latest(() =>
    attempt("points", async () => {
      const shown = plane.points;
      points.show(shown, shown.length ? await predict(model, shown) : null);
    }),
  );
  const ask = latest((/** @type {Point} */ point) =>
    attempt("point", async () => {
      const reply = await predict(model, [point]);
      here.show(point, reply);
      if (isByKey) {
        const p = short(Math.max(...reply.probabilities[0]), 3);
        say(`${here.heading.textContent}: ${reply.labels[0]} ${p}. ${here.verdict.textContent}`);
      }
    }),
  );

  /** @param {string} place @param {() => Promise<void>} act */
  async function attempt(place, act) {
    problems[place] = "";
    try {
      await act();
    } catch (error) {
      problems[place] = /** @type {Error} */ (error).message;
    }
    problem.textContent = [...new Set(Object.values(problems))].join(" ").trim();
  }

  async function moved() {
    keep();
    if (plane.cross === null && !plane.isHovered) {
      pointed(null, false);
    }
    await refresh();
    plane.draw();
  }

  /** @param {Point | null} at @param {boolean} isKey */
  function pointed(at, isKey) {
    isByKey = isKey;
    return ask(at ?? plane.points.at(-1) ?? plane.middle());
  }

  /** @param {Point} at */
  function dropped(at) {
    change([...plane.points, at].slice(-MOST_POINTS));
    pointed(at, true);
  }

  /** @param {Point[]} changed */
  async function change(changed) {
    plane.points = changed;
    keep();
    plane.draw();
    await answer();
  }

  function keep() {
    const { from, to, low, high } = plane.extent;
    keepState("map", {
      model: nameOf(model),
      at: plane.points.map(String).join(";"),
      view: plane.extent === home ? null : [from, to, low, high].map((each) => Number(each.toPrecision(6))).join(","),
    });
  }

  function goFar() {
    const far = farOf(home);
    plane.show(far.extent);
    dropped(plane.rounded(far.point));
  }

  const stop = onTheme(() => {
    plane.picture.forget();
    plane.draw();
  });
  await Promise.all([refresh(), pointed(null, false), change(plane.points)]);
  const map = h("section", { class: "panel", "aria-label": "Map" }, tools(plane, goFar), plane.element);
  const side = h("div", { class: "stack" }, here.element, legendOf(model, sample));
  return {
    elements: [problem, h("div", { class: "columns wide" }, map, side), points.element],
    end: stop,
  };
}

/** The buttons and switches above the plane.
 * @param {Plane} plane @param {() => void} goFar */
function tools(plane, goFar) {
  /** @param {string} text @param {string} name @param {() => void} act */
  const button = (text, name, act) => h("button", { type: "button", "aria-label": name, text, onclick: act });
  /** @param {string} text @param {"hasRows" | "hasLines"} field */
  const toggle = (text, field) => {
    const box = h("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      plane[field] = box.checked;
      plane.draw();
    });
    return h("label", {}, box, text);
  };
  return h(
    "div",
    { class: "line" },
    button("+", "Zoom in", () => plane.zoom(1 / 1.5)),
    button("−", "Zoom out", () => plane.zoom(1.5)),
    button("Reset", "Reset the view", () => plane.show(plane.home)),
    button("Far from the data", "Drop a point far from the data", goFar),
    plane.sample && toggle("training rows", "hasRows"),
    plane.model.calibration && toggle("typicality", "hasLines"),
  );
}

/** @param {Model} model @param {{rows: number[][]} | null} sample */
function legendOf(model, sample) {
  const all = (sample && model.provenance?.rows.train) ?? "the";
  const levels = levelsOf(model.calibration?.rows ?? 0).map((level) => short(level, 2));
  const parts = [
    sample ? `Marks: ${sample.rows.length} of ${all} training rows.` : "The manifest has no training rows to draw.",
    model.calibration &&
      `Lines: typicality ${levels.join(", ")}. Hatched: below ${levels.at(-1)}. Hardly any calibration row is as far out, and a strong colour means nothing.`,
    model.features.some(({ min }) => min === null) && "The manifest has no ranges of the features: zoom to your rows.",
  ];
  return h(
    "section",
    { class: "panel small", "aria-label": "How to read the map" },
    ...parts.map((text) => text && h("p", { text })),
    h("p", { class: "muted", id: "map-keys", text: KEYS }),
  );
}

/** @param {string | null} text @returns {Point[]} */
function pointsOf(text) {
  const points = (text ?? "").split(";").map(numbersOf);
  return /** @type {Point[]} */ (points.filter((point) => point?.length === 2)).slice(0, MOST_POINTS);
}

/** Call a function when the theme changes; returns the function that ends this.
 * @param {() => void} changed */
function onTheme(changed) {
  const media = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  media.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    media.removeEventListener("change", changed);
  };
}
