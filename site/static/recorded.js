// Plain ipywidgets without Python: the same inputs, and what each setting was recorded to show.

function render({ model, el }) {
  const specs = model.get("controls");
  const table = model.get("table");
  const asHtml = model.get("html");
  const resolver = tableResolver(table);
  const shown = asHtml.map((html) => element(html ? "div" : "p", { class: "sl-recorded-output" }));
  const answer = element("div", { class: "sl-answer", role: "status", "aria-live": "polite" }, ...shown);
  const note = element("p", { class: "sl-note" });
  const controls = specs.map((spec) => makeControl(spec, show));
  const root = element("div", { class: "sl-explorer sl-recorded", role: "group", "aria-label": "Sliders" },
    element("fieldset", { class: "sl-controls" }, element("legend", { class: "sl-hidden" }, "Settings"),
      ...controls.map((control) => control.root)), answer, note);

  async function show() {
    const values = Object.fromEntries(controls.map((control) => [control.name, control.read()]));
    const found = await resolver.resolve(values);
    found.shown.forEach((text, i) => {
      if (asHtml[i]) shown[i].innerHTML = text; // recorded by the site's own build from the lesson's code
      else shown[i].textContent = text;
    });
    const off = specs.filter((spec) => spec.kind === "range" && Math.abs(found.at[spec.name] - values[spec.name]) > 1e-9);
    note.textContent = off.length === 0 ? "" : "Recorded beforehand; shown is the nearest setting: "
      + `${off.map((spec) => `${spec.label} ${rangeText(spec, found.at[spec.name])}`).join(", ")}.`;
    root.dataset.values = JSON.stringify(found.at);
    window.dispatchEvent(new Event("shrinklab:drawn"));
  }
  controls.forEach((control) => control.write(control.first));
  el.append(root);
  show();
}

export default { render };
