"""The pictures of an explorer over named rows: confusion matrix, heat map, bars, table, and the network's drawing."""

from dataclasses import dataclass

from shrinklab.errors import need
from shrinklab.widgets.view import View, as_many, numbers, real, records, span

MOST_CELLS = 20_000


@dataclass(frozen=True)
class Confusion(View):
    """A confusion matrix, rows = truth: {"labels": n names, "counts": n rows of n}; shaded by row share.

    >>> Confusion("matrix").spec()["y"]
    'true class'
    """

    name: str
    title: str = ""
    x: str = "predicted class"
    y: str = "true class"
    needs = ("labels", "counts")

    def check(self, data):
        need(data["labels"], "labels is empty", "a matrix has at least one class", "name the classes")
        as_many(data["counts"], len(data["labels"]), "counts", "labels")
        for place, row in enumerate(data["counts"]):
            numbers(row, f"counts[{place}]")
            as_many(row, len(data["labels"]), f"counts[{place}]", "labels")


@dataclass(frozen=True)
class Heatmap(View):
    """Coloured cells: {"rows": names, "columns": names, "values": a row of numbers for each name in rows}.

    "now": [row, column] or None, places of the cell at the present setting. NaN leaves a cell empty. Cells show their
    numbers where there is room. diverging=True: two colours from zero, for what has a sign; else one colour, from low
    to high. unit: "%" shows fractions as per cent; range fixes the colours while the slider moves.

    >>> Heatmap("scan").problem({"rows": ["conv1"], "columns": [0.5, 0.9], "values": [[1.0]]}).split(": ")[1]
    "values['conv1'] has 1 entries; there are 2 columns; give one entry for each."
    """

    name: str
    title: str = ""
    x: str = ""
    y: str = ""
    unit: str = ""
    diverging: bool = False
    range: tuple | None = None
    needs = ("rows", "columns", "values")

    def __post_init__(self):
        super().__post_init__()
        span(None if self.range is None else list(self.range), f"range of view {self.name!r}")

    def check(self, data):
        for key in ("rows", "columns"):
            need(isinstance(data[key], list) and data[key], f"{key} is {data[key]!r}",
                 "a heat map has at least one row and one column", "name them")
        cells = len(data["rows"]) * len(data["columns"])
        need(cells <= MOST_CELLS, f"there are {cells:,} cells", f"a heat map shows at most {MOST_CELLS:,}",
             "take a part, or average over blocks")
        as_many(data["values"], len(data["rows"]), "values", "rows")
        for name, row in zip(data["rows"], data["values"], strict=True):
            numbers(row, f"values[{name!r}]", gaps=True)
            as_many(row, len(data["columns"]), f"values[{name!r}]", "columns")
        now = data.get("now")
        inside = isinstance(now, list) and len(now) == 2 and all(
            place in range(len(data[key])) for place, key in zip(now, ("rows", "columns"), strict=True))
        need(now is None or inside, f"now is {now}", "it is a row's and a column's place, from 0", "give [row, column]")


@dataclass(frozen=True)
class Bars(View):
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

    def check(self, data):
        numbers(data["values"], "values", gaps=True)
        as_many(data["labels"], len(data["values"]), "labels", "values")
        reference = data.get("reference")
        if reference is not None and not real(reference):
            numbers(reference, "reference", gaps=True)
            as_many(reference, len(data["values"]), "reference", "values")


@dataclass(frozen=True)
class Network(View):
    """The network as boxes, as wide as a layer's input channels and as high as its output channels.

    {"layers": [{"name", "inputs", "outputs"}, ...], "before": None or the same layers as they were, drawn as an
    outline}. A layer may carry "note", a short text under its box, and "branch": True when it does not follow the one
    before it (a shortcut). scale: "linear", so that a box's area goes with the layer's weights, or "root" (square
    root), which keeps thin layers visible beside very wide ones.

    >>> Network("net").problem({"layers": [{"name": "conv1", "inputs": 3, "outputs": 0}]}).split(": ")[1]
    "outputs of 'conv1' is 0; a layer has at least one channel; give a positive number."
    """

    name: str
    title: str = ""
    parts: tuple = ("now", "before")
    scale: str = "linear"
    needs = ("layers",)

    def __post_init__(self):
        super().__post_init__()
        need(self.scale in ("linear", "root"), f"scale of view {self.name!r} is {self.scale!r}",
             'it is "linear" or "root"', "use one of them")

    def check(self, data):
        before = data.get("before")
        for layers in (data["layers"], before or []):
            records(layers, "layers", ("name", "inputs", "outputs"))
            for layer in layers:
                for key in ("inputs", "outputs"):
                    need(real(layer[key]) and layer[key] > 0, f"{key} of {layer['name']!r} is {layer[key]!r}",
                         "a layer has at least one channel", "give a positive number")
        need(data["layers"], "layers is []", "a network has at least one layer", "name its layers")
        names = [layer["name"] for layer in data["layers"]]
        need(before is None or names == [layer["name"] for layer in before],
             f"before has the layers {[layer['name'] for layer in before or []]}", f"layers has {names}",
             "give the same layers in the same order")


@dataclass(frozen=True)
class Table(View):
    """A table {"columns": [...], "rows": [[...]]}, or numbers {"accuracy": {"value", "unit", "text"}, ...}.

    >>> Table("numbers").problem({"accuracy": {"value": 0.98, "unit": "%", "text": "98.0 %"}})
    """

    name: str
    title: str = ""

    def problem(self, data):
        """Why this data cannot be shown, as a sentence; None when it can."""
        if isinstance(data, dict):
            figures = data and all(isinstance(item, dict) and "text" in item for item in data.values())
            if figures or {"columns", "rows"} <= set(data):
                return None if figures else super().problem(data)
        return (f"the data of view {self.name!r} is a {type(data).__name__}; a Table shows columns and rows, "
                "or numbers that each have a text; return one of the two forms")

    def check(self, data):
        need(isinstance(data["rows"], list), f"rows is {data['rows']!r}", "it is a list of rows", "give a list")
        for place, row in enumerate(data["rows"]):
            as_many(row, len(data["columns"]), f"rows[{place}]", "columns")
