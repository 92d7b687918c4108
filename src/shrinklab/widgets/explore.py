"""Sliders for any function, the reader's own included: plain ipywidgets, nothing of our own in the browser."""

import base64
import contextlib
import html
import io
import sys
import threading
from numbers import Number

import ipywidgets
from matplotlib import pyplot

from shrinklab.errors import need
from shrinklab.widgets.plain import sentence
from shrinklab.widgets.reopened import boxes_leave_line


def explore(function, **controls):
    """Sliders beside what `function(**values)` returns; it is called again with each move.

    A control is (low, high) or (low, high, step): a slider, whole numbers stay whole; a list: a choice; True or
    False: a switch. Shown are numbers, text, a dict, a pandas table, a matplotlib figure or axes, anything with
    `_repr_html_` (a `Measurement`), and what the function prints. An exception becomes a readable line.
    The box that comes back is an ipywidgets VBox: its first children are the controls, its last shows the result.

    >>> box = explore(lambda amount, bits: amount * bits, amount=(0, 0.95), bits=[2, 4, 8])
    >>> [type(part).__name__ for part in box.children]
    ['FloatSlider', 'Dropdown', 'HTML']
    >>> box.children[0].value = 0.5; print(box.children[-1].value)
    <output>1.0</output>
    """
    need(callable(function), f"function is {function!r}", "explore calls it with the sliders' values",
         "pass the function itself, without calling it")
    inputs = {name: _control(name, choice) for name, choice in controls.items()}
    shown = ipywidgets.HTML()

    def update(change=None):
        shown.value = _shown(function, {name: widget.value for name, widget in inputs.items()})

    for widget in inputs.values():
        widget.observe(update, "value")
    update()
    boxes_leave_line()
    return ipywidgets.VBox([*inputs.values(), shown])


def _control(name, choice):
    """The ipywidget for one argument of `explore`."""
    options = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if isinstance(choice, ipywidgets.ValueWidget):
        return choice
    if isinstance(choice, bool):
        return ipywidgets.Checkbox(choice, **options)
    if isinstance(choice, list):
        need(choice, f"{name} is []", "a choice needs at least one value", f"write {name}=[2, 4, 8]")
        return ipywidgets.Dropdown(options=choice, **options)
    numbers = isinstance(choice, tuple) and len(choice) in (2, 3) and all(isinstance(n, Number) for n in choice)
    need(numbers and choice[0] < choice[1], f"{name} is {choice!r}",
         "a control is (low, high), (low, high, step), a list of values, or True or False", f"write {name}=(0, 1)")
    low, high = choice[:2]
    if all(isinstance(number, int) for number in choice):
        return ipywidgets.IntSlider(low, low, high, *choice[2:], **options)
    step = choice[2] if len(choice) == 3 else (high - low) / 20
    # Fixed digits, so that 0.95 does not show as 0.9 and the box does not jump.
    digits = max(0, min(6, len(f"{step:.6f}".rstrip("0").split(".")[1])))
    return ipywidgets.FloatSlider(low, min=low, max=high, step=step, readout_format=f".{digits}f", **options)


def _shown(function, values):
    """What one call printed and returned, as HTML; an exception as a line."""
    before = set(pyplot.get_fignums())
    try:
        with _printed() as printed:
            result = function(**values)
        new = [pyplot.figure(number) for number in pyplot.get_fignums() if number not in before]
        parts = [f"<pre>{html.escape(printed.getvalue())}</pre>"] if printed.getvalue() else []
        own = getattr(result, "figure", result)
        if result is not None and not (new and own in new):
            parts.append(as_html(result))
        return "".join([*parts, *(as_html(figure) for figure in new)])
    except (Exception, KeyboardInterrupt) as error:
        return f'<p role="alert"><strong>This setting failed:</strong> {html.escape(sentence(error))}</p>'
    finally:
        # A figure left open would show up again below the next cell that runs.
        for number in set(pyplot.get_fignums()) - before:
            pyplot.close(number)


def as_html(value):
    """A value as HTML: figure, table, dict, number or text; text is escaped.

    >>> as_html({"accuracy": 0.98125})
    '<table><tr><th scope="row">accuracy</th><td>0.9812</td></tr></table>'
    """
    figure = getattr(value, "figure", None) if hasattr(value, "get_xlim") else value
    if hasattr(figure, "savefig"):
        return _picture(figure)
    if hasattr(value, "_repr_html_"):
        return value._repr_html_()
    if isinstance(value, dict):
        rows = "".join(f'<tr><th scope="row">{html.escape(str(key))}</th><td>{html.escape(_text(item))}</td></tr>'
                       for key, item in value.items())
        return f"<table>{rows}</table>"
    return f"<output>{html.escape(_text(value))}</output>"


def _text(value):
    if getattr(value, "ndim", None) == 0:  # a number of NumPy or PyTorch
        value = value.item()
    return f"{value:.4g}" if isinstance(value, float) and not value.is_integer() else str(value)


def _picture(figure):
    """The figure as an inline PNG: its size is bounded however many points it has. Its titles are the alt text."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", dpi=144)
    titles = ", ".join(filter(None, (axes.get_title() for axes in figure.axes))) or "figure"
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    width = f"min(100%, {figure.get_figwidth() * 72:.0f}px)"
    return f'<img alt="{html.escape(titles)}" style="width: {width}; height: auto" src="data:image/png;base64,{data}">'


@contextlib.contextmanager
def _printed():
    """Collect what this thread prints. JupyterLab calls widgets from a thread of their own, so that another cell
    may be printing at the same time; `contextlib.redirect_stdout` would take its lines too."""
    mine, collected, before = threading.get_ident(), io.StringIO(), sys.stdout

    class Divided:
        def write(self, text):
            return (collected if threading.get_ident() == mine else before).write(text)

        def __getattr__(self, name):
            return getattr(before, name)

    sys.stdout = Divided()
    try:
        yield collected
    finally:
        sys.stdout = before
