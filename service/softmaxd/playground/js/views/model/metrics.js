// Reads /metrics: Prometheus' text format, summed over the labels that do not matter here.

/** @typedef {{at: number, requests: number, seconds: Map<number, number>, rows: number, runs: number, isComplete: boolean,
 *   shares: Share[], shadows: Map<string, Shadow>}} Reading */
/** @typedef {{model: string, version: string, share: number}} Share */
/** @typedef {{model: string, version: string, shadow: string, rows: number, others: number}} Shadow */

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:\\.|[^"\\])*)"/g;
const OWN = "/metrics"; // the question itself does not count

/**
 * @param {string} text
 * @param {number} at a time in seconds
 * @returns {Reading}
 */
export function read(text, at) {
  /** @type {Reading} */
  const reading = {
    ...{ at, requests: 0, seconds: new Map(), rows: 0, runs: 0, isComplete: true },
    ...{ shares: [], shadows: new Map() },
  };
  for (const line of text.split("\n")) {
    const [, name, labelled = "", number] = LINE.exec(line) ?? [];
    if (name?.startsWith("softmaxd_")) {
      const labels = Object.fromEntries([...labelled.matchAll(LABEL)].map(([, key, value]) => [key, value]));
      add(reading, name.slice("softmaxd_".length), labels, Number(number));
    }
  }
  return reading;
}

/**
 * @param {Reading} reading
 * @param {string} name
 * @param {Record<string, string>} labels
 * @param {number} value
 */
function add(reading, name, labels, value) {
  if (name === "requests_total" && labels.operation !== OWN) {
    reading.requests += value;
  } else if (name === "request_seconds_bucket" && labels.operation !== OWN) {
    const end = labels.le === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels.le);
    reading.seconds.set(end, (reading.seconds.get(end) ?? 0) + value);
  } else if (name === "batch_rows_sum") {
    reading.rows += value;
  } else if (name === "batch_rows_count") {
    reading.runs += value;
  } else if (name === "metrics_complete") {
    reading.isComplete = value === 1;
  } else if (name === "model_share") {
    reading.shares.push({ model: labels.model, version: labels.version, share: value });
  } else if (name === "shadow_rows_total" || name === "shadow_disagreements_total") {
    const { model, version, shadow } = labels;
    const key = `${model}/${version}/${shadow}`;
    const known = reading.shadows.get(key) ?? { model, version, shadow, rows: 0, others: 0 };
    reading.shadows.set(key, { ...known, [name === "shadow_rows_total" ? "rows" : "others"]: value });
  }
}

/**
 * The rates between two readings. A counter that fell belongs to a service that was started again: nothing is known.
 * @param {Reading} before
 * @param {Reading} now
 * @returns {{rate: number, median: number, slow: number, rows: number} | null} NaN where nothing happened
 */
export function between(before, now) {
  const requests = now.requests - before.requests;
  const runs = now.runs - before.runs;
  if (requests < 0 || runs < 0) {
    return null;
  }
  const counts = [...now.seconds]
    .sort(([one], [other]) => one - other)
    .map(([end, value]) => /** @type {[number, number]} */ ([end, value - (before.seconds.get(end) ?? 0)]));
  return {
    rate: requests / (now.at - before.at),
    median: quantile(counts, 0.5),
    slow: quantile(counts, 0.99),
    rows: runs ? (now.rows - before.rows) / runs : Number.NaN,
  };
}

/**
 * A quantile of a histogram, as Prometheus computes it: evenly spread within a bucket.
 * @param {[number, number][]} counts ends of the buckets, with the number of values up to each
 * @param {number} share
 */
export function quantile(counts, share) {
  const wanted = share * (counts.at(-1)?.[1] ?? 0);
  const index = counts.findIndex(([, up]) => up >= wanted);
  if (!(wanted > 0)) {
    return Number.NaN;
  }
  const [end, up] = counts[index];
  const [start, below] = index ? counts[index - 1] : [0, 0];
  return Number.isFinite(end) ? start + ((end - start) * (wanted - below)) / (up - below) : start;
}
