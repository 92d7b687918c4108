from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shrinklab.measure import Budget, Measurement, flip_rate, spread, verdict
from shrinklab.verdict import drop_points, rate_drop

BEFORE = Measurement(accuracy=0.95, file_bytes=100_000, latency_ms=10.0, gzip_bytes=90_000, sparse_bytes=100_000)


def after(drop=0.0, smaller=60.0, faster=40.0, **more):
    """BEFORE, with a drop in points and savings in per cent."""
    return replace(BEFORE, accuracy=BEFORE.accuracy - drop / 100, file_bytes=round(100_000 * (1 - smaller / 100)),
                   latency_ms=10.0 * (1 - faster / 100), **more)


def part(rating_of, *args, **kwargs):
    """The rating that the sentence about one thing ends with."""
    (line,) = [reason for reason in verdict(BEFORE, *args, **kwargs).reasons if reason.startswith(rating_of)]
    return line.split("%: " if rating_of == "Accuracy" else ": ")[-1].split(" (")[0]


@pytest.mark.parametrize(("drop", "rating"), [
    (-1.0, "good"), (0.0, "good"), (1.94, "good"), (1.95, "borderline"), (2.0, "borderline"), (3.5, "borderline"),
    (5.0, "borderline"), (5.04, "borderline"), (5.05, "bad"), (5.1, "bad"), (40.0, "bad")])
def test_accuracy_is_judged_by_the_table_after_rounding_to_a_tenth_of_a_point(drop, rating):
    assert part("Accuracy", after(drop)) == rating


@pytest.mark.parametrize(("smaller", "rating"), [
    (75.0, "good"), (50.0, "good"), (49.95, "good"), (49.94, "borderline"), (10.0, "borderline"),
    (9.95, "borderline"), (9.94, "bad"), (0.0, "bad"), (-20.0, "bad")])
def test_size_is_judged_by_the_table(smaller, rating):
    assert part("Size", after(smaller=smaller)) == rating


@pytest.mark.parametrize(("faster", "rating"), [
    (60.0, "good"), (30.0, "good"), (29.9, "borderline"), (5.0, "borderline"), (4.9, "bad"), (0.0, "bad"),
    (-50.0, "bad")])
def test_latency_is_judged_by_the_table(faster, rating):
    assert part("Latency", after(faster=faster)) == rating


@pytest.mark.parametrize(("change", "rating"), [
    ({}, "good"),
    ({"drop": 3}, "borderline"), ({"smaller": 20}, "borderline"), ({"faster": 10}, "borderline"),
    ({"smaller": 5}, "borderline"), ({"faster": 0}, "borderline"),  # one saving alone can still be worth it
    ({"smaller": 5, "faster": 0}, "bad"),  # a mask alone: nothing was gained
    ({"drop": 10}, "bad"), ({"drop": 5.1, "smaller": 99, "faster": 99}, "bad")])
def test_the_parts_make_the_whole_and_a_bad_accuracy_vetoes(change, rating):
    assert verdict(BEFORE, after(**change)).rating == rating


def test_the_worked_matrix_of_lesson_1_falls_by_exactly_five_points_and_is_not_bad():
    before, pruned = replace(BEFORE, accuracy=185 / 200), replace(after(), accuracy=175 / 200)
    found = verdict(before, pruned)
    assert found.rating == "borderline"
    assert found.reasons[0] == ("Accuracy fell by 5.0 points, from 92.5 to 87.5 %: borderline "
                                "(good is under 2, bad over 5).")


def test_the_self_check_of_lesson_1_is_bad_and_each_reason_shows_its_numbers():
    found = verdict(BEFORE, after(drop=10, smaller=60, faster=100 * 2 / 3))
    assert found.rating == "bad"
    assert found.reasons == (
        "Accuracy fell by 10.0 points, from 95.0 to 85.0 %: bad (good is under 2, bad over 5).",
        "Size fell by 60.0 %, from 100,000 to 40,000 bytes: good (good is 50 or more, bad under 10).",
        "Latency fell by 66.7 %, from 10.000 to 3.333 ms: good (good is 30 or more, bad under 5).",
        "No saving makes up for a bad accuracy.")
    assert str(found).splitlines() == ["bad", *(f"- {reason}" for reason in found.reasons)]


def test_a_rise_is_called_a_rise():
    reasons = verdict(BEFORE, after(drop=-1.5, smaller=-20, faster=-50)).reasons
    assert reasons[0].startswith("Accuracy rose by 1.5 points, from 95.0 to 96.5 %")
    assert reasons[1].startswith("Size rose by 20.0 %, from 100,000 to 120,000 bytes")
    assert reasons[2].startswith("Latency rose by 50.0 %, from 10.000 to 15.000 ms")


def test_the_drop_told_is_the_one_between_the_accuracies_told():
    """99.7 to 87.45 % are 12.25 points, 12.3 on paper; with 87.5 beside it readers would compute 12.2."""
    line = verdict(replace(BEFORE, accuracy=0.997), replace(after(), accuracy=0.8745)).reasons[0]
    assert line.startswith("Accuracy fell by 12.3 points, from 99.70 to 87.45 %: bad")


def test_times_are_told_with_the_digits_that_show_the_change():
    short = replace(BEFORE, latency_ms=0.1440), replace(after(), latency_ms=0.1446)
    assert "Latency rose by 0.4 %, from 0.1440 to 0.1446 ms" in str(verdict(*short))


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_drop_by_itself_is_rated_as_in_a_verdict(old, new):
    pair = replace(BEFORE, accuracy=old), replace(after(), accuracy=new)
    assert verdict(*pair).rating == rate_drop(old, new)  # size and latency are good, so accuracy alone decides
    assert f" {abs(drop_points(old, new)):.1f} points" in verdict(*pair).reasons[0]


def test_flips_are_read_from_the_measurements_and_too_many_are_unstable():
    predictions = torch.arange(100) % 10
    changed = predictions.clone()
    changed[:10] = (changed[:10] + 1) % 10
    before = replace(BEFORE, predictions=predictions)
    assert verdict(before, after(predictions=changed)).rating == "good"  # 10.0 %: at the limit, not over it
    changed[10] = 5
    found = verdict(before, after(predictions=changed))
    assert found.rating == "bad"
    assert found.reasons[1] == ("Unstable: 11.0 % of the predictions changed, more than 10 %; "
                                "that counts as a bad accuracy.")
    assert verdict(before, after(predictions=changed), Budget(flips_bad_percent=20)).rating == "good"


def test_flips_and_spread_can_be_given():
    assert verdict(BEFORE, after(), flips=0.101).rating == "bad"
    assert verdict(BEFORE, after(), flips=0.1).rating == "good"
    assert verdict(BEFORE, after(), spread=spread([0.90, 0.92])).rating == "good"
    found = verdict(BEFORE, after(), spread=spread([0.90, 0.921]))
    assert found.rating == "bad"
    assert any("accuracy differs by 2.1 points between seeds, more than 2;" in reason for reason in found.reasons)


def test_the_student_sets_the_limits_and_the_file_that_ships():
    careful = Budget(drop_good_points=0.2, drop_bad_points=0.5)
    assert verdict(BEFORE, after(drop=1)).rating == "good"
    assert verdict(BEFORE, after(drop=1), careful).rating == "bad"
    masked = after(smaller=0, sparse_bytes=30_000)
    assert verdict(BEFORE, masked).rating == "borderline"
    found = verdict(BEFORE, masked, Budget(file="sparse_bytes"))
    assert found.rating == "good"
    assert found.reasons[1].startswith("Size fell by 70.0 %, from 100,000 to 30,000 bytes")


def test_what_the_device_does_not_allow_is_bad():
    assert verdict(BEFORE, after(), Budget(max_bytes=40_000, max_latency_ms=6.0)).rating == "good"
    small = verdict(BEFORE, after(), Budget(max_bytes=39_999))
    assert small.rating == "bad"
    assert "The file has 40,000 bytes; the device allows 39,999." in small.reasons
    slow = verdict(BEFORE, after(), Budget(max_latency_ms=5.5))
    assert slow.rating == "bad"
    assert "A run takes 6.000 ms; the device allows 5.5 ms." in slow.reasons


def test_overlapping_intervals_are_pointed_out():
    before = replace(BEFORE, accuracy_low=0.92, accuracy_high=0.98)
    assert "may be chance" in verdict(before, after(3, accuracy_low=0.88, accuracy_high=0.93)).reasons[-1]
    assert "may be chance" not in str(verdict(before, after(3, accuracy_low=0.90, accuracy_high=0.919)))
    assert "may be chance" not in str(verdict(before, after(0, accuracy_low=0.92, accuracy_high=0.98)))


@given(st.floats(0.1, 1), st.floats(0, 1), st.integers(1, 10**6), st.floats(0.01, 100))
def test_no_saving_ever_rescues_a_drop_of_more_than_five_points(old, share, size, time):
    pruned = replace(BEFORE, accuracy=old * share, file_bytes=size, latency_ms=time)
    rating = verdict(replace(BEFORE, accuracy=old), pruned).rating
    if 100 * (old - old * share) >= 5.05001:
        assert rating == "bad"
    if 100 * (old - old * share) >= 2:
        assert rating != "good"


def test_flip_rate_counts_changes_that_leave_accuracy_alone():
    labels, one, other = [0, 1, 0, 1], torch.tensor([1, 1, 0, 1]), torch.tensor([0, 0, 0, 1])
    assert (one == torch.tensor(labels)).sum() == (other == torch.tensor(labels)).sum()
    assert flip_rate(one, other) == 0.5
    assert flip_rate(one, one) == 0.0


def test_messages_show_value_rule_and_fix():
    cases = [
        (lambda: verdict(replace(BEFORE, accuracy=92.5), after()), "before.accuracy is 92.5; .*; use 0.925 for 92.5 %"),
        (lambda: verdict(BEFORE, replace(after(), accuracy=float("nan"))), "after.accuracy is nan; accuracy is a frac"),
        (lambda: verdict(BEFORE, replace(after(), latency_ms=0.0)), "after.latency_ms is 0.0; .*; measure it first"),
        (lambda: verdict(replace(BEFORE, sparse_bytes=None), after(), Budget(file="sparse_bytes")),
         "before.sparse_bytes is None; a verdict needs a measured number above 0; measure it first"),
        (lambda: verdict(replace(BEFORE, threads=1), after(threads=2)),
         "threads is 1 before and 2 after; only measurements taken the same way can be compared; measure both"),
        (lambda: verdict(replace(BEFORE, split="mnist/validation"), after(split="mnist/test")), "split is mnist/val"),
        (lambda: Budget(drop_good_points=6), "drop_good_points is 6 and drop_bad_points is 5.0; .*; swap them"),
        (lambda: Budget(size_bad_percent=60), "size_good_percent is 50.0 and size_bad_percent is 60; .*; swap"),
        (lambda: Budget(latency_bad_percent=60), "latency_good_percent is 30.0 and latency_bad_percent is 60"),
        (lambda: Budget(file="zip"), "file is 'zip'; file is file_bytes, gzip_bytes or sparse_bytes; name the file"),
        (lambda: flip_rate([1, 2], [1]), r"the predictions have shapes \(2,\) and \(1,\); both are class indices"),
        (lambda: flip_rate([], []), r"shapes \(0,\) and \(0,\)"),
        (lambda: flip_rate(torch.zeros(2, 3), torch.zeros(2, 3)), r"shapes \(2, 3\) and \(2, 3\); .*argmax"),
        (lambda: spread([0.9]), r"accuracies is \[0.9\]; a spread needs two or more"),
        (lambda: spread([90, 91]), "each from 0 to 1; run at least two seeds"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
