"""What the views refuse to draw, and what they tell the browser. The drawings themselves are tested in a browser."""

import json
import re

import numpy as np
import pytest
import torch

from shrinklab.widgets import Bars, Confusion, Explorer, Heatmap, Histogram, Lines, Network, NumberLine, Range, Scatter
from shrinklab.widgets import Table as Rows

NAN = float("nan")
POINT = {"label": "int8", "x": 66, "y": 0.97}
LAYER = {"name": "conv1", "inputs": 3, "outputs": 16}
SOUND = [
    (Histogram("v"), {"edges": np.array([0.0, 1, 2]), "counts": torch.tensor([3, 4]), "cut": (0, 0)}),
    (Lines("v", log="xy"), {"series": [{"name": "a", "x": [1, 10], "y": [NAN, 2], "low": [1, 1], "high": [3, 3]}]}),
    (Lines("v"), {"series": [], "marker": None}),
    (Scatter("v"), {"points": []}),
    (Scatter("v", log="x"), {"points": [POINT, {**POINT, "y": NAN, "group": "float", "low": 0.9, "high": 1.0}],
                             "front": [0], "now": {"x": 5, "y": 0.9}, "budget": {"x": 100, "y": None}}),
    (NumberLine("v"), {"grid": torch.arange(4), "values": [], "rounded": [], "clip": None, "codes": [0, 1, 2, 3]}),
    (Confusion("v"), {"labels": ["a", "b"], "counts": torch.eye(2)}),
    (Heatmap("v", range=(0, 1)), {"rows": ["a"], "columns": [1, 2], "values": np.array([[0.5, NAN]]), "now": [0, 1]}),
    (Bars("v"), {"labels": ["a"], "values": [NAN], "unit": "kB", "reference": 3}),
    (Network("v", scale="root"), {"layers": [{**LAYER, "note": "3x3", "branch": True}], "before": [LAYER]}),
    (Rows("v"), {"columns": ["a", "b"], "rows": [[1, "x"]]}),
]
BROKEN = [
    (Histogram("v"), {"edges": [0, 1], "counts": []}, "at least one bar"),
    (Histogram("v"), {"edges": [0, 1], "counts": [1, 2]}, "edges has 2 entries; there are 3"),
    (Histogram("v"), {"edges": [0, 2, 1], "counts": [1, 2]}, "edges rise"),
    (Histogram("v"), {"edges": [0, 1], "counts": [NAN]}, r"counts\[0\] is None"),
    (Histogram("v"), {"edges": [0, 1], "counts": [1], "cut": [1, 0]}, "a low and a high number"),
    (Lines("v"), {"series": [{"name": "a", "x": [1]}]}, r"series\[0\] has no y"),
    (Lines("v"), {"series": [{"name": "a", "x": [1], "y": ["1"]}]}, r"y of 'a'\[0\] is '1'"),
    (Lines("v"), {"series": [{"name": "a", "x": [1], "y": [1], "low": [1, 2], "high": [1]}]}, "low of 'a' has 2"),
    (Lines("v", log="x"), {"series": [{"name": "a", "x": [0], "y": [1]}]}, "greater than 0"),
    (Lines("v"), {"series": [], "marker": "now"}, "marker is 'now'"),
    (Scatter("v"), {"points": [{"label": "a", "x": 1}]}, "has no y"),
    (Scatter("v"), {"points": [POINT], "front": [1]}, "places of the 1 points"),
    (Scatter("v"), {"points": [POINT], "now": {"x": 1}}, "now.* has no y"),
    (Scatter("v"), {"points": [POINT], "budget": {"bytes": 5}}, "a limit for x, for y or for both"),
    (Scatter("v", log="y"), {"points": [{**POINT, "y": 0}]}, "greater than 0"),
    (Scatter("v"), {"points": [{**POINT, "group": i} for i in range(7)]}, "six can be told apart"),
    (NumberLine("v"), {"grid": [], "values": [], "rounded": []}, "at least one grid point"),
    (NumberLine("v"), {"grid": [0], "values": [1, 2], "rounded": [0]}, "rounded has 1 entries; there are 2 values"),
    (NumberLine("v"), {"grid": [0], "values": [NAN], "rounded": [0]}, "finite number"),
    (NumberLine("v"), {"grid": [0], "values": [1], "rounded": [0], "codes": [1, 2]}, "there are 1 grid points"),
    (Confusion("v"), {"labels": ["a", "b"], "counts": [[1, 2]]}, "counts has 1 entries; there are 2 labels"),
    (Confusion("v"), {"labels": [], "counts": []}, "at least one class"),
    (Heatmap("v"), {"rows": ["a"], "columns": [1], "values": [[1], [2]]}, "values has 2 entries; there are 1 rows"),
    (Heatmap("v"), {"rows": [], "columns": [1], "values": []}, "at least one row"),
    (Heatmap("v"), {"rows": ["a"], "columns": [1], "values": [[1]], "now": [0, 1]}, "give \\[row, column\\]"),
    (Heatmap("v"), {"rows": list(range(200)), "columns": list(range(200)), "values": []}, "40,000 cells"),
    (Bars("v"), {"labels": ["a"], "values": [1, 2]}, "labels has 1 entries; there are 2 values"),
    (Bars("v"), {"labels": ["a"], "values": [1], "reference": [1, 2]}, "reference has 2"),
    (Network("v"), {"layers": []}, "at least one layer"),
    (Network("v"), {"layers": [{**LAYER, "inputs": -1}]}, "inputs of 'conv1' is -1"),
    (Network("v"), {"layers": [LAYER], "before": [{**LAYER, "name": "fc"}]}, "the same layers in the same order"),
    (Rows("v"), {"columns": ["a"], "rows": [[1, 2]]}, r"rows\[0\] has 2 entries; there are 1 columns"),
]


@pytest.mark.parametrize(("view", "data"), SOUND)
def test_sound_data_is_drawn_arrays_and_gaps_too(view, data):
    assert view.problem(data) is None
    answer = Explorer(lambda side: {"headline": "", "v": data}, [Range("side", 0, 1)], [view]).first["answer"]
    assert json.dumps(answer, allow_nan=False)
    assert "error" not in answer


@pytest.mark.parametrize(("view", "data", "says"), BROKEN)
def test_bad_data_is_named_with_the_rule(view, data, says):
    assert re.search(says, view.problem(data))


@pytest.mark.parametrize(("broken", "says"), [
    (lambda: Lines("v", percent="z"), "it names axes"), (lambda: Scatter("v", log="xz"), "it names axes"),
    (lambda: Scatter("v", better=("less",)), "for x and for y"),
    (lambda: Network("v", scale="log"), '"linear" or "root"'),
    (lambda: Heatmap("v", range=(1, 0)), "range of view 'v'")])
def test_wrong_options_are_refused(broken, says):
    with pytest.raises(ValueError, match=says):
        broken()


def test_each_view_has_a_drawer_of_its_own():
    """The browser finds the drawing by the view's kind: a new view without one would show nothing."""
    views = [Bars, Confusion, Heatmap, Histogram, Lines, Network, NumberLine, Scatter]
    for kind in (view("v").spec()["kind"] for view in views):
        assert Explorer._esm.count(f"drawers.{kind} = ") == 1, kind
