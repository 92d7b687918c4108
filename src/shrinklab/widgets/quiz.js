// Practice: a bank of questions, one at a time or all. Placement: a short test without help, then the verdict.

function renderPractice(model, el) {
  const frame = quizFrame(model, el, "Practice questions");
  const { bank, body, say } = frame;
  const titles = Object.fromEntries(bank.sections.map((section) => [section.id, section.title]));
  const view = { level: "all", all: false, at: 0, missed: null, verdict: false };
  const record = (id) => frame.records()[id] ?? {};
  const isRight = (question) => record(question.id).right === true;
  const missed = () => bank.questions.filter((one) => record(one.id).tries && !isRight(one));
  const pool = () => bank.questions.filter((one) => (view.missed ? view.missed.includes(one.id)
    : view.level === "all" || one.level === view.level));

  const status = element("span", { class: "sl-count" });
  const bar = percentDone(0, bank.questions.length);
  const strip = element("ol", { class: "sl-strip" });
  const stage = element("div", { class: "sl-stage" });
  const retry = button("", retryMissed);
  const finish = button("Verdict", () => { view.verdict = true; draw(true); });
  const reset = button("Start again", askReset, { onblur: () => { reset.textContent = "Start again"; } });
  const level = select("Level", [["all", "all levels"], ["easy", "easy"], ["medium", "medium"], ["hard", "hard"]],
    (value) => { Object.assign(view, { level: value, at: 0, missed: null, verdict: false }); draw(); });
  const layout = select("Show", [["one", "one at a time"], ["all", "all questions"]],
    (value) => { view.all = value === "all"; view.verdict = false; draw(); });

  function retryMissed() {
    const ids = view.missed ? null : missed().map((one) => one.id);
    if (ids) { // an answer that is tried again starts empty; what it was worth stays on record
      const progress = { ...frame.records() };
      for (const id of ids) progress[id] = { ...progress[id], answer: null };
      frame.write(progress);
    }
    Object.assign(view, { missed: ids, at: 0, verdict: false });
    draw(true);
  }

  function askReset() {
    if (reset.textContent === "Start again") {
      reset.textContent = "Forget all answers?";
      return;
    }
    reset.textContent = "Start again";
    Object.assign(view, { at: 0, missed: null, verdict: false });
    frame.write({});
    draw();
    say("All answers are forgotten.");
  }

  function save(id, change) {
    frame.write({ ...frame.records(), [id]: { ...record(id), ...change } });
    head();
  }

  function head() {
    const tried = bank.questions.filter((one) => record(one.id).tries).length;
    const right = bank.questions.filter(isRight).length;
    status.textContent = `${tried} of ${bank.questions.length} answered, ${right} right`;
    bar.value = tried;
    const left = missed().length;
    retry.hidden = !view.missed && !left;
    retry.textContent = view.missed ? "Back to all questions" : `Retry the missed (${left})`;
    finish.hidden = !tried;
    reset.hidden = !tried;
    strip.hidden = view.all;
    strip.replaceChildren(...pool().map((one, index) => stripButton(one, index)));
  }

  function stripButton(question, index) {
    const { tries } = record(question.id);
    const [sign, word] = isRight(question) ? ["✓", "right"] : tries ? ["✗", "missed"] : ["", "open"];
    const here = index === view.at && !view.verdict;
    return element("li", {}, button(`${index + 1}${sign}`, () => { view.at = index; view.verdict = false; draw(true); },
      { "aria-label": `Question ${index + 1}, ${word}`, "aria-current": here ? "true" : null,
        class: `sl-button sl-${word}` }));
  }

  function card(question, index, count) {
    return practiceCard(question, { number: index + 1, count, title: titles[question.section], say,
      record: () => record(question.id), save: (change) => save(question.id, change) });
  }

  function standing() {
    return verdictPanel(bank, frame.records(), { say, advice: (rows) => practiceAdvice(rows, say),
      rule: "Right at once counts fully, after a hint or another try half, after the solution not at all." });
  }

  // focus: the reader asked for something else to be shown, so the keyboard goes there too.
  function draw(focus = false) {
    const questions = pool();
    view.at = Math.min(view.at, Math.max(0, questions.length - 1));
    let first;
    say("");
    if (!questions.length) {
      stage.replaceChildren(element("p", { class: "sl-p" }, "There are no questions on this level."));
    } else if (view.verdict) {
      const panel = standing();
      panel.node.append(element("div", { class: "sl-row" },
        button("← Back to the questions", () => { view.verdict = false; draw(true); })));
      first = panel.title;
      stage.replaceChildren(panel.node);
    } else if (view.all) {
      const cards = questions.map((one, index) => card(one, index, questions.length));
      first = cards[0].head;
      stage.replaceChildren(...cards.map((one) => one.node));
    } else {
      const one = card(questions[view.at], view.at, questions.length);
      first = one.head;
      stage.replaceChildren(one.node, pager(questions.length));
    }
    head();
    if (focus) first?.focus();
  }

  function pager(count) {
    const go = (by) => () => {
      if (view.at + by >= count) view.verdict = true;
      else view.at += by;
      draw(true);
    };
    const back = button("← Previous", go(-1));
    back.disabled = view.at === 0;
    return element("div", { class: "sl-row sl-pager" }, back,
      button(view.at === count - 1 ? "See the verdict" : "Next →", go(1)));
  }

  frame.onOtherChange(() => draw());
  body.append(element("div", { class: "sl-top" }, heading(2, "Practice"), status, bar),
    element("div", { class: "sl-row sl-tools" }, level, layout, retry, finish, reset),
    element("nav", { "aria-label": "Questions" }, strip), stage);
  draw();
  return frame.stop;
}

function render({ model, el }) {
  return model.get("mode") === "placement" ? renderPlacement(model, el) : renderPractice(model, el);
}

export default { render };
