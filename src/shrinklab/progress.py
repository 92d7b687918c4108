"""How far am I? Per lesson: exercises that pass, practice answered, quiz and text written, time if it is wanted.

usage: python -m shrinklab.progress [WORKBOOK]      (`make progress`)

Read from small files beside the notebooks: `.checks.json`, which each check writes, `.practice.json`, which the
practice bank writes, and the notebook itself. Time is kept only after `progress(time=True)`, in `.time.json` above the
lessons. Nothing leaves this computer.
"""

import ast
import html
import json
import sys
import time as clock
from dataclasses import dataclass
from pathlib import Path

import yaml

from shrinklab.errors import need

CHECKS, PRACTICE, TIME = ".checks.json", ".practice.json", ".time.json"
PAUSE = 300  # seconds: a longer silence is a break, and does not count


@dataclass(frozen=True)
class LessonProgress:
    """What is done in one lesson. Each pair is (done, of); minutes is None where time is not kept."""

    lesson: str
    exercises: tuple[int, int]
    practice: tuple[int, int]
    quiz: tuple[int, int]
    text: tuple[int, int]
    minutes: float | None = None


@dataclass(frozen=True)
class Progress:
    """All lessons of a workbook; printed as a plain table, shown as HTML in a notebook."""

    lessons: tuple[LessonProgress, ...]

    def rows(self):
        """The table: a header, then one row a lesson.

        >>> Progress((LessonProgress("04_magnitude_pruning", (2, 5), (0, 17), (1, 4), (0, 1)),)).rows()[1]
        ['04 magnitude pruning', '2 of 5', '0 of 17', '1 of 4', '0 of 1']
        """
        timed = any(one.minutes is not None for one in self.lessons)
        head = ["lesson", "exercises that pass", "practice answered", "quiz answered", "text written"]
        return [head + ["minutes"] * timed] + [
            [one.lesson.replace("_", " "), *(f"{done} of {of}" for done, of in
                                             (one.exercises, one.practice, one.quiz, one.text)),
             *([f"{one.minutes or 0:.0f}"] if timed else [])] for one in self.lessons]

    def __str__(self):
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                         for row in rows)

    def _repr_html_(self):
        head, *rows = [[html.escape(cell) for cell in row] for row in self.rows()]
        body = "".join("<tr><th scope='row'>" + "</td><td>".join(row).replace("</td>", "</th>", 1) + "</td></tr>"
                       for row in rows)
        return ("<table><thead><tr>" + "".join(f"<th scope='col'>{cell}</th>" for cell in head)
                + f"</tr></thead><tbody>{body}</tbody></table>")


def progress(workbook=".", *, time=None):
    """What is done in each lesson of a workbook: a `Progress`.

    workbook: the folder with the lessons' folders. time=True: from now on keep the minutes spent in each lesson;
    time=False: stop, and forget them. Minutes count from one check, answer or slider to the next, pauses of over five
    minutes left out. ValueError where the folder holds no lessons.
    """
    workbook = Path(workbook)
    lessons = sorted(path.parent for path in workbook.glob("[0-9][0-9]_*/*.ipynb") if path.stem == path.parent.name)
    need(lessons, f"{workbook.resolve()} holds no lessons", "progress reads the folder that make lab fills",
         "run make lab first, or name the folder")
    if time is True and not (workbook / TIME).exists():
        (workbook / TIME).write_text("{}")
    elif time is False:
        (workbook / TIME).unlink(missing_ok=True)
    spent = _read(workbook / TIME) if (workbook / TIME).exists() else None
    return Progress(tuple(_lesson(folder, spent) for folder in lessons))


def note(name=None, right=0, of=0):
    """Called by checks, quizzes and sliders: keep a check's result, and the time, for the lesson in this folder.

    Does nothing outside a lesson's folder of a workbook; never raises, for no record is worth a broken cell.
    """
    folder = Path.cwd()
    try:
        if not (folder / "practice.yml").exists():
            return
        if name is not None:
            _write(folder / CHECKS, _read(folder / CHECKS) | {name: [right, of]})
        if (folder.parent / TIME).exists():
            spent, now = _read(folder.parent / TIME), clock.time()
            before = spent.get(folder.name, {})
            gap = now - before.get("last", now)
            seconds = before.get("seconds", 0) + (gap if 0 <= gap <= PAUSE else 0)
            _write(folder.parent / TIME, spent | {folder.name: {"seconds": seconds, "last": now}})
    except (OSError, TypeError, AttributeError):
        return


def _lesson(folder, spent):
    cells = _read(folder / f"{folder.name}.ipynb").get("cells", [])
    ours = [(cell.get("metadata", {}).get("shrinklab", {}), "".join(cell.get("source", ""))) for cell in cells]
    asked = [mark.get("name") for mark, _ in ours if mark.get("kind") in ("exercise", "debug")]
    checks, answered = _read(folder / CHECKS), _read(folder / PRACTICE).get("practice", {})
    questions = [one["id"] for one in _bank(folder)]
    answers = [text for mark, text in ours if mark.get("kind") == "answer"]
    texts = [text for mark, text in ours if mark.get("kind") == "text"]
    return LessonProgress(
        folder.name, (sum(_passed(checks.get(name)) for name in asked), len(asked)),
        (sum(one in answered for one in questions), len(questions)), (sum(map(_given, answers)), len(answers)),
        (sum(not text.startswith("*Your answer:") and bool(text.strip()) for text in texts), len(texts)),
        None if spent is None else spent.get(folder.name, {}).get("seconds", 0) / 60)


def _passed(record):
    return isinstance(record, list) and len(record) == 2 and record[0] == record[1] != 0


def _given(source):
    """Whether an answer's cell assigns something that is not empty."""
    try:
        values = [ast.literal_eval(node.value) for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    except (SyntaxError, ValueError):
        return bool(source.strip())
    return any(value not in ("", None, []) for value in values)


def _bank(folder):
    try:
        return yaml.safe_load((folder / "practice.yml").read_text(encoding="utf-8"))["questions"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return []


def _read(path):
    """A JSON file's dict; empty when it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path, data):
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(data, indent=1, sort_keys=True), encoding="utf-8")
    fresh.replace(path)


if __name__ == "__main__":
    try:
        print(progress(*sys.argv[1:2] or ["workbook"]))
    except ValueError as mistake:
        sys.exit(f"error: {mistake}")
