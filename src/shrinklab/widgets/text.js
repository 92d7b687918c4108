// A little markdown, made into nodes and never into markup: `code`, **bold**, *italics*, paragraphs.

const MARK = /(`[^`]+`)|\*\*(?=\S)(.+?\S?)\*\*|(?<![\w*])\*(?=[^\s*])([^*]*[^\s*])\*(?![\w*])/;

// "keep `True` **now**" -> ["keep ", <code>True</code>, " ", <strong>now</strong>]
function inline(text) {
  const found = MARK.exec(text);
  if (!found) return text ? [text] : [];
  const [all, code, bold, italics] = found;
  const node = code ? element("code", {}, code.slice(1, -1))
    : bold ? element("strong", {}, ...inline(bold))
      : element("em", {}, ...inline(italics));
  return [...inline(text.slice(0, found.index)), node, ...inline(text.slice(found.index + all.length))];
}

const paragraphs = (text) => text.trim().split(/\n\s*\n/).map((part) => part.replace(/\s+/g, " "));

// Paragraphs as <p>, or inside a <legend> or <label>, where only spans may stand, as <span>.
const rich = (text, tag = "p") => paragraphs(text).map((part) => element(tag, { class: "sl-p" }, ...inline(part)));

function codeBlock(code, label, numbered = false) {
  const lines = code.replace(/\s+$/, "").split("\n");
  const body = element("code", {}, ...lines.map((line, index) => element("span", { class: "sl-line" },
    numbered && element("span", { class: "sl-line-number", "aria-hidden": "true" }, String(index + 1)), `${line}\n`)));
  // It can be focused, so that long lines scroll with the keyboard.
  return element("pre", { class: "sl-code", tabindex: 0, role: "group", "aria-label": label, ...OWN_KEYS }, body);
}

function button(label, onclick, attributes = {}) {
  return element("button", { type: "button", class: "sl-button", onclick, ...OWN_KEYS, ...attributes }, label);
}

function heading(level, text, attributes = {}) {
  return element("div", { role: "heading", "aria-level": level, class: `sl-heading-${level}`, tabindex: -1,
    ...OWN_KEYS, ...attributes }, text);
}

// A link to a heading of the lesson, which is found by its text: every host makes other ids of it.
function sectionLink(title, say) {
  return element("a", { class: "sl-link", href: `#${title.replaceAll(" ", "-")}`, ...OWN_KEYS, onclick: (event) => {
    event.preventDefault();
    const plain = (text) => text.replace(/[¶#\s]+$/, "").replace(/[`*]/g, "").trim();
    const page = event.target.closest(".jp-NotebookPanel") ?? document;
    const target = [...page.querySelectorAll("h1, h2, h3, h4, h5, h6")]
      .find((one) => plain(one.textContent) === plain(title));
    if (!target) {
      say(`Look for the heading “${plain(title)}” in this lesson's table of contents.`);
      return;
    }
    target.setAttribute("tabindex", "-1");
    target.scrollIntoView({ block: "start" });
    target.focus({ preventScroll: true });
  } }, ...inline(title));
}
