// The page: one dashboard, its variables, its panels; asked anew every ten seconds.

import {chart} from "./chart.js";
import {hideTip, html, showTip} from "./element.js";
import {stat, table} from "./figures.js";
import {heatmap} from "./heatmap.js";
import {ALL, asked, began, literal, valuesOf} from "./query.js";

const DRAWN = {timeseries: chart, stat, table, heatmap};
const EVERY = 10_000;
const PARALLEL = 6;
const at = (id) => document.getElementById(id);
const chosen = {};
const SHORT = [120, 300], USUAL = 900;
let rangeChosen = false;
let dashboard, drawn = 0;

const json = async (path) => (await fetch(path)).json();
const range = () => Number(at("range").value);

async function open() {
  const names = (await json("dashboards")).sort((a, b) => (b === "overview") - (a === "overview"));
  const name = names.includes(location.hash.slice(1)) ? location.hash.slice(1) : "overview";
  dashboard = await json(`dashboards/${name}`);
  document.title = dashboard.title;
  at("dashboards").replaceChildren(...names.map((each) => html("a", {href: `#${each}`, "aria-current": each === name ? "page" : undefined}, each[0].toUpperCase() + each.slice(1))));
  for (const key of Object.keys(chosen)) delete chosen[key];
  for (const {name: key} of variables()) chosen[key] = ALL;
  at("panels").replaceChildren(...dashboard.panels.map(frame));
  scrollTo(0, 0);
  await refresh();
}

// The shortest range that holds what there is.
async function fitting() {
  for (const range of SHORT) if (!(await began(range))) return range;
  return USUAL;
}

const variables = () => dashboard.templating.list.filter(({type}) => type === "query");

function frame(panel) {
  const {x, y, w, h} = panel.gridPos;
  const made = html("section", {id: `panel-${panel.id}`, class: panel.type === "row" ? "row" : ""}, html("h2", {}, panel.title));
  made.style.gridColumn = `${x + 1} / span ${w}`;
  made.style.gridRow = `${y + 1} / span ${h}`;
  if (panel.description) {
    made.firstChild.onmousemove = (event) => showTip(event, panel.description.replaceAll("`", ""));
    made.firstChild.onmouseleave = hideTip;
  }
  if (panel.type !== "row") made.append(html("div", {class: "body"}));
  return made;
}

async function refresh() {
  const turn = ++drawn;
  try {
    if (!rangeChosen) at("range").value = await fitting();
    await showVariables();
    at("trouble").hidden = true;
  } catch (error) {
    at("trouble").textContent = error.message;
    at("trouble").hidden = false;
  }
  const waiting = dashboard.panels.filter(({type}) => type in DRAWN);
  await Promise.all(Array.from({length: PARALLEL}, async () => {
    while (waiting.length && turn === drawn) await fill(waiting.shift(), turn);
  }));
  document.body.dataset.drawn = dashboard.uid;
}

async function fill(panel, turn) {
  let body;
  try {
    const targets = panel.targets.filter(({hide}) => !hide);
    const answers = await Promise.all(targets.map(async (target) => ({target, result: await asked(target, chosen, range())})));
    const empty = answers.every(({result}) => !result.length);
    body = empty ? html("div", {class: "empty"}, panel.fieldConfig.defaults.noValue ?? "no data") : DRAWN[panel.type](panel, answers, range());
  } catch (error) {
    body = html("div", {class: "broken"}, error.message);
  }
  const place = at(`panel-${panel.id}`);
  if (turn === drawn && place) place.replaceChildren(place.firstChild, body);
}

async function showVariables() {
  const made = [];
  for (const {name, label, query} of variables()) {
    const values = await valuesOf(typeof query === "string" ? query : query.query, chosen);
    if (values.length < 2 && chosen[name] === ALL) continue;
    const select = html("select", {}, html("option", {value: ALL}, "All"), ...values.map((value) => html("option", {value: literal(value)}, value)));
    select.value = chosen[name];
    select.onchange = () => { chosen[name] = select.value; refresh(); };
    made.push(html("label", {}, `${label || name} `, select));
  }
  if (!at("variables").contains(document.activeElement)) at("variables").replaceChildren(...made);
}

addEventListener("hashchange", open);
addEventListener("resize", () => refresh());
at("range").onchange = () => { rangeChosen = true; refresh(); };
setInterval(() => { if (!document.hidden && dashboard) refresh(); }, EVERY);
open();
