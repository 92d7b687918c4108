// Recall cards in Leitner's boxes: a card that was known moves up a box and waits longer; one that was not goes
// back to the first box and comes again today.

const pad = (number) => String(number).padStart(2, "0");

// Days are the reader's own, not UTC's: "2026-03-01" + 3 -> "2026-03-04"
const dayOf = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
function daysAfter(day, days) {
  const [year, month, date] = day.split("-").map(Number);
  return dayOf(new Date(year, month - 1, date + days));
}

// box: from 1; intervals[box - 1]: days until the card comes again
function reviewed(entry, knew, today, intervals) {
  const box = knew ? Math.min((entry?.box ?? 0) + 1, intervals.length) : 1;
  return { box, due: knew ? daysAfter(today, intervals[box - 1]) : today };
}

function renderCards(model, el) {
  const { cards, titles, intervals } = model.get("deck");
  const today = () => model.get("today") || dayOf(new Date());
  const entry = (card) => model.get("schedule")[card.id];
  const isDue = (card) => !entry(card) || entry(card).due <= today();
  const live = element("p", { class: "sl-live sl-note", role: "status" });
  const saving = savingLine(model);
  const status = element("span", { class: "sl-count" });
  const stage = element("div", { class: "sl-stage" });
  let queue = dueToday();
  let extra = false;

  // Due cards first come by their day, the longest overdue first; new ones after them, in the bank's order.
  function dueToday() {
    return cards.filter(isDue).sort((one, other) =>
      (entry(one)?.due ?? "9999").localeCompare(entry(other)?.due ?? "9999"));
  }

  function draw(focus = false) {
    const due = cards.filter(isDue).length;
    status.textContent = `${due} due today, ${cards.length} in all`;
    const { node, title } = queue.length ? front(queue[0]) : resting();
    stage.replaceChildren(node);
    if (focus) title.focus();
  }

  function front(card) {
    const title = heading(3, `${extra ? "Extra round" : "Card"}: ${queue.length} to go`);
    const back = element("div", { class: "sl-back", "aria-live": "polite" });
    const actions = element("div", { class: "sl-row" });
    const turn = button("Show the answer", () => {
      back.replaceChildren(...rich(card.back),
        element("p", { class: "sl-note" }, "taught in ", sectionLink(titles[card.section], (text) => {
          live.textContent = text;
        })));
      const knew = button("I knew it", () => answer(card, true));
      actions.replaceChildren(knew, button("Not yet", () => answer(card, false)));
      knew.focus();
    }, { class: "sl-button sl-main" });
    actions.append(turn);
    const node = element("div", { class: "sl-card" }, title,
      element("div", { class: "sl-front" }, ...rich(card.front)), back, actions);
    return { node, title };
  }

  function answer(card, knew) {
    queue = queue.slice(1);
    if (!knew) queue.push(card);
    // An extra round is for the reader alone: knowing a card before it is due moves nothing.
    if (!extra || !knew) {
      const next = reviewed(entry(card), knew, today(), intervals);
      model.set("schedule", { ...model.get("schedule"), [card.id]: next });
      model.save_changes();
      live.textContent = knew ? `That card comes again on ${next.due}.` : "That card comes again at the end.";
    }
    if (!queue.length) extra = false;
    draw(true);
  }

  function resting() {
    const next = cards.map((card) => entry(card)?.due).filter(Boolean).sort()[0];
    const boxes = intervals.map((days, index) => [index + 1, days,
      cards.filter((card) => entry(card)?.box === index + 1).length]);
    const title = heading(3, "Done for today");
    const table = element("table", { class: "sl-table" }, element("thead", {}, element("tr", {},
      ...["Box", "Comes again after", "Cards"].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...boxes.map(([box, days, many]) => element("tr", {}, element("th", { scope: "row" },
      String(box)), element("td", {}, `${days} day${days === 1 ? "" : "s"}`), element("td", {}, String(many))))));
    const node = element("div", { class: "sl-card" }, title,
      element("p", { class: "sl-p" }, `The next card is due on ${next}.`), table, element("div", { class: "sl-row" },
        button("Go through all cards anyway", () => { extra = true; queue = [...cards]; draw(true); })));
    return { node, title };
  }

  el.append(element("section", { class: "sl-quiz", "aria-label": "Recall cards" }, saving.node,
    element("div", { class: "sl-top" }, heading(2, "Recall cards"), status), stage, live));
  draw();
  return saving.stop;
}

export default { render: ({ model, el }) => renderCards(model, el) };
