"""Lesson 01: its pitfalls show both figures, and its sentences agree with the networks that ship with the course."""

import re

import pytest
from lesson_notebooks import released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab.masks import apply_masks, global_masks
from shrinklab.measure import Budget
from shrinklab.metrics import accuracy, confusion_matrix, predict, recall
from shrinklab.rare import class_scores, precision_recall, two_by_two, with_share
from shrinklab.verdict import drop_points, rate_drop


@pytest.fixture(scope="module")
def lesson():
    """What the lesson's cells bind, as its author runs them."""
    return run_cells(
        "01", "load", "why-number", "exercise-two_by_two", "exercise-precision_recall", "exercise-rate_drop",
        "exercise-threshold_for_recall", "debug-class_recall", "given-rates", "real", "interval-bootstrap", "gentler",
        "choose-use", "test-once", "measure-run", "always-no", "judges-run", "photos", "classes-count", "pitfall-drop",
        "pitfall-mix")


def source(key):
    return next(cell.source for cell in solution("01").cells if cell.id == f"01-{key}")


def test_leaving_out_the_drop_turns_a_bad_verdict_into_a_good_one(lesson):
    shown = lesson["advertise"](leave_out_the_drop=True)
    before, after = lesson["measured"]["whole"], lesson["measured"]["91 % pruned"]
    assert shown == {
        "honest": f"bad: {drop_points(before.accuracy, after.accuracy):.1f} points of accuracy lost",
        "as advertised": f"good: {1 - after.sparse_bytes / before.sparse_bytes:.0%} smaller",
    }
    assert before.accuracy - after.accuracy > 0.05
    assert after.sparse_bytes < before.sparse_bytes / 2
    assert list(lesson["advertise"](leave_out_the_drop=False)) == ["honest"]


def test_the_laboratory_s_mix_flatters_precision(lesson):
    shown = lesson["precision_by_mix"](test_half_and_half=True)
    measured = []
    for share in (0.02, 0.5):
        images = with_share(lesson["validation"], 0, share)
        flagged = class_scores(lesson["pruned"], images.images, 0) >= 0.05
        measured.append(precision_recall(two_by_two(images.labels == 0, flagged))[0])
    assert list(shown.values()) == [f"precision {value:.1%}" for value in measured]
    assert measured[1] - measured[0] > 0.1
    assert list(lesson["precision_by_mix"](test_half_and_half=False)) == ["honest, 2 % zeros"]


def test_the_rules_in_the_table_are_those_of_the_verdict():
    budget, table = Budget(), source("rules")
    good, bad = budget.drop_good_points, budget.drop_bad_points
    assert f"| under {good:g} points | {good:g} to {bad:g} points | over {bad:g} points" in table
    assert f"over {budget.flips_bad_percent:g} % of the predictions change" in table
    assert f"is more than {budget.spread_bad_points:g} points" in source("measure-verdict-text")
    for what, good, bad in (("file gets smaller", budget.size_good_percent, budget.size_bad_percent),
                            ("latency falls", budget.latency_good_percent, budget.latency_bad_percent)):
        assert re.search(rf"{what} by \| {good:g} % or more \| {bad:g} to {good:g} % \| under {bad:g} % \|", table)


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("01").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 7
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []


@pytest.mark.parametrize(("name", "value"), [
    ("two_by_two", "torch.zeros(2, 2, dtype=torch.int64)"), ("precision_recall", "(0.0, 0.0)"),
    ("rate_drop", "'good'"), ("threshold_for_recall", "0.0"), ("class_recall", "torch.zeros(len(matrix))")])
def test_a_function_that_does_nothing_earns_next_to_nothing(name, value):
    taken = {"two_by_two": "labels, flagged", "rate_drop": "before, after",
             "threshold_for_recall": "scores, labels, wanted"}.get(name, "matrix")
    source = f"def {name}({taken}):\n    return {value}\n"
    result = grade_cells(solution("01"), name, replace={name: source})[0]
    assert result.points <= 0.15 * result.max_points


@pytest.mark.parametrize("given", ["25", "'0.25'", "-0.25", "[0.25]", "True"])
def test_an_answer_that_is_no_share_is_told_so(given, capsys):
    source = next(cell.source for cell in released("01").cells if cell.id == "01-check-answer_1")
    exec(source, run_cells("01") | {"answer_1": eval(given)})
    assert "✗ form: Write a number without quotes" in capsys.readouterr().out


def test_the_detector_is_right_nearly_always_and_misses_most_zeros(lesson):
    """What the opening, the self-check, the picture and the key result say."""
    stream, scores, truth = lesson["stream"], lesson["scores"], lesson["is_zero"]
    matrix = two_by_two(truth, scores >= 0.5)
    assert 0.975 < lesson["share_right"] < 0.99
    assert matrix[1, 1] < 0.3 * matrix[1].sum()
    whole = two_by_two(truth, class_scores(lesson["lenet"], stream.images, 0) >= 0.5)
    assert whole[1, 1] > 0.95 * whole[1].sum()
    assert (whole[0] - matrix[0]).abs().max() < 0.01 * matrix[0].sum()
    low = two_by_two(truth, scores >= 0.1)
    assert low[1, 1] > 0.8 * low[1].sum()
    assert low[0, 1] < 10


def test_half_zeros_change_accuracy_much_and_recall_little(lesson):
    figures = []
    for share in (0.02, 0.5):
        images = with_share(lesson["validation"], 0, share)
        matrix = two_by_two(images.labels == 0, class_scores(lesson["pruned"], images.images, 0) >= 0.5)
        figures.append(((matrix.diag().sum() / matrix.sum()).item(), precision_recall(matrix)[1]))
    (rare_accuracy, rare_recall), (even_accuracy, even_recall) = figures
    assert rare_accuracy - even_accuracy > 0.3
    assert abs(rare_recall - even_recall) < 0.1


def test_the_threshold_chosen_on_validation_holds_on_the_test_images(lesson):
    habit, chosen = lesson["final"].loc["the habit"], lesson["final"].loc["chosen on validation"]
    assert habit.recall < 0.3
    assert chosen.recall > 0.85
    assert chosen.accuracy > habit.accuracy > 0.975
    assert chosen.precision > 0.8


def test_200_images_allow_every_verdict(lesson):
    assert lesson["low"] < 2
    assert lesson["high"] > 5
    assert all(((lesson["drops"] < 2).mean() > 0.05, (lesson["drops"] > 5).mean() > 0.05))


def test_only_few_steps_lie_between_good_and_bad(lesson):
    words = [lesson["try_amount"](amount / 100)["rating"] for amount in range(70, 96)]
    assert words == sorted(words, key=["good", "borderline", "bad"].index)
    assert 1 <= words.count("borderline") <= 6
    assert {"good", "bad"} < set(words)


def test_the_students_rule_and_the_librarys_agree(lesson):
    for before, after in ((0.925, 0.875), (0.9, 0.8796), (0.95, 0.85), (0.5, 0.52), (0.997, 0.978)):
        assert lesson["rate_drop"](before, after) == rate_drop(before, after)


def test_a_network_that_finds_nothing_wins_three_of_five_columns(lesson):
    winners, judges = lesson["winners"], lesson["judges"]
    assert list(winners[winners == "always no"].index) == ["file (bytes)", "latency (ms)", "memory (bytes)"]
    assert winners["recall"] == "tie" or lesson["judges"]["recall"].eq(lesson["judges"]["recall"].max()).sum() == 1
    assert judges.loc["always no", "recall"] == 0
    assert judges["accuracy"].max() - judges.loc["always no", "accuracy"] < 0.03


def test_zeros_alone_change_neither_dense_file_nor_memory_nor_work(lesson):
    measured = [lesson["measured"][name] for name in ("whole", "70 % pruned", "91 % pruned")]
    for what in ("file_bytes", "peak_memory_bytes", "macs", "parameters"):
        assert len({getattr(one, what) for one in measured}) == 1, what
    for what in ("sparse_bytes", "nonzeros", "accuracy"):
        values = [getattr(one, what) for one in measured]
        assert values == sorted(values, reverse=True), what
        assert len(set(values)) == 3, what


def test_one_class_pays_several_times_the_average(lesson):
    change, overall = lesson["change"], lesson["overall"]
    assert rate_drop(0.9, 0.9 + overall / 100) == "good"
    assert rate_drop(0.9, 0.9 + change.min().item() / 100) == "bad"
    assert change.min() < 3 * overall < 0 < change.max()
    reading = dict(lesson)
    exec(source("classes-reading"), reading)
    assert reading["paired"].p_value < 0.005


def test_fairness_costs_some_saving(lesson):
    """The challenge has an answer, and the two amounts differ."""
    validation, lenet = lesson["validation"], lesson["lenet"]
    matrices = [confusion_matrix(validation.labels, predict(model, validation.images).argmax(1), 10)
                for model in (lenet, *(apply_masks(lenet, global_masks(lenet, amount / 100)) for amount in (80, 85)))]
    change = [100 * (recall(matrix) - recall(matrices[0])) for matrix in matrices[1:]]
    assert change[1].mean() > -2
    assert change[1].min() <= -2
    assert accuracy(lenet, validation) > 0.99
