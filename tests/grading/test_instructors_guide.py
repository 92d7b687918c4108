"""docs/instructors.md, walked from end to end: its commands, in its order, with a made class of six."""

import json
import os
import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from nbformat import read
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from platforms import gradebook, make_zip, moodle_row, worksheet
from tiny_course import NAME, SOURCE, boxes, with_sources

from autograder.__main__ import main
from autograder.authoring.__main__ import main as build
from autograder.cells import grade_id, is_task

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
TERM = "autumn-2026"
RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
HALF = {"scores": "def scores(weight):\n    return helper(weight)", "answer_1": 'answer_1 = "b"'}
MOODLE = {"ann": (11, "Ann Lee", "Friday, 20 November 2026, 6:05 PM"), "bob": (12, "Bob Ray",
          "Sunday, 22 November 2026, 9:00 AM"), "cem": (13, "Cem Öz", "Sunday, 22 November 2026, 10:00 AM")}
CANVAS = ((101, "Low, Dora", "dora"), (102, "O'Hara, Eve", "eve"), (103, "Ödmann, Finn", "finn"))
MARKS = {"ann@uni.example": 2, "bob@uni.example": 1, "cem@uni.example": 1, "eve": 2, "finn": 0}
# bob: one answer wrong, late within his extension; cem: two days begun late; dora: broken; eve: late by Canvas' word;
# finn: all points only by the mended check.
GRADES = {"ann": "5.00", "bob": "3.00", "cem": "2.00", "dora": "0.00", "eve": "4.00", "finn": "3.00"}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def commands():
    """The guide's make commands, for the tiny lesson and its exercise."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    return [line.replace("LESSON=04", "LESSON=90").replace("prune_mask", "scores") for line in lines]


def expand(line):
    """The words that make would run the module with."""
    done = subprocess.run(["make", "-n", *shlex.split(line)[1:]], cwd=ROOT, text=True, capture_output=True, check=True)
    ran = [one for one in done.stdout.splitlines() if " -m autograder" in one]
    assert len(ran) == 1, done.stdout
    words = shlex.split(ran[0])
    return words[words.index("-m") + 1:]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course folder with the tiny lesson, and the platforms' files beside it."""
    root = tmp_path / "root"
    (root / "solutions").mkdir(parents=True)
    (root / "solutions" / f"{NAME}.py").write_text(SOURCE, encoding="utf-8")
    bank = ROOT / "tests" / "library" / "00_sample.questions.yml"
    (root / "solutions" / f"{NAME}.questions.yml").write_text(
        bank.read_text(encoding="utf-8").replace("00_sample", NAME), encoding="utf-8")
    rows = [moodle_row(number, name, time=time) for number, name, time in MOODLE.values()]
    (tmp_path / "moodle-worksheet.csv").write_text(worksheet(*rows), encoding="utf-8")
    names = [f"{name.replace(' ', ',')},{key}@uni.example" for key, (_, name, _) in MOODLE.items()]
    (tmp_path / "moodle-participants.csv").write_text(
        "\n".join(["First name,Last name,Email address", *names, ""]), encoding="utf-8")
    (tmp_path / "canvas-gradebook.csv").write_bytes(gradebook(*CANVAS).encode("utf-8"))
    monkeypatch.chdir(tmp_path)
    return root


def hand_in(root, folder):
    """The two zips, from the release that students have."""
    released = read(root / "terms" / TERM / "course" / NAME / f"{NAME}.ipynb", as_version=4)
    half = with_sources(released, **HALF)
    half.cells.insert(4, new_code_cell("def helper(x):\n    return x.abs() % 4000"))
    right, wrong = with_sources(released, **RIGHT), with_sources(released, **RIGHT | {"answer_1": 'answer_1 = "c"'})
    files = {"ann": right, "bob": wrong, "cem": right}
    make_zip(folder / "moodle.zip", {f"{MOODLE[key][1]}_{MOODLE[key][0]}_assignsubmission_file/{NAME}.ipynb":
                                     json.dumps(files[key]) for key in files} | {"../../evil.ipynb": "{}"})
    make_zip(folder / "canvas.zip", {
        f"lowdora_101_901_{NAME}.ipynb": json.dumps(right)[:500],
        f"oharaeve_LATE_102_902_{NAME}-1.ipynb": json.dumps(right),
        f"ödmannfinn_103_903_{NAME}.ipynb": json.dumps(half)})


def mark(root):
    """Mark each text, as formgrader does."""
    home = root / "terms" / TERM
    lesson = read(home / "course" / NAME / f"{NAME}.ipynb", as_version=4)
    essay = next(grade_id(cell) for cell in lesson.cells if is_task(cell))
    with Gradebook(f"sqlite:///{home}/gradebook.db") as opened:
        for student, points in MARKS.items():
            grade = opened.find_grade(essay, NAME, NAME, student)
            grade.manual_score, grade.needs_manual_grade = points, False
            opened.find_comment(essay, NAME, NAME, student).manual_comment = f"Well seen, {student}."
        opened.db.commit()


def mend(root):
    path = root / "solutions" / f"{NAME}.py"
    text = path.read_text(encoding="utf-8")
    assert "[-4567.0])), [4567.0]" in text
    path.write_text(text.replace("[-4567.0])), [4567.0]", "[-3567.0])), [3567.0]"), encoding="utf-8")
    later = path.stat().st_mtime + 10
    os.utime(path, (later, later))


def run(root, line):
    module, *words = expand(line)
    if module == "autograder.authoring":
        return build([*words, "--root", str(root)])
    trust = ["--trust-students"] if "grade" in words and not boxes() else []
    return main(["--root", str(root), *words, *trust])


@pytest.mark.skipif(not shutil.which("make"), reason="the guide's commands are make's, and there is no make")
def test_a_term_from_release_to_export(root, tmp_path, capsys):
    home, seen = root / "terms" / TERM, []
    for line in commands():
        target = line.split()[1]
        if target == "build" and seen:
            mend(root)
        if target == "collect" and "collect" not in seen:
            (home / "term.yml").write_text(blocks("yaml")[0].replace("04:", "90:"), encoding="utf-8")
            hand_in(root, tmp_path)
        if target == "feedback" and "feedback" not in seen:
            mark(root)
        status = run(root, line)
        said = capsys.readouterr()
        assert status in (0, None), f"{line}\n{said.out}{said.err}"
        seen.append(target)
        if target == "regrade":
            assert "finn: 1 -> 2 (+1)" in said.out
    assert set(seen) == {"build", "roster", "collect", "grade", "feedback", "regrade", "export"}
    assert not list(tmp_path.parent.rglob("evil.ipynb"))

    moodle = "\ufeff" + worksheet(*(moodle_row(number, name, time=time, grade=GRADES[key])
                                    for key, (number, name, time) in MOODLE.items())).removeprefix("\ufeff")
    assert (home / "export" / "moodle-worksheet.csv").read_text(encoding="utf-8") == moodle
    canvas = gradebook(*CANVAS)
    for number, _, key in CANVAS:
        canvas = canvas.replace(f",{number},s{number},{key},Monday,9.50,,", f",{number},s{number},{key},Monday,9.50,"
                                f"{GRADES[key]},")
    assert (home / "export" / "canvas-gradebook.csv").read_bytes().decode("utf-8") == canvas
    check_returns(home)


def check_returns(home):
    """The zips have the platforms' names, and in them are marks and comments, and nothing hidden."""
    with zipfile.ZipFile(home / "returns" / f"{NAME}-moodle.zip") as made:
        assert made.namelist()[0] == f"Ann Lee_11_assignsubmission_file/{NAME}.html"
        assert len(made.namelist()) == 3
        page = made.read(made.namelist()[0]).decode("utf-8")
    assert "Well seen, ann@uni.example." in page
    with zipfile.ZipFile(home / "returns" / f"{NAME}-canvas.zip") as made:
        assert made.namelist() == [f"lowdora_101_901_{NAME}.ipynb", f"oharaeve_LATE_102_902_{NAME}-1.ipynb",
                                   f"ödmannfinn_103_903_{NAME}.ipynb"]
        text = made.read(f"oharaeve_LATE_102_902_{NAME}-1.ipynb").decode("utf-8")
    assert "# 4 of 5 points, 1 points off for coming late" in text
    assert "Well seen, eve." in text
    for shown in (page, text):
        assert "4567" not in shown
        assert "3567" not in shown
        assert "secret scheme" not in shown
    assert (home / "returns" / NAME / "finn.zip").is_file()
