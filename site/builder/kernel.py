"""What a lesson's kernel does before its first cell, so that everything it shows can stand on a page without Python."""

import os

import ipywidgets
from IPython import get_ipython
from IPython.core.formatters import JSONFormatter
from matplotlib.figure import Figure

from builder import recorder
from builder.tables import remember_tables
from shrinklab.widgets import Guess, explore, explorer  # explore before its module: lessons want the function
from shrinklab.widgets.explore import as_html
from shrinklab.widgets.static import SHARED

assert callable(explore)
SHOWN = []  # the guesses that were shown


def prepare(tables, answers):
    """Widgets give their state, boxes of ipywidgets what they were recorded to show, figures HTML with a text for those
    who cannot see.

    tables: folder that keeps explorers' tables of answers from build to build; answers: about how many a table has.
    """
    explorer.MOST_ANSWERS, recorder.MOST_SETTINGS = answers, max(answers * 3 // 10, 9)
    os.environ["SHRINKLAB_STATIC"] = "shared"
    # First: where matplotlib is set up for notebooks, it takes every other way to show a figure away.
    get_ipython().run_line_magic("matplotlib", "inline")
    formatters = get_ipython().display_formatter.formatters
    formatters[SHARED] = formatter = _Json(parent=get_ipython().display_formatter)
    formatter.for_type(ipywidgets.Box, recorder.recorded)
    formatters["text/html"].for_type(Figure, as_html)
    remember_tables(tables)
    _remember_guesses()


def late_answers():
    """{question: answer} of the guesses shown, once all cells have run: some compare with what a later cell makes."""
    return {guess.question: guess.reveal() for guess in SHOWN}


def _remember_guesses():
    first = Guess.static_state

    def static_state(self):
        SHOWN.append(self)
        return first(self)

    Guess.static_state = static_state


class _Json(JSONFormatter):
    """IPython's formatter for our MIME type."""

    format_type = SHARED
    _return_type = list
    print_method = "_no_such_method_"
