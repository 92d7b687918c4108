"""The Pareto front against its definition, pair by pair."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinklab.pareto import pareto_front

FIGURES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)
WAYS = st.tuples(st.sampled_from(["less", "more"]), st.sampled_from(["less", "more"]))


def beats(one, other, better):
    """At least as good in both, better in one."""
    signs = [1 if way == "less" else -1 for way in better]
    gains = [sign * (b - a) for sign, a, b in zip(signs, one, other, strict=True)]
    return min(gains) >= 0 and max(gains) > 0


@given(FIGURES, WAYS)
def test_the_front_is_what_nothing_beats(figures, better):
    front = pareto_front([x for x, _ in figures], [y for _, y in figures], better=better)
    assert sorted(front) == [place for place, figure in enumerate(figures)
                             if not any(beats(other, figure, better) for other in figures)]
    assert [figures[place][0] for place in front] == sorted(figures[place][0] for place in front)


def test_what_was_not_measured_is_never_among_the_best():
    assert pareto_front([1.0, math.nan, 3.0], [math.nan, 0.9, 0.5]) == [2]
    assert pareto_front([], []) == []


@pytest.mark.parametrize(("arguments", "says"), [
    ({"x": [1], "y": [1, 2]}, "x has 1 figures and y 2; each candidate has both"),
    ({"x": [1], "y": [1], "better": ("small", "more")}, "'less' or 'more'"),
    ({"x": [1], "y": [1], "better": ("less",)}, "each of the two figures")])
def test_wrong_input_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        pareto_front(**arguments)
