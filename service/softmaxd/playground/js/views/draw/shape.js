// The pictures that a model takes: their size, their channels, their numbers.

/** @typedef {import("../../api.js").Model} Model */
/** `order` is the order of the tensor's dimensions: height, width, channels.
 * @typedef {{height: number, width: number, channels: number, order: string, low: number, high: number,
 *   isWhole: boolean, isKnown: boolean}} Shape */

const [LEAST, MOST] = [4, 64]; // pixels of a side

/**
 * The pictures of a model, or null if its rows are none: one feature of height × width, and maybe of 1 or 3 channels,
 * before or after.
 * @param {Model} model
 * @returns {Shape | null}
 */
export function shapeOf({ features, datatype }) {
  const [{ shape, min, max }, ...more] = features;
  const order = shape.length === 2 ? "hw" : isColours(shape[2]) ? "hwc" : "chw";
  const [height, width, channels] = ["h", "w", "c"].map((each) => shape[order.indexOf(each)] ?? 1);
  const isPicture = [height, width].every((side) => side >= LEAST && side <= MOST) && isColours(channels);
  if (more.length || shape.length < 2 || shape.length > 3 || !isPicture) {
    return null;
  }
  const isWhole = /INT/.test(datatype ?? "");
  const isKnown = min !== null && max !== null;
  const [low, high] = isKnown ? [min, max] : [0, isWhole ? 255 : 1];
  return { height, width, channels, order, low, high, isWhole, isKnown };
}

/** @param {number} channels */
function isColours(channels) {
  return channels === 1 || channels === 3;
}

/**
 * The row of a picture, as the model takes it: shares from 0 to 1 become numbers of its range.
 * @param {Shape} shape
 * @param {number[][]} pixels row by row, the shares of the channels of each
 */
export function rowOf({ height, width, channels, order, low, high, isWhole }, pixels) {
  const number = (/** @type {number} */ share) => {
    const value = low + share * (high - low);
    return isWhole ? Math.round(value) : Number(value.toPrecision(6));
  };
  const list = (/** @type {number} */ length, /** @type {(index: number) => unknown} */ make) =>
    Array.from({ length }, (_, index) => make(index));
  const at = (/** @type {number} */ y, /** @type {number} */ x, /** @type {number} */ c) =>
    number(pixels[y * width + x][c]);
  if (order === "hw") {
    return list(height, (y) => list(width, (x) => at(y, x, 0)));
  }
  return order === "hwc"
    ? list(height, (y) => list(width, (x) => list(channels, (c) => at(y, x, c))))
    : list(channels, (c) => list(height, (y) => list(width, (x) => at(y, x, c))));
}
