"""The explorer: controls, a plain Python function behind them, and pictures of its answer.

Live in JupyterLab each move asks Python. With a precomputed `table` the same component needs no kernel.
How the browser asks and which answer it shows stands in session.js; which files draw, in views.py.
"""

from dataclasses import asdict, dataclass
from itertools import product
from math import prod

import anywidget
import traitlets

from shrinklab.errors import need
from shrinklab.progress import note
from shrinklab.widgets.assets import joined
from shrinklab.widgets.controls import Select
from shrinklab.widgets.plain import sentence
from shrinklab.widgets.reopened import Reopened
from shrinklab.widgets.view import checked

CACHE_SIZE = 500
MOST_ANSWERS = 400


@dataclass(frozen=True)
class Ask:
    """Predict first: the answer stays hidden until the reader has guessed answer["numbers"][number].

    >>> Ask("accuracy", "How many images will it still get right?").number
    'accuracy'
    """

    number: str
    question: str = "What do you expect?"


class Explorer(Reopened, anywidget.AnyWidget):
    """Controls that drive `settings(**values) -> {"headline": str, "<view name>": data, ...}`.

    settings: function of the controls' values; what each view wants stands in `shrinklab.widgets.views`.
    The answer may hold "numbers": {"accuracy": {"value": 0.98, "unit": "%", "text": "98.0 %"}}, shown as
    figures below the headline; with the unit "%" the value is a fraction. An exception becomes a line in the
    widget, and the next move works again. Equal settings are computed once: the function must be pure.
    Each control is a trait of its own name: `explorer.amount = 0.5`, `observe` and ipywidgets' `link` work.

    >>> from shrinklab.widgets import Range
    >>> square = Explorer(lambda side: {"headline": f"area {side ** 2}"}, [Range("side", 1, 9, value=3)])
    >>> square.side, square.compute(side=4)
    (3, {'headline': 'area 16'})
    """

    _esm = joined("dom.js", "axes.js", "views.js", "scatter.js", "number_line.js", "grids.js", "heatmap.js",
                  "network.js", "figure.js", "controls.js", "session.js", "prediction.js", "explorer.js")
    _css = joined("theme.css", "explorer.css")

    title = traitlets.Unicode().tag(sync=True)
    controls = traitlets.List().tag(sync=True)
    views = traitlets.List().tag(sync=True)
    guess = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)
    first = traitlets.Dict().tag(sync=True)
    table = traitlets.Dict(default_value=None, allow_none=True).tag(sync=True)

    def __init__(self, settings, controls, views=(), *, title="", guess=None):
        need(callable(settings), f"settings is {settings!r}",
             "settings is a function of the controls' values", "pass the function itself, without calling it")
        names = [item.name for item in (*controls, *views)]
        for name in names:
            need(names.count(name) == 1, f"{name!r} is used {names.count(name)} times",
                 "each control and view has a name of its own", "rename one of them")
        for control in controls:
            need(not hasattr(type(self), control.name), f"a control is named {control.name!r}",
                 "that name is an attribute of every widget", "use another name")
        self._settings, self._controls, self._views, self._cache = settings, tuple(controls), tuple(views), {}
        self.add_traits(**{control.name: control.trait() for control in controls})
        values = {control.name: control.value for control in controls}
        # The first answer travels with the widget, so that it shows before Run All has come to its end.
        first = {"values": values, "answer": self._answer(values)}
        super().__init__(title=title, controls=[c.spec() for c in controls], views=[v.spec() for v in views],
                         guess=asdict(guess) if guess else None, first=first)
        self.on_msg(self._on_message)

    @property
    def values(self):
        """The present value of each control, by name."""
        return {control.name: getattr(self, control.name) for control in self._controls}

    def compute(self, **values):
        """Call the settings function, uncached; controls that are not named keep their present value."""
        known = [control.name for control in self._controls]
        for name in values:
            need(name in known, f"there is no control {name!r}", f"this explorer has {', '.join(known)}",
                 "use one of them")
        values = {**self.values, **values}
        return checked(self._settings(**{c.name: c.clean(values[c.name]) for c in self._controls}), self._views)

    def tabulate(self, points=None):
        """All answers on a grid, at most `points` stops a range; as `explorer.table` it replaces the kernel.

        {"axes": [{"name", "points"}, ...], "answers": [...]}, the last control changing fastest. Without points: 21, or
        as many as keep the grid within 400 answers, at least 3; if that is not enough, lists of more than six choices
        keep three of them.
        """
        controls = self._controls if points else self._few_choices()
        if points is None:
            sizes = [prod(len(control.stops(count)) for control in controls) for count in range(21, 2, -1)]
            points = next((21 - i for i, size in enumerate(sizes) if size <= MOST_ANSWERS), 3)
        axes = [{"name": control.name, "points": control.stops(points)} for control in controls]
        names = [axis["name"] for axis in axes]
        grid = [dict(zip(names, point, strict=True)) for point in product(*(axis["points"] for axis in axes))]
        return {"axes": axes, "answers": [self._answer(values) for values in grid]}

    def static_state(self):
        """The state with the table of answers in the place of Python; lists offer only what the table holds."""
        table, specs = self.table or self.tabulate(), []
        held = {axis["name"]: axis["points"] for axis in table["axes"]}
        for spec in self.controls:
            known = [option for option in spec.get("options", ()) if option[1] in held[spec["name"]]]
            specs.append(spec | {"options": known, "of": len(spec["options"])} if known else spec)
        return super().static_state() | {"table": table, "controls": specs}

    def _few_choices(self):
        """The controls for a table: where three stops a range are too many answers, long lists keep three choices."""
        if prod(len(control.stops(3)) for control in self._controls) <= MOST_ANSWERS:
            return self._controls
        return [control.shortened() if isinstance(control, Select) else control for control in self._controls]

    def _answer(self, values):
        """The answer from the cache or the settings function; {"error": sentence} when it fails."""
        key = tuple(values.items())
        if key not in self._cache:
            try:
                answer = checked(self._settings(**values), self._views)
            except (Exception, KeyboardInterrupt) as error:
                return {"error": sentence(error)}
            if len(self._cache) >= CACHE_SIZE:
                self._cache.pop(next(iter(self._cache)), None)
            self._cache[key] = answer
        return self._cache[key]

    def _on_message(self, _, message, buffers):
        """Answer a browser's {"ask": number, "view": id, "values": {...}}, and take over what it says has "moved"."""
        if "ask" in message:
            note()
            try:
                answer = self._answer({c.name: c.clean(message["values"][c.name]) for c in self._controls})
            except ValueError as error:
                answer = {"error": sentence(error)}
            self.send({"answer": answer, "ask": message["ask"], "view": message["view"]})
        moved = message.get("moved", {})
        # set_state, not setattr: it does not send the value back to a reader who has moved on since.
        self.set_state({c.name: c.clean(moved[c.name]) for c in self._controls if c.name in moved})
