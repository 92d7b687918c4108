// A single predict-then-reveal question. On a static page the trait `answer` holds the truth already.

function render({ model, el }) {
  const unit = model.get("unit");
  const place = element("div");
  const root = element("div", { class: "sl-explorer sl-guess", role: "group", "aria-label": `Predict first: ${model.get("question")}` }, place);
  const resolver = model.get("answer")
    ? { resolve: async () => model.get("answer"), gone() {}, stop() {} }
    : liveResolver(model, () => ({ guess: model.get("guess") }));

  function show(guess, answer) {
    problem.textContent = answer.error ? `The answer could not be computed: ${answer.error}`
      : answer.gone ? "The Python behind this question has stopped. Run this cell again to bring it back." : "";
    if (answer.error || answer.gone) return;
    const result = element("div", { tabindex: "-1", role: "status" });
    place.replaceChildren(element("p", { class: "sl-question" }, model.get("question")), result);
    result.append(comparison(guess, answer.truth, unit));
    if (model.get("explain")) result.append(element("p", { class: "sl-explanation" }, model.get("explain")));
    result.focus();
  }

  let busy = false;
  const { root: form, problem } = predictionForm({ question: model.get("question"), unit, choices: model.get("choices") }, async (guess) => {
    if (busy) return;
    busy = true;
    problem.textContent = "";
    const slow = setTimeout(() => { problem.textContent = "Computing the truth…"; }, 400);
    model.set("guess", guess);
    const answer = await resolver.resolve({});
    clearTimeout(slow);
    busy = false;
    show(guess, answer);
  });
  place.append(form);
  const stopWatching = watchComm(model, (live) => {
    if (live || model.get("answer")) return;
    resolver.gone();
    if (form.isConnected) show(null, { gone: true });
  });
  el.append(root);
  return () => {
    resolver.stop();
    stopWatching();
  };
}

export default { render };
