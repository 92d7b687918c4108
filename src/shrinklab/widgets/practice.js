// One practice question with its help: hint, feedback that names the mistake, and the solution in steps.

const NO_MISTAKE = "This is not the number. Work it out again, or ask for the hint.";

function practiceCard(question, { number, count, title, record, save, say }) {
  const { title: head, head: bar } = questionHead(question, number, count,
    element("span", { class: "sl-about" }, "taught in ", sectionLink(title, say)));
  const feedback = element("div", { class: "sl-feedback", "aria-live": "polite" });
  const help = element("div", { class: "sl-help", "aria-live": "polite" });
  const { input, fields } = questionForm(question, () => { feedback.replaceChildren(); input.mark(null); }, say);
  const hint = button("Hint", showHint);
  const more = button("", nextStep);
  const steps = element("ol", { class: "sl-solution-steps" });
  let shown = 0;

  function showHint() {
    hint.disabled = true;
    help.prepend(element("div", { class: "sl-hint" }, element("strong", {}, "Hint "), ...rich(question.hint, "span")));
    if (!record().right) save({ hint: true });
    input.node.querySelector("input, button:enabled")?.focus();
  }

  function nextStep() {
    if (!shown) help.append(steps);
    if (shown < question.steps.length) steps.append(element("li", {}, ...rich(question.steps[shown], "span")));
    else help.append(...ending(question));
    shown += 1;
    if (!record().right) save({ solution: true });
    name();
  }

  function name() {
    const all = question.steps.length;
    more.hidden = shown > all;
    more.textContent = shown === all ? "Final answer"
      : shown ? `Next step (${shown + 1} of ${all})` : `Solution, step 1 of ${all}`;
  }

  function check(event) {
    event.preventDefault();
    const answer = input.read();
    if (answer === null) {
      feedback.replaceChildren(element("p", { class: "sl-verdict-line" }, question.options
        ? "Choose an answer first." : "Type a number first, in digits."));
      return;
    }
    const { right, mistake } = grade(question, answer);
    input.mark(answer, right);
    feedback.replaceChildren(...reply(question, right, mistake));
    const before = record();
    // Once right stays right: trying other options afterwards, to read why they are wrong, costs nothing.
    if (!before.right) save({ answer, right, tries: (before.tries ?? 0) + 1 });
  }

  function show() {
    const { answer = null, right } = record();
    input.write(answer);
    input.mark(answer, right);
    if (answer !== null) feedback.replaceChildren(...reply(question, right, grade(question, answer).mistake));
  }

  name();
  const node = answerForm(check, bar, fields,
    element("div", { class: "sl-row" },
      element("button", { class: "sl-button sl-main", ...OWN_KEYS }, "Check answer"), hint, more), feedback, help);
  show();
  return { node, head };
}

function reply(question, right, mistake) {
  if (right) {
    return [element("p", { class: "sl-verdict-line sl-good" }, "✓ Right."),
      element("p", { class: "sl-p" }, element("strong", {}, "Quick check "), ...inline(question.quick_check))];
  }
  return [element("p", { class: "sl-verdict-line sl-bad" }, "✗ Not yet."), ...rich(mistake || NO_MISTAKE)];
}

function ending(question) {
  return [
    element("div", {}, element("strong", {}, "Answer "), ...rich(question.final_answer, "span")),
    question.fixed && codeBlock(question.fixed, "The mended code", true),
    element("div", {}, element("strong", {}, "Quick check "), ...rich(question.quick_check, "span")),
    element("div", {}, element("strong", {}, "Common mistakes"),
      element("ul", {}, ...question.common_mistakes.map((one) => element("li", {}, ...inline(one))))),
  ].filter(Boolean);
}
