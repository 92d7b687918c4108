"""Times the moves of what a lesson shows, in the lesson's own kernel; a part of explorer_moves.py.

`watch()` before the first cell: each explorer, each `explore` box and each box of plain ipywidgets is worked through as
soon as it is shown, and `FOUND` holds the milliseconds: [{"where", "kind", "moves": {control: [ms, ...]}}, ...].
"""

import time

import ipywidgets
from IPython import get_ipython

from shrinklab.widgets import Explorer, Range, Select

STOPS = 5  # of a range, both ends among them
FOUND = []
INPUTS = ipywidgets.FloatSlider, ipywidgets.IntSlider, ipywidgets.Dropdown, ipywidgets.Checkbox


def watch():
    """From now on, in this kernel, what is shown is timed."""
    formatter = get_ipython().display_formatter.mimebundle_formatter
    formatter.for_type(Explorer, _explorer)
    formatter.for_type(ipywidgets.Box, _box)


def explorer_moves(explorer):
    """{label of the control: [ms of the settings function, ...]}.

    Each control is moved from where the explorer opens, and again under every choice of each of its other lists and
    switches (of a long list: three), because a choice may decide on what a move costs.
    """
    moves = {control.label: [] for control in explorer._controls}
    explorer.compute()
    for base in _bases(explorer):
        for control in explorer._controls:
            for value in _few(control):
                if control.name not in base and value != getattr(explorer, control.name):
                    moves[control.label].append(_ms(lambda: explorer.compute(**base, **{control.name: value})))  # noqa: B023
    return moves


def box_moves(box):
    """{description of the slider: [ms, ...]} of a box whose label or picture follows its inputs; {} for another box."""
    inputs = [child for child in box.children if isinstance(child, INPUTS)]
    if not any(isinstance(child, ipywidgets.Label | ipywidgets.HTML) for child in box.children):
        return {}
    moves = {}
    for widget in inputs:
        first = widget.value
        moves[widget.description] = [_ms(lambda: setattr(widget, "value", value))  # noqa: B023
                                     for value in [*_values(widget), first] if value != widget.value]
    return moves


def _bases(explorer):
    """Settings to start from: as it opens, and with each other choice of one list or switch."""
    yield {}
    for control in explorer._controls:
        if not isinstance(control, Range):
            yield from ({control.name: value} for value in _few(control) if value != control.value)


def _few(control):
    return (control.shortened() if isinstance(control, Select) else control).stops(STOPS)


def _values(widget):
    if isinstance(widget, ipywidgets.Checkbox):
        return [False, True]
    if isinstance(widget, ipywidgets.Dropdown):
        return list(widget._options_values)
    whole = isinstance(widget, ipywidgets.IntSlider)
    return Range("value", widget.min, widget.max, widget.step if whole else float(widget.step)).stops(STOPS)


def _ms(call):
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)


def _explorer(explorer):
    FOUND.append({"where": explorer.title, "kind": "explorer", "moves": explorer_moves(explorer)})
    return {"text/plain": explorer.title}


def _box(box):
    lines = get_ipython().user_ns["In"][-1].strip().splitlines()
    line = next(line for line in reversed(lines) if not line.startswith((" ", ")", "]")))
    kind = "explore" if line.startswith("explore") else "plain slider"
    where = line.split(",")[0].removeprefix("explore(").removeprefix("ipywidgets.VBox([")
    FOUND.append({"where": where, "kind": kind, "moves": box_moves(box)})
    return {"text/plain": line}
