// The line that says when what the reader does is not being saved.

const UNSAVED = "Python is gone, so nothing is saved from here on. Run this cell again to go on where you were.";

// {node, on(event, call), stop()}: `on` listens to the model until `stop`, when the reader's view is closed.
function savingLine(model) {
  const node = element("p", { class: "sl-problem", role: "status" });
  const stops = [];
  const on = (event, call) => {
    model.on(event, call);
    stops.push(() => model.off(event, call));
  };
  const show = (live = true) => { node.textContent = live ? model.get("message") : UNSAVED; };
  on("change:message", () => show());
  stops.push(watchComm(model, show));
  show();
  return { node, on, stop: () => stops.forEach((stop) => stop()) };
}
