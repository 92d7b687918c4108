"""A question bank of one lesson, loaded from its file and valid."""

import re
from dataclasses import dataclass
from pathlib import Path

from shrinklab.errors import need
from shrinklab.quiz import source
from shrinklab.quiz.rules import validate


@dataclass(frozen=True)
class Bank:
    """A valid bank of one lesson. sections, questions and cards are tuples of plain dicts."""

    lesson: str
    sections: tuple
    questions: tuple
    cards: tuple

    @classmethod
    def load(cls, path, *, run=True):
        """Load a bank; raises ValueError with all its problems at once.

        run=False leaves out the code in the bank, which the build has already run.
        """
        problems = validate_file(path, run=run)
        need(
            not problems,
            f"{Path(path).name} has {len(problems)} problem(s)",
            "a bank follows docs/questions.md",
            "mend these:\n" + "\n".join(map(str, problems)),
        )
        data = source.read(path)[0]
        cards = tuple({**card, "id": card.get("id", slug(card["front"]))} for card in data["cards"])
        return cls(data["lesson"], tuple(data["sections"]), tuple(data["questions"]), cards)

    def question(self, name):
        """The question with this id."""
        found = [question for question in self.questions if question["id"] == name]
        need(
            found,
            f"question {name!r} is not in {self.lesson}",
            "a question goes by its id",
            "use one of " + ", ".join(question["id"] for question in self.questions),
            KeyError,
        )
        return found[0]


def validate_file(path, *, run=True):
    """All problems of a bank file, as a list of Problem (empty when it is valid).

    The lesson `NN_name.py` beside it, where there is one, must hold the sections' headings and cell keys.
    """
    path = Path(path)
    need(
        path.is_file(),
        f"{path} is not a file",
        "a bank is a YAML file beside its notebook or lesson source",
        f"look for it in {path.parent.resolve()}, or copy it there again",
        FileNotFoundError,
    )
    data, lines, problems = source.read(path)
    if data is None and problems:
        return problems
    beside = path.with_name(path.name.replace(".questions.yml", ".py"))
    lesson = beside.read_text(encoding="utf-8") if beside != path and beside.is_file() else None
    return problems + validate(data, file=path.name, lines=lines, lesson=lesson, run=run)


def slug(text):
    """A short name made from a text.

    >>> slug("Does a mask make the file smaller?")
    'does-a-mask-make-the-file-smaller'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
