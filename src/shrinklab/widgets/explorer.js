// The explorer's view: controls, headline, figures and pictures around one session.

const GONE = "The Python behind this explorer has stopped. Run this cell again to bring it back.";
const SLOW = "Waiting for Python: it is busy, or this cell must be run again.";

function tableNote(table, answer, specs) {
  if (!table) return "";
  const count = table.answers.length;
  const fewer = specs.filter((spec) => spec.of > spec.options?.length)
    .map((spec) => ` Of ${spec.of} choices for “${spec.label}” the table holds ${spec.options.length}.`).join("");
  const apart = specs.filter((spec) => spec.kind === "range").map((spec) => `${spec.label} ${rangeText(spec, answer.at[spec.name])}`);
  return `Computed beforehand for ${count} settings; shown is the nearest one${apart.length ? `: ${apart.join(", ")}` : ""}.${fewer}`;
}

function layout(model) {
  const title = model.get("title");
  const place = {
    headline: element("p", { class: "sl-headline", role: "status", "aria-live": "polite" }),
    problem: element("p", { class: "sl-problem", role: "alert" }),
    figures: element("div", { class: "sl-figures-place" }),
    prediction: element("div"),
    views: element("div", { class: "sl-views" }),
    note: element("p", { class: "sl-note" }),
    controls: element("fieldset", { class: "sl-controls" }, element("legend", { class: "sl-hidden" }, "Settings")),
    waiting: element("span", { class: "sl-waiting", "aria-hidden": "true" }, "computing…"),
  };
  place.answer = element("div", { class: "sl-answer" }, place.headline, place.figures, place.views);
  place.root = element("div", { class: "sl-explorer", role: "group", "aria-label": title || "Explorer" },
    title ? element("p", { class: "sl-title" }, title, place.waiting) : place.waiting,
    place.controls, place.problem, place.prediction, place.answer, place.note);
  return place;
}

// Holds the answer back until a guess is made, then keeps guess and truth on the page.
function predictFirst(ask, place) {
  let guess = null;
  let latest = null;
  const reveal = (value) => {
    if (!latest) return;
    const { value: truth, unit, text } = latest.numbers[ask.number];
    guess = value;
    place.answer.hidden = false;
    place.prediction.replaceChildren(
      comparison(value, unit === "%" && isNumber(truth) ? truth * 100 : truth, unit, text), again);
    again.focus();
  };
  const form = () => {
    const unit = latest?.numbers?.[ask.number]?.unit ?? "";
    return predictionForm({ question: ask.question, unit, choices: null }, reveal).root;
  };
  const restart = () => {
    guess = null;
    place.answer.hidden = true;
    place.prediction.replaceChildren(form());
    place.prediction.querySelector("input").focus();
  };
  const again = element("button", { type: "button", class: "sl-button", onclick: restart, ...OWN_KEYS }, "Guess again");
  place.answer.hidden = true;
  return (answer) => {
    latest = answer;
    if (guess === null && !place.prediction.firstChild) place.prediction.append(form());
  };
}

function render({ model, el }) {
  const place = layout(model);
  const specs = model.get("controls");
  const views = model.get("views").map((spec) => ({ spec, ...makeView(spec) }));
  const prediction = model.get("guess");
  const seen = prediction ? predictFirst(prediction, place) : () => {};

  // What this reader has moved goes to Python with the next question, or alone when the answer was known already.
  let moved = {};
  let telling = null;
  const takeMoved = () => { const taken = moved; moved = {}; return taken; };
  const live = !model.get("table");
  const resolver = !live ? tableResolver(model.get("table")) : liveResolver(model, takeMoved);

  function show(answer, values) {
    place.controls.disabled = Boolean(answer.gone);
    place.problem.textContent = answer.gone ? GONE : answer.error ? `This setting failed: ${answer.error}` : "";
    place.root.classList.toggle("sl-failed", Boolean(answer.gone || answer.error));
    if (answer.gone || answer.error) return;
    try {
      draw(answer, values);
    } catch (error) {
      place.problem.textContent = `This answer cannot be drawn: ${error.message}`;
      place.root.classList.add("sl-failed");
    }
  }

  function draw(answer, values) {
    if (place.headline.textContent !== answer.headline) place.headline.textContent = answer.headline;
    const shown = views.some((view) => view.spec.name === "numbers");
    place.figures.replaceChildren(...(answer.numbers && !shown ? [figures(answer.numbers)] : []));
    const heights = views.map((view) => view.show(answer[view.spec.name]));
    if (!place.views.firstChild) place.views.append(...columns(views, heights));
    place.note.textContent = tableNote(model.get("table"), answer, specs);
    place.root.dataset.values = JSON.stringify(values);
    seen(answer);
  }

  let slow = null;
  const waiting = (busy) => {
    place.root.classList.toggle("sl-busy", busy);
    place.root.setAttribute("aria-busy", busy);
    clearTimeout(slow);
    if (busy) slow = setTimeout(() => { place.problem.textContent = SLOW; }, 4000);
    else if (place.problem.textContent === SLOW) place.problem.textContent = "";
  };
  const session = new Session(resolver.resolve, show, waiting);
  const values = () => Object.fromEntries(controls.map((control) => [control.name, control.read()]));

  const controls = specs.map((spec) => makeControl(spec, () => change(spec.name)));
  function change(name) {
    moved[name] = controls.find((control) => control.name === name).read();
    model.set(name, moved[name]); // other views of this widget follow at once; Python hears of it with the question
    ask();
  }
  function ask() {
    session.ask(values());
    clearTimeout(telling);
    if (live) telling = setTimeout(() => Object.keys(moved).length && model.send({ moved: takeMoved() }), 100);
  }
  function reset() {
    for (const control of controls) {
      control.write(control.first);
      moved[control.name] = control.first;
      model.set(control.name, control.first);
    }
    ask();
  }
  place.controls.append(...controls.map((control) => control.root),
    element("button", { type: "button", class: "sl-button sl-reset", onclick: reset, ...OWN_KEYS }, "Reset"));

  // A change from elsewhere: Python code, a linked widget, or another view of this explorer.
  const follow = controls.map((control) => {
    const listener = () => {
      if (control.read() === model.get(control.name)) return;
      control.write(model.get(control.name));
      session.ask(values());
    };
    control.write(model.get(control.name));
    model.on(`change:${control.name}`, listener);
    return () => model.off(`change:${control.name}`, listener);
  });

  const stopWatching = watchComm(model, (there) => {
    if (there) {
      session.ask(values());
    } else if (live) {
      resolver.gone();
      show({ gone: true });
    }
  });

  el.append(place.root);
  const first = model.get("first");
  if (first?.answer && live) session.remember(first.values, first.answer);
  if (first?.answer?.error && JSON.stringify(first.values) === JSON.stringify(values())) show(first.answer, first.values);
  else session.ask(values());

  return () => {
    resolver.stop();
    clearTimeout(slow);
    clearTimeout(telling);
    follow.forEach((stop) => stop());
    stopWatching();
    views.forEach((view) => view.stop());
  };
}

export default { render };
