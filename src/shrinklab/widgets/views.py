"""The pictures of an explorer: which data each shows. The drawing itself is in views.js and grids.js.

A view's `name` is the key under which the settings function returns its data. `title` stands above the
picture, `x` and `y` on its axes, with the unit: "file size (kB)".
"""

from dataclasses import asdict, dataclass


class _View:
    needs = ()

    def spec(self):
        """What the browser needs to know."""
        return {"kind": type(self).__name__.lower(), **asdict(self)}

    def problem(self, data):
        """Why this data cannot be shown, as a sentence; None when it can."""
        missing = [key for key in self.needs if not isinstance(data, dict) or key not in data]
        if missing:
            return (f"the data of view {self.name!r} has no {', '.join(missing)}; "
                    f"a {type(self).__name__} shows {', '.join(self.needs)}; add what is missing to the answer")
        return None


@dataclass(frozen=True)
class Histogram(_View):
    """Bars over {"edges": n + 1 numbers, "counts": n numbers, "cut": [low, high] or None}.

    What lies between the two ends of the cut has the second colour; `parts` names the two in the legend.
    log=True: counts on a logarithmic axis. y_max holds the axis still while the slider moves.

    >>> Histogram("weights").problem({"edges": [0, 1]}).split(";")[0]
    "the data of view 'weights' has no counts"
    """

    name: str
    title: str = ""
    x: str = ""
    y: str = "count"
    parts: tuple = ("kept", "removed")
    log: bool = False
    y_max: float | None = None
    needs = ("edges", "counts")


@dataclass(frozen=True)
class Lines(_View):
    """Curves: {"series": [{"name", "x": [...], "y": [...]}, ...], "marker": x or None}.

    The marker is a dashed line at the present setting. A series may carry "low" and "high" (its interval).
    percent: the axes ("x", "y", "xy") whose fractions are shown as per cent; x_range, y_range fix an axis.

    >>> Lines("curve", percent="xy").spec()["kind"]
    'lines'
    """

    name: str
    title: str = ""
    x: str = ""
    y: str = ""
    percent: str = ""
    x_range: tuple | None = None
    y_range: tuple | None = None
    needs = ("series",)


@dataclass(frozen=True)
class Confusion(_View):
    """A confusion matrix, rows = truth: {"labels": n names, "counts": n rows of n}; shaded by row share.

    >>> Confusion("matrix").spec()["y"]
    'true class'
    """

    name: str
    title: str = ""
    x: str = "predicted class"
    y: str = "true class"
    needs = ("labels", "counts")


@dataclass(frozen=True)
class Bars(_View):
    """Horizontal bars: {"labels", "values", "unit", optional "reference": a number per bar, or one for all}.

    With unit "%" the values are fractions. `parts` names bar and reference; x_max fixes the axis.

    >>> Bars("size").spec()["parts"]
    ('now', 'before')
    """

    name: str
    title: str = ""
    x: str = ""
    parts: tuple = ("now", "before")
    x_max: float | None = None
    needs = ("labels", "values")


@dataclass(frozen=True)
class Table(_View):
    """A table {"columns": [...], "rows": [[...]]}, or numbers {"accuracy": {"value", "unit", "text"}, ...}.

    >>> Table("numbers").problem({"accuracy": {"value": 0.98, "unit": "%", "text": "98.0 %"}})
    """

    name: str
    title: str = ""

    def problem(self, data):
        """Why this data cannot be shown, as a sentence; None when it can."""
        if isinstance(data, dict):
            numbers = data and all(isinstance(item, dict) and "text" in item for item in data.values())
            if numbers or {"columns", "rows"} <= set(data):
                return None
        return (f"the data of view {self.name!r} is a {type(data).__name__}; a Table shows columns and rows, "
                "or numbers that each have a text; return one of the two forms")
