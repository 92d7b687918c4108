"""Pages of the course that are no lessons: the start page and the glossary. Nothing on them is graded.

`solutions/00_start_here.py` is written like a lesson; `{{syllabus}}` in it becomes a table of minutes, counted from
the lessons' sources. The glossary is made of `solutions/NN_name.glossary.yml`.
"""

import json
import re

import nbformat
import nbformat.v4 as v4
import yaml

from autograder.authoring.expand import expand
from autograder.authoring.minutes import minutes_of
from autograder.authoring.problems import LessonError, Problem
from autograder.authoring.source import read_lesson

START = "00_start_here"
GLOSSARY = "glossary"


def write_pages(root, made):
    """Write the pages that root has sources for into made/course/. Raises LessonError with all faults of a source."""
    sources = root / "solutions"
    start, terms = sources / f"{START}.py", sorted(sources.glob("[0-9][0-9]_*.glossary.yml"))
    if start.exists():
        page = read_lesson(start)
        notebook = v4.new_notebook(cells=expand(page), metadata=_metadata())
        for cell in notebook.cells:
            if "{{syllabus}}" in cell.source:
                cell.source = cell.source.replace("{{syllabus}}", syllabus(root))
        _write(made, START, notebook)
    if terms:
        text = glossary(root, terms)
        cells = [v4.new_markdown_cell(part, id=f"glossary-{i}") for i, part in enumerate(text)]
        _write(made, GLOSSARY, v4.new_notebook(cells=cells, metadata=_metadata()))


def _metadata():
    from autograder.authoring.build import METADATA
    return dict(METADATA)


def _write(made, name, notebook):
    nbformat.validate(notebook)
    (made / "course").mkdir(parents=True, exist_ok=True)
    (made / "course" / f"{name}.ipynb").write_bytes((nbformat.writes(notebook) + "\n").encode())


def syllabus(root):
    """The table of minutes, as markdown, one row a lesson; seconds of computing where they were measured."""
    seconds = _run_times(root)
    lines = ["| lesson | short path | read, guess, play | exercises | quiz, text | **core** | extra | it computes |",
             "|---|---|---|---|---|---|---|---|"]
    for path in _lessons(root):
        lesson = read_lesson(path)
        bank = path.with_name(f"{path.stem}.questions.yml")
        questions = len(yaml.safe_load(bank.read_text(encoding="utf-8"))["questions"]) if bank.exists() else 0
        took = minutes_of(lesson, questions)
        computed = f"{seconds[lesson.number]:.0f} s" if lesson.number in seconds else "–"
        shown = " | ".join(f"{value:.0f} min" for value in (took.short, took.read, took.write, took.answer))
        shown += f" | **{took.core:.0f} min** | {took.extra:.0f} min"
        lines.append(f"| [{_title(lesson)}]({path.stem}/{path.stem}.ipynb) | {shown} | {computed} |")
    return "\n".join(lines)


def _lessons(root):
    return [path for path in sorted((root / "solutions").glob("[0-9][0-9]_*.py")) if path.stem != START]


def _title(lesson):
    return lesson.cells[0].source.split("\n")[0].removeprefix("# ").strip()


def _run_times(root):
    """{"04": seconds that its solution notebook runs}, as `make bench ARGS=lessons` measured them."""
    path = root / "benchmarks" / "results" / "lessons.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    return {row["what"][:2]: row["ours"] for row in rows if re.match(r"\d\d.*: run", row["what"])}


def glossary(root, files):
    """The glossary's cells, as markdown: a title, then one cell a letter, each term with links to its lessons.

    A term that several lessons define has the words of the first, and links to all.
    """
    terms = {}
    for path in files:
        lesson = read_lesson(root / "solutions" / f"{path.name.removesuffix('.glossary.yml')}.py")
        for entry in _entries(path):
            heading = _heading(lesson, entry["cell"])
            link = f"[{lesson.number}]({lesson.name}/{lesson.name}.ipynb#{heading.replace(' ', '-')})"
            known = terms.setdefault(entry["term"].lower(), (entry["term"], entry["means"], []))
            known[2].append(link)
    letters = {}
    for key in sorted(terms, key=lambda term: re.sub(r"[\W_]+", "", term)):
        first = re.sub(r"[\W_]+", "", key)[0].upper()
        term, means, links = terms[key]
        letters.setdefault(first if first.isalpha() else "0–9", []).append(
            f"- **{term}**: {means} (lesson {', '.join(links)})")
    head = ("# Glossary\n\nThe terms of this course, with the lessons that define them. "
            "Back to the [start page](00_start_here.ipynb).")
    return [head, *(f"## {letter}\n\n" + "\n".join(lines) for letter, lines in letters.items())]


def _entries(path):
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise LessonError(path, [Problem(1, f"this is no YAML: {' '.join(str(error).split())}")]) from error
    keys = {"term", "means", "cell"}
    wrong = [one for one in entries or () if not (isinstance(one, dict) and set(one) == keys
                                                 and all(isinstance(value, str) for value in one.values()))]
    if not isinstance(entries, list) or wrong:
        shown = wrong[0] if wrong else entries
        raise LessonError(path, [Problem(1, f"{shown!r} is no entry; each is {{term: text, means: text, cell: key}}")])
    return entries


def _heading(lesson, key):
    """The heading above the cell with this key: what a link can go to."""
    heading = ""
    for cell in lesson.cells:
        if cell.kind in ("text", "essay"):
            found = re.match(r"#+ (.*)", cell.source)
            heading = found.group(1).strip() if found else heading
        if cell.options.get("key") == key:
            return heading
    raise LessonError(lesson.path, [Problem(1, f"the glossary names the cell {key!r}, which is not there")])
