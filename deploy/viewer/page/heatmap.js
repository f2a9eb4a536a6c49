// Heatmaps: how many fell into each bucket of a histogram, over time.

import {html, hideTip, showTip, svg} from "./element.js";
import {stepOf} from "./query.js";
import {clock, moments, shown} from "./units.js";

const LEFT = 52, BOTTOM = 18, TOP = 4, RIGHT = 6;

export function heatmap(panel, answers, range) {
  const unit = panel.options.yAxis?.unit;
  const rows = answers.flatMap(({result}) => result)
    .map(({metric, values}) => ({bound: Number(metric.le.replace("+Inf", "Infinity")), at: new Map(values.map(([t, v]) => [t, Number(v)]))}))
    .sort((a, b) => a.bound - b.bound);
  const body = html("div", {class: "body"});
  const canvas = svg("svg", {role: "img", "aria-label": panel.title});
  body.append(canvas);
  requestAnimationFrame(() => draw(canvas, rows, unit, range));
  return body;
}

// Buckets hold what is in the smaller ones, too; a cell shows its own.
const own = (rows, index, time) => (rows[index].at.get(time) ?? 0) - (index ? rows[index - 1].at.get(time) ?? 0 : 0);

function draw(canvas, rows, unit, range) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  const step = stepOf(range);
  const now = Math.floor(Date.now() / 1000);
  const end = now - (now % step), start = end - range;
  const columns = Math.min(60, range / step);
  const every = Math.ceil(range / step / columns) * step;
  const x = (time) => LEFT + ((time - start) / (end - start)) * (width - LEFT - RIGHT);
  const tall = (height - BOTTOM - TOP) / rows.length;
  const times = Array.from({length: Math.floor(range / every)}, (_, index) => end - index * every).reverse();
  const most = Math.max(1e-9, ...rows.flatMap((_, index) => times.map((time) => own(rows, index, time))));
  rows.forEach((row, index) => {
    const top = height - BOTTOM - (index + 1) * tall;
    for (const time of times) {
      const count = own(rows, index, time);
      if (count <= 1e-9) continue;
      const cell = svg("rect", {x: x(time - every) + 0.5, y: top + 0.5, width: Math.max(1, x(time) - x(time - every) - 1), height: Math.max(1, tall - 1),
        style: `fill:var(--orange);fill-opacity:${(0.12 + 0.88 * Math.sqrt(count / most)).toFixed(3)}`});
      cell.onmousemove = (event) => showTip(event, `${clock(time)}\nup to ${shown(row.bound, unit)}: ${shown(count)}`);
      cell.onmouseleave = hideTip;
      canvas.append(cell);
    }
    if (index % Math.ceil(14 / tall) === 0) canvas.append(svg("text", {x: LEFT - 6, y: top + tall / 2 + 3.5, "text-anchor": "end"}, Number.isFinite(row.bound) ? shown(row.bound, unit) : "more"));
  });
  for (const time of moments(start, end, Math.max(2, width / 70))) canvas.append(svg("text", {x: x(time), y: height - 4, "text-anchor": "middle"}, clock(time)));
}
