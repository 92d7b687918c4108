"""The rules for a whole question bank: enough of everything, no repeats, nothing that points nowhere."""

import difflib
import re

from shrinklab.quiz import compute
from shrinklab.quiz.fields import CARD, KINDS, LEVELS, SECTION, TOP, check_fields, check_question, name
from shrinklab.quiz.source import Problem

ALIKE = 0.85  # share of words in common from which on two texts count as the same


class Report:
    """Collects the problems of one bank; a place is a path such as ("questions", 3, "hint")."""

    def __init__(self, data, file, lines):
        self.data, self.file, self.lines, self.problems = data, file, lines or {}, []

    def add(self, place, value, rule, fix):
        known = [place[:end] for end in range(len(place), -1, -1) if place[:end] in self.lines]
        line = self.lines[known[0]] if known else 0
        where = f"{self.file}:{line}" if line else self.file
        if len(place) > 1 and place[0] == "questions":
            question = self.data["questions"][place[1]]
            where += f": question {question.get('id', f'number {place[1] + 1}')}"
        self.problems.append((line, Problem(where, value, rule, fix)))

    def sorted(self):
        """The problems in the order of the file."""
        return [problem for _, problem in sorted(self.problems, key=lambda pair: pair[0])]


def validate(data, *, file="bank", lines=None, lesson=None, run=True):
    """All problems of a bank (the mapping that its YAML holds), a list of Problem in the file's order.

    lines: from `quiz_source.read`; lesson: the text of the lesson's source, for headings and cell keys;
    run=False leaves out running the bank's code.
    """
    report = Report(data, file, lines)
    if not isinstance(data, dict):
        report.add(
            (),
            f"the file holds {name(data)}",
            "a bank has lesson, sections, questions and cards",
            "start from docs/questions.md",
        )
        return report.sorted()
    if not check_fields(report, (), data, TOP, TOP):
        return report.sorted()
    for group, fields, needed in (
        ("sections", SECTION, ("id", "title")),
        ("cards", CARD, ("front", "back", "section")),
    ):
        for index, entry in enumerate(data[group]):
            check_fields(report, (group, index), entry, fields, needed)
    sound = [
        index
        for index, question in enumerate(data["questions"])
        if check_question(report, ("questions", index), question)
    ]
    _names(report)
    _amounts(report)
    _repeats(report, sound)
    if lesson is not None:
        _headings(report, lesson)
    if run:
        for index in sound:
            compute.check(report, ("questions", index), data["questions"][index])
    return report.sorted()


def _names(report):
    """The lesson is the file's; ids are unique; every section named exists and has a question."""
    data, stem = report.data, report.file.removesuffix(".questions.yml")
    if stem != report.file and data["lesson"] != stem:
        report.add(
            ("lesson",),
            f"lesson is {name(data['lesson'])}",
            "it is the file's name without .questions.yml",
            f"write {stem}",
        )
    for group, field in (("sections", "id"), ("questions", "id"), ("cards", "id"), ("cards", "front")):
        seen = set()
        for index, entry in enumerate(data[group]):
            value = str(entry.get(field)).strip().lower()
            if field in entry and value in seen:
                report.add(
                    (group, index, field),
                    f"`{field}` {name(entry[field])} is used twice",
                    "it is unique",
                    "choose another one",
                )
            seen.add(value)
    sections = [str(section.get("id")) for section in data["sections"]]
    for group in ("questions", "cards"):
        for index, entry in enumerate(data[group]):
            if "section" in entry and str(entry["section"]) not in sections:
                report.add(
                    (group, index, "section"),
                    f"section {name(entry['section'])} does not exist",
                    "sections are named above the questions",
                    "use one of " + ", ".join(sections),
                )
    used = {str(question.get("section")) for question in data["questions"]}
    for index, section in enumerate(sections):
        if section not in used:
            report.add(
                ("sections", index), f"section {section} has no question", "each one has", "add a question"
            )


def _amounts(report):
    questions, cards = report.data["questions"], report.data["cards"]
    levels = [question.get("level") for question in questions]
    kinds = {str(question.get("kind")) for question in questions} & set(KINDS)
    for what, there, least in (
        ("questions", len(questions), 10),
        *((f"{level} questions", levels.count(level), 3) for level in LEVELS),
        ("kinds of question", len(kinds), 3),
        ("cards", len(cards), 5),
    ):
        if there < least:
            place = ("cards",) if what == "cards" else ("questions",)
            report.add(
                place, f"there are {there} {what}", f"a bank has at least {least}", f"add {least - there}"
            )


def _words(text):
    """The words of a text for comparing: lower case, every number alike."""
    return re.findall(r"[a-z_]+|#", re.sub(r"\d+(\.\d+)?", "#", text.lower()))


def alike(one, other):
    """Whether two texts say nearly the same, whatever their numbers."""
    return difflib.SequenceMatcher(None, _words(one), _words(other), autojunk=False).ratio() >= ALIKE


def _repeats(report, sound):
    """No two questions with the same stem and reasoning: another number alone makes no new question."""
    stems = {index: report.data["questions"][index] for index in sound}
    for later in sound:
        for earlier in (index for index in sound if index < later):
            one, other = stems[earlier], stems[later]
            same_stem = alike(
                one["question"] + one.get("code", ""), other["question"] + other.get("code", "")
            )
            if same_stem and alike(" ".join(one["steps"]), " ".join(other["steps"])):
                report.add(
                    ("questions", later),
                    f"it repeats question {one['id']}",
                    "no two questions share both stem and reasoning",
                    "ask for something else, or remove it",
                )


def _headings(report, lesson):
    """Sections' titles are headings of the lesson, and their cells are keys in it."""
    headings = {line.strip() for line in re.findall(r"^# #+ (.*)$", lesson, re.MULTILINE)}
    keys = set(re.findall(r'^# %%.*\bkey="([^"]*)"', lesson, re.MULTILINE))
    for index, section in enumerate(report.data["sections"]):
        if "title" in section and str(section["title"]).strip() not in headings:
            report.add(
                ("sections", index, "title"),
                f"title {name(section['title'])} is no heading of the lesson",
                "links go to the heading of that name",
                "copy the heading word for word",
            )
        if "cell" in section and section["cell"] not in keys:
            report.add(
                ("sections", index, "cell"),
                f"cell {name(section['cell'])} is no key= of the lesson",
                "a cell goes by its key",
                "use a key of the lesson, or leave it out",
            )
