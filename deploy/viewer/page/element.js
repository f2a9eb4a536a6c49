// Elements with attributes and children; texts stay texts, whatever they hold.

const SVG = "http://www.w3.org/2000/svg";

function filledElement(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") element.style.cssText = value; // the policy allows no style attributes
    else if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const html = (name, attributes = {}, ...children) => filledElement(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) => filledElement(document.createElementNS(SVG, name), attributes, children);

const tip = () => document.getElementById("tip");

export function showTip(event, text) {
  const box = tip();
  box.textContent = text;
  box.hidden = false;
  box.style.left = `${Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8)}px`;
  box.style.top = `${Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 8)}px`;
}

export const hideTip = () => { tip().hidden = true; };
