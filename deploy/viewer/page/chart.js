// Time series: lines, areas and bars over time, stacked or not, on a linear or a logarithmic axis.

import {html, hideTip, showTip, svg} from "./element.js";
import {named, ofSeries, overridden, shade} from "./colors.js";
import {legend} from "./legend.js";
import {nameOf, stepOf} from "./query.js";
import {clock, moments, shown, ticks} from "./units.js";

const BOTTOM = 18, TOP = 6, RIGHT = 6;
const LETTER = 6, GAP = 10; // of labels beside the axis

export function chart(panel, answers, range) {
  const {custom, unit} = panel.fieldConfig.defaults;
  const step = stepOf(range);
  const now = Math.floor(Date.now() / 1000);
  const end = now - (now % step), start = end - range;
  const times = Array.from({length: range / step + 1}, (_, index) => start + index * step);
  const series = seriesOf(panel, answers, times);
  const stacked = custom.stacking?.mode === "normal";
  if (stacked) stack(series);
  const log = custom.scaleDistribution?.type === "log";
  const [low, high] = extent(series, panel.fieldConfig.defaults, custom, log);
  const beside = panel.options.legend.placement === "right";
  const body = html("div", {class: beside ? "body beside" : "body"});
  const canvas = svg("svg", {role: "img", "aria-label": panel.title});
  body.append(canvas, legend(series, panel.options.legend, unit));
  requestAnimationFrame(() => draw(canvas, {series, times, start, end, low, high, log, unit, custom, stacked}));
  return body;
}

function seriesOf(panel, answers, times) {
  const shades = {};
  let place = 0;
  return answers.flatMap(({target, result}) => result.map(({metric, values}) => {
    const name = nameOf(target, metric);
    const own = overridden(panel, target.refId, name);
    const at = new Map(values.map(([time, value]) => [time, Number(value)]));
    let color = ofSeries(place++);
    if (own.color?.mode === "fixed") color = named(own.color.fixedColor);
    if (own.color?.mode === "shades") {
      const base = own.color.fixedColor;
      const turn = shades[base] = (shades[base] ?? -1) + 1;
      color = shade(named(base), turn);
    }
    const points = times.map((time) => { const value = at.get(time); return Number.isFinite(value) ? value : null; });
    return {name, color, points, tops: points, bases: null, dashed: Boolean(own["custom.lineStyle"]), bare: own["custom.fillOpacity"] === 0};
  }));
}

function stack(series) {
  const sums = [];
  for (const each of series) {
    each.bases = each.points.map((_, index) => sums[index] ?? 0);
    each.tops = each.points.map((value, index) => (value === null ? null : (sums[index] = (sums[index] ?? 0) + value)));
  }
}

function extent(series, defaults, custom, log) {
  const values = series.flatMap((each) => each.tops).filter((value) => value !== null && (!log || value > 0));
  let high = Math.max(...values, defaults.max ?? -Infinity), low = Math.min(...values, custom.axisSoftMin ?? Infinity);
  if (log) return values.length ? [10 ** Math.floor(Math.log10(low > 0 ? low : Math.min(...values))), 10 ** Math.ceil(Math.log10(high))] : [0.1, 1];
  if (!Number.isFinite(high)) high = 1;
  if (!Number.isFinite(low)) low = 0;
  return high > low ? [low, defaults.max ?? high + (high - low) * 0.05] : [low, low + 1];
}

function draw(canvas, {series, times, start, end, low, high, log, unit, custom, stacked}) {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  const marks = ticks(low, high, Math.max(2, height / 40), log).map((tick) => [tick, shown(tick, unit)]);
  const left = GAP + LETTER * Math.max(4, ...marks.map(([, label]) => label.length));
  const x = (time) => left + ((time - start) / (end - start)) * (width - left - RIGHT);
  const part = (value) => (log ? Math.log10(value / low) / Math.log10(high / low) : (value - low) / (high - low));
  const y = (value) => height - BOTTOM - part(log ? Math.max(value, low) : value) * (height - BOTTOM - TOP);
  for (const [tick, label] of marks) {
    canvas.append(svg("line", {class: "gridline", x1: left, x2: width - RIGHT, y1: y(tick), y2: y(tick)}),
      svg("text", {x: left - 6, y: y(tick) + 3.5, "text-anchor": "end"}, label));
  }
  for (const time of moments(start, end, Math.max(2, width / 70))) {
    canvas.append(svg("text", {x: x(time), y: height - 4, "text-anchor": "middle"}, clock(time)));
  }
  const paint = custom.drawStyle === "bars" ? bars : line;
  for (const each of stacked ? [...series].reverse() : series) canvas.append(...paint(each, {times, x, y, low, custom}));
  hover(canvas, {series, times, unit, width, left});
}

function line(each, {times, x, y, low, custom}) {
  const parts = runs(each.tops);
  const marks = [];
  for (const [from, to] of parts) {
    const points = times.slice(from, to).map((time, index) => [x(time), y(each.tops[from + index])]);
    if (points.length === 1) {
      marks.push(svg("circle", {cx: points[0][0], cy: points[0][1], r: 2, style: `fill:${each.color}`}));
      continue;
    }
    const path = `M${points.map((point) => point.map((n) => n.toFixed(1)).join(",")).join("L")}`;
    if (!each.bare && custom.fillOpacity) {
      const below = times.slice(from, to).map((time, index) => `${x(time).toFixed(1)},${y(each.bases?.[from + index] ?? low).toFixed(1)}`).reverse();
      marks.push(svg("path", {d: `${path}L${below.join("L")}Z`, style: `fill:${each.color};fill-opacity:${custom.fillOpacity / 100}`}));
    }
    marks.push(svg("path", {class: "curve", d: path, style: `fill:none;stroke:${each.color};stroke-width:1.5`, "stroke-dasharray": each.dashed ? "5 4" : undefined}));
  }
  return marks;
}

function bars(each, {times, x, y, low, custom}) {
  const wide = Math.max(1, (x(times[1]) - x(times[0])) * 0.8);
  return times.flatMap((time, index) => {
    const value = each.tops[index];
    if (value === null || !each.points[index]) return [];
    const top = y(value), base = y(each.bases?.[index] ?? low);
    return [svg("rect", {x: x(time) - wide / 2, y: top, width: wide, height: Math.max(0, base - top), style: `fill:${each.color};fill-opacity:${(custom.fillOpacity || 60) / 100}`})];
  });
}

// Where values are, without the gaps: [from, to) of each run.
function runs(values) {
  const found = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (found.length && found.at(-1)[1] === index) found.at(-1)[1] = index + 1;
    else found.push([index, index + 1]);
  });
  return found;
}

function hover(canvas, {series, times, unit, width, left}) {
  canvas.onmousemove = (event) => {
    const share = (event.offsetX - left) / (width - left - RIGHT);
    const index = Math.round(Math.min(1, Math.max(0, share)) * (times.length - 1));
    const lines = series.filter((each) => each.points[index] !== null).slice(0, 14).map((each) => `${each.name}: ${shown(each.points[index], unit)}`);
    showTip(event, [new Date(times[index] * 1000).toTimeString().slice(0, 8), ...lines].join("\n"));
  };
  canvas.onmouseleave = hideTip;
}
