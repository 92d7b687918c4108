"""Which of many candidates no other one beats: the Pareto front of two measured figures."""

import math

from shrinklab.errors import need

WAYS = ("less", "more")


def pareto_front(x, y, *, better=("less", "more")):
    """Places of the candidates that no other one beats: none is at least as good in both figures and better in one.

    x, y: two figures of each candidate, such as bytes and accuracy, in any unit. better: for each figure "less" or
    "more". Returns the places (list of int) in the order of x, of equal candidates all; one with a NaN is never among
    them. Raises ValueError for lists of unequal length. Source: Pareto optimality, Miettinen, "Nonlinear
    Multiobjective Optimization" (1999), section 2.2.

    >>> pareto_front([240, 61, 80, 30], [0.98, 0.97, 0.96, 0.90])  # kB, accuracy: the 80 kB file loses to the 61 kB one
    [3, 1, 0]
    """
    x, y = list(x), list(y)
    need(len(x) == len(y), f"x has {len(x)} figures and y {len(y)}", "each candidate has both",
         "give lists of one length")
    need(len(better) == 2 and set(better) <= set(WAYS), f"better is {better!r}",
         "it says 'less' or 'more' for each of the two figures", 'write better=("less", "more")')
    sign_x, sign_y = (1 if way == "less" else -1 for way in better)
    known = [place for place in range(len(x)) if not (math.isnan(x[place]) or math.isnan(y[place]))]
    front, best = [], None
    # From the best x on: a candidate stays when its y is better than every one before it, or when it is their equal.
    for place in sorted(known, key=lambda place: (sign_x * x[place], sign_y * y[place], place)):
        here = float(x[place]), float(y[place])
        if best is None or sign_y * here[1] < sign_y * best[1] or here == best:
            front.append(place)
            best = here
    return sorted(front, key=lambda place: (x[place], place))
