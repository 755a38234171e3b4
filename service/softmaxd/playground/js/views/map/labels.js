// The words on the map: the names of the classes, and the typicality along its lines.

/** @typedef {import("./grid.js").Grid} Grid */
/** @typedef {import("./picture.js").Sample} Sample */
/** @typedef {{text: string, x: number, y: number, kind: string}} Label */

const MOST_NAMES = 12;

/**
 * @param {Grid} grid
 * @param {string[]} classes
 * @param {Sample | null} sample if its rows are seen: the names stand below them
 * @param {{text: string, x: number, y: number}[]} lines with shares of the grid, from its top left
 * @returns {Label[]}
 */
export function labelsOf(grid, classes, sample, lines) {
  const names = (sample ? below(sample) : places(grid, classes.length)).slice(0, MOST_NAMES);
  return [
    ...names.map(({ index, x, y }) => ({ x, y, text: classes[index], kind: "region" })),
    ...lines.map(({ text, x, y }) => ({ ...pointAt(grid, x, y), text, kind: "level" })),
  ];
}

/** @param {Grid} grid @param {number} across @param {number} down */
function pointAt({ extent: { from, to, low, high } }, across, down) {
  return { x: from + across * (to - from), y: high - down * (high - low) };
}

/**
 * Where the name of each class stands below its training rows.
 * @param {import("./picture.js").Sample} sample
 */
function below({ rows, classes }) {
  return [...new Set(classes)].map((index) => {
    const own = rows.filter((_, row) => classes[row] === index);
    const mean = (/** @type {(row: number[]) => number} */ of) =>
      own.reduce((sum, row) => sum + of(row), 0) / own.length;
    const [x, y] = [mean((row) => row[0]), mean((row) => row[1])];
    return { index, x, y: y - 3 * Math.sqrt(mean((row) => (row[1] - y) ** 2)) };
  });
}

/**
 * Where the name of each class stands: in the middle of its cells, or in the cell of its own that is nearest to that.
 * Classes with few cells have none.
 * @param {Grid} grid
 * @param {number} classes
 * @returns {{index: number, x: number, y: number}[]}
 */
function places(grid, classes) {
  const { columns, rows, best } = grid;
  const sums = Array.from({ length: classes }, () => ({ count: 0, column: 0, row: 0, near: Infinity, at: 0 }));
  best.forEach((index, at) => {
    const sum = sums[index];
    sum.count += 1;
    sum.column += at % columns;
    sum.row += Math.floor(at / columns);
  });
  best.forEach((index, at) => {
    const sum = sums[index];
    const far = Math.hypot((at % columns) - sum.column / sum.count, Math.floor(at / columns) - sum.row / sum.count);
    if (far < sum.near) {
      [sum.near, sum.at] = [far, at];
    }
  });
  return sums.flatMap(({ count, at }, index) =>
    count < best.length / 60
      ? []
      : [{ index, ...pointAt(grid, ((at % columns) + 0.5) / columns, (Math.floor(at / columns) + 0.5) / rows) }],
  );
}
