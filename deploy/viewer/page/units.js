// Numbers as people read them, in the units that the dashboards use.

const TIMES = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
const SIZES = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];

export function shown(value, unit) {
  if (!Number.isFinite(value)) return String(value);
  if (unit === "s") return scaled(value, TIMES, " ");
  if (unit === "percentunit") return `${digits(value * 100)} %`;
  if (unit === "currencyUSD") return `$${Math.abs(value) < 0.01 && value ? value.toPrecision(2) : digits(value)}`;
  return scaled(value, SIZES, "");
}

function scaled(value, steps, space) {
  const size = Math.abs(value);
  const step = steps.find(([least]) => size >= least * 0.9995);
  if (step) return digits(value / step[0]) + space + step[1];
  return steps === TIMES ? "0 s" : digits(value);
}

function digits(value) {
  const size = Math.abs(value);
  const text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

export const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 5);

const CLOCK_STEPS = [60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400];

// Full minutes and hours between two moments, at most `count` of them.
export function moments(start, end, count) {
  const step = CLOCK_STEPS.find((each) => (end - start) / each <= count) ?? CLOCK_STEPS.at(-1);
  const found = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) found.push(at);
  return found;
}

// Round steps of an axis from `low` to `high`, about `count` of them; powers of ten on a logarithmic one.
export function ticks(low, high, count, log) {
  if (log) {
    const found = [];
    for (let power = Math.ceil(Math.log10(low) - 1e-9); 10 ** power <= high * 1.0001; power++) found.push(10 ** power);
    return found;
  }
  const rough = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * size).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-6; at += step) found.push(at);
  return found;
}
