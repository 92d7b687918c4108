"""Files as Moodle and Canvas write them, made for tests."""

import zipfile

MOODLE_HEADER = ("Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Grade can be changed",
                 "Last modified (submission)", "Last modified (grade)", "Feedback comments")
IN_TIME = "Friday, 20 November 2026, 6:05 PM"


def moodle_row(number, name, *, time=IN_TIME, most="5.00", email=None, grade=""):
    """A line of a grading worksheet, fields with a blank in quotes, as PHP writes them."""
    mail = email if email is not None else f"{name.split()[0].lower()}@uni.example"
    fields = (f"Participant {number}", name, mail, "Submitted for grading", grade, most, "Yes", time, "-", "")
    return ",".join(f'"{field}"' if set(field) & set(' ,"') else field for field in fields)


def worksheet(*rows):
    """Moodle's grading worksheet: with a byte order mark, lines ended by \\n."""
    return "\ufeff" + "\n".join([",".join(f'"{one}"' if " " in one else one for one in MOODLE_HEADER), *rows, ""])


def gradebook(*students, column="Lesson 90 (4711)", most="5.00"):
    """Canvas' gradebook. students: (Canvas' id, "Last, First", login)."""
    lines = [f"Student,ID,SIS User ID,SIS Login ID,Section,Essay 1 (17),{column},Current Score,Final Score",
             ",,,,,,Manual Posting,,", f"    Points Possible,,,,,10.00,{most},(read only),(read only)"]
    lines += [f'"{name}",{number},s{number},{login},Monday,9.50,,88.1,44.0' for number, name, login in students]
    return "\r\n".join([*lines, '"Student, Test",999,,hash,Monday,,,,', ""])


def make_zip(path, members):
    """A zip of {name: text or bytes}; the same members make the same bytes, at whatever time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path
