// What is asked of Prometheus: expressions with the variables put in.

export const ALL = ".*";

async function ask(question, parameters) {
  const answer = await fetch(`prometheus/${question}?${new URLSearchParams(parameters)}`);
  const found = await answer.json();
  if (found.status !== "success") throw new Error(found.error ?? `Prometheus answered ${answer.status}`);
  return found.data;
}

// Scrapes are 5 to 60 s apart; four of them make a rate, as Grafana's $__rate_interval has it.
export const stepOf = (range) => Math.max(5, Math.ceil(range / 240));
const rateInterval = (range) => `${Math.max(60, 4 * stepOf(range))}s`;

export function filled(expression, variables, range) {
  return expression
    .replaceAll("$__rate_interval", rateInterval(range))
    .replaceAll("$__range", `${range}s`)
    .replaceAll("$__interval", `${stepOf(range)}s`)
    .replaceAll(/\$\{?([a-z]+)(:[a-z]+)?\}?/g, (whole, name) => variables[name] ?? whole);
}

export async function asked(target, variables, range) {
  const query = filled(target.expr, variables, range);
  const now = Math.floor(Date.now() / 1000);
  if (target.instant) return (await ask("query", {query, time: now})).result;
  const step = stepOf(range);
  const end = now - (now % step);
  return (await ask("query_range", {query, start: end - range, end, step})).result;
}

// Whether there was an offpath that long ago: every process has this counter from its start.
export async function began(before) {
  const query = `count(offpath_telemetry_dropped_total offset ${before}s)`;
  return (await ask("query", {query, time: Math.floor(Date.now() / 1000)})).result.length > 0;
}

// The values of a variable: label_values(SERIES, LABEL) over the last hour.
export async function valuesOf(query, variables) {
  const parts = /^label_values\((.*),\s*(\w+)\)$/s.exec(query);
  const series = filled(parts[1], variables, 3600);
  const now = Math.floor(Date.now() / 1000);
  const found = await ask("series", {"match[]": series, start: now - 3600, end: now});
  return [...new Set(found.map((labels) => labels[parts[2]]).filter(Boolean))].sort();
}

// As in a regular expression within a quoted string of PromQL.
export const literal = (value) => value.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll("\\", "\\\\").replaceAll('"', '\\"');

export function nameOf(target, labels) {
  if (!target.legendFormat) return Object.entries(labels).filter(([k]) => k !== "__name__").map(([, v]) => v).join(" ") || "value";
  return target.legendFormat.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "").replaceAll(/\s+/g, " ").trim();
}
