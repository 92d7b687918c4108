"""A class's own rules: due dates, extensions, late penalties, dropped checks, in term.yml beside its gradebook.

    timezone: Europe/Berlin          # what the times below mean, and the times in Moodle's worksheet
    due:
      04: 2026-11-20 23:59           # a day alone is its end
    late:
      points_per_day: 1              # for each day begun after the due date
      grace_minutes: 15              # this much later is still in time
      zero_after_days: 5             # later than this: 0 points
    extensions:
      04: {ann@uni.edu: 3 days, bob@uni.edu: 2026-11-30}
    dropped:
      04: [prune_mask]               # everyone who can be graded has this check's points
"""

import datetime
import math
import re
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import yaml

from autograder.course import shown
from shrinklab.errors import need

FILE = "term.yml"
SECTIONS = ("timezone", "due", "late", "extensions", "dropped")
DAY = 86400


@dataclass(frozen=True)
class Late:
    """What a late submission loses. points_per_day: for each day begun; grace_minutes: not counted as late;
    zero_after_days: later than this loses everything, None for never."""

    points_per_day: float = 0.0
    grace_minutes: float = 0.0
    zero_after_days: float | None = None

    def penalty(self, score, seconds):
        """The points that a score loses, seconds after the due date.

        >>> Late(points_per_day=2, grace_minutes=10).penalty(7.0, 25 * 3600)
        4.0
        """
        if seconds <= self.grace_minutes * 60:
            return 0.0
        if self.zero_after_days is not None and seconds > self.zero_after_days * DAY:
            return score
        return min(score, float(math.ceil(seconds / DAY) * self.points_per_day))


@dataclass(frozen=True)
class Rules:
    """What term.yml says. due: {lesson: time in UTC}; extensions: {lesson: {student: timedelta}}; dropped: {lesson:
    names of exercises}; zone: the time zone; said: whether there is a file."""

    zone: datetime.tzinfo = datetime.UTC
    due: dict = field(default_factory=dict)
    late: Late = Late()
    extensions: dict = field(default_factory=dict)
    dropped: dict = field(default_factory=dict)
    said: bool = False


def read_rules(course):
    """The rules of a course, or those of a course that has no term.yml: none.

    Raises ValueError that names the file, the place and what to write.
    """
    path = course.grading / FILE
    if not path.exists():
        return Rules()
    return _Reader(course, str(shown(course, path))).rules(path.read_text(encoding="utf-8"))


class _Strict(yaml.BaseLoader):
    """Scalars stay text ("04" is no octal number), and a key stands once."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {', '.join(twice)} stands twice")
        return super().construct_mapping(node, deep)


class _Reader:
    """Reads one file; `where` is its path, for errors."""

    def __init__(self, course, where):
        self.course, self.where = course, where

    def rules(self, text):
        try:
            said = yaml.load(text, Loader=_Strict) or {}
        except yaml.YAMLError as error:
            raise ValueError(f"{self.where} cannot be read: {' '.join(str(error).split())}; it is YAML, as docs/"
                             "instructors.md shows; mend that line") from None
        said = self._mapping(said, "the file")
        unknown = sorted(said.keys() - set(SECTIONS))
        self._need(not unknown, f"has {', '.join(unknown)}", f"it has {', '.join(SECTIONS)}", "remove or rename it")
        self._need("timezone" in said or not {"due", "extensions"} & said.keys(), "has times and no timezone",
                   "times are those of a place", "write for example timezone: Europe/Berlin")
        self.zone = self._zone(said.get("timezone", "UTC"))
        due = {name: self._time(value, f"due: {name[:2]}") for name, value in self._lessons(said, "due")}
        extensions = {name: self._extensions(name, value, due) for name, value in self._lessons(said, "extensions")}
        dropped = {name: self._names(value, f"dropped: {name[:2]}") for name, value in self._lessons(said, "dropped")}
        return Rules(self.zone, due, self._late(said.get("late", {})), extensions, dropped, True)

    def _need(self, holds, *words):
        need(holds, f"{self.where} {words[0]}", *words[1:])

    def _mapping(self, value, place):
        if value == "":
            return {}
        self._need(isinstance(value, dict), f"has {value!r} for {place}", "that is a list of name: value",
                   "see docs/instructors.md")
        return value

    def _lessons(self, said, section):
        found = {}
        for number, value in self._mapping(said.get(section, {}), section).items():
            name = self.course.lesson(number)
            self._need(name not in found, f"names {name} twice under {section}", "a lesson stands once", "join them")
            found[name] = value
        return found.items()

    def _zone(self, name):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError, TypeError):
            raise ValueError(f"{self.where} has timezone: {name}; it is a name such as Europe/Berlin, America/New_York "
                             "or UTC; write one of them") from None

    def _time(self, text, place):
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d)?)?", str(text).strip())
        try:
            day, minute, second = found.groups()
            time = datetime.datetime.fromisoformat(f"{day} {minute or '23:59'}{second or ('' if minute else ':59')}")
        except (AttributeError, ValueError):
            raise ValueError(f"{self.where} has {place}: {text}; a time is a day, or a day and a time; write for "
                             "example 2026-11-20 23:59") from None
        return time.replace(tzinfo=self.zone).astimezone(datetime.UTC)

    def _extensions(self, name, value, due):
        place = f"extensions: {name[:2]}"
        self._need(name in due, f"has {place}, and no due date", "an extension moves a due date",
                   f"write due: {name[:2]}: too")
        return {student.lower(): self._extension(text, f"{place}: {student}", due[name])
                for student, text in self._mapping(value, place).items()}

    def _extension(self, text, place, due):
        spoken = re.fullmatch(r"(\d{1,3}) (hour|day|week)s?", str(text).strip())
        if spoken:
            return int(spoken[1]) * datetime.timedelta(**{f"{spoken[2]}s": 1})
        until = self._time(text, place)
        self._need(until > due, f"has {place}: {text}", "an extension ends after the due date", "write a later day, "
                   "or for example 3 days")
        return until - due

    def _late(self, value):
        value = self._mapping(value, "late")
        known = set(Late.__dataclass_fields__)
        unknown = sorted(value.keys() - known)
        self._need(not unknown, f"has late: {', '.join(unknown)}", f"late has {', '.join(sorted(known))}",
                   "remove or rename it")
        numbers = {}
        for key, text in value.items():
            good = re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(text))
            self._need(good, f"has late: {key}: {text}", "that is a number, 0 or more", f"write for example {key}: 1")
            numbers[key] = float(text)
        return Late(**numbers)

    def _names(self, value, place):
        names = value if isinstance(value, list) else [value]
        self._need(all(isinstance(one, str) and re.fullmatch(r"\w{1,80}", one) for one in names),
                   f"has {place}: {value}", "that is a list of exercises' names", "write for example [prune_mask]")
        return tuple(names)
