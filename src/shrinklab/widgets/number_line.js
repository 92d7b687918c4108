// The number line: values above, grid points below, and a line from each value to where it lands.

const MOST_DOTS = 60; // more values are drawn as short strokes

drawers.numberline = (data, spec, width) => {
  const { grid, values, rounded } = data;
  const clip = data.clip ?? null;
  const codes = data.codes ?? null;
  const height = 176 + (codes ? 18 : 0);
  const room = { ...spec, log: "", percent: "", y: "" };
  const x = axisOf([...grid, ...values, ...(clip ?? [])], room, "x", 0.04);
  const { root, px, inside } = frame(width, height, x, { range: [0, 1], ticks: [] });
  const from = inside.top + 14;
  const to = inside.bottom - (codes ? 34 : 16);
  const isInside = (value) => value >= x.range[0] && value <= x.range[1];
  const clamp = (value) => px(Math.min(Math.max(value, x.range[0]), x.range[1]));
  const clipped = (value) => clip !== null && (value < clip[0] || value > clip[1]);

  if (clip) {
    const [low, high] = clip.map(clamp);
    root.append(shape("rect", { class: "sl-range", x: low, y: inside.top, width: Math.max(high - low, 0), height: to + 6 - inside.top }),
      ...clip.filter(isInside).map((end) => shape("line", { class: "sl-marker", x1: px(end), x2: px(end), y1: inside.top, y2: to + 6 })));
  }
  const points = grid.filter(isInside);
  root.append(shape("line", { class: "sl-axis", x1: inside.left, x2: inside.right, y1: to, y2: to }),
    shape("path", { class: points.length > 80 ? "sl-stops sl-thin" : "sl-stops", d: points.map((point) => `M${px(point)} ${to - 6}V${to + 6}`).join("") }));
  if (codes) root.append(...codeShapes(grid, codes, { px, y: to + 20, isInside, wanted: (inside.right - inside.left) / 40 }));
  [false, true].forEach((beyond, i) => {
    const chosen = values.map((value, k) => [value, rounded[k]]).filter(([value]) => clipped(value) === beyond && isInside(value));
    const links = chosen.map(([value, end]) => `M${px(value)} ${from}L${clamp(end)} ${to}`).join("");
    root.append(shape("path", { class: `sl-line-${i + 1} sl-thin${values.length > MOST_DOTS ? " sl-faint" : ""}`, d: links }));
    if (values.length > MOST_DOTS) root.append(shape("path", { class: `sl-line-${i + 1} sl-thin`, d: chosen.map(([value]) => `M${px(value)} ${from - 8}V${from}`).join("") }));
    else root.append(...chosen.map(([value, end]) => pointMark(i, px(value), from, false, `${readable(value)} → ${readable(end)}`)));
  });
  const many = values.filter(clipped).length;
  return {
    picture: root,
    height,
    label: `${values.length} values on ${grid.length} grid points from ${readable(grid[0])} to ${readable(grid[grid.length - 1])}`
      + `${clip ? `; ${many} beyond the clipping range ${readable(clip[0])} to ${readable(clip[1])}` : ""}`,
    legend: numberLineLegend(spec, clip, many, codes),
    table: {
      columns: ["value", "lands on", "error", ...(clip ? [spec.parts[1]] : [])],
      rows: values.map((value, k) => [value, rounded[k], rounded[k] - value, ...(clip ? [clipped(value)] : [])]),
    },
  };
};

// The ends first, then zero, then round ones, then the rest, as far as there is room.
function codeShapes(grid, codes, { px, y, isInside, wanted }) {
  const last = codes.length - 1;
  const round = ticks(Math.min(...codes), Math.max(...codes, codes[0] + 1), wanted).map((code) => codes.indexOf(code));
  const few = codes.length < 2 * wanted ? codes.keys() : [];
  const order = [...new Set([0, last, codes.indexOf(0), ...round, ...few])].filter((place) => place >= 0 && isInside(grid[place]));
  const texts = order.map((place) => short(codes[place]));
  return apart(order, (place) => px(grid[place]), texts)
    .map((place) => shape("text", { x: px(grid[place]), y, "text-anchor": "middle" }, short(codes[place])));
}

function numberLineLegend(spec, clip, many, codes) {
  return [
    { name: spec.parts[0], sample: pointMark(0, 9, 6) },
    ...(clip && many ? [{ name: spec.parts[1], sample: pointMark(1, 9, 6) }] : []),
    { name: codes ? "grid point and its integer" : "grid point", sample: shape("path", { class: "sl-stops", d: "M9 0V12" }) },
    ...(clip ? [{ name: "clipping range", sample: shape("rect", { class: "sl-range", width: 18, height: 12 }) }] : []),
  ];
}
