// Draw: a model whose rows are small pictures, and what it makes of a drawing.

import { AnswerPanel, bodyFor, inShort, predict } from "../answer.js";
import { curl, latest, pathOf as urlOf } from "../api.js";
import { codeLine, h, say, set, svg } from "../dom.js";
import { short } from "../format.js";
import { nameOf, showModels } from "../models.js";
import { keepState } from "../state.js";
import { Pad } from "./draw/pad.js";
import { isLightOnDark, prepared, readPicture } from "./draw/picture.js";
import { FITS, padOf, pixelsOf, usualFit } from "./draw/raster.js";
import { rowOf, shapeOf } from "./draw/shape.js";
import { asText, EXAMPLES, ofText, pathOf, UNITS } from "./draw/strokes.js";

/** @typedef {import("./draw/strokes.js").Stroke} Stroke */
/** @typedef {import("../api.js").Model} Model */
/** @typedef {import("./draw/shape.js").Shape} Shape */

const PEN = 10; // units: as thick as in the training pictures of digits
const MOST_SHOWN = 1024; // numbers of a row in the line for a shell

/** @type {import("../main.js").View} */
export async function view(main, values) {
  await showModels(main, {
    title: "Draw, and see what the model sees",
    text: "The drawing becomes a picture as small as those that the model was trained on. The answer follows the pen.",
    none: "No served model takes a small picture. A model whose one feature has a shape like 8 × 8 or 28 × 28 × 1 can be drawn for: softmaxd train digits makes one, and softmaxd models add takes your own.",
    values,
    fits: (model) => shapeOf(model) !== null,
    fill: async (place, model, state) => {
      const drawing = new DrawView(model, /** @type {Shape} */ (shapeOf(model)), state);
      await drawing.update();
      place.append(drawing.element);
    },
  });
}

class DrawView {
  /**
   * @param {Model} model
   * @param {Shape} shape
   * @param {URLSearchParams} values
   */
  constructor(model, shape, values) {
    this.model = model;
    this.shape = shape;
    /** @type {ImageData | null} */
    this.source = null; // an uploaded picture
    /** @type {{strokes: Stroke[], source: ImageData | null}[]} */
    this.history = [];
    const pen = Number(values.get("pen"));
    const fit = values.get("fit") ?? "";
    this.tell = latest(() => this.update());
    this.pad = new Pad(shape, values.has("strokes") ? ofText(values.get("strokes")) : this.first(), {
      begun: () => this.remember(),
      changed: () => this.tell(),
      undone: () => this.undo(),
    });
    this.pen = h("input", { type: "range", id: "pen", min: 3, max: 16, value: pen >= 3 && pen <= 16 ? pen : PEN });
    this.fit = h(
      "select",
      { id: "fit", "aria-describedby": "fit-help" },
      ...Object.entries(FITS).map(([value, { name }]) => h("option", { value, text: name })),
    );
    this.fit.value = Object.hasOwn(FITS, fit) ? fit : usualFit(shape);
    this.inverted = h("input", { type: "checkbox", id: "inverted" });
    this.upload = h("input", { type: "file", id: "upload", accept: "image/png,image/jpeg" });
    this.undoButton = h("button", { type: "button", text: "Undo", onclick: () => this.undo() });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.seen = new Pixels(shape);
    this.answer = new AnswerPanel(model, "What the model says");
    this.line = codeLine("The same request for a shell");
    for (const field of [this.pen, this.fit, this.inverted]) {
      field.addEventListener("input", () => this.redraw());
    }
    this.upload.addEventListener("change", () => this.take());
    this.redraw(false);
    this.element = this.laidOut();
  }

  laidOut() {
    return h(
      "div",
      {},
      this.examples(),
      this.problem,
      h("div", { class: "columns" }, this.drawn(), h("div", { class: "stack" }, this.answer.element, this.sight())),
      h("details", { class: "panel" }, h("summary", { text: "The same from a shell" }), this.line.element),
    );
  }

  /** The panel to draw on. */
  drawn() {
    return h(
      "form",
      { class: "panel stack", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      this.pad.element,
      h(
        "div",
        { class: "line" },
        h("button", { type: "button", text: "Clear", onclick: () => this.put([]) }),
        this.undoButton,
        h("label", { for: "pen" }, "Thickness", this.pen),
      ),
      h("p", {
        class: "muted small keys",
        id: "pad-help",
        text: "By keyboard: arrow keys move, Shift with them draws, Space makes a dot, Backspace undoes.",
      }),
      h(
        "div",
        { class: "field" },
        h("label", { for: "upload", text: "Or a picture from a file, PNG or JPEG" }),
        this.upload,
      ),
      h("label", {}, this.inverted, "Its ink is lighter than its paper"),
    );
  }

  /** The panel of the pixels. */
  sight() {
    const { height, width, low, high, isKnown } = this.shape;
    const range = `${width} × ${height} pixels, from ${short(low)} for paper to ${short(high)} for ink.`;
    return h(
      "section",
      { class: "panel", "aria-label": "What the model sees" },
      h("h2", { text: "What the model sees" }),
      h(
        "div",
        { class: "sight" },
        this.seen.element,
        h(
          "div",
          {},
          h("p", { text: isKnown ? range : `${range} The model does not name its range: this is a guess.` }),
          h("div", { class: "field" }, h("label", { for: "fit", text: "Place of the drawing" }), this.fit),
          h("p", {
            class: "muted small",
            id: "fit-help",
            text: "A model knows only pictures that are made as its training pictures are. Choose another place, and see.",
          }),
        ),
      ),
    );
  }

  /** Buttons of drawings: those of the model's classes, and some of none. */
  examples() {
    const fitting = EXAMPLES.filter(({ name }) => name.length > 1 || this.model.classes.includes(name));
    return h(
      "div",
      { class: "line", role: "group", "aria-label": "Examples" },
      ...fitting.map(({ name, strokes }) =>
        h(
          "button",
          { type: "button", class: "thumb", "aria-label": name, title: name, onclick: () => this.put(ofText(strokes)) },
          svg(
            "svg",
            { viewBox: `0 0 ${UNITS} ${UNITS}`, class: "ink", "stroke-width": 6, "aria-hidden": "true" },
            ...ofText(strokes).map((stroke) => svg("path", { d: pathOf(stroke) })),
          ),
        ),
      ),
    );
  }

  /** The first drawing: an example of a class, if there is one. */
  first() {
    return ofText(EXAMPLES.find(({ name }) => name === "3" && this.model.classes.includes(name))?.strokes ?? "");
  }

  remember() {
    this.history.push({ strokes: structuredClone(this.pad.strokes), source: this.source });
  }

  /**
   * Begin with other strokes.
   * @param {Stroke[]} strokes
   * @param {ImageData | null} [source]
   */
  put(strokes, source = null) {
    this.remember();
    this.pad.strokes = strokes;
    this.source = source;
    this.redraw();
  }

  undo() {
    const before = this.history.pop();
    if (before) {
      this.pad.strokes = before.strokes;
      this.source = before.source;
      this.redraw();
      say("Undone");
    }
  }

  async take() {
    const [file] = this.upload.files ?? [];
    if (file === undefined) {
      return;
    }
    try {
      const source = await readPicture(file, padOf(this.shape));
      this.inverted.checked = isLightOnDark(source);
      this.put([], source);
      this.problem.textContent = "";
    } catch (error) {
      this.problem.textContent = /** @type {Error} */ (error).message;
    }
    this.upload.value = ""; // the same file may be chosen again
  }

  /** Show the drawing after anything but a stroke of the pen. */
  redraw(isTold = true) {
    this.picture = this.source && prepared(this.source, this.inverted.checked, this.fit.value !== "none");
    this.pad.show(this.pad.strokes, this.picture?.canvas, this.pen.valueAsNumber);
    if (isTold) {
      this.tell();
    }
  }

  /** Ask the model about the drawing, and show its answer. */
  async update() {
    const { strokes } = this.pad;
    const [pen, fit] = [this.pen.valueAsNumber, this.fit.value];
    const pixels = pixelsOf(this.shape, { strokes, picture: this.picture ?? null, pen, fit });
    const row = rowOf(this.shape, pixels);
    this.undoButton.disabled = this.history.length === 0;
    this.inverted.disabled = this.source === null;
    this.seen.show(pixels);
    try {
      const reply = await predict(this.model, [row]);
      const isEmpty = strokes.length === 0 && this.source === null;
      const verdict = isEmpty ? "Nothing is drawn, and the probabilities still add up to 1." : inShort(reply);
      this.answer.show(reply, verdict);
      if (!this.pad.isDrawing) {
        say(verdict);
      }
      this.problem.textContent = "";
    } catch (error) {
      this.problem.textContent = /** @type {Error} */ (error).message;
    }
    const count = pixels.length * this.shape.channels;
    this.line.show(
      count > MOST_SHOWN
        ? `Too long to show: ${count} numbers.`
        : curl(urlOf(this.model, "predict"), bodyFor(this.model, [row])),
    );
    keepState("draw", {
      model: nameOf(this.model),
      strokes: asText(strokes),
      pen: pen === PEN ? null : pen,
      fit: fit === usualFit(this.shape) ? null : fit,
    });
  }
}

/** The pixels of a picture, large. */
class Pixels {
  /** @param {Shape} shape */
  constructor({ width, height, channels }) {
    this.isGrey = channels === 1;
    this.cells = Array.from({ length: width * height }, (_, index) =>
      svg("rect", { x: index % width, y: Math.floor(index / width), width: 1, height: 1 }),
    );
    this.element = svg("svg", { class: "pixels", viewBox: `0 0 ${width} ${height}`, role: "img" }, ...this.cells);
  }

  /** @param {number[][]} pixels */
  show(pixels) {
    pixels.forEach((shares, index) => {
      const colour = shares.map((share) => Math.round(share * 255)).join(" ");
      set(this.cells[index], this.isGrey ? { "fill-opacity": shares[0] } : { fill: `rgb(${colour})` });
    });
    const inked = pixels.filter(([share]) => share > 0).length;
    set(this.element, {
      "aria-label": this.isGrey ? `${inked} of ${pixels.length} pixels have ink` : `${pixels.length} pixels in colour`,
    });
  }
}
