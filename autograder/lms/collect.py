"""Submissions from Moodle's or Canvas' zip to where nbgrader looks for them, with the times at which they came."""

import datetime
import hashlib
import json
import re
import shutil
from dataclasses import dataclass

from autograder.course import shown
from autograder.lms import members
from autograder.lms.people import matched, people, read_sheet
from autograder.lms.roster import opened, students
from autograder.lms.zips import Refused, SafeZip, copied
from autograder.rules import read_rules
from shrinklab.errors import need

MOST_FILES = 20
STAMP = "timestamp.txt"
# As Moodle writes "Last modified (submission)" in English; some sites set the day before the month, or 24 hours.
TIMES = ("%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %I:%M:%S %p", "%A, %d %B %Y, %H:%M", "%A, %B %d, %Y, %I:%M %p",
         "%d %B %Y, %I:%M %p", "%d/%m/%Y, %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Came:
    """What one student handed in. files: {name: bytes}; members: {name: its name in the zip}; time: UTC, None where
    the platform does not say; attachment: the highest of Canvas' numbers."""

    files: dict
    members: dict
    time: datetime.datetime | None
    attachment: int

    @property
    def digest(self):
        return digest(self.files)


def collect(course, lesson, path, *, worksheet=None):
    """Take the submissions of a zip into submitted/; prints what became of each; returns the exit status.

    path: the zip; worksheet: Moodle's grading worksheet of this assignment: who the numbers are, and when each handed
    in. The zip is kept in originals/. A student's files are replaced by newer ones only, and the older are kept.
    """
    record = Record(course, lesson)
    with SafeZip(path) as opened_zip:
        platform = members.platform_of(opened_zip.names + list(opened_zip.aside))
        aside = dict(opened_zip.aside)
        found = _by_person(opened_zip, platform, lesson, aside)
        kept = copied(path, course.grading / "originals" / lesson)
        owners, times = _owners(course, platform, found, worksheet, aside)
        done = {}
        for who, student in owners.items():
            came = _read(opened_zip, found[who], aside)
            if came:
                came = _timed(course, lesson, student, came, found[who], times.get(who))
                done[student] = record.take(student, came, source={"platform": platform, "zip": kept.name})
    record.save()
    _say(course, path, kept, done, aside)
    return 0 if done else 1


def _by_person(opened_zip, platform, lesson, aside):
    """{platform's number: [Handed]}; what is nobody's file goes aside."""
    found = {}
    for name in opened_zip.names:
        try:
            handed = members.moodle(name) if platform == "moodle" else members.canvas(name, lesson)
        except Refused as refused:
            aside[name] = str(refused)
            continue
        found.setdefault(handed.who, []).append(handed)
    return found


def _owners(course, platform, found, worksheet, aside):
    """({number: student}, {number: time}) of those that the gradebook knows."""
    with opened(course) as gradebook:
        known = students(gradebook)
    need(known, "the gradebook has no students", "a zip has the platform's names; the class list says who they are",
         "import it first: make roster FROM=class.csv")
    if platform == "canvas":
        by_number = {value[3]: key for key, value in known.items() if value[3]}
        owners, times = {who: by_number[who] for who in found if who in by_number}, {}
    elif worksheet:
        owners, times = _from_worksheet(course, known, worksheet)
    else:
        owners, times = _by_name(found, known), {}
    for who, files in found.items():
        if who not in owners:
            hint = ("give Moodle's grading worksheet too" if platform == "moodle" and not worksheet
                    else "import the class list again")
            aside |= {one.member: f"No student of the gradebook is {one.name} ({who}): {hint}." for one in files}
    return {who: owners[who] for who in found if who in owners}, times


def _from_worksheet(course, known, path):
    sheet, platform = read_sheet(path)
    need(platform == "moodle", f"{path.name} is no grading worksheet", "that names each participant's number: "
         "Identifier, Full name, …, Last modified (submission)", "on Moodle's page of the assignment: Actions > "
         "Download grading worksheet")
    zone, owners, times = read_rules(course).zone, {}, {}
    for person, student in matched(people(sheet, platform), known, path.name).items():
        number = re.search(r"(\d+)$", sheet.value(person.number, "Identifier"))
        if number:
            owners[number[1]] = student
            times[number[1]] = moodle_time(sheet.value(person.number, "Last modified (submission)"), zone)
    return owners, times


def _by_name(found, known):
    """Whose files they are by the full name, where just one student has it."""
    full = {}
    for key, (first, last, *_) in known.items():
        # Moodle leaves these characters out of a file's name, and writes _ as a space: O'Hara is OHara there.
        name = re.sub(r"[&<>\"`|':\\\\/]", "", f"{first or ''} {last or ''}").replace("_", " ")
        full.setdefault(name.strip().casefold(), []).append(key)
    owners = {who: full.get(files[0].name.casefold(), []) for who, files in found.items()}
    names = [files[0].name.casefold() for files in found.values()]
    return {who: keys[0] for who, keys in owners.items() if len(keys) == 1
            and names.count(found[who][0].name.casefold()) == 1}


def moodle_time(text, zone):
    """A time of Moodle's worksheet in UTC; None for "-" and what is no such time. zone: the one that Moodle shows.

    >>> moodle_time("Friday, 20 November 2026, 11:30 PM", datetime.UTC).isoformat()
    '2026-11-20T23:30:00+00:00'
    """
    for form in TIMES:
        try:
            return datetime.datetime.strptime(text, form).replace(tzinfo=zone).astimezone(datetime.UTC)
        except ValueError:
            continue
    return None


def _read(opened_zip, handed, aside):
    """The files of one student that can be read; None where there is none."""
    files, names = {}, {}
    # The highest attachment last: of two files with one name the later upload counts.
    for one in sorted(handed, key=lambda one: one.attachment):
        name = re.sub(r"[^\w .()+-]", "_", one.file).strip().lstrip(".")[-120:]
        try:
            if not name or name == STAMP:
                raise Refused("Its name cannot be a file's name here.")
            if len(files) >= MOST_FILES:
                raise Refused(f"The student handed in more than {MOST_FILES} files.")
            if name in names and not one.attachment:
                raise Refused(f"The student handed in another file called {name}.")
            files[name], names[name] = opened_zip.read(one.member), one.member
        except Refused as refused:
            aside[one.member] = str(refused)
    return Came(files, names, None, max(one.attachment for one in handed)) if files else None


def _timed(course, lesson, student, came, handed, time):
    """With the time at which it came. Canvas says only that it is late: the earliest time that is stands for it."""
    if time is None and any(one.late for one in handed):
        rules = read_rules(course)
        need(lesson in rules.due, f"Canvas calls the submission of {student} late, and {lesson} has no due date here",
             "what is late depends on it", f"write due: {lesson[:2]}: in term.yml, beside the gradebook")
        time = rules.due[lesson] + datetime.timedelta(minutes=rules.late.grace_minutes, seconds=1)
    return Came(came.files, came.members, time, came.attachment)


class Record:
    """What was collected for a lesson, in collected/LESSON.json: the members' names, which feedback goes back under."""

    def __init__(self, course, lesson):
        self.course, self.lesson = course, lesson
        self.path = course.grading / "collected" / f"{lesson}.json"
        read = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}
        self.students = read

    def take(self, student, came, *, source):
        """Write a student's files unless those that are there are as new; returns a word that says what was done.

        source: {"platform": …, "zip": the kept zip's name}.
        """
        folder = self.course.grading / "submitted" / student / self.lesson
        old, time = self.students.get(student, {}), came.time.isoformat() if came.time else None
        if folder.is_dir() and digest(_files(folder)) == came.digest:
            word = "unchanged"
            if time:
                _stamp(folder, came.time)
        elif folder.is_dir() and not _newer(old, came):
            return "older" if old else "kept: it did not come from a zip, and nothing says which is newer"
        else:
            word = "newer" if folder.is_dir() else "new"
            self._write(folder, came, student)
        self.students[student] = {"members": came.members, "time": time or old.get("time") if word == "unchanged"
                                  else time, "attachment": came.attachment} | source
        return word

    def save(self):
        """Write the record, all at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        half = self.path.with_suffix(".half")
        half.write_text(json.dumps(self.students, indent=1, sort_keys=True), encoding="utf-8")
        half.replace(self.path)

    def _write(self, folder, came, student):
        fresh = folder.with_name(f".{self.lesson}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name, data in came.files.items():
            (fresh / name).write_bytes(data)
        if came.time:
            _stamp(fresh, came.time)
        if folder.is_dir():
            kept = self.course.grading / "originals" / self.lesson / "replaced"
            kept.mkdir(parents=True, exist_ok=True)
            number = sum(1 for _ in kept.glob(f"{student}-*")) + 1
            shutil.move(folder, kept / f"{student}-{number}")
        fresh.rename(folder)


def digest(files):
    """What files hold and how they are called, as one number in hexadecimal."""
    made = hashlib.sha256()
    for name in sorted(files):
        made.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return made.hexdigest()


def _newer(old, came):
    """Whether files that came are later than those that were collected before."""
    if not old:
        return False
    if came.attachment or old.get("attachment"):
        return came.attachment > old.get("attachment", 0)
    before = old.get("time")
    # Moodle's zip alone has no times: other files than before are taken as later ones.
    return not (before and came.time) or came.time > datetime.datetime.fromisoformat(before)


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()
            if path.is_file() and not path.is_symlink() and path.name != STAMP}


def _stamp(folder, time):
    (folder / STAMP).write_text(f"{time:%Y-%m-%d %H:%M:%S.%f} UTC\n", encoding="utf-8")


def _say(course, path, kept, done, aside):
    words = {word: sorted(student for student, said in done.items() if said == word) for word in set(done.values())}
    print(f"{path.name}: {len(done)} students; kept as {shown(course, kept)}")
    for word in sorted(words):
        print(f"  {word}: {', '.join(words[word])}")
    print(f"  set aside: {len(aside)}" if aside else "  set aside: nothing")
    for name, sentence in sorted(aside.items()):
        print(f"    {re.sub(r'[^ -~¡-￿]', '?', name)[:120]}: {sentence}")
