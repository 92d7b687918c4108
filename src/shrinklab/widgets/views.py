"""The pictures of an explorer: which data each shows. Here those over two axes; those over named rows are in grids.py.

The drawing itself is in the JavaScript files: views.js, scatter.js, number_line.js, grids.js, heatmap.js, network.js.
"""

from dataclasses import dataclass

from shrinklab.errors import need
from shrinklab.pareto import WAYS
from shrinklab.widgets.grids import Bars, Confusion, Heatmap, Network, Table
from shrinklab.widgets.view import View, as_many, number, numbers, records, span

__all__ = ["Bars", "Confusion", "Heatmap", "Histogram", "Lines", "Network", "NumberLine", "Scatter", "Table"]


@dataclass(frozen=True)
class Histogram(View):
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

    def check(self, data):
        numbers(data["edges"], "edges")
        numbers(data["counts"], "counts")
        need(data["counts"], "counts is []", "a histogram has at least one bar", "give one count a bar")
        as_many(data["edges"], len(data["counts"]) + 1, "edges", "ends of bars, one more than counts")
        need(data["edges"] == sorted(data["edges"]), "edges fall", "edges rise from left to right", "sort them")
        span(data.get("cut"), "cut")


@dataclass(frozen=True)
class Lines(View):
    """Curves: {"series": [{"name", "x": [...], "y": [...]}, ...], "marker": x or None}.

    The marker is a dashed line at the present setting. A series may carry "low" and "high" (its interval).
    percent: the axes ("x", "y", "xy") whose fractions are shown as per cent; log: the logarithmic axes, likewise;
    x_range, y_range fix an axis. More than one series get a legend.

    >>> Lines("curve", percent="xy").spec()["kind"]
    'lines'
    >>> Lines("curve").problem({"series": [{"name": "kept", "x": [0, 1], "y": [1]}]}).split(": ")[1]
    "y of 'kept' has 1 entries; there are 2 x; give one entry for each."
    """

    name: str
    title: str = ""
    x: str = ""
    y: str = ""
    percent: str = ""
    x_range: tuple | None = None
    y_range: tuple | None = None
    log: str = ""
    needs = ("series",)

    def check(self, data):
        records(data["series"], "series", ("name", "x", "y"))
        for series in data["series"]:
            for key in ("x", "y", "low", "high"):
                if series.get(key) is None and key in ("low", "high"):
                    continue
                axis = "x" if key == "x" else "y"
                numbers(series[key], f"{key} of {series['name']!r}", gaps=True, above=0 if axis in self.log else None)
                as_many(series[key], len(series["x"]), f"{key} of {series['name']!r}", "x")
        number(data.get("marker"), "marker")


@dataclass(frozen=True)
class Scatter(View):
    """Named points: {"points": [{"label", "x", "y"}, ...]}, and what helps to choose among them.

    A point may carry "group" (a form and colour of its own, up to six) and "low", "high" (the interval of its y).
    "front": places of the best points, as `shrinklab.pareto.pareto_front` gives them, joined by a step line;
    "now": {"label", "x", "y"}, the present setting; "budget": {"x": limit, "y": limit}, either may be missing: what
    lies beyond is shaded, and its points are hollow. better: for x and y whether "less" or "more" is better.
    percent, log, x_range, y_range: as in Lines.

    >>> Scatter("choice").problem({"points": [{"label": "int8", "x": 66, "y": 0.97}], "front": [1]}).split(": ")[1]
    'front is [1]; it holds places of the 1 points, from 0; use pareto_front.'
    """

    name: str
    title: str = ""
    x: str = ""
    y: str = ""
    percent: str = ""
    x_range: tuple | None = None
    y_range: tuple | None = None
    log: str = ""
    better: tuple = ("less", "more")
    needs = ("points",)

    def __post_init__(self):
        super().__post_init__()
        need(len(self.better) == 2 and set(self.better) <= set(WAYS), f"better is {self.better!r}",
             "it says 'less' or 'more' for x and for y", 'write better=("less", "more")')

    def check(self, data):
        records(data["points"], "points", ("label", "x", "y"))
        now, budget, front = data.get("now"), data.get("budget"), data.get("front")
        records([now] if now is not None else [], "now", ("x", "y"))
        for point in [*data["points"], *([now] if now is not None else [])]:
            here = point.get("label", "now")
            numbers([point["x"]], f"x of {here!r}", gaps=True, above=0 if "x" in self.log else None)
            tall = [point["y"], point.get("low"), point.get("high")]
            numbers(tall, f"y, low, high of {here!r}", gaps=True, above=0 if "y" in self.log else None)
        groups = {point.get("group") for point in data["points"]}
        need(len(groups) <= 6, f"there are {len(groups)} groups", "six can be told apart", "join some of them")
        need(budget is None or (isinstance(budget, dict) and set(budget) <= {"x", "y"}), f"budget is {budget!r}",
             "it is a dict with a limit for x, for y or for both", 'give {"x": 100}')
        for axis, limit in (budget or {}).items():
            numbers([limit], f"budget of {axis}", gaps=True, above=0 if axis in self.log else None)
        places = range(len(data["points"]))
        known = isinstance(front, list) and all(place in places for place in front)
        need(front is None or known, f"front is {front}", f"it holds places of the {len(places)} points, from 0",
             "use pareto_front")


@dataclass(frozen=True)
class NumberLine(View):
    """Where numbers land on a grid: {"grid": grid points, "values": numbers, "rounded": where each value lands}.

    "clip": [low, high] or None, the clipping range: values beyond it have the second colour. "codes": the integer of
    each grid point, shown where there is room. parts: names of the values within the range and beyond it.

    >>> line = NumberLine("line", x="weight")
    >>> line.problem({"grid": [-1, 0, 1], "values": [0.4, 3.0], "rounded": [0, 1], "clip": [-1, 1]})
    >>> line.problem({"grid": [-1, 0, 1], "values": [0.4], "rounded": []}).split(": ")[1]
    'rounded has 0 entries; there are 1 values; give one entry for each.'
    """

    name: str
    title: str = ""
    x: str = "value"
    parts: tuple = ("rounded", "clipped")
    x_range: tuple | None = None
    needs = ("grid", "values", "rounded")

    def check(self, data):
        for key in ("grid", "values", "rounded"):
            numbers(data[key], key)
        need(data["grid"], "grid is []", "a number line has at least one grid point", "give the grid points")
        as_many(data["rounded"], len(data["values"]), "rounded", "values")
        span(data.get("clip"), "clip")
        if data.get("codes") is not None:
            numbers(data["codes"], "codes")
            as_many(data["codes"], len(data["grid"]), "codes", "grid points")
