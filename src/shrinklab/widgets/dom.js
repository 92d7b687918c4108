// Building blocks: HTML and SVG elements made from data (always as text, never as markup), and numbers made readable.

const SVG = "http://www.w3.org/2000/svg";

function attach(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function element(tag, attributes, ...children) {
  return attach(document.createElement(tag), attributes, children);
}

function shape(tag, attributes, ...children) {
  return attach(document.createElementNS(SVG, tag), attributes, children);
}

// JupyterLab takes arrow keys, Enter and letters for itself unless the element itself says no.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

let lastId = 0;
function newId(stem) {
  lastId += 1;
  return `sl-${stem}-${lastId}-${Math.random().toString(36).slice(2, 8)}`;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

// 61706 -> "61,706"; 0.123456 -> "0.1235"; null (NaN in Python) -> "–".
function readable(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (!isNumber(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  if (Math.abs(value) >= 1e-3) {
    return value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
  }
  return value.toExponential(2);
}

// 0.125 -> "12.5 %"
function percentage(value, digits = 1) {
  if (!isNumber(value)) return "–";
  return `${(value * 100).toLocaleString("en-US", { maximumFractionDigits: digits })} %`;
}

function withUnit(value, unit) {
  if (unit === "%") return percentage(value);
  return unit ? `${readable(value)} ${unit}` : readable(value);
}

// Axis numbers: 12000 -> "12k".
function short(value) {
  const size = Math.abs(value);
  const trim = (number) => Number(number.toPrecision(4)).toString();
  if (size >= 1e9) return `${trim(value / 1e9)}G`;
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value).replace("-", "−");
}
