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

function span(values, fixed) {
  if (fixed) return fixed;
  const known = values.filter(isNumber);
  if (!known.length) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of known) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

// An empty chart: axes, ticks, grid lines and axis titles. x and y: {range, ticks, title, percent, scale?}.
function frame(width, height, x, y) {
  const format = (axis) => (axis.percent ? (value) => percentage(value, 1) : short);
  const yTicks = y.ticks ?? ticks(...y.range, 5);
  const yTexts = yTicks.map(format(y));
  const left = 16 + 6.6 * Math.max(...yTexts.map((text) => text.length), 2);
  const inside = { left, right: width - 14, top: y.title ? 24 : 8, bottom: height - (x.title ? 42 : 24) };
  const px = linear(x.range, [inside.left, inside.right]);
  const py = y.scale ? y.scale([inside.bottom, inside.top]) : linear(y.range, [inside.bottom, inside.top]);
  const root = shape("g");
  yTicks.forEach((value, i) => {
    root.append(
      shape("line", { class: "sl-grid", x1: inside.left, x2: inside.right, y1: py(value), y2: py(value) }),
      shape("text", { x: inside.left - 6, y: py(value), dy: "0.32em", "text-anchor": "end" }, yTexts[i]),
    );
  });
  for (const value of x.ticks ?? ticks(...x.range, Math.max(2, Math.floor((inside.right - inside.left) / 70)))) {
    root.append(
      shape("line", { class: "sl-tick", x1: px(value), x2: px(value), y1: inside.bottom, y2: inside.bottom + 4 }),
      shape("text", { x: px(value), y: inside.bottom + 17, "text-anchor": "middle" }, format(x)(value)),
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
