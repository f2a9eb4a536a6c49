// Which line is whose: a list below the chart, or a table beside it.

import {html} from "./element.js";
import {shown} from "./units.js";

const COLUMNS = {
  lastNotNull: ["Last", (values) => values.at(-1)],
  max: ["Max", (values) => Math.max(...values)],
};

export function legend(series, {displayMode, calcs}, unit) {
  if (displayMode !== "table") return html("div", {class: "legend"}, ...series.map((each) => html("span", {}, mark(each), each.name)));
  const columns = calcs.map((name) => COLUMNS[name]);
  return html("div", {class: "legend"}, html("table", {},
    html("thead", {}, html("tr", {}, html("th"), ...columns.map(([title]) => html("th", {class: "number"}, title)))),
    html("tbody", {}, ...series.map((each) => row(each, columns, unit)))));
}

function row(each, columns, unit) {
  const values = each.points.filter((value) => value !== null);
  return html("tr", {}, html("td", {}, mark(each), each.name),
    ...columns.map(([, calculated]) => html("td", {class: "number"}, values.length ? shown(calculated(values), unit) : "")));
}

function mark({color, dashed}) {
  const made = html("i", {class: dashed ? "dashed" : ""});
  made.style.borderTopColor = color;
  return made;
}
