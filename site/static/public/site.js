// The site's own script: printing, and scrolling parts that the keyboard can reach.

// A part that scrolls sideways must be reachable without a mouse.
function markScrolling() {
  for (const part of document.querySelectorAll("pre, .table-wrapper, .cell_output .output, .formula")) {
    if (part.scrollWidth <= part.clientWidth + 1) continue;
    if (part.hasAttribute("tabindex") || part.closest(".shrinklab-static")) continue;
    part.tabIndex = 0;
    part.setAttribute("role", "group");
    part.setAttribute("aria-label", part.tagName === "PRE" ? "Code or output, scrolls" : "Table or output, scrolls");
  }
}

async function printPage() {
  document.querySelectorAll("article details").forEach((part) => { part.open = true; });
  document.querySelectorAll("article img[loading]").forEach((image) => { image.loading = "eager"; });
  await window.shrinklabShowAll?.();
  await Promise.all([...document.querySelectorAll("article img")].map((image) => image.decode().catch(() => {})));
  window.print();
}

for (const link of document.querySelectorAll(".print-link")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    printPage();
  });
}
if (new URLSearchParams(location.search).has("print")) window.addEventListener("load", printPage);
window.addEventListener("load", markScrolling);
window.addEventListener("resize", markScrolling);
