"""Moodle's and Canvas' tables: class lists in, grades out, and every other byte as it was."""

from dataclasses import replace

import pytest
from nbgrader.api import Gradebook
from platforms import gradebook, moodle_row, worksheet
from tiny_course import NAME

from autograder.__main__ import main
from autograder.course import Course, put_tools_on_path
from autograder.lms.grades import export_grades
from autograder.lms.people import read_sheet
from autograder.lms.roster import import_roster, students
from autograder.lms.sheet import Sheet
from autograder.rules import Rules

CANVAS = ((101, "Lee, Dora", "dora"), (102, "O'Hara, Eve", "eve"), (103, "Ödmann, Finn", "finn"))


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An empty gradebook, made once: its tables take seconds."""
    folder = tmp_path_factory.mktemp("bare")
    put_tools_on_path()
    with Gradebook(f"sqlite:///{folder}/gradebook.db"):
        pass
    return (folder / "gradebook.db").read_bytes()


@pytest.fixture
def course(tmp_path, bare):
    made = Course(tmp_path)
    made.grading.mkdir()
    (made.grading / "gradebook.db").write_bytes(bare)
    (tmp_path / "course" / NAME).mkdir(parents=True)
    return made


@pytest.fixture
def file(tmp_path):
    def write(name, text):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return tmp_path / name
    return write


def known(course):
    with Gradebook(course.gradebook) as opened:
        return students(opened)


@pytest.mark.parametrize("text", [
    'A,B\r\n"x, y",1\r\n', "\ufeffA;B\nx;\"1,5\"\n", 'A,B\n"two\nlines",""\n', "A,B\nx,y", 'A,B\n\n"a ""b""",\n'])
def test_a_table_comes_out_as_it_went_in(text):
    data = text.encode("utf-8")
    assert Sheet(data, "a.csv").data() == data


@pytest.mark.parametrize(("data", "says"), [
    (b"A,B\nx\n", "line 2 of a.csv has 1 fields"), (b"A,B\n\xff,1\n", "not UTF-8"), (b"", "the first line of a.csv"),
    (b'A,B\n"x,1\n', "a quote that does not close"), ("A,B\n1,2\n".encode("utf-16"), "not UTF-8")])
def test_what_is_no_table_is_refused(data, says):
    with pytest.raises(ValueError, match=says):
        Sheet(data, "a.csv")


def test_a_field_is_quoted_where_it_must_be():
    sheet = Sheet(b'A,B\n1,"2"\n', "a.csv")
    sheet.set(1, "A", "x, y")
    sheet.set(1, "B", 'z"')
    assert sheet.data() == b'A,B\n"x, y","z"""\n'


def test_moodles_participants_become_students(course, file, capsys):
    path = file("participants.csv", '"First name","Last name","Email address"\nAnn,Lee,Ann@Uni.example\n')
    assert import_roster(course, path) == 0
    assert known(course) == {"ann@uni.example": ("Ann", "Lee", "Ann@Uni.example", None)}
    assert "1 students, 1 new" in capsys.readouterr().out


def test_moodles_worksheet_and_canvas_gradebook_become_students_and_none_is_removed(course, file, capsys):
    import_roster(course, file("w.csv", worksheet(moodle_row(1, "Ann Mary Lee"))))
    import_roster(course, file("c.csv", gradebook(*CANVAS)))
    found = known(course)
    assert found["ann@uni.example"] == ("Ann Mary", "Lee", "ann@uni.example", None)
    assert found["eve"] == ("Eve", "O'Hara", None, "102")
    assert set(found) == {"ann@uni.example", "dora", "eve", "finn"}, "the test student is none"
    assert "in the gradebook, but not in c.csv: ann@uni.example" in capsys.readouterr().out


def test_another_column_can_name_the_students(course, file):
    path = file("p.csv", "First name,Last name,ID number,Email address\nAnn,Lee,4711,a@u.example\n")
    import_roster(course, path, column="ID number")
    assert list(known(course)) == ["4711"]


@pytest.mark.parametrize(("rows", "says"), [
    ((moodle_row(1, "Ann Lee"), moodle_row(2, "Ann Ray")), "lines 2 and 3 of w.csv both have 'ann@uni.example'"),
    ((moodle_row(1, "Ann Lee", email="../x@u"),), "'../x@u' under Email address"),
    ((moodle_row(1, "Ann Lee", email=""),), "'' under Email address"), ((), "w.csv has no student")])
def test_a_class_list_that_is_not_clear_is_refused_and_nothing_is_written(course, file, rows, says):
    with pytest.raises(ValueError, match=says):
        import_roster(course, file("w.csv", worksheet(*rows)))
    assert known(course) == {}


def test_a_table_of_another_kind_is_refused_with_what_is_wanted(course, file):
    with pytest.raises(ValueError, match="Moodle's grading worksheet has Identifier"):
        read_sheet(file("x.csv", "Kennung,Name\n1,Ann\n"))


def test_a_missing_file_is_one_clear_line(course, capsys):
    assert main(["--root", str(course.root), "roster", "no.csv"]) == 1
    assert "there is no file no.csv" in capsys.readouterr().err


@pytest.fixture
def graded(course, file, monkeypatch):
    """Scores for six students, with no submission behind them; ann's name stands twice in Moodle."""
    from autograder.lms import grades

    import_roster(course, file("w.csv", worksheet(*(moodle_row(*one) for one in MOODLE))))
    import_roster(course, file("c.csv", gradebook(*CANVAS)))
    points = {"ann@uni.example": 4.0, "bob@uni.example": 2.5, "dora": 5.0, "eve": 0.125}
    made = {key: grades.Scored(value, 5.0, False) for key, value in points.items()}
    monkeypatch.setattr(grades, "settle", lambda *_: None)
    monkeypatch.setattr(grades, "_scores", lambda *_: made)
    return made


MOODLE = ((11, "Ann Lee"), (12, "Bob Ray"), (13, "Cem Öz"))


def test_grades_go_into_moodles_worksheet_and_nothing_else_changes(course, file, graded, capsys):
    path = file("90.csv", worksheet(*(moodle_row(*one) for one in MOODLE)))
    assert export_grades(course, NAME, path) == 0
    want = worksheet(moodle_row(11, "Ann Lee", grade="4.00"), moodle_row(12, "Bob Ray", grade="2.50"),
                     moodle_row(13, "Cem Öz"))
    assert (course.grading / "export" / "90.csv").read_bytes() == want.encode("utf-8")
    out = capsys.readouterr().out
    assert "without a graded submission, left as they are: cem@uni.example" in out
    assert "graded, but without a row in 90.csv: dora, eve" in out


def test_grades_go_into_canvas_gradebook_and_nothing_else_changes(course, file, graded):
    text = gradebook(*CANVAS)
    export_grades(course, NAME, file("90.csv", text))
    lines = text.split("\r\n")
    lines[3] = lines[3].replace("9.50,,", "9.50,5.00,")
    lines[4] = lines[4].replace("9.50,,", "9.50,0.13,")
    assert (course.grading / "export" / "90.csv").read_bytes().decode("utf-8") == "\r\n".join(lines)


def test_a_grade_that_is_there_already_stays_as_it_is_written(course, file, graded, capsys):
    export_grades(course, NAME, file("90.csv", worksheet(moodle_row(11, "Ann Lee", grade="4"))))
    assert "1 grades in 'Grade', 0 of them changed" in capsys.readouterr().out
    assert ",4,5.00," in (course.grading / "export" / "90.csv").read_text()


def test_numbers_are_written_as_the_file_writes_them(course, file, graded):
    export_grades(course, NAME, file("90.csv", worksheet(moodle_row(12, "Bob Ray", most="5,00"))))
    assert '"2,50","5,00"' in (course.grading / "export" / "90.csv").read_text()


def test_another_maximum_is_refused_or_the_share_is_given(course, file, graded):
    path = file("90.csv", worksheet(moodle_row(11, "Ann Lee", most="100.00")))
    with pytest.raises(ValueError, match="says at most 100.00 points, and the lesson has 5"):
        export_grades(course, NAME, path)
    assert not (course.grading / "export").exists()
    export_grades(course, NAME, path, scale=True)
    assert ",80.00,100.00," in (course.grading / "export" / "90.csv").read_text()


@pytest.mark.parametrize(("rows", "says"), [
    ((moodle_row(11, "Ann Lee"), moodle_row(19, "Ann Lee")), "lines 2 and 3 of 90.csv both fit the student ann@uni"),
    ((moodle_row(11, "Ann Lee", email=""), moodle_row(19, "Ann Lee", email="")), "both fit the student ann@uni")])
def test_two_rows_for_one_student_are_refused(course, file, graded, rows, says):
    with pytest.raises(ValueError, match=says):
        export_grades(course, NAME, file("90.csv", worksheet(*rows)))


def test_a_row_that_fits_two_students_is_refused(course, file, graded):
    import_roster(course, file("more.csv", worksheet(moodle_row(19, "Ann Lee", email="ann.lee@uni.example"))))
    with pytest.raises(ValueError, match="line 2 of 90.csv is 'Ann Lee', and ann.lee@uni.example, ann@uni.* fit"):
        export_grades(course, NAME, file("90.csv", worksheet(moodle_row(11, "Ann Lee", email=""))))


def test_another_person_of_the_same_name_gets_no_grade(course, file, graded, capsys):
    export_grades(course, NAME, file("90.csv", worksheet(moodle_row(19, "Ann Lee", email="other@uni.example"))))
    assert "0 grades" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [("Lesson 90 (1)", "90 again (2)"), ("Homework (1)", "Lesson 9 (2)")])
def test_canvas_column_must_be_clear(course, file, graded, columns):
    text = gradebook(*CANVAS, column=columns[0]).replace("Essay 1 (17)", columns[1])
    path = file("90.csv", text)
    with pytest.raises(ValueError, match="look like 90_tiny"):
        export_grades(course, NAME, path)
    export_grades(course, NAME, path, column=columns[0])


def test_a_submission_that_waits_for_a_mark_stops_the_export(course, file, graded):
    graded["bob@uni.example"] = replace(graded["bob@uni.example"], waits=True)
    path = file("90.csv", worksheet(moodle_row(12, "Bob Ray")))
    with pytest.raises(ValueError, match="wait for a mark"):
        export_grades(course, NAME, path)
    export_grades(course, NAME, path, unmarked=True)


def test_the_platforms_own_file_is_never_written_over(course, file, graded):
    (course.grading / "export").mkdir()
    path = course.grading / "export" / "90.csv"
    path.write_text(worksheet(moodle_row(11, "Ann Lee")), encoding="utf-8")
    with pytest.raises(ValueError, match="is the file to write"):
        export_grades(course, NAME, path)


def test_no_rules_are_no_rules():
    assert Rules().late.penalty(5.0, 10**9) == 0
