"""How long a lesson takes, counted from its source.

*Short path* below a heading puts what follows, up to the next heading, on the path for readers with eight minutes.
A heading that begins with *Extra* makes what follows extra, up to the next heading of its level; the rest is the core.
"""

import re
from dataclasses import dataclass

# Adults read about 238 words a minute silently (Brysbaert, "How many words do we read per minute?", 2019): so does who
# takes the short path, and leaves out code and exercises. A text to learn from goes slower. The minutes for writing and
# answering are estimates after cold readings of these lessons: a function takes some time to think and to mend, its
# text included, and more the more lines it has.
QUICK_WORDS_A_MINUTE, WORDS_A_MINUTE, SECONDS_A_LINE = 238, 150, 4
MINUTES = {"guess": 0.5, "explorer": 3.0, "exercise": 4.0, "solution line": 1.0, "debug": 6.0, "quiz": 2.0,
           "essay": 8.0, "practice": 1.2, "cards": 3.0, "placement": 8.0, "challenge": 8.0}


@dataclass(frozen=True)
class Minutes:
    """What a lesson asks of a reader, in minutes.

    short: the short path. read, write and answer are the core: reading, guessing and playing; exercises; quiz and
    reflection. extra: what stands below a heading that begins with *Extra*, and the practice bank.
    """

    short: float
    read: float
    write: float
    answer: float
    extra: float

    @property
    def core(self):
        return self.read + self.write + self.answer


def minutes_of(lesson, questions=0):
    """Count a lesson's `Minutes` from its source; questions: how many its practice bank has."""
    short, took = 0.0, {"read": 0.0, "write": 0.0, "answer": 0.0, "extra": MINUTES["practice"] * questions}
    for cell, on_path, exercise, extra in places(lesson):
        reading = _words(cell) / WORDS_A_MINUTE + _lines(cell) * SECONDS_A_LINE / 60 + _widgets(cell)
        if exercise and _heading_of(cell):
            reading = 0.0  # the text of an exercise is read while it is written
        elif on_path and not exercise:
            short += _words(cell) / QUICK_WORDS_A_MINUTE + _widgets(cell)
        for what, minutes in (("read", reading + _pastimes(cell)), ("write", _writing(cell)),
                              ("answer", _answering(cell))):
            took["extra" if extra else what] += minutes
    return Minutes(short, **took)


def places(lesson):
    """(cell, on the short path?, in an exercise?, extra?) for each cell of a lesson."""
    on_path, exercise, extra_level = True, False, 0
    for cell in lesson.cells:
        heading = _heading_of(cell)
        if heading:
            level, extra = len(heading[1]), bool(heading[2])
            on_path = "*Short path*" in cell.source or level == 1
            exercise = heading[3].lower() in ("exercise", "debug")
            extra_level = 0 if level <= extra_level else extra_level
            extra_level = level if extra and not extra_level else extra_level
        yield cell, on_path, exercise, bool(extra_level)


def _heading_of(cell):
    return re.match(r"(#{1,3}) (Extra: )?(\w*)", cell.source) if cell.kind in ("text", "essay") else None


def _writing(cell):
    if cell.kind != "exercise":
        return MINUTES["debug"] * (cell.kind == "debug")
    lines = sum(bool(line.strip()) for part in cell.parts if part.kind == "SOLUTION" for line in part.lines)
    return MINUTES["exercise"] + MINUTES["solution line"] * lines


def _answering(cell):
    return MINUTES["quiz"] * (cell.kind in ("graded", "answer")) + MINUTES["essay"] * (cell.kind == "essay")


def _pastimes(cell):
    """Minutes for what the placement test, the recall cards and the challenge ask beside reading."""
    found = {"cards": "RecallCards(", "placement": "Placement("}
    told = sum(MINUTES[name] for name, call in found.items() if cell.kind == "play" and call in cell.source)
    return told + MINUTES["challenge"] * bool(re.match(r"## (Extra: c|C)hallenge", cell.source))


def _words(cell):
    """The words that are read to the end: not the mark scheme, and not the list of sources."""
    told = cell.kind in ("text", "essay") and not cell.source.startswith("Sources:")
    return len(cell.source.split("=== BEGIN")[0].split()) if told else 0


def _lines(cell):
    """The lines of code that a reader sees and does not write."""
    hidden = "hide-input" in cell.options.get("tags", ()) or cell.kind not in ("code", "play")
    return 0 if hidden else cell.source.count("\n") + 1


def _widgets(cell):
    if cell.kind != "play":
        return 0
    return cell.source.count("Guess(") * MINUTES["guess"] + cell.source.count("_explorer(") * MINUTES["explorer"]
