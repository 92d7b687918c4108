"""One script and one style sheet for all widgets of the site. Classic, not a module: a page opened from a file may load
no modules."""

from pathlib import Path

from shrinklab.widgets import Explorer, Guess, Job, Practice, RecallCards
from shrinklab.widgets.assets import joined

STATIC = Path(__file__).resolve().parents[1] / "static"
KINDS = (Explorer, Guess, Job, Practice, RecallCards)
# Each kind's files share one scope; the last one exports.
RECORDED = ("dom.js", "session.js", "controls.js")


def script():
    """shrinklab.js: a function for each kind of widget, run when the first of its kind is shown, and the loader.

    >>> script().count("export default")
    0
    """
    modules = {kind.__name__: str(kind._esm) for kind in KINDS}
    modules["Recorded"] = f"{joined(*RECORDED)}\n{(STATIC / 'recorded.js').read_text(encoding='utf-8')}"
    kinds = ",\n".join(f"{name}: () => {{\n{text.replace('export default', 'return')}\n}}"
                       for name, text in modules.items())
    loader = (STATIC / "loader.js").read_text(encoding="utf-8")
    return f'(() => {{\n"use strict";\nconst kinds = {{\n{kinds}\n}};\n{joined("static.js")}\n{loader}\n}})();\n'


def style():
    """shrinklab.css: colours and all widgets."""
    return joined("theme.css", "explorer.css", "quiz.css")
