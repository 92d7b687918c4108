"""What progress counts in a workbook, what it leaves alone, and when it keeps time."""

import json

import pytest

from shrinklab import progress as module
from shrinklab.exercise import check, expect
from shrinklab.progress import note, progress
from shrinklab.quiz.store import Store, sound_progress

NAME = "90_tiny"


def cell(kind, name, source=""):
    return {"cell_type": "code", "source": source, "metadata": {"shrinklab": {"kind": kind, "name": name}}}


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    folder = tmp_path / NAME
    folder.mkdir()
    cells = [cell("exercise", "scores"), cell("debug", "scan"), cell("answer", "answer_1", 'answer_1 = ""'),
             cell("answer", "answer_2", "answer_2 = 0"), cell("text", "reflect", "*Your answer: double-click here*")]
    (folder / f"{NAME}.ipynb").write_text(json.dumps({"cells": cells}))
    (folder / "practice.yml").write_text("questions:\n- {id: one}\n- {id: two}\n")
    monkeypatch.chdir(folder)
    return folder


def only(lesson, **options):
    return progress(lesson.parent, **options).lessons[0]


def test_an_untouched_lesson_has_nothing_done(lesson):
    found = only(lesson)
    assert (found.exercises, found.practice, found.quiz, found.text) == ((0, 2), (0, 2), (1, 2), (0, 1))
    assert found.minutes is None
    assert list(lesson.parent.iterdir()) == [lesson]


def test_a_check_that_passes_counts_and_one_that_fails_again_does_not(lesson):
    for value, done in ((1, 1), (2, 0)):
        with check("scores", points=1):
            expect(value, 1, hint="One.", id="one")
        assert only(lesson).exercises == (done, 2)


def test_a_partly_right_check_does_not_count(lesson):
    with check("scores", points=1):
        expect(1, 1, hint="One.", id="one")
        expect(2, 1, hint="One.", id="two")
    assert only(lesson).exercises == (0, 2)


def test_practice_answers_of_this_bank_count(lesson):
    records = {name: {"answer": 1, "right": False, "tries": 1} for name in ("one", "gone")}
    Store(lesson / ".practice.json", sound_progress).write({"practice": records})
    assert only(lesson).practice == (1, 2)


def test_written_text_counts(lesson):
    notebook = json.loads((lesson / f"{NAME}.ipynb").read_text())
    notebook["cells"][-1]["source"] = ["I would ", "measure first."]
    (lesson / f"{NAME}.ipynb").write_text(json.dumps(notebook))
    assert only(lesson).text == (1, 1)


@pytest.mark.parametrize("name", [".checks.json", ".practice.json", f"{NAME}.ipynb", "practice.yml"])
def test_a_damaged_file_counts_as_empty(lesson, name):
    (lesson / name).write_text("{ broken: [")
    assert only(lesson).exercises[0] == 0
    note("scores", 1, 1)


def test_time_is_kept_only_when_wanted_and_without_long_pauses(lesson, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.clock, "time", lambda: now[0])
    note()
    assert not (lesson.parent / ".time.json").exists()
    assert only(lesson, time=True).minutes == 0
    for gap in (0, 60, 120, 3600, 60, -50):
        now[0] += gap
        note()
    assert only(lesson).minutes == 4
    assert "minutes" in str(progress(lesson.parent))
    assert only(lesson, time=False).minutes is None
    assert not (lesson.parent / ".time.json").exists()


def test_outside_a_lesson_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    note("scores", 1, 1)
    assert list(tmp_path.iterdir()) == []


def test_the_table_reads_as_text_and_as_html(lesson):
    found = progress(lesson.parent)
    assert str(found).splitlines()[1].split("  ")[0] == "90 tiny"
    assert "<th scope='row'>90 tiny</th><td>0 of 2</td>" in found._repr_html_()


def test_a_folder_without_lessons_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no lessons; progress reads the folder that make lab fills; run make"):
        progress(tmp_path)
