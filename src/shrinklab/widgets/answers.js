// The three ways to answer: choose an option, type a number, put steps in order.
// Each gives {node, read() -> answer or null, write(answer), mark(answer, right)}.

function choiceInput(question, changed) {
  const name = newId("choice");
  const marks = [];
  const inputs = [];
  const rows = question.shown.map((index) => {
    const input = element("input", { type: "radio", name, value: index, onchange: changed, ...OWN_KEYS });
    inputs[index] = input;
    marks[index] = element("span", { class: "sl-mark" });
    return element("label", { class: "sl-option" }, input,
      element("span", { class: "sl-option-text" }, ...rich(question.options[index].text, "span")), marks[index]);
  });
  return {
    node: element("div", { class: "sl-options" }, rows),
    read: () => { const at = inputs.findIndex((input) => input.checked); return at < 0 ? null : at; },
    write: (answer) => inputs.forEach((input, index) => { input.checked = index === answer; }),
    mark: (answer, right) => marks.forEach((mark, index) => {
      const here = index === answer;
      mark.textContent = here ? (right ? "✓ right" : "✗ not this") : "";
      mark.closest("label").classList.toggle("sl-right", here && right);
      mark.closest("label").classList.toggle("sl-wrong", here && !right);
    }),
  };
}

function numberInput(question, changed) {
  const input = element("input", { type: "number", step: "any", inputmode: "decimal", autocomplete: "off",
    oninput: changed, ...OWN_KEYS });
  const mark = element("span", { class: "sl-mark" });
  const box = element("label", { class: "sl-number-row" }, "Your answer", input,
    question.unit && element("span", { class: "sl-unit" }, question.unit), mark);
  return {
    node: box,
    read: () => (input.value.trim() === "" || !Number.isFinite(input.valueAsNumber) ? null : input.valueAsNumber),
    write: (answer) => { input.value = answer ?? ""; },
    mark: (answer, right) => {
      mark.textContent = answer === null ? "" : right ? "✓ right" : "✗ not this";
      box.classList.toggle("sl-right", answer !== null && right);
      box.classList.toggle("sl-wrong", answer !== null && !right);
    },
  };
}

function orderInput(question, changed, say) {
  let order = [...question.shown];
  const list = element("ol", { class: "sl-steps-to-order" });
  const rows = question.order.map((step, index) => {
    const plain = step.text.replace(/[`*]/g, "");
    const arrow = (by, sign, word) => button(sign, () => move(index, by),
      { class: "sl-button sl-arrow", "aria-label": `Move ${word}: ${plain}` });
    const row = { up: arrow(-1, "↑", "up"), down: arrow(1, "↓", "down") };
    row.node = element("li", {}, element("div", { class: "sl-step" },
      element("span", { class: "sl-option-text" }, ...inline(step.text)), row.up, row.down));
    return row;
  });
  function draw() {
    order.forEach((index, place) => {
      rows[index].up.disabled = place === 0;
      rows[index].down.disabled = place === order.length - 1;
    });
    list.append(...order.map((index) => rows[index].node));
  }
  function move(index, by) {
    const from = order.indexOf(index);
    [order[from], order[from + by]] = [order[from + by], order[from]];
    draw();
    // A button that has come to the end is disabled and would lose the focus: the other one takes it.
    const [wanted, other] = by < 0 ? [rows[index].up, rows[index].down] : [rows[index].down, rows[index].up];
    (wanted.disabled ? other : wanted).focus();
    changed();
    say(`Now step ${from + by + 1} of ${order.length}.`);
  }
  draw();
  return {
    node: list,
    read: () => [...order],
    write: (answer) => { order = [...(answer ?? question.shown)]; draw(); },
    mark: (answer, right) => {
      list.classList.toggle("sl-right", answer !== null && right);
      list.classList.toggle("sl-wrong", answer !== null && !right);
    },
  };
}

function answerInput(question, changed, say) {
  if (question.options) return choiceInput(question, changed);
  return question.order ? orderInput(question, changed, say) : numberInput(question, changed);
}

const KIND_NAMES = { choice: "Multiple choice", numeric: "Number", code: "Read the code", bug: "Spot the bug",
  order: "Put in order" };

// What every question shows, in practice and in a placement test: the text, its code, and the way to answer.
function questionForm(question, changed, say) {
  const input = answerInput(question, changed, say);
  const fields = element("fieldset", { class: "sl-question" },
    element("legend", {}, ...rich(question.question, "span")),
    question.code && codeBlock(question.code, "Code of this question", true), input.node);
  return { input, fields };
}

// A form that Enter submits from any of its inputs: in JupyterLab a number field does not do so by itself.
function answerForm(onsubmit, ...children) {
  const onkeydown = (event) => {
    if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    event.currentTarget.requestSubmit();
  };
  return element("form", { class: "sl-card", novalidate: true, onsubmit, onkeydown }, ...children);
}

function questionHead(question, number, count, about) {
  const title = heading(3, `Question ${number} of ${count}`);
  const head = element("div", { class: "sl-question-head" }, title,
    element("span", { class: `sl-tag sl-${question.level}` }, question.level),
    element("span", { class: "sl-tag" }, KIND_NAMES[question.kind]), about);
  return { title, head };
}
