"""The front page: the live explorer, the doors, and the map of the lessons."""

import html
import re

import nbformat.v4 as v4

from autograder.authoring.pages import minutes_of
from autograder.authoring.source import read_lesson
from builder.outputs import page_outputs
from shrinklab.quiz import Bank

EXPLORER = "front_explorer.py"


def front_cells(root):
    """The code of the front page's explorer, to be run like a lesson's."""
    return [v4.new_code_cell((root / "site" / "pages" / EXPLORER).read_text(encoding="utf-8"), id="front")]


def front_page(root, lessons, outputs, assets):
    """MyST of index.md: site/pages/index.md with {{explorer}} and {{map}} filled in."""
    shown = page_outputs(outputs["front"], assets, "")
    explorer = "\n".join(one["data"]["text/html"] for one in shown if "data" in one)
    text = (root / "site" / "pages" / "index.md").read_text(encoding="utf-8")
    return text.replace("{{explorer}}", explorer).replace("{{map}}", _map(root, lessons))


def _map(root, lessons):
    questions = _questions(root)
    cards = []
    for path in lessons:
        lesson = read_lesson(path)
        bank = path.with_name(f"{path.stem}.questions.yml")
        took = minutes_of(lesson, len(Bank.load(bank, run=False).questions) if bank.exists() else 0)
        number, title = lesson.cells[0].source.split("\n")[0].removeprefix("# ").split(" · ")
        hours = (took.read + took.write) / 60
        cards.append(
            f'<li><a class="map-card" href="lessons/{lesson.name}.html"><span class="map-number">{number}</span>'
            f'<span class="map-title">{html.escape(title)}</span>'
            f'<span class="map-question">{html.escape(questions[number])}</span>'
            f'<span class="map-time">{took.short:.0f} min short path · {hours:.1f} h in full</span></a></li>')
    return '<ol class="map">\n' + "\n".join(cards) + "\n</ol>"


def _questions(root):
    """{"04": the question that the lesson answers}, from the map of the start page."""
    text = (root / "solutions" / "00_start_here.py").read_text(encoding="utf-8")
    return dict(re.findall(r"^# \| \[(\d\d) [^\]]*\]\([^)]*\) \| (.*?) \|", text, re.MULTILINE))
