// Named points over two axes, with what helps to choose among them: the front, a budget, the present setting.

// Forms as well as colours tell the groups apart. r: about half the width.
const FORMS = [
  (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  (x, y, r) => `M${x - r * 0.9} ${y - r * 0.9}h${r * 1.8}v${r * 1.8}h${-r * 1.8}Z`,
  (x, y, r) => `M${x} ${y - r * 1.2}L${x + r * 1.15} ${y + r * 0.9}H${x - r * 1.15}Z`,
  (x, y, r) => `M${x} ${y - r * 1.3}L${x + r * 1.3} ${y}L${x} ${y + r * 1.3}L${x - r * 1.3} ${y}Z`,
  (x, y, r) => `M${x} ${y + r * 1.2}L${x + r * 1.15} ${y - r * 0.9}H${x - r * 1.15}Z`,
  (x, y, r) => `M${x - r} ${y - r * 0.4}h${r * 0.6}v${-r * 0.6}h${r * 0.8}v${r * 0.6}h${r * 0.6}v${r * 0.8}h${-r * 0.6}v${r * 0.6}h${-r * 0.8}v${-r * 0.6}h${-r * 0.6}Z`,
];

function pointMark(group, x, y, hollow, name) {
  return shape("path", { class: hollow ? `sl-line-${group + 1} sl-hollow` : `sl-fill-${group + 1}`, d: FORMS[group](x, y, 5) },
    name ? shape("title", null, name) : null);
}

const isWithin = (value, limit, better) => !isNumber(limit) || (isNumber(value) && (better === "less" ? value <= limit : value >= limit));

// What lies beyond the limits is shaded; the limits themselves are dashed.
function budgetShapes(budget, better, { px, py, inside }) {
  const clamp = (pixel, low, high) => Math.min(Math.max(pixel, low), high);
  const { left, right, top, bottom } = inside;
  const parts = [];
  const add = (x1, x2, y1, y2, line) => parts.push(
    shape("rect", { class: "sl-beyond", x: x1, y: y1, width: x2 - x1, height: y2 - y1 }), shape("line", { class: "sl-limit", ...line }));
  if (isNumber(budget.x)) {
    const at = clamp(px(budget.x), left, right);
    add(better[0] === "less" ? at : left, better[0] === "less" ? right : at, top, bottom, { x1: at, x2: at, y1: top, y2: bottom });
  }
  if (isNumber(budget.y)) {
    const at = clamp(py(budget.y), top, bottom);
    add(left, right, better[1] === "less" ? top : at, better[1] === "less" ? at : bottom, { x1: left, x2: right, y1: at, y2: at });
  }
  return parts;
}

// From the best x on: at any limit of x the line is as high as the best point that keeps the limit.
function frontCorners(points, better, { px, py, inside }) {
  const sign = better[0] === "less" ? 1 : -1;
  const places = points.map((point) => [px(point.x), py(point.y)]).sort((one, other) => sign * (one[0] - other[0]));
  if (!places.length) return [];
  const corners = [[places[0][0], better[1] === "less" ? inside.top : inside.bottom]];
  for (const [x, y] of places) corners.push([x, corners[corners.length - 1][1]], [x, y]);
  return [...corners, [sign > 0 ? inside.right : inside.left, corners[corners.length - 1][1]]];
}

// Each label to the right of its point, to the left, above or below, wherever it covers no point, no label and, if
// that can be had, no part of the front. One that has no place is left out: the table and the point's title have it.
function labelShapes(spots, marks, corners, { inside }) {
  const taken = marks.map(({ x, y, r }) => [x - r, x + r, y - r, y + r]);
  const line = corners.slice(1).map(([x, y], i) => {
    const [fromX, fromY] = corners[i];
    return [Math.min(x, fromX), Math.max(x, fromX), Math.min(y, fromY), Math.max(y, fromY)];
  });
  const isInside = ([x1, x2, y1, y2]) => x1 >= inside.left - 2 && x2 <= inside.right + 12 && y1 >= 0 && y2 <= inside.bottom;
  const free = (boxes) => ([x1, x2, y1, y2]) => boxes.every((box) => x2 < box[0] || x1 > box[1] || y2 < box[2] || y1 > box[3]);
  return spots.flatMap(({ x, y, r, text, strong }) => {
    const wide = text.length * 6.5;
    const starts = [[x + r + 4, y + 4], [x - r - 4 - wide, y + 4], [x - wide / 2, y - r - 5], [x - wide / 2, y + r + 14],
      [x + r + 2, y + r + 10], [x + r + 2, y - r - 3], [x - r - 2 - wide, y - r - 3], [x - r - 2 - wide, y + r + 10]];
    const box = ([left, base]) => [left, left + wide, base - 10, base + 3];
    const allowed = starts.filter((start) => isInside(box(start)) && free(taken)(box(start)));
    const found = allowed.find((start) => free(line)(box(start))) ?? allowed[0];
    if (!found) return [];
    taken.push(box(found));
    return [shape("text", { class: strong ? "sl-over sl-strong" : "sl-over", x: found[0], y: found[1] }, text)];
  });
}

function scatterLegend(groups, data, budget) {
  const entries = groups.length > 1 ? groups.map((name, i) => ({ name: name ?? "other", sample: pointMark(i, 9, 6) })) : [];
  if (data.front?.length) entries.push({ name: "Pareto front", sample: shape("path", { class: "sl-front", d: "M1 11V7H9V2H18" }) });
  if (budget) entries.push({ name: "beyond the budget", sample: shape("g", null, shape("rect", { class: "sl-beyond", width: 18, height: 12 }), pointMark(0, 9, 6, true)) });
  if (data.now) entries.push({ name: "this setting", sample: shape("circle", { class: "sl-now", cx: 9, cy: 6, r: 5 }) });
  return entries;
}

drawers.scatter = (data, spec, width) => {
  const height = 290;
  const { better } = spec;
  const now = data.now ?? null;
  const limits = data.budget ?? {};
  const budget = isNumber(limits.x) || isNumber(limits.y);
  const spots = now ? [...data.points, now] : data.points;
  const x = axisOf([...spots.map((point) => point.x), limits.x], spec, "x", 0.05);
  const y = axisOf([...spots.flatMap((point) => [point.y, point.low, point.high]), limits.y], spec, "y", 0.08);
  const chart = frame(width, height, x, y);
  const { root, px, py } = chart;
  const inside = (value, [low, high]) => isNumber(value) && value >= low && value <= high;
  const isDrawn = (point) => point && inside(point.x, x.range) && inside(point.y, y.range);
  const within = (point) => isWithin(point.x, limits.x, better[0]) && isWithin(point.y, limits.y, better[1]);
  const front = new Set(data.front ?? []);
  const groups = [...new Set(data.points.map((point) => point.group ?? null))];
  const drawn = data.points.map((point, place) => ({ point, place })).filter(({ point }) => isDrawn(point));

  const corners = frontCorners(drawn.filter(({ place }) => front.has(place)).map(({ point }) => point), better, chart);
  root.append(...budgetShapes(limits, better, chart), shape("path", { class: "sl-front", d: linePath(corners) }));
  for (const { point } of drawn) {
    const at = px(point.x);
    const [low, high] = [point.low, point.high].map((value) => (isNumber(value) ? py(Math.min(Math.max(value, y.range[0]), y.range[1])) : null));
    const group = groups.indexOf(point.group ?? null);
    if (low !== null && high !== null) root.append(shape("line", { class: `sl-line-${group + 1} sl-thin`, x1: at, x2: at, y1: low, y2: high }));
    root.append(pointMark(group, at, py(point.y), !within(point), point.label));
  }
  if (isDrawn(now)) root.append(shape("circle", { class: "sl-now", cx: px(now.x), cy: py(now.y), r: 9 }));
  const named = (point, r, strong) => ({ x: px(point.x), y: py(point.y), r, text: String(point.label), strong });
  const marks = [...drawn.map(({ point }) => named(point, 5)), ...(isDrawn(now) ? [named(now, 9)] : [])];
  const onFront = drawn.filter(({ place }) => front.has(place)).map(({ point }) => named(point, 6));
  const others = drawn.filter(({ place }) => !front.has(place)).map(({ point }) => named(point, 6));
  root.append(...labelShapes([...(isDrawn(now) && now.label ? [named(now, 10, true)] : []), ...onFront, ...others], marks, corners, chart));
  return {
    picture: root,
    height,
    label: scatterLabel(data, spec, within, budget),
    legend: scatterLegend(groups, data, budget),
    table: scatterTable(data, spec, within, { groups, budget, front }),
  };
};

const cellText = (value, spec, which) => (spec.percent.includes(which) ? percentage(value, 2) : value ?? null);

function scatterLabel(data, spec, within, budget) {
  const parts = [`${data.points.length} points`];
  if (data.front) parts.push(`${data.front.length} on the Pareto front`);
  if (budget) parts.push(`${data.points.filter(within).length} within the budget`);
  if (data.now) parts.push(`this setting: ${readable(cellText(data.now.x, spec, "x"))}, ${readable(cellText(data.now.y, spec, "y"))}`);
  return parts.join("; ");
}

// The same points in words, the present setting last.
function scatterTable(data, spec, within, { groups, budget, front }) {
  const intervals = data.points.some((point) => isNumber(point.low) && isNumber(point.high));
  const columns = ["point", spec.x || "x", spec.y || "y", intervals && "from", intervals && "to",
    groups.length > 1 && "group", data.front && "on the front", budget && "within the budget"];
  const row = (point, place) => [point.label ?? "this setting", cellText(point.x, spec, "x"), cellText(point.y, spec, "y"),
    cellText(point.low, spec, "y"), cellText(point.high, spec, "y"), point.group ?? "", front.has(place), within(point)];
  const rows = [...data.points.map(row), ...(data.now ? [row({ ...data.now, label: "this setting" }, -1)] : [])];
  const shown = columns.map((name, i) => (name ? i : null)).filter((i) => i !== null);
  return { columns: shown.map((i) => columns[i]), rows: rows.map((cells) => shown.map((i) => cells[i])) };
}
