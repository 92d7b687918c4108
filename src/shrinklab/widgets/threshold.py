"""Lesson 01's explorer: move the decision threshold and the class balance of a real detector."""

import torch

from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import f1
from shrinklab.models import pretrained
from shrinklab.rare import class_scores, precision_recall, two_by_two, with_share
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.views import Confusion, Histogram, Lines

GRID = torch.linspace(0.01, 0.99, 50)  # thresholds of the curves
BINS = 20


def threshold_explorer(model=None, split=None, positive=0, *, amount=0.91):
    """Explorer: threshold, class balance and network -> confusion matrix, precision, recall, F1, accuracy.

    model, split: the trained LeNet and the MNIST validation images unless given; positive: the class to detect;
    amount: share of weights that the pruned network has lost. Each move takes the images in the stated balance
    (the same ones for the same share) and runs the network on them.

    >>> from shrinklab.models import build
    >>> explorer = threshold_explorer(build("lenet", channels=[2, 4], hidden=[20, 10]), load("mnist").validation[:500])
    >>> sum(map(sum, explorer.compute(share=0.02, threshold=0.5)["matrix"]["counts"]))
    450
    """
    model = pretrained("lenet") if model is None else model
    split = load("mnist").validation if split is None else split
    here = int((split.labels == positive).sum())
    need(0 < here < len(split), f"{split.name} holds {here} images of class {positive} and {len(split) - here} others",
         "a detector is tested on both", "take a larger slice")
    networks = {"pruned": apply_masks(model, global_masks(model, amount)), "whole": model}

    def settings(network, threshold, share):
        stream = with_share(split, positive, share)
        labels, scores = stream.labels == positive, class_scores(networks[network], stream.images, positive)
        matrix = two_by_two(labels, scores >= threshold)
        (quiet, alarms), (missed, found) = matrix.tolist()
        right = (found + quiet) / len(stream)
        rates = dict(zip(("precision", "recall"), precision_recall(matrix), strict=True))
        rates |= {"F1": f1(matrix)[1].item(), "accuracy": right}
        return {
            "headline": f"{found} of {found + missed} found, {alarms} false {'alarm' if alarms == 1 else 'alarms'} in "
                        f"{len(stream):,} images: accuracy {_percent(right)}, recall {_percent(rates['recall'])}.",
            "numbers": {name: {"value": value, "unit": "%", "text": _percent(value)} for name, value in rates.items()},
            "matrix": {"labels": [f"not {positive}", f"{positive}"], "counts": matrix.tolist()},
            "scores": _histogram(scores[labels], threshold),
            "curves": {"series": _curves(scores, labels), "marker": threshold},
        }

    return Explorer(settings, title=f"Find the class {positive} in {split.name}", controls=[
        # not 0.5: the lesson lets readers guess first what is found there
        Range("threshold", 0.01, 0.99, step=0.01, value=0.3, label="Decision threshold"),
        Range("share", 0.01, 0.5, step=0.01, value=0.02, label=f"Share of class {positive}", percent=True),
        Select("network", [(f"pruned by {_percent(amount)}", "pruned"), ("whole", "whole")], label="Network"),
    ], views=[
        Confusion("matrix", "Confusion matrix", x="the network says", y="it is"),
        Histogram("scores", f"How sure is the network where it is a {positive}?",
                  x=f"probability of {positive}", y="number of images", parts=("found", "missed")),
        Lines("curves", "The same network at every threshold", x="decision threshold", y="share (%)", percent="y",
              x_range=(0, 1), y_range=(0, 1)),
    ])


def _percent(value):
    return f"{value:.1%}".replace("%", " %")


def _histogram(scores, threshold):
    """Bars over the scores of the positives; what lies below the threshold is missed."""
    counts, edges = torch.histogram(scores, bins=BINS, range=(0.0, 1.0))
    return {"edges": edges.tolist(), "counts": counts.int().tolist(), "cut": [0.0, threshold]}


def _curves(scores, labels):
    """Precision, recall and accuracy at every threshold of the grid; no precision (NaN) where nothing is flagged."""
    flagged = scores >= GRID[:, None]
    found, right = (flagged & labels).sum(1), (flagged == labels).sum(1)
    curves = {"precision": found / flagged.sum(1), "recall": found / labels.sum(),
              "accuracy": right / len(labels)}
    return [{"name": name, "x": GRID.tolist(), "y": values.tolist()} for name, values in curves.items()]
