// Native inputs with a label and a shown value: keyboard, touch and screen reader come with them.

function rangeText(spec, value) {
  if (spec.percent) {
    const digits = Math.max(0, Math.ceil(-Math.log10(spec.step * 100) - 1e-9));
    return `${(value * 100).toFixed(digits)} %`;
  }
  const digits = Math.min(6, (String(spec.step).split(".")[1] ?? "").length);
  const text = Number(value).toFixed(Math.max(digits, (String(spec.low).split(".")[1] ?? "").length));
  return spec.unit ? `${text} ${spec.unit}` : text;
}

function rangeControl(spec, changed) {
  const id = newId(spec.name);
  const shown = element("output", { for: id, class: "sl-value" });
  const input = element("input", { type: "range", id, name: spec.name, min: spec.low, max: spec.high, step: spec.step, ...OWN_KEYS });
  const write = (value) => {
    input.value = value;
    const text = rangeText(spec, input.valueAsNumber);
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => { write(input.value); changed(); });
  const root = element("div", { class: "sl-control" }, element("label", { for: id }, spec.label), shown, input);
  return { root, input, read: () => input.valueAsNumber, write };
}

function selectControl(spec, changed) {
  const id = newId(spec.name);
  const input = element("select", { id, name: spec.name, onchange: changed, ...OWN_KEYS },
    spec.options.map(([label], i) => element("option", { value: i }, label)));
  const write = (value) => { input.value = spec.options.findIndex((option) => option[1] === value); };
  const root = element("div", { class: "sl-control" }, element("label", { for: id }, spec.label), input);
  return { root, input, read: () => spec.options[Number(input.value)][1], write };
}

function toggleControl(spec, changed) {
  const id = newId(spec.name);
  const input = element("input", { type: "checkbox", id, name: spec.name, onchange: changed, ...OWN_KEYS });
  const root = element("div", { class: "sl-control sl-toggle" }, input, element("label", { for: id }, spec.label));
  return { root, input, read: () => input.checked, write: (value) => { input.checked = value; } };
}

function makeControl(spec, changed) {
  const make = { range: rangeControl, select: selectControl, toggle: toggleControl }[spec.kind];
  return { name: spec.name, first: spec.value, ...make(spec, changed) };
}
