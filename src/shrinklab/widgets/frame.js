// What practice and placement have in common.

// The records of the answers, kept in the model's `progress`, and a line that is read aloud.
function quizFrame(model, el, title) {
  const live = element("p", { class: "sl-live sl-note", role: "status" });
  const saving = savingLine(model);
  const body = element("div", {});
  el.append(element("section", { class: "sl-quiz", "aria-label": title }, saving.node, body, live));
  const frame = {
    bank: model.get("bank"), body, mine: null, stop: saving.stop,
    say: (text) => { live.textContent = text; },
    records: () => model.get("progress"),
    write(progress) {
      frame.mine = JSON.stringify(progress);
      model.set("progress", progress);
      model.save_changes();
    },
    // Python, or this widget shown a second time, has changed the answers.
    onOtherChange: (call) => saving.on("change:progress", () => {
      if (JSON.stringify(frame.records()) !== frame.mine) call();
    }),
  };
  return frame;
}

const percentDone = (done, all) => element("progress", { max: all, value: done, "aria-label": "Questions answered" });

function select(label, choices, chosen) {
  const input = element("select", { onchange: () => chosen(input.value), ...OWN_KEYS },
    ...choices.map(([value, text]) => element("option", { value }, text)));
  return element("label", { class: "sl-select" }, label, input);
}
