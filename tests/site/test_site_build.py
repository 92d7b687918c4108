"""What the built site holds, and what it must not hold."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from autograder.authoring.draw import SELF_STUDY
from autograder.authoring.graded import draw_item
from autograder.authoring.source import read_lesson
from builder.lesson import hints_of, shown_cells
from builder.links_check import check

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [path for path in sorted((ROOT / "solutions").glob("[0-9][0-9]_*.py")) if path.stem != "00_start_here"]
TEXTS = (".html", ".js", ".json", ".txt", ".ipynb", ".inv")


def squeezed(text):
    """Letters and digits only: no way of quoting or marking up hides a text from the comparison."""
    return re.sub(r"[\W_]+", "", text)


@pytest.fixture(scope="module")
def published(site):
    """Everything that the site says, letters and digits only; HTML also without its tags, scripts without escapes."""
    parts = []
    for path in sorted(site.rglob("*")):
        if path.suffix in TEXTS and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            plain = unescape(re.sub(r"<[^>]*>", "", text)) if path.suffix == ".html" else text.replace("\\n", " ")
            parts += [squeezed(text), squeezed(plain)]
    return "\n".join(parts)


def hidden_lines(lesson):
    """Lines of hidden tests and mark schemes that stand nowhere in what a reader may see of the lesson."""
    seen = squeezed("\n".join(part.text for cell in lesson.cells for part in cell.parts
                              if part.kind not in ("HIDDEN TESTS", "MARK SCHEME"))
                    + "\n".join(cell.source for cell in lesson.cells if cell.kind in ("text", "code", "play", "setup")))
    for cell in lesson.cells:
        for part in cell.parts:
            if part.kind in ("HIDDEN TESTS", "MARK SCHEME"):
                for line in part.lines:
                    if len(squeezed(line)) >= 25 and squeezed(line) not in seen:
                        yield line


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_graded_item_is_on_the_site(published, path):
    lesson = read_lesson(path)
    hidden = list(hidden_lines(lesson))
    assert len(hidden) > 10
    assert [line for line in hidden if squeezed(line) in published] == []
    taught = squeezed("\n".join(cell.source for cell in lesson.of("text")))
    for cell in lesson.of("graded"):
        item = draw_item(lesson, cell, SELF_STUDY)
        for text in (item.text, item.hint, max(cell.source.split("\n"), key=len)):
            start = squeezed(text)[:60]
            assert start in taught or start not in published, cell.name


def test_no_answer_cell_is_on_the_site(site):
    for path in site.rglob("*.html"):
        text = unescape(re.sub(r"<[^>]*>", "", path.read_text(encoding="utf-8")))
        assert not re.search(r"^\s*answer_\d+ = (?!\"b\"|None|\"\")", text, re.MULTILINE), path.name


def test_the_search_for_graded_items_can_find_one(published):
    """The comparison itself works: it finds a hint that is meant to be seen."""
    check_cell = read_lesson(ROOT / "solutions" / "04_magnitude_pruning.py").of("check")[0]
    assert squeezed(hints_of(check_cell)[0]) in published


def test_links_lead_somewhere_and_nothing_is_asked_of_a_network(site):
    broken, external, fetched = check(site)
    assert broken == []
    assert fetched == []
    listed = (site.parent / "external-links.txt").read_text(encoding="utf-8").split()
    assert listed == external


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_s_page_has_all_its_parts(site, path):
    lesson = read_lesson(path)
    page = (site / "lessons" / f"{path.stem}.html").read_text(encoding="utf-8")
    for kind in ("exercise", "debug"):
        for cell in lesson.of(kind):
            label = f"{kind}-{lesson.number}-{cell.name}".replace("_", "-")
            assert f'id="{label}"' in page
            assert f'id="{label}-solution"' in page
            assert f"Hints for {cell.name}" in page
    assert "The quiz counts, so it is not on this page" in page
    shown = " ".join(cell.source for cell in lesson.of("play"))
    for kind, call in (("Explorer", "_explorer("), ("Guess", r"\bGuess\("), ("Job", r"\bJob\(|_job\("),
                       ("Practice", "Practice\\(|Placement\\("), ("RecallCards", "RecallCards\\(")):
        wanted = len(re.findall(call if "\\" in call else re.escape(call), shown))
        assert page.count(f'data-widget="{kind}"') == wanted, kind
    play = "\n".join(cell.source for cell in lesson.of("play"))
    boxes = len(re.findall(r"^(?:explore|ipywidgets\.VBox)\(", play, re.MULTILINE))
    assert page.count('data-widget="Recorded"') + page.count('class="sl-fixed"') == boxes
    assert "application/vnd.jupyter" not in page
    assert not re.search(r"Until \w+ passes its check, this cell uses the library", page)


def test_hints_on_the_page_are_those_of_visible_checks():
    for path in LESSONS:
        for cell in read_lesson(path).of("check"):
            hidden = "\n".join(part.text for part in cell.parts if part.kind == "HIDDEN TESTS")
            hints = hints_of(cell)
            assert hints
            assert not [hint for hint in hints if f'hint="{hint}' in hidden]


def test_shown_cells_have_no_mark_scheme_and_no_quiz():
    for path in LESSONS:
        text = "\n".join(cell.source for cell in shown_cells(read_lesson(path)))
        for word in ("MARK SCHEME", "HIDDEN TESTS", "BEGIN SOLUTION", "Question 1.", "def answer_1"):
            assert word not in text


def test_pictures_have_words(site):
    for path in (site / "lessons").glob("*.html"):
        for image in re.findall(r"<img [^>]*>", path.read_text(encoding="utf-8")):
            assert re.search(r'alt="[^"]{5,}"', image), image[:200]
            assert 'loading="lazy"' in image
            assert 'width="' in image


def test_benchmarks_name_machine_and_date(site):
    for path in (ROOT / "benchmarks" / "results").glob("*.md"):
        page = (site / "benchmarks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", page)
        assert "logical cores" in page


def test_every_module_of_the_library_with_public_functions_is_in_the_reference(site):
    index = json.loads(re.search(r"Search.setIndex\((.*)\)", (site / "searchindex.js").read_text(encoding="utf-8"))[1])
    pages = set(index["docnames"])
    for name in ("masks", "affine", "channels", "measure", "quantize", "widgets", "deploy", "codebook"):
        assert f"reference/{name}" in pages


def test_the_glossary_leads_back_to_the_lessons(site):
    page = (site / "glossary.html").read_text(encoding="utf-8")
    terms = len(re.findall(r"<li><p><strong>", page))
    assert terms > 100
    assert len(re.findall(r'href="lessons/\d\d_[a-z0-9_]+\.html#', page)) >= terms
