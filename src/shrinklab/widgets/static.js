// A widget without Python: its model holds the state that the page carries. What a reader answers is kept in the
// browser under `kept.key`, where there is such a trait.

const NOT_KEPT = "This browser keeps nothing for this page: your answers last until it is closed.";

function staticModel(state, kept) {
  const listeners = {};
  const fire = (event) => [...(listeners[event] ?? [])].forEach((call) => call());
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      fire(`change:${name}`);
    },
    save_changes() {
      if (!kept) return;
      try {
        localStorage.setItem(kept.key, JSON.stringify(state[kept.trait]));
      } catch {
        if (state.message !== NOT_KEPT) model.set("message", NOT_KEPT);
      }
    },
    on: (event, call) => (listeners[event] ??= []).push(call),
    off: (event, call) => { listeners[event] = (listeners[event] ?? []).filter((one) => one !== call); },
    send() {},
  };
  try {
    const before = kept && JSON.parse(localStorage.getItem(kept.key));
    if (before && typeof before === "object" && !Array.isArray(before)) state[kept.trait] = before;
  } catch { /* nothing usable was kept: the reader starts afresh */ }
  return model;
}

// Draws the widget when the reader comes near it, or prints the page.
function mountStatic(widget, state, kept, el) {
  let drawn = false;
  const draw = () => {
    if (drawn) return;
    drawn = true;
    widget.render({ model: staticModel(state, kept), el });
    el.dataset.ready = "true";
  };
  if (!("IntersectionObserver" in window)) return draw();
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    draw();
  }, { rootMargin: "1000px" });
  observer.observe(el);
  window.addEventListener("beforeprint", draw);
}
