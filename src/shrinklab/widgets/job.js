// A button for what takes long: progress with the remaining time, cancel, then the answer as an explorer shows it.

const ENDED = "The Python behind this button has stopped. Run this cell again to bring it back.";
const SAID = { running: "Running.", cancelling: "Cancelling: waiting for the step at work to end.", cancelled: "Cancelled. Nothing was changed." };

const duration = (seconds) => (seconds < 60 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`);

function progressText({ done, total, text, left }) {
  if (total === undefined) return "Starting…";
  const share = `${Math.round((100 * done) / total)} %`;
  const rest = isNumber(left) && done < total ? `, about ${duration(left)} left` : "";
  return `${text ? `${text}: ` : ""}${share}${rest}`;
}

function render({ model, el }) {
  const title = model.get("title");
  const stored = model.get("stored");
  const press = (what) => {
    if (!stored) model.send({ press: what });
    else {
      model.set("answer", stored.answer);
      model.set("progress", { seconds: stored.seconds });
      model.set("state", "done");
    }
  };
  const start = element("button", { type: "button", class: "sl-button sl-start", onclick: () => press("start"), ...OWN_KEYS }, model.get("label"));
  const cancel = element("button", { type: "button", class: "sl-button sl-cancel", onclick: () => press("cancel"), ...OWN_KEYS }, "Cancel");
  const bar = element("progress", { class: "sl-bar", max: 1, "aria-label": `${model.get("label")}: progress` });
  const rest = element("span", { class: "sl-note" });
  const going = element("span", { class: "sl-going" }, bar, rest, cancel);
  const said = element("p", { class: "sl-note", role: "status" });
  const problem = element("p", { class: "sl-problem", role: "alert" });
  const headline = element("p", { class: "sl-headline", role: "status" });
  const numbers = element("div", { class: "sl-figures-place" });
  const pictures = element("div", { class: "sl-views" });
  const answer = element("div", { class: "sl-answer", hidden: true }, headline, numbers, pictures);
  const root = element("div", { class: "sl-explorer sl-job", role: "group", "aria-label": title || model.get("label") },
    title ? element("p", { class: "sl-title" }, title) : null,
    element("div", { class: "sl-press" }, start, going), said, problem, answer);
  const views = model.get("views").map((spec) => ({ spec, ...makeView(spec) }));

  function drawProgress() {
    const progress = model.get("progress");
    if (progress.total === undefined) bar.removeAttribute("value");
    else bar.value = progress.done / progress.total;
    rest.textContent = progressText(progress);
  }

  function drawAnswer() {
    const got = model.get("answer");
    answer.hidden = !got;
    if (!got) return;
    headline.textContent = got.headline;
    numbers.replaceChildren(...(got.numbers ? [figures(got.numbers)] : []));
    const heights = views.map((view) => view.show(got[view.spec.name]));
    if (!pictures.firstChild) pictures.append(...columns(views, heights));
  }

  function drawState() {
    const state = model.get("state");
    const busy = state === "running" || state === "cancelling";
    const focused = root.contains(document.activeElement);
    root.dataset.state = state;
    start.disabled = busy;
    cancel.disabled = state !== "running";
    going.hidden = !busy;
    answer.classList.toggle("sl-old", busy);
    problem.textContent = state === "failed" ? `This failed: ${model.get("problem")}` : "";
    const { seconds } = model.get("progress");
    const took = isNumber(seconds) ? ` in ${duration(seconds)}` : "";
    said.textContent = state === "done" ? `${stored ? "Computed beforehand" : "Done"}${took}.` : SAID[state] ?? "";
    drawProgress();
    // A button that is switched off loses the focus: give it to the one that works now.
    if (focused && busy && state === "running") cancel.focus();
    if (focused && !busy) start.focus();
  }

  const listeners = { "change:progress": drawProgress, "change:answer": drawAnswer, "change:state": drawState };
  for (const [event, call] of Object.entries(listeners)) model.on(event, call);
  const stopWatching = watchComm(model, (there) => {
    if (stored) return;
    start.disabled = !there;
    if (!there) {
      going.hidden = true;
      problem.textContent = ENDED;
    } else drawState();
  });

  el.append(root);
  drawAnswer();
  drawState();
  return () => {
    for (const [event, call] of Object.entries(listeners)) model.off(event, call);
    stopWatching();
    views.forEach((view) => view.stop());
  };
}

export default { render };
