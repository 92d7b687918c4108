"""Whose file a member of a submissions zip is: the names that Moodle and Canvas give.

    Moodle, in folders   Ann Lee_12345_assignsubmission_file_/04_magnitude_pruning.ipynb   (4.1 on: without the last _)
    Moodle, flat         Ann Lee_12345_assignsubmission_file_04_magnitude_pruning.ipynb
    Canvas               leeann_LATE_678_91011_04_magnitude_pruning-1.ipynb    (person, late?, user, attachment, file)
"""

import re
from dataclasses import dataclass

from autograder.lms.zips import Refused

MOODLE = re.compile(r"(?P<name>[^_/]*)_(?P<who>\d+)_assign(?P<plugin>submission_[a-z0-9]+)(?:_(?P<rest>[^/]*))?")
CANVAS = re.compile(r"(?P<name>.+?)_(?P<late>LATE_)?(?P<who>\d+)_(?P<attachment>\d+)_(?P<file>.+)")
NOTEBOOK_AGAIN = re.compile(r"(?P<stem>.+)-\d{1,3}(?P<end>\.ipynb)")


@dataclass(frozen=True)
class Handed:
    """One file that someone handed in. member: its name in the zip; who: the platform's number of the person; name:
    as the platform writes it; file: the student's own name of the file; late: Canvas' flag; attachment: Canvas'
    number of the upload, which grows."""

    member: str
    who: str
    name: str
    file: str
    late: bool = False
    attachment: int = 0


def platform_of(names):
    """ "moodle" or "canvas", by the names of a zip's members. Raises ValueError where they are neither's."""
    votes = {"moodle": sum(any(map(MOODLE.match, name.split("/"))) for name in names),
             "canvas": sum(bool(CANVAS.fullmatch(name.rsplit("/", 1)[-1])) for name in names)}
    best = max(votes, key=votes.get)
    if not votes[best]:
        raise ValueError(f"the zip has {len(names)} members, such as {(names or ['none'])[0][:80]!r}; in Moodle's they "
                         "are called NAME_NUMBER_assignsubmission_file_…, in Canvas' name_NUMBER_NUMBER_file; give the "
                         "zip as the platform made it")
    return best


def moodle(member):
    """Read a member's name as Moodle's. Raises Refused with a sentence for one that holds no file of a student."""
    parts = member.split("/")
    for place, part in enumerate(parts):
        found = MOODLE.fullmatch(part)
        if not found:
            continue
        if found["plugin"] != "submission_file":
            raise Refused("It is not an uploaded file (text typed into Moodle, or another plug-in's).")
        inside = parts[place + 1:]
        file = inside[-1] if inside else found["rest"]
        if not file:
            raise Refused("Its name has no file's name.")
        return Handed(member, found["who"], found["name"], file)
    raise Refused("Its name is not one that Moodle gives (NAME_NUMBER_assignsubmission_file_…).")


def canvas(member, lesson):
    """Read a member's name as Canvas': a second upload of a file is called file-1, which is undone for the lesson's
    own notebook. Raises Refused as `moodle` does.

    >>> canvas("leeann_LATE_678_91011_04_magnitude_pruning-1.ipynb", "04_magnitude_pruning").file
    '04_magnitude_pruning.ipynb'
    """
    base = member.rsplit("/", 1)[-1]
    if re.match(r"(.+_)?anon_", base):
        raise Refused("Canvas hid whose it is (anonymous grading): turn that off and download again.")
    found = CANVAS.fullmatch(base)
    if not found:
        typed = re.fullmatch(r".+_\d+_(text|link)\.html", base)
        raise Refused("It is a text or a link given to Canvas, not an uploaded file." if typed else
                      "Its name is not one that Canvas gives (name_NUMBER_NUMBER_file).")
    again = NOTEBOOK_AGAIN.fullmatch(found["file"])
    file = again["stem"] + again["end"] if again and again["stem"] == lesson else found["file"]
    return Handed(member, found["who"], found["name"], file, bool(found["late"]), int(found["attachment"]))
