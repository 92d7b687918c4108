// Pictures over two axes: the histogram with its cut, and curves with a marker.
// A drawer takes (data, spec, width) and returns {picture, height, label, legend, table}.

const drawers = {};

// One path for many bars is drawn much faster than many rectangles.
function barPath(bars, py, foot) {
  return bars.map(([left, right, count]) => `M${left} ${foot}V${py(count)}H${right}V${foot}Z`).join("");
}

// Bars split at the two ends of the cut: [bars outside, bars inside].
function splitAtCut(edges, counts, cut) {
  const parts = [[], []];
  counts.forEach((count, i) => {
    if (!count) return;
    const points = [edges[i], edges[i + 1]];
    for (const end of cut ?? []) if (end > edges[i] && end < edges[i + 1]) points.push(end);
    points.sort((a, b) => a - b);
    for (let k = 0; k + 1 < points.length; k += 1) {
      const middle = (points[k] + points[k + 1]) / 2;
      parts[cut && middle > cut[0] && middle < cut[1] ? 1 : 0].push([points[k], points[k + 1], count]);
    }
  });
  return parts;
}

drawers.histogram = (data, spec, width) => {
  const { edges, counts } = data;
  const cut = data.cut ?? null;
  const height = 230;
  const high = spec.y_max ?? Math.max(1, ...counts);
  const y = spec.log
    ? { range: [0, high], ticks: decades(high), title: `${spec.y} (log scale)`, scale: (pixels) => logarithmic(high, pixels) }
    : { range: [0, high], title: spec.y };
  const chart = frame(width, height, { range: [edges[0], edges[edges.length - 1]], title: spec.x }, y);
  const { px, py, inside } = chart;
  splitAtCut(edges, counts, cut).forEach((bars, i) => {
    const pixels = bars.map(([left, right, count]) => [px(left) + 0.3, px(right) - 0.3, Math.min(count, high)]);
    chart.root.append(shape("path", { class: `sl-fill-${i + 1}`, d: barPath(pixels, py, inside.bottom) }));
  });
  const inRange = (value) => value > edges[0] && value < edges[edges.length - 1];
  for (const end of (cut ?? []).filter(inRange)) {
    chart.root.append(shape("line", { class: "sl-marker", x1: px(end), x2: px(end), y1: inside.top, y2: inside.bottom }));
  }
  const cutText = cut ? `; ${spec.parts[1]} between ${readable(cut[0])} and ${readable(cut[1])}` : "";
  return {
    picture: chart.root,
    height,
    label: `Histogram of ${counts.length} bars from ${readable(edges[0])} to ${readable(edges[edges.length - 1])}${cutText}`,
    legend: cut ? spec.parts.map((name, i) => ({ name, color: i + 1 })) : [],
    table: { columns: ["from", "to", spec.y], rows: counts.map((count, i) => [edges[i], edges[i + 1], count]) },
  };
};

function linePath(points) {
  let pen = "M";
  let path = "";
  for (const point of points) {
    if (point === null) pen = "M";
    else {
      path += `${pen}${point[0]} ${point[1]}`;
      pen = "L";
    }
  }
  return path;
}

const colorOf = (i) => (i % 6) + 1;

function drawSeries(series, i, chart, marker) {
  const { px, py } = chart;
  const known = series.x.map((x, k) => (isNumber(x) && isNumber(series.y[k]) ? [px(x), py(series.y[k])] : null));
  const parts = [];
  if (series.low && series.high) {
    const both = [...series.x.keys()].filter((k) => [series.x[k], series.low[k], series.high[k]].every(isNumber));
    const there = both.map((k) => [px(series.x[k]), py(series.high[k])]);
    const back = both.map((k) => [px(series.x[k]), py(series.low[k])]).reverse();
    parts.push(shape("path", { class: `sl-band-${colorOf(i)}`, d: `${linePath([...there, ...back])}Z` }));
  }
  parts.push(shape("path", { class: `sl-line-${colorOf(i)} sl-dash-${i % 4}`, d: linePath(known) }));
  series.x.forEach((x, k) => {
    const here = isNumber(marker) && Math.abs(px(x) - px(marker)) < 0.5;
    if (known[k] === null || (!here && series.x.length > 30)) return;
    parts.push(shape("circle", { class: `sl-fill-${colorOf(i)}`, cx: known[k][0], cy: known[k][1], r: here ? 5.5 : 2.5 }));
  });
  return parts;
}

drawers.lines = (data, spec, width) => {
  const height = 230;
  const marker = data.marker ?? null;
  const all = (key) => data.series.flatMap((series) => [...series[key], ...(key === "y" ? [...(series.low ?? []), ...(series.high ?? [])] : [])]);
  const x = axisOf([...all("x"), marker], spec, "x", 0);
  const y = axisOf(all("y"), spec, "y", 0.06);
  const chart = frame(width, height, x, y);
  const { px, inside } = chart;
  if (isNumber(marker)) {
    chart.root.append(shape("line", { class: "sl-marker", x1: px(marker), x2: px(marker), y1: inside.top, y2: inside.bottom }));
  }
  data.series.forEach((series, i) => chart.root.append(...drawSeries(series, i, chart, marker)));
  const banded = data.series.some((series) => series.low && series.high);
  const cell = (value, percent) => (percent ? percentage(value, 2) : value);
  return {
    picture: chart.root,
    height,
    label: `Curves: ${data.series.map((series) => series.name).join(", ")}${isNumber(marker) ? `; this setting at ${cell(marker, x.percent)}` : ""}`,
    legend: data.series.length > 1 ? [...data.series.map((series, i) => ({ name: series.name, color: colorOf(i), dash: i % 4 })),
      ...(banded ? [{ name: "interval", sample: shape("rect", { class: `sl-band-${colorOf(data.series.findIndex((series) => series.low))}`, width: 18, height: 12 }) }] : []),
      ...(isNumber(marker) ? [{ name: "this setting", sample: shape("line", { class: "sl-marker", x1: 9, x2: 9, y1: 0, y2: 12 }) }] : [])] : [],
    table: {
      columns: ["curve", spec.x || "x", spec.y || "y", ...(banded ? ["from", "to"] : [])],
      rows: data.series.flatMap((series) => series.x.map((value, k) => [series.name, cell(value, x.percent), cell(series.y[k], y.percent),
        ...(banded ? [cell(series.low?.[k] ?? null, y.percent), cell(series.high?.[k] ?? null, y.percent)] : [])])),
    },
  };
};
