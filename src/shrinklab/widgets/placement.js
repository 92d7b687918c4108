// The placement test: ten questions with no help, and at the end where to start reading.

function renderPlacement(model, el) {
  const frame = quizFrame(model, el, "Placement test");
  const { body, say } = frame;
  const all = frame.bank.questions;
  const bank = { ...frame.bank, questions: model.get("drawn").map((id) => all.find((one) => one.id === id)) };
  const count = bank.questions.length;
  const titles = Object.fromEntries(bank.sections.map((section) => [section.id, section.title]));
  const record = (question) => frame.records()[question.id] ?? {};
  const status = element("span", { class: "sl-count" });
  const bar = percentDone(0, count);
  const stage = element("div", { class: "sl-stage" });
  let at = bank.questions.findIndex((one) => !record(one).tries);
  if (at < 0) at = count;

  function show(place, focus = true) {
    at = place;
    say("");
    const { node, title } = at < count ? item(bank.questions[at]) : result();
    stage.replaceChildren(node);
    const done = bank.questions.filter((one) => record(one).tries).length;
    status.textContent = `${done} of ${count} answered`;
    bar.value = done;
    if (focus) title.focus();
  }

  function item(question) {
    const { input, fields } = questionForm(question, () => say(""), say);
    const { title, head } = questionHead(question, at + 1, count);
    const { answer = null } = record(question);
    if (answer !== null) input.write(answer);
    const keep = (value, right) => {
      frame.write({ ...frame.records(), [question.id]: { answer: value, right, tries: 1 } });
      show(at + 1);
    };
    const next = (event) => {
      event.preventDefault();
      const value = input.read();
      if (value === null) say(question.options ? "Choose an answer, or say that you don't know."
        : "Type a number, or say that you don't know.");
      else keep(value, grade(question, value).right);
    };
    const back = button("← Previous", () => show(at - 1));
    back.disabled = at === 0;
    const node = answerForm(next, head, fields,
      element("div", { class: "sl-row" },
        element("button", { class: "sl-button sl-main", ...OWN_KEYS }, at === count - 1 ? "Finish" : "Next →"),
        button("I don't know", () => keep(null, false)), back));
    return { node, title };
  }

  function result() {
    const panel = verdictPanel(bank, frame.records(), { say, rule: "",
      advice: (rows) => placementAdvice(rows, say) });
    const wrong = bank.questions.filter((one) => !record(one).right);
    if (wrong.length) panel.node.append(element("details", {}, element("summary", { ...OWN_KEYS },
      `The ${wrong.length} you missed`), element("ul", { class: "sl-missed-list" }, ...wrong.map(missedItem))));
    panel.node.append(element("div", { class: "sl-row" },
      button("Take the test again", () => { frame.write({}); show(0); })));
    return panel;
  }

  function missedItem(question) {
    const { answer = null } = record(question);
    const mistake = answer === null ? "" : grade(question, answer).mistake;
    return element("li", {}, element("strong", {}, `Question ${bank.questions.indexOf(question) + 1}. `),
      ...inline(paragraphs(question.question)[0]),
      mistake && element("div", { class: "sl-note" }, ...inline(mistake)),
      element("div", { class: "sl-note" }, "taught in ", sectionLink(titles[question.section], say)));
  }

  frame.onOtherChange(() => {
    const open = bank.questions.findIndex((one) => !record(one).tries);
    show(open < 0 ? count : open, false);
  });
  body.append(element("div", { class: "sl-top" }, heading(2, "Test first"), status, bar), stage);
  show(at, false);
  return frame.stop;
}
