// Widgets on the site: each loads its state, a classic script, when the reader comes near it, and is drawn then.
// `kinds` (above, made by the build) holds one function for each kind of widget, which gives {render}.

const drawers = {};
const states = {};
const here = document.currentScript.src.replace(/[^/]*$/, "");

window.shrinklabData = (place, data) => { states[place] = data; };

function loadState(place) {
  if (states[place]) return Promise.resolve(states[place]);
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${here}widgets/${place}.js`;
    script.onload = () => resolve(states[place]);
    script.onerror = () => reject(new Error(script.src));
    document.head.append(script);
  });
}

// A widget writes into its state: two on one page must not share it.
const copied = (data) => JSON.parse(JSON.stringify(data).replaceAll("@static/", here));

async function showWidget(el) {
  if (el.dataset.ready) return;
  el.dataset.ready = "loading";
  try {
    const { state, kept } = copied(await loadState(el.dataset.place));
    const kind = el.dataset.widget;
    drawers[kind] ??= kinds[kind]();
    el.replaceChildren();
    drawers[kind].render({ model: staticModel(state, kept), el });
    el.dataset.ready = "true";
    window.dispatchEvent(new Event("shrinklab:drawn"));
  } catch (error) {
    el.dataset.ready = "";
    el.querySelector("p")?.replaceChildren("This part could not be loaded. Reload the page to try again.");
    throw error;
  }
}

const places = () => [...document.querySelectorAll(".shrinklab-static[data-place]")];
window.shrinklabShowAll = () => Promise.all(places().map(showWidget));

function watchWidgets() {
  if (!("IntersectionObserver" in window)) return window.shrinklabShowAll();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      showWidget(entry.target);
    }
  }, { rootMargin: "800px" });
  places().forEach((el) => observer.observe(el));
}
watchWidgets();
