// The verdict: strong, shaky or weak per section, each with a link to what to read.

const RATINGS = { strong: "● strong", shaky: "◐ shaky", weak: "○ weak", open: "– not answered" };

function verdictPanel(bank, records, { advice, say, rule }) {
  const rows = verdict(bank, records);
  const title = heading(3, "How you stand");
  const table = element("table", { class: "sl-table" },
    element("thead", {}, element("tr", {}, ...["Section", "Verdict", "Answered", "Earned"].map((name) =>
      element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {},
      element("th", { scope: "row" }, sectionLink(row.title, say)),
      element("td", { class: `sl-rating sl-${row.rating}` }, RATINGS[row.rating]),
      element("td", {}, `${row.answered} of ${bank.questions.filter((one) => one.section === row.section).length}`),
      element("td", {}, row.answered ? `${Math.round(row.share * 100)} %` : "")))));
  const node = element("div", { class: "sl-card sl-standing" }, title,
    element("p", { class: "sl-p sl-advice" }, ...advice(rows)), table,
    element("p", { class: "sl-note" }, `Strong: ${Math.round(bank.strong * 100)} % or more of the answered questions. `
      + `Shaky: from ${Math.round(bank.shaky * 100)} % on. ${rule}`));
  return { node, title };
}

// "A, B and C" as links
function linked(rows, say) {
  return rows.flatMap((row, index) => [index === 0 ? "" : index === rows.length - 1 ? " and " : ", ",
    sectionLink(row.title, say)]);
}

function practiceAdvice(rows, say) {
  const again = rows.filter((row) => row.rating === "weak" || row.rating === "shaky");
  if (again.length) return ["Read again: ", ...linked(again, say), ". Then retry the questions you missed."];
  const open = rows.filter((row) => row.rating === "open");
  return open.length ? ["Strong so far. Still open: ", ...linked(open, say), "."] : ["Strong in every section."];
}

function placementAdvice(rows, say) {
  const read = rows.filter((row) => row.rating !== "strong");
  const known = rows.filter((row) => row.rating === "strong");
  if (!read.length) return ["Strong in every section: go straight to the exercises."];
  return ["Read: ", ...linked(read, say), ".",
    ...(known.length ? [" You can skip: ", ...linked(known, say), "."] : [])];
}
