// The network as boxes in reading order: as wide as a layer's inputs, as high as its outputs; an outline where it was larger.

function networkCells(data, spec, width) {
  const { layers } = data;
  const before = data.before ?? layers;
  const root = spec.scale === "root";
  const length = (channels) => (root ? Math.sqrt(channels) : channels);
  const largest = Math.max(...[...layers, ...before].flatMap((layer) => [length(layer.inputs), length(layer.outputs)]));
  const pixels = (width < 420 ? 64 : 88) / largest;
  const size = (layer) => [Math.max(length(layer.inputs) * pixels, 2), Math.max(length(layer.outputs) * pixels, 2)];
  const cells = layers.map((layer, i) => {
    const texts = [layer.name, `${readable(layer.inputs)} → ${readable(layer.outputs)}`, ...(layer.note ? [layer.note] : [])].map(String);
    const [now, was] = [size(layer), size(before[i])];
    return { layer, texts, now, was, wide: Math.max(now[0], was[0], ...texts.map((text) => text.length * 6.6)) + 20, high: Math.max(now[1], was[1]) };
  });
  return { cells, pixels, root, largest };
}

// Rows of cells that fit the width.
function networkRows(cells, width) {
  const rows = [];
  let left = Infinity;
  for (const cell of cells) {
    if (left + cell.wide > width) {
      rows.push([]);
      left = 0;
    }
    rows[rows.length - 1].push({ ...cell, left });
    left += cell.wide;
  }
  return rows;
}

function networkBox({ now, was, texts, wide, left }, middle, foot, changed) {
  const center = left + wide / 2;
  const box = (kind, [boxWide, boxHigh]) => shape("rect", { class: kind, x: center - boxWide / 2, y: middle - boxHigh / 2, width: boxWide, height: boxHigh });
  return [box("sl-fill-1", now), changed ? box("sl-outline", was) : null,
    ...texts.map((text, i) => shape("text", { class: i ? null : "sl-strong", x: center, y: foot + 14 + 15 * i, "text-anchor": "middle" }, text))];
}

// A bar of a round number of channels: the scale of all boxes.
function networkScale({ pixels, root, largest }, y, width) {
  const channels = root ? largest ** 2 : largest;
  const round = ticks(0, channels, 3)[1] ?? channels;
  const long = (root ? Math.sqrt(round) : round) * pixels;
  const said = ["width: input channels", "height: output channels", ...(root ? ["square-root scale"] : [])];
  const lines = width < 420 ? said : [said.join(" · ")];
  return { lines: lines.length, parts: [
    shape("path", { class: "sl-axis sl-bare", d: `M1 ${y - 4}V${y + 4}M1 ${y}H${1 + long}M${1 + long} ${y - 4}V${y + 4}` }),
    shape("text", { x: long + 8, y: y + 4 }, `${readable(round)} channel${round === 1 ? "" : "s"}`),
    ...lines.map((line, i) => shape("text", { class: "sl-axis-title", x: 0, y: y + 24 + 15 * i }, line)),
  ] };
}

drawers.network = (data, spec, width) => {
  const drawn = networkCells(data, spec, width);
  const root = shape("g");
  const differs = (cell) => cell.now[0] !== cell.was[0] || cell.now[1] !== cell.was[1];
  let top = 4;
  for (const row of networkRows(drawn.cells, width)) {
    const high = Math.max(...row.map((cell) => cell.high));
    const middle = top + high / 2;
    row.forEach((cell, i) => {
      const next = row[i + 1];
      if (next && !next.layer.branch && !cell.layer.branch) {
        root.append(shape("line", { class: "sl-axis", y1: middle, y2: middle,
          x1: cell.left + (cell.wide + Math.max(cell.now[0], cell.was[0])) / 2 + 3,
          x2: next.left + (next.wide - Math.max(next.now[0], next.was[0])) / 2 - 3 }));
      }
      root.append(...networkBox(cell, middle, top + high, differs(cell)).filter(Boolean));
    });
    top += high + 15 * Math.max(...row.map((cell) => cell.texts.length)) + 18;
  }
  const scale = networkScale(drawn, top + 4, width);
  root.append(...scale.parts);
  const sum = (layers) => layers.reduce((total, layer) => total + layer.outputs, 0);
  const before = data.before ?? null;
  return {
    picture: root,
    height: top + 18 + 15 * scale.lines,
    label: `${data.layers.length} layers with ${readable(sum(data.layers))} output channels${before ? `, before ${readable(sum(before))}` : ""}`,
    legend: before ? [{ name: spec.parts[0], color: 1 }, { name: spec.parts[1], sample: shape("rect", { class: "sl-outline", x: 1, y: 1, width: 16, height: 10 }) }] : [],
    table: networkTable(data, before),
  };
};

function networkTable({ layers }, before) {
  const notes = layers.some((layer) => layer.note);
  return {
    columns: ["layer", "input channels", "output channels", ...(before ? ["inputs before", "outputs before"] : []), ...(notes ? ["note"] : [])],
    rows: layers.map((layer, i) => [layer.name, layer.inputs, layer.outputs,
      ...(before ? [before[i].inputs, before[i].outputs] : []), ...(notes ? [layer.note ?? ""] : [])]),
  };
}
