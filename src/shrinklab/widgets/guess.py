"""Predict, then reveal: the reader commits to a guess, and sees guess and truth side by side."""

import anywidget
import traitlets

from shrinklab.errors import need
from shrinklab.progress import note
from shrinklab.widgets.assets import joined
from shrinklab.widgets.plain import plain, sentence
from shrinklab.widgets.reopened import Reopened


class Guess(Reopened, anywidget.AnyWidget):
    """A question, a field for a number (or choices), a button "Reveal", and then the truth with an explanation.

    truth: the answer, or a function that computes it when the first guess is in; a number in the stated unit
    (98.0 with "%"), or with choices one of the texts. `guess` holds what the reader entered, None before.

    >>> kept = Guess("Of 5,000 weights 20 % go. How many stay?", 4000, unit="weights")
    >>> kept.reveal(), kept.guess
    ({'truth': 4000}, None)
    """

    _esm = joined("dom.js", "session.js", "prediction.js", "guess.js")
    _css = joined("theme.css", "explorer.css")

    question = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(default_value=None, allow_none=True).tag(sync=True)
    explain = traitlets.Unicode().tag(sync=True)
    guess = traitlets.Any(None, allow_none=True).tag(sync=True, echo_update=False)
    answer = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, question, truth, unit="", explain="", *, choices=None):
        need(choices is None or callable(truth) or truth in choices, f"truth is {truth!r}",
             f"with choices it is one of {choices}", "use the text of the right choice")
        self._truth = truth
        super().__init__(question=question, unit=unit, explain=explain, choices=choices)
        self.on_msg(self._on_message)

    def reveal(self):
        """{"truth": value}, or {"error": sentence} when computing it failed; a truth is computed once."""
        if callable(self._truth):
            try:
                self._truth = plain(self._truth())
            except (Exception, KeyboardInterrupt) as error:
                return {"error": sentence(error)}
        return {"truth": plain(self._truth)}

    def static_state(self):
        """The state with the truth in it: a page without Python has nobody to ask."""
        return super().static_state() | {"answer": self.reveal()}

    def _on_message(self, _, message, buffers):
        if "ask" in message:
            note()
            self.send({"answer": self.reveal(), "ask": message["ask"], "view": message["view"]})
            self.set_state(message["moved"])
