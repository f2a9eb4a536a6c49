// Single figures and tables: what is so now.

import {html} from "./element.js";
import {ofThreshold, overridden} from "./colors.js";
import {nameOf} from "./query.js";
import {shown} from "./units.js";

export function stat(panel, answers) {
  const {thresholds, unit} = panel.fieldConfig.defaults;
  const found = answers.flatMap(({target, result}) => result.map(({metric, value, values}) => ({
    name: target.legendFormat ? nameOf(target, metric) : "", value: Number((value ?? values.at(-1))[1]),
  })));
  return html("div", {class: "figures"}, ...found.slice(0, 8).map(({name, value}) => {
    const figure = html("div", {class: "figure"}, shown(value, unit), ...(found.length > 1 ? [html("small", {}, name)] : []));
    figure.style.color = ofThreshold(value, thresholds.steps);
    if (found.length > 1) figure.style.fontSize = "17px";
    return figure;
  }));
}

export function table(panel, answers) {
  const organize = panel.transformations.find(({id}) => id === "organize").options;
  const rows = merged(answers);
  const places = organize.indexByName, names = organize.renameByName;
  const columns = Object.keys(places).filter((key) => !organize.excludeByName[key] && rows.some((row) => key in row)).sort((a, b) => places[a] - places[b]);
  const sort = panel.options.sortBy?.[0];
  const by = columns.find((key) => names[key] === sort?.displayName);
  if (by) rows.sort((a, b) => ((a[by] ?? -Infinity) - (b[by] ?? -Infinity)) * (sort.desc ? -1 : 1));
  const numeric = (key) => rows.some((row) => typeof row[key] === "number");
  return html("div", {class: "scroll"}, html("table", {},
    html("thead", {}, html("tr", {}, ...columns.map((key) => html("th", {class: numeric(key) ? "number" : ""}, names[key] ?? key)))),
    html("tbody", {}, ...rows.map((row) => html("tr", {}, ...columns.map((key) => cell(panel, names[key] ?? key, row[key])))))));
}

function cell(panel, name, value) {
  if (typeof value !== "number") return html("td", {}, value ?? "");
  const own = overridden(panel, "", name);
  const made = html("td", {class: "number"}, shown(value, own.unit ?? panel.fieldConfig.defaults.unit));
  if (own.thresholds) made.style.color = ofThreshold(value, own.thresholds.steps);
  return made;
}

// One row for each set of labels, with the value of each target.
function merged(answers) {
  const rows = new Map();
  for (const {target, result} of answers) {
    for (const {metric, value} of result) {
      const labels = Object.entries(metric).filter(([name]) => name !== "__name__").sort();
      const key = JSON.stringify(labels);
      if (!rows.has(key)) rows.set(key, Object.fromEntries(labels));
      rows.get(key)[answers.length > 1 ? `Value #${target.refId}` : "Value"] = Number(value[1]);
    }
  }
  return [...rows.values()];
}
