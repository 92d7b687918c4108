// Scales and axes. A frame is a rectangle of the picture with its two scales; views draw into it.

function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) found.push(Number((i * step).toPrecision(12)));
  return found;
}

function linear([low, high], [from, to]) {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}

// Counts on a logarithmic axis: zero stands at the foot, one just above it.
function logarithmic(high, [from, to]) {
  const top = Math.log10(Math.max(high, 1)) + 0.3;
  return (value) => from + ((value > 0 ? Math.log10(value) + 0.3 : 0) / top) * (to - from);
}

function decades(high) {
  const found = [];
  for (let value = 1; value <= high; value *= 10) found.push(value);
  return found;
}

// A logarithmic axis of values above zero: 1, 2, 5 of each power of ten, over many powers only the powers themselves.
function logTicks(low, high) {
  const powers = Math.log10(high / low);
  const factors = powers > 3 ? [1] : [1, 2, 5];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += Math.max(1, Math.ceil(powers / 8))) {
    for (const factor of factors) found.push(factor * 10 ** power);
  }
  const inside = found.filter((value) => value >= low * 0.999999 && value <= high * 1.000001);
  return inside.length > 1 ? inside : ticks(low, high, 4);
}

function logScale([low, high], [from, to]) {
  return (value) => from + (Math.log(value / low) / Math.log(high / low)) * (to - from);
}

// From the smallest to the largest known value, unless it is fixed; one value alone gets room on both sides.
function span(values, fixed, log = false) {
  if (fixed) return fixed;
  const known = values.filter(isNumber);
  if (!known.length) return log ? [1, 10] : [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of known) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low < high) return [low, high];
  return log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
}

// The axis that holds these values. spec: a view with `percent` and `log` ("x", "xy"); which: "x" or "y";
// room: the share of its length that is left free at both ends.
function axisOf(values, spec, which, room) {
  const log = spec.log.includes(which);
  const fixed = spec[`${which}_range`];
  let [low, high] = span(values, fixed, log);
  if (!fixed && log) [low, high] = [low / (high / low) ** room, high * (high / low) ** room];
  else if (!fixed) [low, high] = [low - (high - low) * room, high + (high - low) * room];
  const title = log && spec[which] ? `${spec[which]}, log scale` : spec[which];
  const own = log ? { ticks: logTicks(low, high), scale: (pixels) => logScale([low, high], pixels) } : {};
  return { range: [low, high], title, percent: spec.percent.includes(which), ...own };
}

// As many digits as two ticks need to differ: 97.5 % beside 98 %, 99.25 % beside 99.5 %.
function tickText(axis, shown) {
  if (!axis.percent) return short;
  const step = Math.min(...shown.slice(1).map((value, i) => Math.abs(value - shown[i])), 1);
  let digits = 0;
  while (digits < 4 && Math.abs(Math.round(step * 100 * 10 ** digits) - step * 100 * 10 ** digits) > 1e-6) digits += 1;
  return (value) => percentage(value, digits);
}

// Those of the ticks whose texts do not touch; what comes first is kept.
function apart(values, at, texts) {
  const kept = [];
  values.forEach((value, i) => {
    const half = texts[i].length * 3.4 + 4;
    if (kept.every((other) => Math.abs(at(other.value) - at(value)) > half + other.half)) kept.push({ value, half });
  });
  return kept.map(({ value }) => value);
}

// An empty chart: axes, ticks, grid lines and axis titles. x and y: {range, ticks, title, percent, scale?}.
function frame(width, height, x, y) {
  const yTicks = y.ticks ?? ticks(...y.range, 5);
  const yTexts = yTicks.map(tickText(y, yTicks));
  const left = 16 + 6.6 * Math.max(...yTexts.map((text) => text.length), 2);
  const inside = { left, right: width - 14, top: y.title ? 24 : 8, bottom: height - (x.title ? 42 : 24) };
  const scaled = (axis, pixels) => (axis.scale ? axis.scale(pixels) : linear(axis.range, pixels));
  const px = scaled(x, [inside.left, inside.right]);
  const py = scaled(y, [inside.bottom, inside.top]);
  const root = shape("g");
  yTicks.forEach((value, i) => {
    root.append(
      shape("line", { class: "sl-grid", x1: inside.left, x2: inside.right, y1: py(value), y2: py(value) }),
      shape("text", { x: inside.left - 6, y: py(value), dy: "0.32em", "text-anchor": "end" }, yTexts[i]),
    );
  });
  const xTicks = x.ticks ?? ticks(...x.range, Math.max(2, Math.floor((inside.right - inside.left) / 70)));
  const xText = tickText(x, xTicks);
  for (const value of apart(xTicks, px, xTicks.map(xText))) {
    root.append(
      shape("line", { class: "sl-tick", x1: px(value), x2: px(value), y1: inside.bottom, y2: inside.bottom + 4 }),
      shape("text", { x: px(value), y: inside.bottom + 17, "text-anchor": "middle" }, xText(value)),
    );
  }
  root.append(shape("line", { class: "sl-axis", x1: inside.left, x2: inside.right, y1: inside.bottom, y2: inside.bottom }));
  // The title of the upright axis lies flat above it: nobody has to tilt the head.
  if (y.title) root.append(shape("text", { class: "sl-axis-title", x: 2, y: 12 }, y.title));
  if (x.title) {
    const middle = (inside.left + inside.right) / 2;
    root.append(shape("text", { class: "sl-axis-title", x: middle, y: height - 6, "text-anchor": "middle" }, x.title));
  }
  return { root, px, py, inside };
}
