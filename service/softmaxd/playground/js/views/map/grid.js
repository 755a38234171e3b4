// The answers to a grid of rows, from one request of bytes.

import { ask, Refused } from "../../api.js";
import { axisOf, kindOf } from "./kinds.js";

/** @typedef {import("../../api.js").Model} Model */
/** @typedef {import("./extents.js").Extent} Extent */
/** Cells row by row from the top left: the most probable class, how sure it is (0: a guess, 1: certain), its typicality.
 * @typedef {{extent: Extent, columns: number, rows: number, best: Uint16Array, sure: Float32Array,
 *   typicality: Float64Array | null}} Grid */

const [MOST, FEWEST] = [24_000, 2_000];
const HELD = 32e6; // bytes, in which the service holds the answer at most: half of what all requests may hold
const NUMBER = 256; // bytes at most, for each of its numbers
const ARRAYS = {
  ...{ FP32: Float32Array, FP64: Float64Array, INT8: Int8Array, INT16: Int16Array, INT32: Int32Array },
  ...{ INT64: BigInt64Array, UINT8: Uint8Array, UINT16: Uint16Array, UINT32: Uint32Array, UINT64: BigUint64Array },
};

/** True if the rows of a model are points of a plane.
 * @param {Model} model */
export function isPlane(model) {
  const { features } = model;
  return (
    features.length === 2 &&
    features.every(({ shape, values }) => shape.length === 0 && values.length === 0) &&
    typesOf(model).every((type) => type in ARRAYS)
  );
}

/** The types of the features of a model.
 * @param {Model} model */
export function typesOf({ features, datatype }) {
  return features.map((feature) => feature.datatype ?? datatype ?? "");
}

/** The answers to a grid over an extent, with fewer cells if the service takes no more rows, or no more now.
 * @param {Model} model @param {Extent} extent @param {{width: number, height: number}} size @returns {Promise<Grid>} */
export async function gridOf(model, extent, { width, height }) {
  const [across, up] = typesOf(model).map(kindOf);
  let cells = Math.min(MOST, HELD / (NUMBER * (model.classes.length + 1)));
  for (;;) {
    const columns = Math.max(2, Math.round(Math.sqrt((cells * width) / height)));
    const rows = Math.max(2, Math.round(cells / columns));
    try {
      const x = axisOf(across, extent.from, extent.to, columns);
      const y = axisOf(up, extent.low, extent.high, rows);
      const { probabilities, typicality } = await infer(model, x.values, y.values.reverse());
      return {
        extent: { from: x.from, to: x.to, low: y.from, high: y.to },
        columns: x.values.length,
        rows: y.values.length,
        ...bestOf(probabilities, model.classes.length),
        typicality,
      };
    } catch (error) {
      cells /= 2;
      if (!(error instanceof Refused && [413, 429].includes(error.status) && cells > FEWEST)) {
        throw error;
      }
    }
  }
}

/** @param {Model} model @param {number[]} xs @param {number[]} ys */
async function infer(model, xs, ys) {
  const tensors = tensorsOf(model, xs, ys);
  const outputs = model.calibration ? ["probabilities", "typicality"] : ["probabilities"];
  const head = JSON.stringify({
    inputs: tensors.map(({ numbers, ...tensor }) => ({
      ...tensor,
      parameters: { binary_data_size: numbers.byteLength },
    })),
    outputs: outputs.map((name) => ({ name, parameters: { binary_data: true } })),
  });
  const response = await ask(`v2/models/${encodeURIComponent(model.name)}/versions/${model.version}/infer`, {
    method: "POST",
    headers: {
      "Content-Type": "application/octet-stream",
      "Inference-Header-Content-Length": String(new TextEncoder().encode(head).length),
    },
    body: new Blob([head, ...tensors.map(({ numbers }) => numbers)]),
  });
  const start = Number(response.headers.get("Inference-Header-Content-Length"));
  const bytes = await response.arrayBuffer();
  const middle = start + 4 * xs.length * ys.length * model.classes.length;
  return {
    probabilities: new Float32Array(bytes.slice(start, middle)),
    typicality: model.calibration ? new Float64Array(bytes.slice(middle)) : null,
  };
}

/** The tensors of a model with the rows of a grid: mostly one, but a table may have one for each feature.
 * @param {Model} model @param {number[]} xs @param {number[]} ys */
function tensorsOf({ features, datatype }, xs, ys) {
  const count = xs.length * ys.length;
  return [...new Set(features.map(({ input }) => input))].map((name) => {
    const own = features.filter(({ input }) => input === name);
    const type = /** @type {keyof typeof ARRAYS} */ (own[0].datatype ?? datatype);
    const numbers = new ARRAYS[type](count * own.length);
    const isLarge = numbers instanceof BigInt64Array || numbers instanceof BigUint64Array;
    own.forEach((feature, index) => {
      for (let at = 0; at < count; at += 1) {
        const value = feature === features[0] ? xs[at % xs.length] : ys[Math.floor(at / xs.length)];
        numbers[at * own.length + (feature.column ?? index)] = isLarge ? BigInt(value) : value;
      }
    });
    return { name, datatype: type, shape: [count, own.length], numbers };
  });
}

/** @param {Float32Array} probabilities @param {number} classes */
function bestOf(probabilities, classes) {
  const count = probabilities.length / classes;
  const [best, sure] = [new Uint16Array(count), new Float32Array(count)];
  for (let at = 0; at < count; at += 1) {
    const start = at * classes;
    let index = 0;
    for (let each = 1; each < classes; each += 1) {
      if (probabilities[start + each] > probabilities[start + index]) {
        index = each;
      }
    }
    best[at] = index;
    sure[at] = (probabilities[start + index] - 1 / classes) / (1 - 1 / classes);
  }
  return { best, sure };
}
