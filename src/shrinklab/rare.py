"""A network as the detector of one rare class: its scores, the share of the class, and where to cut.

Lesson 01 uses it: whether a detector is any good depends on the threshold and on how rare the class is.
"""

import math
from dataclasses import replace

import numpy as np
import torch

from shrinklab.errors import need
from shrinklab.metrics import confusion_matrix, precision, predict, recall


def class_scores(model, images, positive):
    """Probability (softmax) that a classifier gives one class: images (N, ...) -> float (N,), 0 to 1.

    >>> class_scores(torch.nn.Flatten(), torch.tensor([[[0.0, 0.0]]]), positive=1)
    tensor([0.5000])
    """
    shares = predict(model, images).softmax(1)
    need(not shares.isnan().any(), f"the probabilities of {int(shares.isnan().any(1).sum())} images are NaN",
         "a probability is a number", "look for NaN weights or a diverged training")
    need(isinstance(positive, int) and 0 <= positive < shares.shape[1], f"positive is {positive!r}",
         f"it is the number of a class, 0 to {shares.shape[1] - 1}", "use one of these")
    return shares[:, positive]


def with_share(split, positive, share, *, seed=0):
    """As many of the split's images as fit when one class is to have this share; none is used twice.

    positive: number of the class; share: above 0 and below 1. The images left out are drawn by lot, always the same
    for the same seed, and a smaller share takes a part of what a larger one takes.

    >>> from shrinklab.data import load
    >>> stream = with_share(load("mnist").validation, positive=0, share=0.02)
    >>> len(stream), int((stream.labels == 0).sum())
    (3650, 73)
    """
    need(0 < share < 1, f"share is {share!r}", "share is a fraction between 0 and 1", "use 0.02 for 2 %")
    # RandomState's permutation is frozen by NumPy's compatibility policy, so it is the same on every machine.
    drawn = torch.from_numpy(np.random.RandomState(seed).permutation(len(split)))
    is_positive = split.labels[drawn] == positive
    members, others = drawn[is_positive], drawn[~is_positive]
    count = min(len(members), round(len(others) * share / (1 - share)))
    rest = min(len(others), round(count * (1 - share) / share))
    need(count and rest, f"{split.name} has {len(members)} images of class {positive} and {len(others)} others",
         f"a share of {share:g} needs at least one of each", "take another share, or more images")
    rows = torch.cat([members[:count], others[:rest]]).sort().values
    return replace(split, name=f"{split.name} with {100 * share:g} % of class {positive}",
                   images=split.images[rows], labels=split.labels[rows])


def two_by_two(labels, flagged):
    """Count the four outcomes of a yes/no decision: bool (N,), bool (N,) -> int64 [[TN, FP], [FN, TP]].

    labels: what is true; flagged: what was decided. Rows are the truth, as in `metrics.confusion_matrix`.

    >>> two_by_two([True, True, False], [True, False, False])
    tensor([[1, 0],
            [1, 1]])
    """
    return confusion_matrix(labels, flagged, classes=2)


def precision_recall(matrix):
    """Precision and recall of "yes": [[TN, FP], [FN, TP]] -> two numbers, 0 to 1. Nothing to divide by: 0.

    >>> precision_recall([[90, 10], [0, 100]])[1]
    1.0
    """
    return precision(matrix)[1].item(), recall(matrix)[1].item()


def threshold_for_recall(scores, labels, wanted):
    """The highest threshold at which `scores >= threshold` finds at least the wanted share of the positives.

    scores: (N,), the larger the surer; labels: bool (N,); wanted: above 0, at most 1. Returns one of the scores.
    Choose it on validation images; a threshold chosen on the test images flatters the test.

    >>> round(threshold_for_recall([0.9, 0.8, 0.6, 0.4], [True, False, True, False], 1.0), 3)
    0.6
    """
    scores, labels = torch.as_tensor(scores), torch.as_tensor(labels, dtype=torch.bool)
    need(scores.ndim == 1 and scores.shape == labels.shape,
         f"the scores have shape {tuple(scores.shape)} and the labels {tuple(labels.shape)}",
         "there is one score and one label for each image", "take both from the same split")
    need(0 < wanted <= 1, f"wanted is {wanted!r}", "it is a share above 0 and up to 1", "use 0.95 for 95 %")
    found = scores[labels].sort(descending=True).values
    need(len(found), "no label is True", "recall is a share of the positives", "pass labels == positive")
    # Rounded first: 0.55 * 100 is 55.00000000000001, and would ask for one positive more.
    return found[math.ceil(round(wanted * len(found), 6)) - 1].item()
