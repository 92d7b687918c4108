"""Was it worth it? The course's rules of thumb, applied to two measurements."""

import math
from dataclasses import dataclass

from shrinklab.errors import need
from shrinklab.measurement import SIMULATED
from shrinklab.stability import flip_rate, spread

__all__ = ["Budget", "Verdict", "drop_points", "flip_rate", "rate_drop", "spread", "verdict"]

GOOD, BORDERLINE, BAD = "good", "borderline", "bad"


@dataclass(frozen=True)
class Budget:
    """Limits for `verdict`; the defaults are the course's rules of thumb, and every use has its own.

    Accuracy in points: a drop under drop_good_points is good, one over drop_bad_points is bad. Size and latency in
    per cent saved: good from the first limit on, bad under the second. flips_bad_percent and spread_bad_points:
    more than that is unstable; no paper sets these two, they are this course's choice.
    file: which file ships, "file_bytes" (dense), "gzip_bytes" or "sparse_bytes". max_bytes, max_latency_ms: what
    the device allows, if it sets a limit.
    """

    drop_good_points: float = 2.0
    drop_bad_points: float = 5.0
    size_good_percent: float = 50.0
    size_bad_percent: float = 10.0
    latency_good_percent: float = 30.0
    latency_bad_percent: float = 5.0
    flips_bad_percent: float = 10.0
    spread_bad_points: float = 2.0
    file: str = "file_bytes"
    max_bytes: int | None = None
    max_latency_ms: float | None = None

    def __post_init__(self):
        need(self.drop_good_points <= self.drop_bad_points,
             f"drop_good_points is {self.drop_good_points} and drop_bad_points is {self.drop_bad_points}",
             "a good drop is smaller than a bad one", "swap them")
        for what in ("size", "latency"):
            good, bad = (getattr(self, f"{what}_{kind}_percent") for kind in (GOOD, BAD))
            need(good >= bad, f"{what}_good_percent is {good} and {what}_bad_percent is {bad}",
                 "a good saving is larger than a bad one", "swap them")
        need(self.file in ("file_bytes", "gzip_bytes", "sparse_bytes"), f"file is {self.file!r}",
             "file is file_bytes, gzip_bytes or sparse_bytes", "name the file that ships")


@dataclass(frozen=True)
class Verdict:
    """rating: "good", "borderline" or "bad"; reasons: one sentence each, with the measured numbers."""

    rating: str
    reasons: tuple[str, ...]

    def __str__(self):
        return "\n".join([self.rating, *(f"- {reason}" for reason in self.reasons)])


def verdict(before, after, budget=None, *, flips=None, spread=None):
    """Compare two `Measurement`s; return a `Verdict`.

    Good: accuracy, size and latency are all good. Bad: accuracy is bad (no saving makes up for it), a limit of the
    device is broken, or neither size nor latency saves anything worth having. Borderline: everything between.
    Numbers are compared as they are shown, rounded to 0.1 point or per cent. Unstable predictions count as bad
    accuracy: flips (share of changed predictions; taken from the measurements where they hold it) and spread
    (range of accuracies over calibration seeds, 0 to 1) over the budget's limits. The latency of integers simulated in
    floats is not rated, and without it nothing is good; two runtimes are compared, and the reasons say so.

    >>> from shrinklab.measure import Measurement
    >>> before = Measurement(accuracy=0.95, file_bytes=1_000_000, latency_ms=6.0)
    >>> print(verdict(before, Measurement(accuracy=0.85, file_bytes=400_000, latency_ms=2.0)))
    bad
    - Accuracy fell by 10.0 points, from 95.0 to 85.0 %: bad (good is under 2, bad over 5).
    - Size fell by 60.0 %, from 1,000,000 to 400,000 bytes: good (good is 50 or more, bad under 10).
    - Latency fell by 66.7 %, from 6.000 to 2.000 ms: good (good is 30 or more, bad under 5).
    - No saving makes up for a bad accuracy.
    """
    budget = budget or Budget()
    _comparable(before, after, budget)
    flips = _flips(before, after) if flips is None else flips
    accuracy = [_accuracy(before, after, budget), *_stability(flips, spread, budget)]
    size, speed = _size(before, after, budget), _latency(before, after, budget)
    limits = _limits(after, budget)
    spoiled = any(rating == BAD for rating, _ in accuracy)
    reasons = [reason for _, reason in [*accuracy, size, speed, *limits]] + _caution(before, after)
    savings = [size[0], speed[0]]
    if spoiled and GOOD in savings:
        reasons.append("No saving makes up for a bad accuracy.")
    if spoiled or limits or savings == [BAD, BAD]:
        return Verdict(BAD, tuple(reasons))
    good = all(rating == GOOD for rating in [accuracy[0][0], *savings])
    return Verdict(GOOD if good else BORDERLINE, tuple(reasons))


def drop_points(before, after):
    """By how many points accuracy fell, rounded as `verdict` rounds it: two accuracies, 0 to 1 -> points.

    Halves go up, as on paper; Python's own formatting would show 12.2 for the second.

    >>> drop_points(0.925, 0.875), drop_points(0.997, 0.8745)
    (5.0, 12.3)
    """
    return _tenth(100 * (before - after))


def rate_drop(before, after, budget=None):
    """Rate a fall in accuracy by itself: two accuracies, 0 to 1 -> "good", "borderline" or "bad".

    >>> rate_drop(0.925, 0.875)
    'borderline'
    """
    budget, drop = budget or Budget(), drop_points(before, after)
    return GOOD if drop < budget.drop_good_points else BAD if drop > budget.drop_bad_points else BORDERLINE


def _tenth(value):
    """Round to 0.1, halves up, as on paper; first to 1e-6, since 100 * (0.925 - 0.875) is 5.000000000000004."""
    return math.floor(round(value * 10, 5) + 0.5) / 10


def _accuracy(before, after, budget):
    drop, rating = drop_points(before.accuracy, after.accuracy), rate_drop(before.accuracy, after.accuracy, budget)
    old, new = _percents(before.accuracy, after.accuracy)
    return rating, (f"Accuracy {_moved(drop)} by {abs(drop):.1f} points, from {old} to {new} %: {rating} "
                    f"(good is under {budget.drop_good_points:g}, bad over {budget.drop_bad_points:g}).")


def _percents(*shares):
    """One decimal, or two for all where one needs it: 99.70 to 87.45 is a fall of 12.3, 99.7 to 87.5 would not be."""
    texts = [f"{100 * share:.2f}" for share in shares]
    return [text.removesuffix("0") for text in texts] if all(text.endswith("0") for text in texts) else texts


def _stability(flips, spread, budget):
    found = []
    if flips is not None and _tenth(100 * flips) > budget.flips_bad_percent:
        found.append((BAD, f"Unstable: {_tenth(100 * flips):.1f} % of the predictions changed, more than "
                           f"{budget.flips_bad_percent:g} %; that counts as a bad accuracy."))
    if spread is not None and _tenth(100 * spread) > budget.spread_bad_points:
        found.append((BAD, f"Unstable: accuracy differs by {_tenth(100 * spread):.1f} points between seeds, more than "
                           f"{budget.spread_bad_points:g}; that counts as a bad accuracy."))
    return found


def _saving(old, new, good, bad):
    percent = _tenth(100 * (old - new) / old)
    rating = GOOD if percent >= good else BAD if percent < bad else BORDERLINE
    return rating, percent, f"{rating} (good is {good:g} or more, bad under {bad:g})"


def _size(before, after, budget):
    old, new = getattr(before, budget.file), getattr(after, budget.file)
    rating, percent, judged = _saving(old, new, budget.size_good_percent, budget.size_bad_percent)
    return rating, f"Size {_moved(percent)} by {abs(percent):.1f} %, from {old:,} to {new:,} bytes: {judged}."


def _latency(before, after, budget):
    if SIMULATED in (before.runtime, after.runtime):
        return BORDERLINE, ("Latency is not rated: integers simulated in floats do not run as fast as integer kernels; "
                            "export the model and measure the runner.")
    old, new = before.latency_ms, after.latency_ms
    rating, percent, judged = _saving(old, new, budget.latency_good_percent, budget.latency_bad_percent)
    return rating, f"Latency {_moved(percent)} by {abs(percent):.1f} %, from {_ms(old)} to {_ms(new)} ms: {judged}."


def _ms(value):
    """Three decimals, more for a short time: four digits show the tenth of a per cent that is told beside it."""
    return f"{value:.{max(3, 3 - math.floor(math.log10(value)))}f}"


def _moved(fall):
    return "rose" if fall < 0 else "fell"


def _limits(after, budget):
    found, size = [], getattr(after, budget.file)
    if budget.max_bytes is not None and size > budget.max_bytes:
        found.append((BAD, f"The file has {size:,} bytes; the device allows {budget.max_bytes:,}."))
    timed = after.runtime != SIMULATED
    if timed and budget.max_latency_ms is not None and after.latency_ms > budget.max_latency_ms:
        found.append((BAD, f"A run takes {after.latency_ms:.3f} ms; the device allows {budget.max_latency_ms:g} ms."))
    return found


def _caution(before, after):
    """Say what the ratings do not: two runtimes, or images too few to tell the two accuracies apart."""
    found, ends, runtimes = [], (before.accuracy_low, after.accuracy_high), (before.runtime, after.runtime)
    if not {None, SIMULATED} & set(runtimes) and runtimes[0] != runtimes[1]:
        found.append(f"{runtimes[0]} ran before and {runtimes[1]} after: a part of the change in latency is the "
                     "runtime's. Measure both in one runtime to see what the model's is.")
    if None not in ends and before.accuracy > after.accuracy and ends[1] >= ends[0]:
        found.append("The two accuracy intervals overlap: on this many images the drop may be chance. "
                     "A test on the paired predictions (mcnemar) can tell more.")
    return found


def _flips(before, after):
    pair = before.predictions, after.predictions
    return None if pair[0] is None or pair[1] is None else flip_rate(*pair)


def _comparable(before, after, budget):
    for what in ("threads", "batch", "split", "images"):
        old, new = getattr(before, what), getattr(after, what)
        need(None in (old, new) or old == new, f"{what} is {old} before and {new} after",
             "only measurements taken the same way can be compared", "measure both with the same settings")
    for name, one in (("before", before), ("after", after)):
        need(0 <= one.accuracy <= 1, f"{name}.accuracy is {one.accuracy}", "accuracy is a fraction from 0 to 1",
             "use 0.925 for 92.5 %")
        for what in (budget.file, "latency_ms"):
            value = getattr(one, what)
            need(value is not None and 0 < value < math.inf, f"{name}.{what} is {value}",
                 "a verdict needs a measured number above 0", "measure it first")
