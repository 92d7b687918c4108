"""Everything that the plan lists for a lesson is in it: each listed line is mapped to cells and questions.

inventory/required.yml holds the plan's lines word for word; inventory/NN.yml says what delivers them:

    lesson: 04_magnitude_pruning
    common:                               # each id of required.yml's `common` -> keys of cells
      path-why: [why]
    lines:                                # parts of the plan's lines; together they cover every line
      - line: "The honest cost: dense file same size"
        cells: [cost-files]               # keys of cells ("04-" goes in front), at least one cell or question
        questions: [file-size]            # ids in the practice bank
        says: [file_bytes]                # optional: text that must stand in these cells or questions
"""

import json
import re
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
COURSE = HERE.parents[1] / "course"
REQUIRED = yaml.safe_load((HERE / "inventory" / "required.yml").read_text(encoding="utf-8"))
LESSONS = sorted(path.name.split("_")[0] for path in COURSE.glob("[0-9][0-9]_*") if path.is_dir())
IDLE = re.compile(r"[\s;,.:()]|\band\b")


class Lesson:
    """One released lesson and its inventory."""

    def __init__(self, number):
        self.number = number
        self.inventory = yaml.safe_load((HERE / "inventory" / f"{number}.yml").read_text(encoding="utf-8"))
        folder = COURSE / self.inventory["lesson"]
        notebook = json.loads((folder / f"{folder.name}.ipynb").read_text(encoding="utf-8"))
        self.cells = {cell["id"]: cell for cell in notebook["cells"]}
        bank = yaml.safe_load((folder / "practice.yml").read_text(encoding="utf-8"))
        self.questions = {question["id"]: question for question in bank["questions"]}

    def cell(self, key):
        return self.cells.get(f"{self.number}-{key}")


@pytest.fixture(scope="module", params=LESSONS)
def lesson(request):
    return Lesson(request.param)


def kind(cell):
    return cell["metadata"].get("shrinklab", {}).get("kind", "")


def source(cell):
    return "".join(cell["source"])


def missing_parts(lesson):
    """Every way in which the common parts fall short."""
    mapped, required = lesson.inventory["common"], REQUIRED["common"]
    problems = [f"{name} is no common part" for name in mapped.keys() - required.keys()]
    for name, part in required.items():
        keys = mapped.get(name) or []
        cells = [lesson.cell(key) for key in keys]
        if not keys or None in cells:
            problems.append(f"{name} ({part['line']}): cells {keys}, missing "
                            f"{[key for key in keys if lesson.cell(key) is None] or 'all'}")
            continue
        if "kind" in part and any(kind(cell) != part["kind"] for cell in cells):
            problems.append(f"{name}: {keys} are {[kind(cell) for cell in cells]}, not {part['kind']}")
        if "holds" in part and not any(re.search(part["holds"], source(cell)) for cell in cells):
            problems.append(f"{name}: none of {keys} holds {part['holds']}")
        low, high = part.get("count", (1, len(keys)))
        everything = sum(kind(cell) == part.get("kind") for cell in lesson.cells.values())
        if not low <= len(keys) <= high or ("count" in part and everything != len(keys)):
            problems.append(f"{name}: {len(keys)} cells named, {everything} in the lesson, {low} to {high} wanted")
    return problems


def missing_lines(lesson):
    """Every way in which the plan's lines for this lesson are not delivered."""
    problems, covered = [], {line: line for line in REQUIRED["lessons"].get(lesson.number, [])}
    for entry in lesson.inventory["lines"]:
        part, keys, ids = entry["line"], entry.get("cells", []), entry.get("questions", [])
        if not any(part in line for line in covered):
            problems.append(f"the plan has no line {part!r}")
        covered = {line: rest.replace(part, " ") for line, rest in covered.items()}
        unknown = [key for key in keys if lesson.cell(key) is None] + [i for i in ids if i not in lesson.questions]
        if unknown or not keys + ids:
            problems.append(f"{part!r}: not in the lesson: {unknown or 'no cell or question is named'}")
            continue
        text = "\n".join([*(source(lesson.cell(key)) for key in keys),
                          *(json.dumps(lesson.questions[i], ensure_ascii=False) for i in ids)])
        problems += [f"{part!r}: {said!r} stands in none of {keys + ids}"
                     for said in entry.get("says", []) if said not in text]
    return problems + [f"not covered of {line!r}: {rest!r}"
                       for line, rest in covered.items() if IDLE.sub("", rest)]


def test_every_common_part_is_there(lesson):
    assert missing_parts(lesson) == []


def test_every_line_of_the_plan_is_delivered(lesson):
    assert missing_lines(lesson) == []


def test_a_cell_that_is_gone_is_noticed(lesson):
    entry = next(entry for entry in lesson.inventory["lines"] if entry.get("cells"))
    cell = lesson.cells.pop(f"{lesson.number}-{entry['cells'][0]}")
    try:
        assert any(entry["line"] in problem for problem in missing_lines(lesson))
    finally:
        lesson.cells[cell["id"]] = cell


def test_a_line_without_a_mapping_is_noticed(lesson):
    entry = lesson.inventory["lines"].pop()
    try:
        assert any(problem.startswith("not covered") for problem in missing_lines(lesson))
    finally:
        lesson.inventory["lines"].append(entry)


def test_every_lesson_of_the_plan_that_exists_has_lines():
    assert set(LESSONS) <= set(REQUIRED["lessons"])
