"""Lesson 03's explorer: how many test images tell a network from its pruned copy? Each move prunes and tests again."""

import torch

from shrinklab.criteria import l1
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.significance import bootstrap_interval, drop_interval, mcnemar
from shrinklab.widgets.controls import Range
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.views import Confusion, Lines

MOST = 2_000  # images of one test: more would make a move slow
ROWS = "right", "wrong"


def trust_explorer(model=None, split=None, criterion=l1):
    """Explorer: test-set size, pruned share and draw -> two accuracies, their drop with intervals, McNemar's test.

    model, split: the trained LeNet and the MNIST validation images unless given. Each move prunes a copy of the model
    and runs it on as many images as the slider says, drawn from the split by lot; another draw takes others.

    >>> from shrinklab.models import build
    >>> explorer = trust_explorer(build("lenet", channels=[2, 4], hidden=[20, 10]), load("mnist").validation[:500])
    >>> sum(map(sum, explorer.compute(images=300)["pairs"]["counts"]))
    300
    """
    model = pretrained("lenet") if model is None else model
    split = load("mnist").validation if split is None else split
    need(len(split) >= 200, f"{split.name} holds {len(split)} images", "the smallest tests here have 100 and 200",
         "take a larger slice")
    whole = correct(predict(model, split.images), split.labels)

    def settings(images, amount, draw):
        rows = torch.randperm(len(split), generator=torch.Generator().manual_seed(draw))[:images]
        pruned = apply_masks(model, global_masks(model, amount, criterion))
        first, second = whole[rows], correct(predict(pruned, split.images[rows]), split.labels[rows])
        test, (low, high) = mcnemar(first, second), drop_interval(first, second)
        shares = first.double().mean().item(), second.double().mean().item()
        drop, differ = 100 * (test.b - test.c) / images, test.p_value < 0.05
        both = int((first & second).sum())
        return {
            "headline": f"{images:,} images: {_percent(shares[0])} and {_percent(shares[1])} right. "
                        + ("The two differ" if differ else "These images do not tell the two apart")
                        + f" (p {_p(test.p_value, '= ')}).",
            "numbers": {
                "whole": {"value": shares[0], "unit": "%", "text": _percent(shares[0])},
                "pruned": {"value": shares[1], "unit": "%", "text": _percent(shares[1])},
                "drop": {"value": drop, "unit": "points", "text": f"{drop:.1f} points"},
                "drop, low end": {"value": 100 * low, "unit": "points", "text": f"{100 * low:.1f} points"},
                "drop, high end": {"value": 100 * high, "unit": "points", "text": f"{100 * high:.1f} points"},
                "p-value": {"value": test.p_value, "unit": "", "text": _p(test.p_value)},
            },
            "drops": {"series": _drops(first, second), "marker": images},
            "accuracies": {"series": [_accuracies("whole", first), _accuracies("pruned", second)], "marker": images},
            "pairs": {"labels": list(ROWS), "counts": [[both, test.b], [test.c, images - both - test.b - test.c]]},
        }

    top = min(MOST, len(split) // 100 * 100)
    kind = split.name.split("/")[-1].split("[")[0]
    axis = {"x": "test images", "x_range": (0, top)}
    return Explorer(settings, title=f"Test a {type(model).__name__} and its pruned copy on {kind} images", controls=[
        Range("images", 100, top, step=100, value=200, label="Number of test images"),
        Range("amount", 0.5, 0.95, step=0.01, value=0.8, label="Share of weights removed", percent=True),
        Range("draw", 1, 20, value=1, label="Draw (another one: other images)"),
    ], views=[
        Lines("drops", "Drop in accuracy and its 95 % interval, as the test grows", y="drop (points)", **axis),
        Lines("accuracies", "The two accuracies and their 95 % intervals", y="accuracy (%)", percent="y", **axis),
        Confusion("pairs", "The same images, both networks", x="pruned is", y="whole is"),
    ])


def _percent(share):
    return f"{share:.1%}".replace("%", " %")


def _p(value, equals=""):
    return f"{equals}{value:.3f}" if value >= 0.001 else "below 0.001"


def _sizes(images):
    """Ten test sizes up to the one that was measured: nothing is drawn beyond it."""
    return [images * tenth // 10 for tenth in range(1, 11)]


def _drops(first, second):
    sizes = _sizes(len(first))
    ends = [drop_interval(first[:size], second[:size]) for size in sizes]
    points = [100 * (first[:size].double().mean() - second[:size].double().mean()).item() for size in sizes]
    return [{"name": "drop", "x": sizes, "y": points, "low": [100 * low for low, _ in ends],
             "high": [100 * high for _, high in ends]},
            {"name": "no difference", "x": sizes, "y": [0.0] * len(sizes)}]


def _accuracies(name, right):
    sizes = _sizes(len(right))
    ends = [bootstrap_interval(right[:size]) for size in sizes]
    return {"name": name, "x": sizes, "y": [right[:size].double().mean().item() for size in sizes],
            "low": [low for low, _ in ends], "high": [high for _, high in ends]}
