"""Practice, Placement and RecallCards: a question bank in the notebook. Grading happens in the browser.

Recall cards wait in five boxes, each longer than the one before: Leitner, "So lernt man lernen" (1972).
"""

import random
from pathlib import Path

import anywidget
import traitlets

from shrinklab.quiz import Bank, draw_placement
from shrinklab.quiz.grading import SHAKY, STRONG
from shrinklab.quiz.store import Store, sound_progress, sound_schedule
from shrinklab.widgets.assets import joined
from shrinklab.widgets.reopened import Reopened

INTERVALS = (1, 3, 7, 14, 30)  # days that a card waits in each box
HIDDEN = ("compute", "setup", "not_run", "output")  # what only the build needs


def shown_order(question, lesson):
    """In which order options or steps appear: shuffled, the same each time, and steps never in the right one.

    >>> shown_order({"id": "size", "order": [1, 2, 3]}, "04") != [0, 1, 2]
    True
    """
    places = list(range(len(question.get("order") or question.get("options") or ())))
    if question.get("keep_order") or len(places) < 2:
        return places
    chance, right = random.Random(f"{lesson}/{question['id']}"), list(places)
    chance.shuffle(places)
    while "order" in question and places == right:
        chance.shuffle(places)
    return places


def for_browser(bank):
    """The bank as the browser needs it: a dict of plain values, with the order in which options are shown."""
    questions = [
        {key: value for key, value in question.items() if key not in HIDDEN}
        | {"shown": shown_order(question, bank.lesson)}
        for question in bank.questions
    ]
    return {"lesson": bank.lesson, "sections": list(bank.sections), "questions": questions,
            "strong": STRONG, "shaky": SHAKY}


class _Kept(Reopened, anywidget.AnyWidget):
    """A widget whose state is kept in a file beside the notebook."""

    _css = joined("theme.css", "quiz.css")

    message = traitlets.Unicode(help="what the reader must know about the file").tag(sync=True)

    # What the browser keeps where there is no file: the trait's name, and its part of the key.
    _own = ()

    def static_state(self):
        """The state of a reader who comes for the first time."""
        return super().static_state() | {self._own[0]: {}, "message": ""}

    def static_kept(self):
        trait, name = self._own
        return {"trait": trait, "key": f"shrinklab/{self._bank.lesson}/{name}"}


class Practice(_Kept):
    """All practice questions of a lesson, with hints, solutions in steps and a verdict per section.

    bank: path of the bank's file. Answers are kept in `.practice.json` beside it.
    Raises ValueError with every problem of the bank, FileNotFoundError when there is none.
    """

    _esm = joined("dom.js", "text.js", "session.js", "saving.js", "judge.js", "answers.js", "practice.js",
                  "verdict.js", "frame.js", "placement.js", "quiz.js")
    _mode = "practice"
    _own = "progress", "practice"

    mode = traitlets.Unicode().tag(sync=True)
    bank = traitlets.Dict().tag(sync=True)
    drawn = traitlets.List().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)

    def __init__(self, bank):
        self._open(bank)
        super().__init__(**self._state())
        self.observe(self._save, "progress")

    def _open(self, path):
        # The build has run the bank's code; here only its form is looked at, which takes milliseconds.
        self._bank = Bank.load(path, run=False)
        self._store = Store(Path(path).with_name(".practice.json"), sound_progress)

    def _state(self):
        kept, message = self._store.read()
        return {"mode": self._mode, "bank": for_browser(self._bank), "message": message,
                "progress": self._known(kept.get(self._mode, {}))}

    def _known(self, records):
        """Records of questions that the bank still has."""
        names = {question["id"] for question in self._bank.questions}
        return {name: record for name, record in records.items() if name in names}

    def _save(self, change):
        # Practice and Placement share the file, so each writes over its own part only.
        kept, damaged = self._store.read()
        self.message = self._store.write({**kept, self._mode: change["new"]}) or damaged


class Placement(Practice):
    """Ten questions over all sections, without help; at the end what to read and what to skip.

    bank: path of the bank's file; the same seed draws the same questions.
    """

    _mode = "placement"
    _own = "progress", "placement"

    def __init__(self, bank, *, count=10, seed=0):
        self._draw = {"count": count, "seed": seed}
        super().__init__(bank)

    def _state(self):
        state = super()._state()
        drawn = draw_placement(self._bank, **self._draw)
        answered = {name: record for name, record in state["progress"].items() if name in drawn}
        return state | {"drawn": drawn, "progress": answered}


class RecallCards(_Kept):
    """The recall cards that are due today; when each comes again is kept in `.recall.json` beside the bank.

    bank: path of the bank's file.
    """

    _esm = joined("dom.js", "text.js", "session.js", "saving.js", "cards.js")
    _own = "schedule", "cards"

    deck = traitlets.Dict().tag(sync=True)
    schedule = traitlets.Dict().tag(sync=True)
    today = traitlets.Unicode(help="YYYY-MM-DD; empty: the day on the reader's clock").tag(sync=True)

    def __init__(self, bank, *, today=""):
        self._bank = loaded = Bank.load(bank, run=False)
        self._store = Store(Path(bank).with_name(".recall.json"), sound_schedule)
        schedule, message = self._store.read()
        deck = {"cards": list(loaded.cards), "intervals": list(INTERVALS),
                "titles": {section["id"]: section["title"] for section in loaded.sections}}
        super().__init__(deck=deck, schedule=schedule, message=message, today=today)
        self.observe(self._save, "schedule")

    def _save(self, change):
        self.message = self._store.write(change["new"])
