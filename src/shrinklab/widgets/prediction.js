// Predict first: a question, a field for the guess, a button; then guess and truth side by side.

// choices: texts to choose from, or null for a number. reveal(guess) is called once per click with a valid guess.
function predictionForm({ question, unit, choices }, reveal) {
  const id = newId("guess");
  const problem = element("p", { class: "sl-problem", role: "alert" });
  const options = (choices ?? []).map((text, i) => element("label", { class: "sl-choice" },
    element("input", { type: "radio", name: id, value: i, ...OWN_KEYS }), text));
  const field = choices ? null : element("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", onkeydown: (event) => onEnter(event), ...OWN_KEYS });
  const read = () => {
    if (choices) {
      const chosen = form.querySelector("input:checked");
      return chosen ? choices[Number(chosen.value)] : null;
    }
    const text = field.value.replace("%", "").replace(/\s/g, "").replace(",", ".");
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
  };
  const submit = (event) => {
    event.preventDefault();
    const guess = read();
    problem.textContent = guess === null ? (choices ? "Choose one first." : "Type a number first, for example 90.") : "";
    if (guess !== null) reveal(guess);
  };
  // JupyterLab keeps Enter from submitting a form: the field and the button each do it themselves.
  const onEnter = (event) => event.key === "Enter" && submit(event);
  const button = element("button", { type: "button", class: "sl-button", onclick: submit, ...OWN_KEYS }, "Reveal");
  const inputs = choices
    ? element("fieldset", { class: "sl-choices" }, element("legend", null, question), options)
    : [element("label", { for: id, class: "sl-question" }, question), element("span", { class: "sl-field" }, field, unit)];
  const form = element("form", { class: "sl-prediction", onsubmit: submit, novalidate: true }, inputs, button, problem);
  return { root: form, problem };
}

// The two side by side; for numbers also how far apart they are.
function comparison(guess, truth, unit, truthText) {
  const text = (value) => (isNumber(value) ? `${readable(value)}${unit ? ` ${unit}` : ""}` : String(value));
  const cell = (name, value, kind) => element("div", { "data-part": kind }, element("dt", null, name), element("dd", null, value));
  const off = isNumber(guess) && isNumber(truth) ? Math.abs(guess - truth) : null;
  const right = off === null ? guess === truth : off === 0;
  const verdict = right ? "✓ Exactly." : off === null ? "✗ Not this one." : `Off by ${readable(Number(off.toPrecision(3)))}${unit === "%" ? " points" : unit ? ` ${unit}` : ""}.`;
  return element("div", { class: "sl-comparison" },
    element("dl", { class: "sl-figures" }, cell("Your guess", text(guess), "guess"), cell("Truth", truthText ?? text(truth), "truth")),
    element("p", null, verdict));
}
