"""The folders of submissions on nbgrader's own roads: nothing in them stops the batch, is followed, or is lost."""

import json
import os

import pytest
from tiny_course import NAME, TinyCourse, boxes, with_sources

from autograder.__main__ import main
from autograder.inbox import MOST_ENTRIES, Inbox

RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
TRUST = [] if boxes() else ["--trust-students"]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return TinyCourse(tmp_path_factory.mktemp("inbox"))


@pytest.fixture(scope="module")
def odd(course):
    """One batch on the command line, of folders that stock nbgrader stumbles over."""
    right = with_sources(course.released, **RIGHT)
    submitted = course.root / "autograder" / "submitted"
    course.submit("right", right)
    course.folder("empty")
    (submitted / "file").mkdir()
    (submitted / "file" / NAME).write_text("a file, not a folder")
    (submitted / "link").mkdir()
    os.symlink(course.folder("right"), submitted / "link" / NAME)
    course.submit("new\nline", right)
    course.submit("a+b", right)
    course.submit("litter", right)
    (course.folder("litter") / ".ipynb_checkpoints").mkdir()
    (course.folder("litter") / "practice.yml").write_text("[]")
    course.submit("names", right)
    for name in ("..\n<b>", "\x1b[31mred", "..", os.fsdecode(b"\xff"), "n" * 250):
        if name != "..":
            (course.folder("names") / name).write_text("x")
    course.submit("inside", right)
    os.link(course.folder("right") / f"{NAME}.ipynb", course.folder("inside") / "hard.ipynb")
    os.mkfifo(course.folder("inside") / "pipe.ipynb")
    course.log = course.nbgrader("autograde", NAME)
    return course


@pytest.mark.parametrize(("student", "points"), [
    ("right", 3), ("empty", 0), ("file", 0), ("link", 0), ("litter", 3), ("names", 3), ("inside", 3)])
def test_each_folder_ends_with_points_and_the_batch_goes_on(odd, student, points):
    assert odd.score(student) == (points, points)


def test_a_folder_that_is_no_students_is_named_and_passed_over(odd):
    assert "new?line: no student has such a name" in odd.log
    assert "a+b: no student has such a name" in odd.log
    graded = {path.name for path in (odd.root / "autograder" / "autograded").iterdir()}
    assert graded == {"right", "empty", "file", "link", "litter", "names", "inside"}


def test_what_was_put_aside_is_whole(odd):
    aside = odd.root / "autograder" / "set_aside"
    assert (aside / "file" / NAME / "submission").read_text() == "a file, not a folder"
    assert os.readlink(aside / "link" / NAME / "submission").endswith(f"right/{NAME}")
    assert len(list((aside / "names" / NAME).iterdir())) == 4
    assert (odd.folder("right") / f"{NAME}.ipynb").stat().st_nlink == 2, "the original is where it was"


def test_the_student_hears_of_files_left_out_but_not_of_litter(odd):
    told = [cell["source"] for cell in odd.graded("names").cells][0]
    assert "these files were left out: ..??b?" in told
    assert "\x1b" not in told
    assert odd.graded("litter").metadata["shrinklab"]["intake"] == {"status": "accepted", "reasons": []}
    assert "not looked at: hard.ipynb" in [cell["source"] for cell in odd.graded("inside").cells][0]


def test_one_student_without_a_notebook_on_the_command_line(course):
    """nbgrader gave up on it: "No notebooks were matched"."""
    course.folder("nothing")
    course.nbgrader("autograde", NAME, "--student", "nothing")
    assert course.score("nothing") == (0, 0)
    assert f"There is no file {NAME}.ipynb" in course.graded("nothing").cells[0]["source"]


def test_our_command_takes_the_same_road(odd, capsys):
    assert main(["--root", str(odd.root), "grade", NAME, *TRUST]) == 0
    said = capsys.readouterr()
    assert "There is no file" in next(line for line in said.out.splitlines() if line.startswith("empty"))
    assert "a+b, new?line" in next(line for line in said.out.splitlines() if line.startswith("not looked at"))


def test_a_folder_of_thousands_of_files_goes_aside_as_a_whole(tmp_path):
    folder = tmp_path / "ann" / NAME
    folder.mkdir(parents=True)
    for number in range(MOST_ENTRIES + 1):
        (folder / f"{number}.txt").touch()
    (folder / f"{NAME}.ipynb").write_text("mine")
    inbox = Inbox(folder, tmp_path / "aside")
    inbox.clear()
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(f"{NAME}.ipynb", "mine")]
    assert len(list((tmp_path / "aside" / "submission").iterdir())) == MOST_ENTRIES + 1


def test_the_same_name_twice_is_kept_twice(tmp_path):
    inbox = Inbox(tmp_path / "ann" / NAME, tmp_path / "aside")
    for text in ("first", "second"):
        inbox.folder.mkdir(parents=True, exist_ok=True)
        (inbox.folder / "notes.txt").write_text(text)
        inbox.clear()
    assert sorted(path.read_text() for path in inbox.aside.iterdir()) == ["first", "second"]


def test_a_notebook_of_a_student_keeps_its_bytes(odd):
    path = odd.folder("litter") / f"{NAME}.ipynb"
    assert json.loads(path.read_text()) == json.loads(json.dumps(with_sources(odd.released, **RIGHT)))
