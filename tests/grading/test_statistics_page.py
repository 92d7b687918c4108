"""The page of a lesson's results, for classes of one, of several, and without a mistake."""

from autograder.runner.statistics import page


def outcome(points):
    expectations = [{"id": "sign", "passed": points == 2, "hint": "Ignore the sign."}]
    return {"checks": [{"name": "scores", "points": points, "max_points": 2, "message": "",
                        "expectations": expectations}], "answers": {}, "seconds": {"all": 1.5}}


def test_a_class_without_a_mistake_has_no_heading_over_nothing():
    shown = page("90_tiny", [outcome(2)])
    assert "1 submission was run." in shown
    assert "What they met" not in shown


def test_what_was_met_is_counted():
    shown = page("90_tiny", [outcome(0), outcome(0), outcome(2)], rejected=1)
    assert "3 submissions were run; 1 could not be graded and have 0 points." in shown
    assert "<b>sign</b>: Ignore the sign.<td class='number'>2" in shown
    assert "1 of 3" in shown


def test_a_class_of_which_nothing_could_be_graded():
    assert "0 submissions were run; 2 could not be graded" in page("90_tiny", [], rejected=2)
