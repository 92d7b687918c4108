"""What a feedback page says, as plain data: from the graded notebook, the released one and the gradebook's marks."""

import re
from dataclasses import dataclass

from autograder.cells import grade_id, is_check, is_solution, is_task, kind, name
from autograder.intake import verdict
from autograder.repair import NOTICE
from autograder.sections import Section, heading, section_of, title_of

STATES = {"passed": "passed", "partly": "partly", "wrong": "not yet", "open": "not written yet",
          "waits": "waits for a mark", "marked": "marked", "refused": "not graded"}
STALE = ("These points were given for an earlier hand-in. Your instructor has been told that you have handed in "
         "something else since.")
BY_HAND = "Your instructor set these points by hand."


@dataclass(frozen=True)
class Item:
    """One graded thing. lines: (sign, id, sentence) for each expectation; work: the student's cells, with outputs;
    section: what to read again, None when nothing is missing."""

    key: str
    name: str
    title: str
    state: str
    points: float
    max_points: float
    lines: tuple
    notes: tuple
    work: tuple
    section: Section | None
    comment: str


@dataclass(frozen=True)
class Report:
    """A whole page. status and reasons: what intake decided; blocks: the student's notebook as it ran."""

    lesson: str
    student: str
    points: float
    max_points: float
    penalty: float
    status: str
    reasons: tuple
    remarks: tuple
    items: tuple
    blocks: tuple

    @property
    def waiting(self):
        """The points that a person has still to give."""
        return sum(item.max_points for item in self.items if item.state == "waits")


def report(notebook, released, names, marks):
    """The `Report` of a graded notebook. names: nbgrader's resources, with score, max_score and late_penalty."""
    status, reasons = verdict(notebook)
    ours = notebook["metadata"].get("shrinklab", {})
    told = [re.sub(r"\*\*Note:\*\* ", "", cell["source"]) for cell in notebook["cells"]
            if kind(cell) == "intake" and cell.get("id") != NOTICE]
    return Report(heading(released["cells"][0], 1) or names["notebook"], names["student"], names["score"],
                  names["max_score"], names["late_penalty"], status, tuple(reasons),
                  (*told, *ours.get("remarks", ())),
                  tuple(_items(notebook, released, marks, status == "rejected")), tuple(_blocks(notebook, released)))


def _items(notebook, released, marks, rejected):
    results = {one["name"]: one for one in notebook["metadata"].get("shrinklab", {}).get("results", ())}
    graded = {grade_id(cell): cell for cell in notebook["cells"] if grade_id(cell)}
    for cell in released["cells"]:
        key = grade_id(cell)
        if key in marks and key in graded and (is_check(cell) or is_task(cell)):
            yield _item(graded[key], notebook, (released, marks[key], results.get(name(cell)), rejected))


def _item(cell, notebook, about):
    released, mark, result, rejected = about
    key, most = grade_id(cell), float(cell["metadata"]["nbgrader"]["points"])
    work = _answer(cell, notebook) if is_task(cell) else [
        one for one in notebook["cells"] if is_solution(one) and name(one) == name(cell)]
    text = _text(cell)
    lines = [] if is_task(cell) or rejected else _lines(result, text)
    state = _state(cell, mark, most, text)
    notes = [STALE if mark.stale else BY_HAND] if mark.manual is not None and is_check(cell) else []
    notes += [STALE] if mark.stale and is_task(cell) else []
    notes += [f"{mark.extra:g} points of extra credit."] if mark.extra else []
    notes += [] if rejected else [line for line in text.splitlines() if line.startswith("Note: ")]
    comments = [one["metadata"].get("nbgrader", {}).get("comment") for one in [cell, *work]]
    comment = next((one for one in comments if one and one != "No response."), "")
    again = section_of(released, key) if state in ("partly", "wrong", "open") and not rejected else None
    return Item(key, name(cell) or key, title_of(released, key), "refused" if rejected else state, mark.points, most,
                tuple(lines), tuple(notes), tuple(work), again, comment)


def _state(cell, mark, most, text):
    if is_task(cell):
        return "waits" if mark.manual is None and mark.waiting else "marked"
    if mark.points >= most:
        return "passed"
    if mark.points > 0:
        return "partly"
    return "open" if re.search("not (written|answered) yet", text) else "wrong"


def _lines(result, text):
    """The expectations with their signs; what the check printed where there are none."""
    found = [("✓" if one["passed"] else "✗", one["id"], "" if one["passed"] else one["hint"])
             for one in result["expectations"]] if result else []
    if result and result["message"]:
        found.append(("", "", result["message"].split("\n    ")[0].lstrip("✗… ")))
    found += [("…", one, "not looked at, because the check ended before it") for one in
              (result or {}).get("unreached", ())]
    return found or [("", "", line) for line in text.splitlines() if not line.startswith("Note: ")]


def _text(cell):
    """What a check printed, with the lines whole that were broken for a narrow page."""
    printed = "".join(one["text"] for one in cell.get("outputs", ()) if one["output_type"] == "stream")
    return re.sub(r"\n {4}(?=\S)", " ", printed)


def _answer(cell, notebook):
    return [one for one in notebook["cells"] if one.get("id") == f"{grade_id(cell)}-answer"]


def _blocks(notebook, released):
    """The notebook as it ran: headings, the student's cells, and what ran; what only repeats the lesson stays out."""
    ours = {cell.get("id"): cell["source"] for cell in released["cells"]}
    for cell in notebook["cells"]:
        same = ours.get(cell.get("id")) == cell["source"]
        if kind(cell) == "intake" or grade_id(cell) and not is_solution(cell) and kind(cell) != "setup":
            continue
        if cell["cell_type"] != "code":
            title = heading(cell, 2) or heading(cell, 3) if same else None
            if title or not same:
                yield ("heading", title) if same else ("text", cell)
        elif not (same and kind(cell) == "play"):
            yield ("code", cell)
