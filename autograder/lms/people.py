"""Who is who: the rows of a platform's table, and the students of the gradebook that they stand for."""

import re
from dataclasses import dataclass

from autograder.lms.sheet import Sheet
from shrinklab.errors import need

# A student's name in the gradebook is a folder's name too.
NAME = re.compile(r"\w[\w.@+-]{0,99}")
WORKSHEET = ("Identifier", "Full name", "Grade")
TEST_STUDENT = "Student, Test"


@dataclass(frozen=True)
class Person:
    """One row. number: in the sheet; platform: the platform's own id of the person, "" where the row has none."""

    number: int
    first: str
    last: str
    email: str = ""
    platform: str = ""

    @property
    def full(self):
        return f"{self.first} {self.last}".strip()


def read_sheet(path):
    """(sheet, "moodle", "participants" or "canvas") of a file. Raises ValueError for a table that is none of them.

    "moodle" is an assignment's grading worksheet, "participants" a list of a course's people.
    """
    need(path.is_file(), f"there is no file {path}", "it is the CSV file that Moodle or Canvas exported",
         "check the path", FileNotFoundError)
    sheet = Sheet(path.read_bytes(), path.name)
    if sheet.has(*WORKSHEET):
        return sheet, "moodle"
    if sheet.has("First name", "Email address") and (sheet.has("Last name") or sheet.has("Surname")):
        return sheet, "participants"
    canvas = sheet.has("ID", "Section") and (sheet.has("Student") or sheet.has("LastName", "FirstName"))
    need(canvas, f"{path.name} has the columns {', '.join(sheet.header[:8])}", "Moodle's grading worksheet has "
         "Identifier, Full name, Grade; its participants First name, Last name, Email address; Canvas' gradebook "
         "Student, ID, Section", "export it with English as the language, and do not rename columns")
    return sheet, "canvas"


def people(sheet, platform):
    """The persons of a sheet, in its order; Canvas' rows that are no students are left out."""
    made = {"moodle": _worksheet, "participants": _participant, "canvas": _canvas}[platform]
    return [made(sheet, row) for row in sheet.rows() if platform != "canvas" or is_student(sheet, row)]


def is_student(sheet, row):
    """Whether a row of Canvas' gradebook is a student's: not points possible, posting policy, test student."""
    name = sheet.value(row, "Student")
    return bool(sheet.value(row, "ID")) and "Points Possible" not in name and name != TEST_STUDENT


def student_id(sheet, row, column):
    """The student's name in the gradebook that a column gives, in small letters.

    Raises ValueError where it cannot be a folder's name.
    """
    value = sheet.value(row, column).lower()
    need(NAME.fullmatch(value), f"line {row + 1} of {sheet.name} has {value!r} under {column}",
         "it becomes the student's name in the gradebook and a folder's: letters, digits and . _ - @ +, at most 100",
         "mend it on the platform, or take another column: --id \"ID number\"")
    return value


def matched(persons, students, name):
    """{person: student} for those who are found among the gradebook's students: by the platform's id, by e-mail, or
    by a name that only one has.

    students: {id: (first, last, email, platform's id)}. Raises ValueError where one row fits two students, or one
    student two rows. name: of the sheet, for errors.
    """
    found = {}
    for person in persons:
        fits = _fitting(person, students)
        need(len(fits) < 2, f"line {person.number + 1} of {name} is {person.full!r}, and {', '.join(sorted(fits))} fit",
             "a row belongs to one student", "import a roster with e-mail addresses (make roster), and export the file "
             "with them")
        found |= {person: fits[0]} if fits else {}
    for student in set(found.values()):
        lines = [str(one.number + 1) for one, fitting in found.items() if fitting == student]
        need(len(lines) == 1, f"lines {' and '.join(lines)} of {name} both fit the student {student}",
             "a student has one row", "remove the row that is not theirs, or export the file with e-mail addresses")
    return found


def _fitting(person, students):
    if person.platform:
        sure = [key for key, (*_, platform) in students.items() if platform == person.platform]
        if sure:
            return sure
    if person.email:
        sure = [key for key, (_, _, email, _) in students.items() if (email or "").lower() == person.email.lower()
                or key == person.email.lower()]
        # Another student of the same name may have another address: the name counts only where one has none.
        return sure or [key for key, known in students.items() if not known[2] and _same_name(person, known)]
    return [key for key, known in students.items() if _same_name(person, known)]


def _same_name(person, known):
    return person.full.casefold() == f"{known[0] or ''} {known[1] or ''}".strip().casefold()


def _worksheet(sheet, row):
    first, _, last = sheet.value(row, "Full name").rpartition(" ")
    return Person(row, first, last, sheet.value(row, "Email address"))


def _participant(sheet, row):
    last = sheet.value(row, "Last name") or sheet.value(row, "Surname")
    return Person(row, sheet.value(row, "First name"), last, sheet.value(row, "Email address"))


def _canvas(sheet, row):
    if sheet.has("LastName"):
        return Person(row, sheet.value(row, "FirstName"), sheet.value(row, "LastName"), platform=sheet.value(row, "ID"))
    last, _, first = sheet.value(row, "Student").partition(",")
    return Person(row, first.strip(), last.strip(), platform=sheet.value(row, "ID"))
