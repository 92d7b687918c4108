"""How sure is an accuracy? The interval around one, the test between two, and how many images that takes."""

import math
from typing import NamedTuple

import numpy as np
import torch

from shrinklab.errors import need


def bootstrap_interval(correct, level=0.95, repeats=2000, seed=0):
    """Percentile bootstrap interval of an accuracy: correct, bool (N,) -> (low, high).

    Drawing N right/wrong values with replacement and counting the right ones is drawing from
    Binomial(N, accuracy), so no sample is built. When all N are right the interval has no width: N images
    cannot show a mistake that is rarer.
    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.

    >>> low, high = bootstrap_interval([True] * 90 + [False] * 10)
    >>> bool(0.80 < low < 0.90 < high < 0.97)
    True
    """
    right = _flags(correct, "correct")
    _check_bootstrap(level, repeats)
    counts = np.random.default_rng(seed).binomial(len(right), right.double().mean().item(), repeats)
    return _middle(counts / len(right), level)


def drop_interval(correct_a, correct_b, level=0.95, repeats=2000, seed=0):
    """Percentile bootstrap interval of accuracy a minus accuracy b on the same images: bool (N,) twice -> (low, high).

    Images are drawn, and each brings both of its answers along. Only images on which the two differ count, so their
    numbers are drawn, from a multinomial distribution, and no sample is built. Two models that are right on the same
    images have an interval without width.
    Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979.

    >>> drop_interval([True, False] * 50, [True, False] * 50)
    (0.0, 0.0)
    """
    _check_bootstrap(level, repeats)
    test, images = mcnemar(correct_a, correct_b), len(correct_a)
    shares = test.b / images, test.c / images, (images - test.b - test.c) / images
    lost, gained, _ = np.random.default_rng(seed).multinomial(images, shares, repeats).T
    return _middle((lost - gained) / images, level)


def images_needed(lost, gained):
    """Images on which `mcnemar` shows a drop in 4 of 5 draws, p below 0.05; inf when there is no drop to show.

    lost: share of the images on which only the first model is right, 0 to 1; gained: only the second. Their
    difference is the drop. 7.85 is (1.960 + 0.842) squared, the normal quantiles of 5 % false alarms on two sides and
    of 80 % power. The exact test asks for a few images more, most so where few of them differ.
    Source: Connor, "Sample size for testing differences in proportions for the paired-sample design", 1987; this is
    its first term.

    >>> images_needed(0.025, 0.015)  # a drop of one point, 4 % of the images differ
    3140
    """
    for share, name in ((lost, "lost"), (gained, "gained")):
        need(0 <= share <= 1, f"{name} is {share}", "it is a share of the images, 0 to 1", "divide the count by N")
    need(lost + gained <= 1, f"lost is {lost} and gained is {gained}", "no image is both, so their sum is 1 at most",
         "divide both counts by the number of all images")
    return math.inf if lost == gained else round(7.85 * (lost + gained) / (lost - gained) ** 2)


class McNemar(NamedTuple):
    """b: only the first model is right; c: only the second; p_value: two-sided, exact."""

    b: int
    c: int
    p_value: float


def mcnemar(correct_a, correct_b):
    """Do two models differ on the same images? bool (N,), bool (N,) -> McNemar, the exact binomial test.

    Only images on which one is right and the other wrong tell them apart; without a difference each falls to
    b or c like a fair coin. Source: McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", 1947.

    >>> mcnemar([True] * 6 + [False], [False] * 6 + [False])
    McNemar(b=6, c=0, p_value=0.03125)
    """
    first, second = _flags(correct_a, "correct_a"), _flags(correct_b, "correct_b")
    same_length(first, second, "correct_a", "correct_b")
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    tail = choose = 1  # of b + c, choose k: whole numbers, so exact, and each from the one before
    for k in range(min(b, c)):
        choose = choose * (b + c - k) // (k + 1)
        tail += choose
    return McNemar(b, c, min(1.0, 2 * tail / 2 ** (b + c)))


def same_length(first, second, name, other):
    """Refuse two lists about the same images that are not equally long."""
    need(len(first) == len(second), f"there are {len(first)} {name} and {len(second)} {other}",
         "they describe the same images, one each", "take both from the same split, in the same order")


def _check_bootstrap(level, repeats):
    need(0 < level < 1, f"level is {level}", "level is a fraction between 0 and 1", "use 0.95 for 95 %")
    need(repeats >= 1, f"repeats is {repeats}", "at least one repeat is needed", "use 2000")


def _middle(values, level):
    """The ends of the middle `level` of the values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _flags(values, what):
    values = torch.as_tensor(values)
    need(values.ndim == 1 and len(values) > 0, f"{what} has shape {tuple(values.shape)}",
         "it is one right or wrong per image, at least one", "pass predictions == labels")
    need(bool(((values == 0) | (values == 1)).all()), f"{what} holds {values.unique().tolist()[:5]}",
         "it holds only right (True) and wrong (False)", "pass predictions == labels")
    return values.bool()
