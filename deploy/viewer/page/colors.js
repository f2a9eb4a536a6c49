// Colours: those that a panel names, and the palette for the others.

const NAMED = new Set(["green", "red", "yellow", "orange", "blue", "purple"]);
const LIGHT = "light-";
const PALETTE = ["green", "yellow", "blue", "orange", "red", "purple"];

export function named(color = "") {
  if (color.startsWith(LIGHT)) return `color-mix(in oklab, ${named(color.slice(LIGHT.length))}, var(--panel) 40%)`;
  return NAMED.has(color) ? `var(--${color})` : "var(--text)";
}

export function ofSeries(index) {
  const base = named(PALETTE[index % PALETTE.length]);
  const turn = Math.floor(index / PALETTE.length);
  return turn ? shade(base, turn) : base;
}

// Lighter and darker in turn.
export function shade(color, turn) {
  if (!turn) return color;
  const part = Math.min(65, 25 + 15 * Math.ceil(turn / 2));
  return `color-mix(in oklab, ${color}, var(--${turn % 2 ? "panel" : "text"}) ${part}%)`;
}

export function ofThreshold(value, steps = []) {
  const step = steps.filter((each) => each.value === null || value >= each.value).at(-1);
  return named(step?.color);
}

const FITS = {
  byName: (wanted, name) => wanted === name,
  byRegexp: (wanted, name) => new RegExp(wanted.slice(1, -1)).test(name),
  byFrameRefID: (wanted, name, refId) => wanted === refId,
};

// What a panel's overrides say of a series of a target.
export function overridden(panel, refId, name) {
  const found = {};
  for (const {matcher, properties} of panel.fieldConfig.overrides) {
    if (FITS[matcher.id](matcher.options, name, refId)) for (const {id, value} of properties) found[id] = value;
  }
  return found;
}
