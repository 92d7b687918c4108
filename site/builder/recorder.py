"""Plain ipywidgets on a page without Python: each setting is tried now, and what it shows is written down.

Runs in the kernel of a lesson that is executed for the site.
"""

import hashlib
import itertools
import json
from math import prod

import ipywidgets

from shrinklab.widgets import Job, Range, Select, Toggle
from shrinklab.widgets.static import static_parts

MOST_SETTINGS = 120
SLIDERS = (ipywidgets.FloatSlider, ipywidgets.IntSlider)


def recorded(box):
    """The parts of a box of ipywidgets, as the site shows them: a list of what `static_parts` gives.

    The box holds sliders, drop-down lists and switches, and either labels that follow them or a `Job`. A job cannot be
    tried for each setting: it is shown with its answer at the present one, which a line names.
    TypeError for any other widget: a page may hold nothing dead.

    >>> slider, shown = ipywidgets.IntSlider(1, 0, 2, description="side"), ipywidgets.Label()
    >>> slider.observe(lambda change: setattr(shown, "value", f"area {slider.value ** 2}"), "value")
    >>> state = recorded(ipywidgets.VBox([slider, shown]))[0]["state"]
    >>> state["table"]["answers"], state["controls"][0]["value"]
    ([{'shown': ['area 0']}, {'shown': ['area 1']}, {'shown': ['area 4']}], 1)
    """
    leaves = list(_leaves(box))
    inputs = [one for one in leaves if isinstance(one, (*SLIDERS, ipywidgets.Checkbox, ipywidgets.Dropdown))]
    shown = [one for one in leaves if isinstance(one, ipywidgets.Label | ipywidgets.HTML)]
    jobs = [one for one in leaves if isinstance(one, Job)]
    other = [type(one).__name__ for one in leaves if one not in (*inputs, *shown, *jobs)]
    if other or not inputs or bool(shown) == bool(jobs):
        raise TypeError(f"the site cannot show a box of {[type(one).__name__ for one in leaves]} without Python")
    controls = [_control(widget, f"control_{i}") for i, widget in enumerate(inputs)]
    if jobs:
        fixed = [f"{c.label}: {_setting(c)}" for c in controls]
        return [_parts("Fixed", {"settings": fixed}), *(static_parts(job) for job in jobs)]
    return [_parts("Recorded", {"controls": [c.spec() for c in controls], "html": _is_html(shown),
                                "table": _table(inputs, controls, shown)})]


def _leaves(widget):
    if isinstance(widget, ipywidgets.Box):
        for child in widget.children:
            yield from _leaves(child)
    else:
        yield widget


def _control(widget, name):
    label = widget.description or "setting"
    if isinstance(widget, SLIDERS):
        whole = isinstance(widget, ipywidgets.IntSlider)
        low, high, step, value = ((number if whole else float(number))
                                  for number in (widget.min, widget.max, widget.step, widget.value))
        return Range(name, low, high, step, value, label=label)
    if isinstance(widget, ipywidgets.Checkbox):
        return Toggle(name, widget.value, label=label)
    # By place: the values of a list may be of any type.
    return Select(name, [(text, i) for i, text in enumerate(widget._options_labels)], widget.index, label=label)


def _setting(control):
    if isinstance(control, Select):
        return {value: label for label, value in control.options}[control.value]
    return f"{control.value:g}" if isinstance(control, Range) else ("on" if control.value else "off")


def _stops(controls):
    """The settings tried, control by control; of a wide range fewer, always with the one that is set now."""
    for points in range(101, 2, -1):
        stops = [sorted({*c.stops(points), c.value}) if isinstance(c, Range) else c.stops() for c in controls]
        if prod(map(len, stops)) <= MOST_SETTINGS:
            break
    return stops


def _table(inputs, controls, shown):
    stops, first, answers = _stops(controls), [_read(widget) for widget in inputs], []
    for setting in itertools.product(*stops):
        for widget, value in zip(inputs, setting, strict=True):
            _write(widget, value)
        answers.append({"shown": [widget.value for widget in shown]})
    for widget, value in zip(inputs, first, strict=True):
        _write(widget, value)
    return {"axes": [{"name": c.name, "points": s} for c, s in zip(controls, stops, strict=True)], "answers": answers}


def _read(widget):
    return widget.index if isinstance(widget, ipywidgets.Dropdown) else widget.value


def _write(widget, value):
    if isinstance(widget, ipywidgets.Dropdown):
        widget.index = value
    else:
        widget.value = value


def _is_html(shown):
    return [isinstance(widget, ipywidgets.HTML) for widget in shown]


def _parts(kind, state):
    digest = hashlib.sha256(f"{kind}{json.dumps(state, sort_keys=True)}".encode()).hexdigest()
    return {"kind": kind, "place": f"sl-{digest[:12]}", "state": state, "kept": None}
