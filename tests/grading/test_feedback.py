"""The page that a student reads: each check with its hints, what to read again, whose points, and nothing hidden."""

import base64
import json
import re

import pytest
from nbformat import v4
from nbgrader.api import Gradebook
from tiny_course import NAME, TinyCourse, boxes, with_sources

from autograder.__main__ import main
from autograder.cells import grade_id
from autograder.demo import fill

RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
TRUST = [] if boxes() else ["--trust-students"]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 30).decode()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A class, graded and with feedback."""
    made = TinyCourse(tmp_path_factory.mktemp("feedback"))
    made.submit("right", with_sources(made.released, **RIGHT))
    for student, body in (("half", "return w.abs() % 4000"), ("stops", "raise KeyError('4567')")):
        made.submit(student, with_sources(made.released, **RIGHT | {"scores": f"def scores(w):\n    {body}"}))
    made.submit("untouched", made.released)
    made.submit("points", tampered(made, RIGHT))
    made.submit("marker", with_sources(made.released, **RIGHT | {
        "scores": RIGHT["scores"] + "\n### BEGIN HIDDEN TESTS"}))
    made.submit("rich", rich(made))
    (made.folder("broken") / f"{NAME}.ipynb").write_text("{")
    made.log = made.nbgrader("autograde", NAME)
    made.nbgrader("generate_feedback", NAME)
    return made


def tampered(course, written):
    made = json.loads(json.dumps(with_sources(course.released, **written)))
    next(cell for cell in made["cells"] if grade_id(cell) == "90-check-scores")["metadata"]["nbgrader"]["points"] = 50
    return made


def rich(course):
    made = fill(course.released, RIGHT, essay="A picture: ![mine](attachment:mine.png) and `a < b`.")
    made.cells[-1]["attachments"] = {"mine.png": {"image/png": PNG}}
    made.cells.insert(5, v4.new_code_cell(
        "import pandas as pd, matplotlib.pyplot as plt\npd.DataFrame({'layer': ['conv1'], 'left': [0.25]})"))
    made.cells.insert(6, v4.new_code_cell("plt.plot([1, 2])"))
    made.cells.insert(7, v4.new_code_cell("print('\\x1b[31mred\\x1b[0m <b>')\n1 / 0"))
    return made


def page(course, student):
    return (course.root / "autograder" / "feedback" / student / NAME / f"{NAME}.html").read_text(encoding="utf-8")


def words(course, student):
    """What a reader sees of a page."""
    text = re.sub(r"<style>.*?</style>", "", page(course, student), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.mark.parametrize(("student", "says"), [
    ("right", "5 of 5 points"), ("right", "accepted as you handed it in"), ("right", "✓ large"),
    ("right", "waits for a mark 0 of 2 points · reflect"), ("right", "2 of them wait for your instructor's mark"),
    ("half", "✗ large : Large ones too."), ("half", "partly 1 of 2 points · scores"), ("half", "1 of 2 right"),
    ("half", "Read again: Which weights matter least?"),
    ("untouched", "not written yet 0 of 2 points"), ("stops", "raised KeyError"),
    ("stops", "✗ sign : Ignore the sign."), ("stops", "0 of 2 right"),
    ("stops", "… large : not looked at, because the check ended before it"),
    ("points", "other points than the released one"), ("points", "2 of 2 points · scores"),
    ("marker", "2 of 2 points · scores"), ("broken", "Your file is damaged"), ("broken", "could not be graded")])
def test_the_page_says(course, student, says):
    expected = says.replace("5 of 5", "3 of 5")
    assert expected in words(course, student)


def test_what_is_right_needs_no_reading_again(course):
    assert "Read again" not in words(course, "right")


def test_each_part_has_the_exercises_name_in_the_list(course):
    assert re.findall(r'<a href="#(90-[\w-]+)">', page(course, "half")) == [
        "90-check-scores", "90-check-answer_1", "90-essay-reflect"]
    assert "Test cell" not in page(course, "half")


def test_nothing_hidden_is_on_any_page(course):
    for student in ("right", "half", "untouched", "stops", "points", "marker", "rich", "broken"):
        text = words(course, student)
        assert "4567.0" not in text, student
        for secret in ("secret scheme", "END HIDDEN TESTS", "autograder/", str(course.root)):
            assert secret not in text, (student, secret)
        if student in ("right", "points", "marker", "broken"):  # the others have cells of their own that raise
            assert "Traceback" not in text, student


def test_honest_output_is_shown(course):
    text = page(course, "rich")
    assert "<td>conv1</td>" in text
    assert text.count('src="data:image/png;base64,') == 3, "a plot; the pasted picture twice"
    assert f'src="data:image/png;base64,{PNG}"' in text
    assert "red &lt;b&gt;" in text
    assert "\x1b" not in text
    assert "ZeroDivisionError" in text


def test_a_page_asks_the_network_for_nothing(course):
    for student in ("right", "rich", "broken"):
        text = page(course, student)
        assert "<script" not in text
        assert "default-src 'none'" in text
        assert not re.search(r'(src|href)="(?!data:image/png|#)', text)


@pytest.fixture
def marked(tmp_path):
    """A student's answer that was marked with 1.5 points, and the summary after grading again."""
    made = TinyCourse(tmp_path)

    def hand_in(essay, **changed):
        made.submit("ann", fill(made.released, RIGHT | changed, essay=essay))

    hand_in("First text.")
    assert main(["--root", str(tmp_path), "grade", "90", *TRUST]) == 0
    with Gradebook(f"sqlite:///{tmp_path}/autograder/gradebook.db") as gradebook:
        grade = gradebook.find_grade("90-essay-reflect", NAME, NAME, "ann")
        # As formgrader writes it when a person types points.
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    return made, hand_in


def test_a_mark_for_an_earlier_hand_in_is_told_until_a_person_looked(marked, capsys):
    made, hand_in = marked
    capsys.readouterr()
    main(["--root", str(made.root), "grade", "90", *TRUST])
    assert "mark again" not in capsys.readouterr().out, "the same work keeps its mark"
    assert made.score("ann") == (3, 4.5)
    hand_in("Another text.")
    for _ in range(2):  # grading once more does not forget it
        main(["--root", str(made.root), "grade", "90", *TRUST])
        assert "mark again: the points of reflect were given for an earlier hand-in" in capsys.readouterr().out
        assert "These points were given for an earlier hand-in." in words(made, "ann")
    assert made.score("ann") == (3, 4.5)
    with Gradebook(f"sqlite:///{made.root}/autograder/gradebook.db") as gradebook:
        gradebook.find_grade("90-essay-reflect", NAME, NAME, "ann").needs_manual_grade = False
        gradebook.db.commit()
    main(["--root", str(made.root), "grade", "90", *TRUST])
    assert "mark again" not in capsys.readouterr().out
    main(["--root", str(made.root), "feedback", "90"])
    assert "earlier hand-in" not in words(made, "ann")


def test_points_that_a_person_set_for_code_are_told(marked, capsys):
    made, hand_in = marked
    with Gradebook(f"sqlite:///{made.root}/autograder/gradebook.db") as gradebook:
        grade = gradebook.find_grade("90-check-scores", NAME, NAME, "ann")
        grade.manual_score, grade.needs_manual_grade = 0.5, False
        gradebook.find_comment("90-essay-reflect", NAME, NAME, "ann").manual_comment = "Good. <script>x()</script>"
        gradebook.db.commit()
    main(["--root", str(made.root), "feedback", "90"])
    assert "Your instructor set these points by hand." in words(made, "ann")
    assert "<script" not in page(made, "ann")
    hand_in("First text.", scores="def scores(w):\n    return torch.abs(w)")
    main(["--root", str(made.root), "grade", "90", *TRUST])
    assert "mark again: the points of scores" in capsys.readouterr().out
