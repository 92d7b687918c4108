// One view on the page: title, legend, picture, and the same numbers as a table that opens on demand.
// show(data) draws it and returns about how high it is.

function legendOf(entries) {
  if (!entries.length) return null;
  const sample = (entry) => {
    if (entry.sample) return entry.sample;
    if (entry.color === "reference") return shape("line", { class: "sl-reference", x1: 9, x2: 9, y1: 0, y2: 12 });
    if (entry.dash === undefined) return shape("rect", { class: `sl-fill-${entry.color}`, x: 1, y: 1, width: 16, height: 10 });
    return shape("line", { class: `sl-line-${entry.color} sl-dash-${entry.dash}`, x1: 0, x2: 18, y1: 6, y2: 6 });
  };
  return element("ul", { class: "sl-legend" }, entries.map((entry) =>
    element("li", null, shape("svg", { width: 18, height: 12, "aria-hidden": "true" }, sample(entry)), entry.name)));
}

function tableView(spec) {
  const body = element("div", { class: "sl-scroll", tabindex: "0", role: "group", "aria-label": `${spec.title || spec.name}: table`, ...OWN_KEYS });
  const root = element("figure", { class: "sl-view", "data-view": spec.name },
    spec.title ? element("figcaption", null, spec.title) : null, body);
  const show = (data) => {
    body.replaceChildren(data.columns ? htmlTable(data) : figures(data));
    return 60 + 28 * (data.columns ? data.rows.length : 1);
  };
  return { root, show, stop() {} };
}

function pictureView(spec) {
  const legend = element("div", { class: "sl-legend-place" });
  const svg = shape("svg", { role: "img", class: "sl-picture" });
  const place = element("div", { class: "sl-picture-place" }, svg);
  const rows = element("div", { class: "sl-scroll", tabindex: "0", role: "group", "aria-label": `${spec.title || spec.name}: numbers`, ...OWN_KEYS });
  const details = element("details", { class: "sl-details" }, element("summary", { ...OWN_KEYS }, "Numbers as a table"), rows);
  const root = element("figure", { class: "sl-view", "data-view": spec.name },
    element("figcaption", null, spec.title || spec.name), legend, place, details);
  let data = null;
  let width = 0;

  function draw() {
    if (!data) return 0;
    const drawn = drawers[spec.kind](data, spec, width || 460);
    svg.setAttribute("viewBox", `0 0 ${width || 460} ${drawn.height}`);
    svg.setAttribute("height", drawn.height);
    svg.setAttribute("aria-label", `${spec.title || spec.name}. ${drawn.label}`);
    svg.replaceChildren(drawn.picture);
    const entries = legendOf(drawn.legend);
    legend.replaceChildren(...(entries ? [entries] : []));
    // A closed table costs nothing: its rows are made when it opens.
    rows.replaceChildren(...(details.open ? [htmlTable(drawn.table, spec.title || spec.name)] : []));
    return drawn.height + 70;
  }

  function show(next) {
    if (!next) throw new Error(`no data for ${spec.title || spec.name}`);
    data = next;
    return draw();
  }

  details.addEventListener("toggle", draw);
  const observer = new ResizeObserver(([entry]) => {
    const next = Math.round(entry.contentRect.width);
    if (next && next !== width) {
      width = next;
      draw();
    }
  });
  observer.observe(place);
  return { root, show, stop: () => observer.disconnect() };
}

const makeView = (spec) => (spec.kind === "table" ? tableView(spec) : pictureView(spec));

// Two columns of about the same height, filled in order; on a narrow page one stands below the other.
function columns(views, heights) {
  const filled = [0, 0];
  const both = filled.map(() => element("div", { class: "sl-column" }));
  views.forEach((view, i) => {
    const shorter = filled[0] <= filled[1] ? 0 : 1;
    both[shorter].append(view.root);
    filled[shorter] += heights[i];
  });
  return both.filter((column) => column.firstChild);
}
