"""How sure is an accuracy? The interval around one, and the test between two."""

from dataclasses import dataclass

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
    need(0 < level < 1, f"level is {level}", "level is a fraction between 0 and 1", "use 0.95 for 95 %")
    need(repeats >= 1, f"repeats is {repeats}", "at least one repeat is needed", "use 2000")
    right = _flags(correct, "correct")
    counts = np.random.default_rng(seed).binomial(len(right), right.double().mean().item(), repeats)
    low, high = np.quantile(counts / len(right), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class McNemar:
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


def _flags(values, what):
    values = torch.as_tensor(values)
    need(values.ndim == 1 and len(values) > 0, f"{what} has shape {tuple(values.shape)}",
         "it is one right or wrong per image, at least one", "pass predictions == labels")
    need(bool(((values == 0) | (values == 1)).all()), f"{what} holds {values.unique().tolist()[:5]}",
         "it holds only right (True) and wrong (False)", "pass predictions == labels")
    return values.bool()
