// A heat map: one colour from low to high, or two from zero. Orange and blue are told apart by colour-blind readers.

const LEVELS = 20; // steps of a colour: as few paths as steps, however many cells

// {low, high, share(value): from -1 (second colour) to 1, in steps}
function heatScale(values, spec) {
  let [low, high] = span(values.flat(), spec.range);
  if (spec.diverging) {
    high = Math.max(Math.abs(low), Math.abs(high)) || 1;
    low = -high;
  }
  const of = (value) => (spec.diverging ? value / high : high > low ? (value - low) / (high - low) : 0.5);
  const share = (value) => Math.round(Math.min(Math.max(of(value), spec.diverging ? -1 : 0), 1) * LEVELS) / LEVELS;
  return { low, high, share };
}

// Under numbers the colours stay pale enough to read them; without numbers they are full.
const heatAttributes = (share, full) => ({ class: `sl-heat${share < 0 ? " sl-minus" : ""}${full ? " sl-full" : ""}`, style: `--share:${Math.abs(share)}` });

// The values as texts with equally many decimals, so that they can be compared at a glance: three digits for the largest.
function heatFormat(values, unit) {
  const factor = unit === "%" ? 100 : 1;
  const largest = factor * Math.max(...values.flat().filter(isNumber).map(Math.abs), 1e-12);
  const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(largest))));
  return (value) => {
    if (!isNumber(value)) return "–";
    return largest >= 1e4 ? short(value * factor) : (value * factor).toFixed(digits).replace("-", "−");
  };
}

// Every step-th name, so that the texts, `size` pixels long, do not touch on cells of this pitch.
const everyOf = (pitch, size) => Math.max(1, Math.ceil(size / pitch));

// The names of rows and columns; long names of narrow columns stand on end.
function heatNames(rows, columns, box) {
  const { left, top, wide, high, turned } = box;
  const everyColumn = everyOf(wide, turned ? 14 : 0);
  return [
    ...rows.flatMap((name, i) => (i % everyOf(high, 13) ? [] : [shape("text", { x: left - 6, y: top + (i + 0.5) * high, dy: "0.32em", "text-anchor": "end" }, String(name))])),
    ...columns.flatMap((name, j) => {
      if (j % everyColumn) return [];
      const x = left + (j + 0.5) * wide;
      const place = turned ? { transform: `translate(${x + 4} ${top - 6}) rotate(-90)` } : { x, y: top - 6, "text-anchor": "middle" };
      return [shape("text", place, String(name))];
    }),
  ];
}

// The colours with the numbers they stand for, and the unit.
function heatKey({ low, high, share }, spec, { values, format, full }, left, y) {
  const known = values.flat().filter(isNumber);
  const step = 7;
  const count = spec.diverging ? 2 * LEVELS + 1 : LEVELS + 1;
  const pitch = spec.diverging ? step / 2 : step;
  const root = shape("g", { class: "sl-key" });
  for (let i = 0; i < count; i += 1) {
    const value = low + ((high - low) * i) / (count - 1);
    root.append(shape("rect", { ...heatAttributes(share(value), full), x: left + i * pitch, y, width: pitch, height: 12 }));
  }
  const end = left + count * pitch;
  const text = (value, x, sign) => shape("text", { x, y: y + 26, "text-anchor": "middle" }, `${sign}${format(value)}`);
  root.append(shape("rect", { class: "sl-cell", x: left, y, width: end - left, height: 12 }),
    text(low, left + 4, known.some((value) => value < low) ? "≤ " : ""),
    text(high, end - 4, known.some((value) => value > high) ? "≥ " : ""));
  if (spec.diverging) root.append(text(0, (left + end) / 2, ""));
  if (spec.unit) root.append(shape("text", { class: "sl-axis-title", x: end + 14, y: y + 10 }, spec.unit));
  return root;
}

drawers.heatmap = (data, spec, width) => {
  const { rows, columns, values } = data;
  const longest = (names) => 6.7 * Math.max(...names.map((name) => String(name).length), 1);
  const left = Math.max(Math.min(longest(rows), width * 0.4), spec.y ? longest([spec.y]) + 18 : 0) + 10;
  const wide = Math.min((width - left - 4) / columns.length, 76);
  const high = Math.min(28, Math.max(2, 340 / rows.length));
  const turned = longest(columns) > wide - 4;
  const top = (spec.x ? 20 : 4) + (turned ? longest(columns) : 14) + 8;
  const scale = heatScale(values, spec);
  const root = shape("g", null,
    spec.x ? shape("text", { class: "sl-axis-title", x: Math.min(left, width - longest([spec.x])), y: 12 }, `${spec.x} →`) : null,
    spec.y ? shape("text", { class: "sl-axis-title", x: 0, y: top - 7 }, `${spec.y} ↓`) : null,
    ...heatNames(rows, columns, { left, top, wide, high, turned }));
  const format = heatFormat(values, spec.unit);
  const texts = values.map((row) => row.map(format));
  const full = longest(texts.flat()) > wide - 4 || high < 16;
  const paths = new Map();
  const gap = Math.min(wide, high) > 6 ? 1 : 0;
  values.forEach((row, i) => row.forEach((value, j) => {
    if (!isNumber(value)) return;
    const share = scale.share(value);
    const cell = `M${left + j * wide + gap} ${top + i * high + gap}h${wide - 2 * gap}v${high - 2 * gap}h${2 * gap - wide}Z`;
    paths.set(share, (paths.get(share) ?? "") + cell);
  }));
  for (const [share, d] of paths) root.append(shape("path", { ...heatAttributes(share, full), d }));
  if (!full) {
    texts.forEach((row, i) => row.forEach((text, j) => root.append(
      shape("text", { x: left + (j + 0.5) * wide, y: top + (i + 0.5) * high, dy: "0.32em", "text-anchor": "middle" }, text))));
  }
  if (data.now) root.append(shape("rect", { class: "sl-now", x: left + data.now[1] * wide, y: top + data.now[0] * high, width: wide, height: high }));
  const bottom = top + rows.length * high;
  root.append(heatKey(scale, spec, { values, format, full }, left, bottom + 10));
  const shown = (value) => (spec.unit === "%" ? percentage(value, 2) : value);
  return {
    picture: root,
    height: bottom + 42,
    label: heatLabel(data, spec),
    legend: data.now ? [{ name: "this setting", sample: shape("rect", { class: "sl-now", x: 2, y: 1, width: 14, height: 10 }) }] : [],
    table: { columns: [`${spec.y || "row"} \\ ${spec.x || "column"}`, ...columns], rows: rows.map((name, i) => [name, ...values[i].map(shown)]) },
  };
};

function heatLabel({ rows, columns, values, now }, spec) {
  const known = values.flat().filter(isNumber);
  const [low, high] = span(known).map((value) => withUnit(value, spec.unit));
  const range = known.length ? `, from ${low} to ${high}` : "";
  const here = now ? `; this setting: ${rows[now[0]]}, ${columns[now[1]]}: ${withUnit(values[now[0]][now[1]], spec.unit)}` : "";
  return `Heat map of ${rows.length} rows and ${columns.length} columns${range}${here}`;
}
