// A picture of a file: scaled in the browser, and its ink told from the paper.

import { h } from "../../dom.js";
import { grey } from "./raster.js";
import { UNITS } from "./strokes.js";

/** @typedef {import("./raster.js").Picture} Picture */

const SIDE = 256; // points of the longer side, of a picture in the browser

/**
 * Read a PNG or JPEG and scale it to the size of the pad; raises an error in words.
 * @param {File} file
 * @param {{width: number, height: number}} pad
 * @returns {Promise<ImageData>}
 */
export async function readPicture(file, pad) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read. Choose a PNG or a JPEG.`);
  }
  const zoom = SIDE / Math.max(pad.width, pad.height);
  const canvas = h("canvas", { width: Math.round(pad.width * zoom), height: Math.round(pad.height * zoom) });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const scale = Math.min(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * True if a picture is lighter inside than at its edge: light ink on dark paper.
 * @param {ImageData} source
 */
export function isLightOnDark({ data, width, height }) {
  let [edge, edges, all, opaque] = [0, 0, 0, 0];
  for (let at = 0; at < data.length; at += 4) {
    const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
    const light = lightAt(data, at);
    if (data[at + 3] === 0) {
      continue; // no part of the picture
    }
    all += light;
    opaque += 1;
    if (Math.min(x, y, width - 1 - x, height - 1 - y) < SIDE / 32) {
      edge += light;
      edges += 1;
    }
  }
  return edges > 0 && edge / edges < 0.5 && all / opaque >= edge / edges;
}

/**
 * Lightness of one point, on white paper.
 * @param {Uint8ClampedArray} data @param {number} at
 */
function lightAt(data, at) {
  const opacity = data[at + 3] / 255;
  return 1 - opacity + (opacity * grey(data[at], data[at + 1], data[at + 2])) / 255;
}

/**
 * The picture as it is used: in colour, or as ink and paper.
 * @param {ImageData} source
 * @param {boolean} isInverted
 * @param {boolean} isInk
 * @returns {Picture}
 */
export function prepared(source, isInverted, isInk) {
  const { width, height } = source;
  const data = source.data.slice();
  const light = Array.from({ length: data.length / 4 }, (_, index) => lightAt(data, 4 * index));
  const tone = light.map((each) => (isInverted ? 1 - each : each));
  const isPaper = tone.map((_, index) => data[4 * index + 3] === 0);
  const between = threshold(tone.filter((_, index) => !isPaper[index]));
  const box = { x0: width, y0: height, x1: -1, y1: -1 };
  tone.forEach((each, index) => {
    const at = 4 * index;
    if (isInk) {
      const isInkHere = !isPaper[index] && each < between;
      data.fill(isInkHere ? 0 : 255, at, at + 3);
      if (isInkHere) {
        const [x, y] = [index % width, Math.floor(index / width)];
        Object.assign(box, {
          x0: Math.min(box.x0, x),
          y0: Math.min(box.y0, y),
          x1: Math.max(box.x1, x),
          y1: Math.max(box.y1, y),
        });
      }
      data[at + 3] = 255;
    } else if (isInverted && !isPaper[index]) {
      for (let channel = 0; channel < 3; channel += 1) {
        data[at + channel] = 255 - data[at + channel];
      }
    }
  });
  const canvas = h("canvas", { width, height });
  canvas.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
  const unit = UNITS / Math.max(width, height);
  return {
    canvas,
    box:
      box.x1 < 0
        ? null
        : {
            x: box.x0 * unit,
            y: box.y0 * unit,
            width: (box.x1 + 1 - box.x0) * unit,
            height: (box.y1 + 1 - box.y0) * unit,
          },
  };
}

/**
 * The lightness that tells ink from paper best: it makes the two groups differ most (Otsu, 1979).
 * @param {number[]} light
 */
function threshold(light) {
  const counts = Array(256).fill(0);
  for (const each of light) {
    counts[Math.round(each * 255)] += 1;
  }
  const total = light.reduce((sum, each) => sum + each * 255, 0);
  let [best, at, below, sum] = [-1, 128, 0, 0];
  counts.forEach((count, value) => {
    below += count;
    sum += count * value;
    const above = light.length - below;
    const apart = below && above ? below * above * (sum / below - (total - sum) / above) ** 2 : 0;
    if (apart > best) {
      [best, at] = [apart, value + 1];
    }
  });
  return at / 255;
}
