// Who asks, and which answer may be shown: one request at a time, the newest setting wins,
// and an older answer never replaces a newer one.

const REMEMBERED = 300;

class Session {
  // resolve(values) promises an answer {headline, ...}, {error} or {gone}; show(answer, values) draws it.
  constructor(resolve, show, waiting) {
    Object.assign(this, { resolve, show, waiting, wanted: null, asked: 0, shown: 0, busy: false });
    this.known = new Map();
  }

  remember(values, answer) {
    if (answer.error || answer.gone) return;
    if (this.known.size >= REMEMBERED) this.known.delete(this.known.keys().next().value);
    this.known.set(JSON.stringify(values), answer);
  }

  ask(values) {
    this.asked += 1;
    const known = this.known.get(JSON.stringify(values));
    this.wanted = known ? null : { values, number: this.asked };
    if (known) this.present(known, values, this.asked);
    else this.next();
  }

  async next() {
    if (this.busy || !this.wanted) return;
    const { values, number } = this.wanted;
    this.wanted = null;
    this.busy = true;
    this.waiting(true);
    const answer = await this.resolve(values).catch((error) => ({ error: String(error) }));
    this.busy = false;
    this.remember(values, answer);
    this.present(answer, values, number);
    this.next();
  }

  present(answer, values, number) {
    if (number > this.shown) {
      this.shown = number;
      this.show(answer, values);
    }
    if (!this.wanted) this.waiting(this.busy && this.shown < this.asked);
  }
}

// Answers from Python, through the widget's comm. `moved()` gives the controls that this reader has moved.
function liveResolver(model, moved) {
  const view = newId("view");
  let asked = 0;
  let settle = null;
  const done = (answer) => {
    const promised = settle;
    settle = null;
    if (promised) promised(answer);
  };
  const onMessage = (message) => {
    if (message.view === view && message.ask === asked) done(message.answer);
  };
  model.on("msg:custom", onMessage);
  return {
    resolve: (values) => new Promise((resolve) => {
      settle = resolve;
      asked += 1;
      model.send({ ask: asked, view, values, moved: moved() });
    }),
    gone: () => done({ gone: true }),
    stop: () => model.off("msg:custom", onMessage),
  };
}

// Calls react(true or false) when the comm to Python goes (kernel restarted) or comes back; returns how to stop.
function watchComm(model, react) {
  // anywidget calls listeners with its view as `this`: the only way to the model's own comm_live.
  function listener() {
    react(this?.model?.comm_live === true);
  }
  model.on("comm_live_update", listener);
  return () => model.off("comm_live_update", listener);
}

function nearest(points, value) {
  if (!isNumber(value)) return Math.max(0, points.indexOf(value));
  let best = 0;
  points.forEach((point, i) => { if (Math.abs(point - value) < Math.abs(points[best] - value)) best = i; });
  return best;
}

// Answers from a precomputed table: the stored setting that lies nearest.
function tableResolver(table) {
  return {
    resolve: async (values) => {
      let index = 0;
      const at = {};
      for (const { name, points } of table.axes) {
        const i = nearest(points, values[name]);
        at[name] = points[i];
        index = index * points.length + i;
      }
      return { ...table.answers[index], at };
    },
    gone() {},
    stop() {},
  };
}
