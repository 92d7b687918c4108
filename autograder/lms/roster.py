"""A class list from Moodle or Canvas into nbgrader's gradebook."""

import contextlib

from nbgrader.api import Gradebook

from autograder.course import put_tools_on_path, shown
from autograder.lms.people import people, read_sheet, student_id
from shrinklab.errors import need

DEFAULT_ID = {"moodle": ("Username", "Email address"), "participants": ("Username", "Email address"),
              "canvas": ("SIS Login ID", "ID")}


@contextlib.contextmanager
def opened(course):
    """The gradebook of a course, made where there is none yet."""
    put_tools_on_path()
    course.grading.mkdir(parents=True, exist_ok=True)
    with Gradebook(course.gradebook) as gradebook:
        yield gradebook


def students(gradebook):
    """{id: (first name, last name, e-mail, platform's id)} of all students of a gradebook."""
    return {one.id: (one.first_name, one.last_name, one.email, one.lms_user_id) for one in gradebook.students}


def import_roster(course, path, *, column=None):
    """Enter the people of a file into the gradebook, or mend what it holds of them; returns the exit status.

    path: Moodle's grading worksheet or participants, or Canvas' gradebook. column: what names a student in the
    gradebook and in submitted/; a user name, e-mail address or login where nothing is said. Nobody is removed.
    Raises ValueError, with nothing written, where two rows have one name.
    """
    sheet, platform = read_sheet(path)
    column = column or next((name for name in DEFAULT_ID[platform] if sheet.has(name)), None)
    need(column in sheet.header, f"{path.name} has no column {column or DEFAULT_ID[platform][-1]!r}",
         "a column names each student", f"choose one: --id with one of {', '.join(sheet.header[:8])}")
    rows = {}
    for person in people(sheet, platform):
        key = student_id(sheet, person.number, column)
        need(key not in rows, f"lines {rows[key].number + 1 if key in rows else 0} and {person.number + 1} of "
             f"{path.name} both have {key!r}", "each student has a name of their own", "remove one, or choose another "
             "column with --id")
        rows[key] = person
    need(rows, f"{path.name} has no student", "each line below the header is one", "export it again")
    return _enter(course, rows, path)


def _enter(course, rows, path):
    with opened(course) as gradebook:
        before = students(gradebook)
        for key, person in rows.items():
            known = before.get(key, ("", "", None, None))
            gradebook.update_or_create_student(key, first_name=person.first or known[0], last_name=person.last or
                                               known[1], email=person.email or known[2],
                                               lms_user_id=person.platform or known[3])
        after = students(gradebook)
    changed = [key for key in rows if key in before and before[key] != after[key]]
    print(f"{path.name}: {len(rows)} students, {len(rows.keys() - before.keys())} new, {len(changed)} changed; "
          f"gradebook: {shown(course, course.grading / 'gradebook.db')}")
    others = sorted(before.keys() - rows.keys())
    if others:
        print(f"in the gradebook, but not in {path.name}: {', '.join(others)} (nobody was removed)")
    return 0
