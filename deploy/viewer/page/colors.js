// Colours: those that a panel names, and the palette for the others.

const NAMED = new Set(["green", "red", "yellow", "orange", "blue", "purple"]);
const PALETTE = ["green", "yellow", "blue", "orange", "red", "purple"];

export const named = (color) => (NAMED.has(color) ? `var(--${color})` : "var(--text)");

export function ofSeries(index) {
  const base = named(PALETTE[index % PALETTE.length]);
  const turn = Math.floor(index / PALETTE.length);
  return turn ? shade(base, turn) : base;
}

export const shade = (color, turn) => (turn ? `color-mix(in oklab, ${color}, var(--muted) ${Math.min(70, 25 * turn)}%)` : color);

export function ofThreshold(value, steps = []) {
  const step = steps.filter((each) => each.value === null || value >= each.value).at(-1);
  return named(step?.color);
}

// What a panel's overrides say of a series of a target.
export function overridden(panel, refId, name) {
  const found = {};
  for (const {matcher, properties} of panel.fieldConfig.overrides) {
    const fits = matcher.id === "byName" ? matcher.options === name : matcher.options === refId;
    if (fits) for (const {id, value} of properties) found[id] = value;
  }
  return found;
}
