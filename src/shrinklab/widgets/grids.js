// Pictures over named rows: the confusion matrix, bars, and plain tables.

drawers.confusion = (data, spec, width) => {
  const { labels, counts } = data;
  const n = labels.length;
  const left = 34 + 6.6 * Math.max(...labels.map((label) => String(label).length));
  const side = Math.min((width - left - 4) / n, n <= 3 ? 96 : 44);
  const upper = 30; // where the name of the rows stands: left of the columns' names, or, when it is long, on a line above them
  const top = upper + (spec.y && 6.7 * (spec.y.length + 2) > left - 4 ? 28 : 12);
  const root = shape("g", null,
    shape("text", { class: "sl-axis-title", x: left + (n * side) / 2, y: 12, "text-anchor": "middle" }, `${spec.x} →`),
    shape("text", { class: "sl-axis-title", x: 2, y: upper }, `${spec.y} ↓`));
  // Long names stand on end when their columns are narrow.
  const narrow = labels.some((label) => String(label).length * 6.6 > side - 2);
  const head = narrow ? top + 6.6 * Math.max(...labels.map((label) => String(label).length)) - 10 : top;
  labels.forEach((label, j) => {
    const x = left + (j + 0.5) * side;
    const turned = narrow ? { transform: `translate(${x + 4} ${head - 6}) rotate(-90)`, "text-anchor": "start" } : { x, y: head - 6, "text-anchor": "middle" };
    root.append(shape("text", turned, String(label)));
  });
  counts.forEach((row, i) => {
    const y = head + i * side;
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    root.append(shape("text", { x: left - 6, y: y + side / 2, dy: "0.32em", "text-anchor": "end" }, String(labels[i])));
    row.forEach((count, j) => {
      const x = left + j * side;
      root.append(
        shape("rect", { class: "sl-heat", style: `--share:${count / total}`, x: x + 1, y: y + 1, width: side - 2, height: side - 2 }),
        shape("text", { class: i === j ? "sl-strong" : null, x: x + side / 2, y: y + side / 2, dy: "0.32em", "text-anchor": "middle" }, short(count)));
    });
  });
  return {
    picture: root,
    height: head + n * side + 4,
    label: `Confusion matrix of ${n} classes, rows are the true class`,
    legend: [],
    table: { columns: [`${spec.y} \\ ${spec.x}`, ...labels], rows: counts.map((row, i) => [labels[i], ...row]) },
  };
};

drawers.bars = (data, spec, width) => {
  const { labels, values, unit } = data;
  const reference = data.reference === undefined || data.reference === null ? null
    : labels.map((_, i) => (Array.isArray(data.reference) ? data.reference[i] : data.reference));
  const longest = (texts) => 6.8 * Math.max(...texts.map((text) => text.length), 1);
  const left = Math.min(longest(labels.map(String)), width * 0.4) + 10;
  const right = width - longest(values.map((value) => withUnit(value, unit))) - 12;
  const high = spec.x_max ?? Math.max(...[...values, ...(reference ?? [])].filter(isNumber), 1e-9);
  const px = linear([0, high], [left, Math.max(right, left + 40)]);
  const pitch = 30;
  const root = shape("g", null, shape("line", { class: "sl-axis", x1: left, x2: left, y1: 2, y2: 2 + pitch * labels.length }));
  labels.forEach((label, i) => {
    const y = 4 + pitch * i;
    const end = isNumber(values[i]) ? px(Math.min(values[i], high)) : left;
    const before = reference && isNumber(reference[i]) ? px(Math.min(reference[i], high)) : null;
    root.append(
      shape("text", { x: left - 6, y: y + 13, dy: "0.32em", "text-anchor": "end" }, String(label)),
      shape("rect", { class: "sl-fill-1", x: left, y: y + 3, width: Math.max(end - left, 0), height: 20 }),
      before === null ? null : shape("line", { class: "sl-reference", x1: before, x2: before, y1: y, y2: y + 26 }),
      // At the end of its own bar, over the mark of the value before: beside that mark it would read as its value.
      shape("text", { class: "sl-over", x: end + 6, y: y + 13, dy: "0.32em" }, withUnit(values[i], unit)));
  });
  if (spec.x) root.append(shape("text", { class: "sl-axis-title", x: left, y: pitch * labels.length + 20 }, spec.x));
  return {
    picture: root,
    height: pitch * labels.length + (spec.x ? 28 : 8),
    label: `Bars: ${labels.map((label, i) => `${label} ${withUnit(values[i], unit)}`).join(", ")}`,
    legend: reference ? [{ name: spec.parts[0], color: 1 }, { name: spec.parts[1], color: "reference" }] : [],
    table: {
      columns: ["", spec.parts[0], ...(reference ? [spec.parts[1]] : [])],
      rows: labels.map((label, i) => [label, withUnit(values[i], unit), ...(reference ? [withUnit(reference[i], unit)] : [])]),
    },
  };
};

function htmlTable({ columns, rows }, caption) {
  const cell = (value) => element("td", { class: isNumber(value) || value === null ? "sl-number" : null }, readable(value));
  return element("table", { class: "sl-table" },
    caption ? element("caption", null, caption) : null,
    element("thead", null, element("tr", null, columns.map((name) => element(name ? "th" : "td", name ? { scope: "col" } : null, String(name))))),
    element("tbody", null, rows.map((row) => element("tr", null,
      element("th", { scope: "row" }, readable(row[0])), row.slice(1).map(cell)))));
}

// {"accuracy": {"value": 0.98, "unit": "%", "text": "98.0 %"}} as a row of figures.
function figures(numbers) {
  return element("dl", { class: "sl-figures" }, Object.entries(numbers).map(([name, number]) =>
    element("div", { "data-number": name, "data-value": number.value },
      element("dt", null, number.label ?? name.replaceAll("_", " ")), element("dd", null, number.text))));
}
