"""A term from its release to the grades: the grader knows whose questions a submission answers."""

import csv
import shutil
from pathlib import Path

import nbformat
import pytest
from tiny_course import NAME, QUESTIONS, SOURCE
from traitlets.config import Config

from autograder.__main__ import main
from autograder.authoring.build import build
from autograder.course import Course
from autograder.demo import fill, sources
from autograder.term import find_term

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = '''# %% graded="answer_1" points=1
def answer_1(draw):
    kept = draw.pick(["first", "second", "third"])
    return draw.choice(f"A mask keeps the {kept} of three layers of {draw.integer(100, 999)} weights. Which one?",
                       {f"The {one}": one == kept for one in ("first", "second", "third")},
                       never=["None", "All"], hint="Think of the mask.")

'''
LESSON = SOURCE[:SOURCE.index("# %% answer=")] + TEMPLATE + SOURCE[SOURCE.index("# %% [markdown] essay="):]
# Its key differs from the public release's, so that an answer to one is wrong in the other; a test says so.
SECRET = "a-secret-of-the-term-93"


def read(folder, top):
    return nbformat.read(folder / top / NAME / f"{NAME}.ipynb", as_version=4)


def perfect(folder):
    return fill(read(folder, "course"), sources(read(folder, "solutions")), essay="That half of the weights can go.")


def put(path, notebook):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A course folder with the public release and the term autumn; two students of it have handed in."""
    made = tmp_path_factory.mktemp("course")
    (made / "solutions").mkdir()
    (made / "solutions" / f"{NAME}.py").write_text(LESSON, encoding="utf-8")
    (made / "solutions" / f"{NAME}.questions.yml").write_text(QUESTIONS, encoding="utf-8")
    build(made)
    build(made, term=find_term(made, "autumn", SECRET))
    handed_in = made / "terms" / "autumn" / "submitted"
    put(handed_in / "ann" / NAME / f"{NAME}.ipynb", perfect(made / "terms" / "autumn"))
    put(handed_in / "bob" / NAME / f"{NAME}.ipynb", perfect(made))
    return made


@pytest.fixture
def run(capsys):
    def command(root, *words):
        status = main(["--root", str(root), *words])
        said = capsys.readouterr()
        return status, said.out, said.err
    return command


@pytest.fixture
def student(root, tmp_path):
    """A student's clone: the lessons' sources, and the term's release in course/; no secret."""
    shutil.copytree(root / "solutions", tmp_path / "solutions", ignore=shutil.ignore_patterns(NAME))
    shutil.copytree(root / "terms" / "autumn" / "course", tmp_path / "course")
    return tmp_path


def test_a_term_is_graded_with_its_own_keys_in_its_own_folder(root, run):
    keys = [sources(read(folder, "solutions"))["answer_1"] for folder in (root, root / "terms" / "autumn")]
    assert keys[0] != keys[1]
    status, out, _ = run(root, "--term", "autumn", "grade", "90")
    assert status == 0, out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "3/3" in rows["ann"]
    assert "repaired" not in rows["ann"]
    assert "2/3" in rows["bob"]
    assert "repaired: Your notebook was released for another term" in rows["bob"]
    with (root / "terms" / "autumn" / "grades.csv").open() as file:
        assert {row["student_id"]: row["score"] for row in csv.DictReader(file)} == {"ann": "3.0", "bob": "2.0"}
    assert not (root / "autograder").exists()
    page = root / "terms" / "autumn" / "feedback" / "bob" / NAME / f"{NAME}.html"
    assert "graded questions are not those of this course" in page.read_text(encoding="utf-8")


def test_a_template_that_changed_later_does_not_change_a_terms_keys(root, run):
    source = root / "solutions" / f"{NAME}.py"
    source.write_text(LESSON.replace("draw.integer(100, 999)", "draw.integer(1000, 9999)"), encoding="utf-8")
    try:
        assert "3/3" in run(root, "--term", "autumn", "grade", "90")[1]
    finally:
        source.write_text(LESSON, encoding="utf-8")


def test_a_student_of_a_term_checks_everything_but_the_terms_questions(student, root, run):
    """The keys of the public release would be wrong here, and a build would replace the term's release."""
    before = {path: path.read_bytes() for path in student.rglob("*") if path.is_file()}
    said, right = [], perfect(root / "terms" / "autumn")
    for answer in (*"abcd", None):
        put(student / "workbook" / NAME / f"{NAME}.ipynb", fill(right, {"answer_1": f'answer_1 = "{answer}"'} if answer
                                                                else {}))
        status, out, _ = run(student, "check", "90")
        assert status == 0
        assert "2 of 2 points; the graded questions (1 point) are your term's, and their keys are not here" in out
        assert "instructor" not in out
        said.append(out)
    assert len(set(said)) == 1, "no answer gets other words than another"
    assert {path: path.read_bytes() for path in before} == before


def test_the_instructor_checks_a_workbook_against_the_terms_keys(root, run):
    path = root / "workbook" / NAME / f"{NAME}.ipynb"
    try:
        put(path, perfect(root / "terms" / "autumn"))
        assert "3 of 3 points; the written answer" in run(root, "--term", "autumn", "check", "90")[1]
        out = run(root, "check", "90")[1]
        assert "Your notebook was released for another term" in out
        assert "2 of 3 points" in out
    finally:
        shutil.rmtree(path.parents[1])


def test_a_question_that_a_student_changed_is_put_back(root, student, run):
    notebook = perfect(root / "terms" / "autumn")
    next(cell for cell in notebook.cells if cell.id == "90-question-answer_1").source = "What is 1 + 1?"
    put(student / "workbook" / NAME / f"{NAME}.ipynb", notebook)
    assert "The locked cell `answer_1` was changed; it was put back as released." in run(student, "check", "90")[1]


def test_a_term_that_is_not_there_is_named_with_those_there_are(root, run):
    status, _, err = run(root, "--term", "winter", "grade", "90")
    assert status == 1
    assert "the term is 'winter'" in err
    assert "use one of autumn, or run make build TERM_NAME=winter" in err
    assert run(root, "--term", "../x", "grade", "90")[0] == 1


def test_a_lesson_that_the_term_has_not_released_is_not_built_by_grading(root):
    from autograder.lessons import solution_path

    with pytest.raises(FileNotFoundError, match="run make build TERM_NAME=autumn"):
        solution_path(Course(root, term="autumn"), "91_more")


def test_nbgraders_own_commands_take_the_term_from_the_environment(monkeypatch):
    monkeypatch.setenv("SHRINKLAB_TERM", "autumn")
    config = Config()
    path = ROOT / "autograder" / "nbgrader_config.py"
    exec(path.read_text(encoding="utf-8"), {"get_config": lambda: config, "__file__": str(path)})
    assert config.CourseDirectory.source_directory == "terms/autumn/solutions"
    assert config.CourseDirectory.submitted_directory == "terms/autumn/submitted"
    assert config.CourseDirectory.db_url.endswith("terms/autumn/gradebook.db")
