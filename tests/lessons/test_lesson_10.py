"""Lesson 10: its pitfalls show both figures, its sentences hold for the shipped networks, its challenge can be met."""

import pytest
from lesson_notebooks import released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab import capstone
from shrinklab.capstone import DeviceBudget, moved_images, onnx_bytes, try_model
from shrinklab.data import load
from shrinklab.deploy import figures
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, correct_bias, fold_batch_norm, quantize_model
from shrinklab.shipping import on_the_grid, rounded, without_channels

QUARTER = {"block3.conv1": 0.25, "block3.conv2": 0.25}


def same(runners, image):
    return [1.0, 0.6]


@pytest.fixture(scope="module")
def lesson():
    return run_cells("10", "load", "pitfall-file", "pitfall-order")


@pytest.fixture(scope="module")
def model():
    return pretrained("resnet8")


@pytest.fixture(scope="module")
def data():
    return load("cifar10")


def test_measuring_the_network_hides_what_the_file_lost(lesson, model):
    photos = lesson["photos"]
    shown = lesson["shipped"](bits=3, measure_the_network=True)
    assert shown == {"the file": f"{accuracy(rounded(model, lesson['data'], 3), photos):.1%}",
                     "the network it was made from": f"{accuracy(model, photos):.1%}"}
    assert accuracy(model, photos) - accuracy(rounded(model, lesson["data"], 3), photos) > 0.1
    assert list(lesson["shipped"](bits=3, measure_the_network=False)) == ["the file"]


def test_quantizing_first_loses_the_repair_at_the_same_size(lesson):
    shown = lesson["pruned"](cut=0.25, quantize_first=True)
    right, wrong = (float(text.split("%")[0]) for text in shown.values())
    assert list(shown) == ["prune, mend, quantize", "quantize, prune"]
    assert right - wrong > 20
    assert len({text.split(", ")[1] for text in shown.values()}) == 1, "as small"
    assert list(lesson["pruned"](cut=0.25, quantize_first=False)) == ["prune, mend, quantize"]


def test_the_sentences_about_the_order_hold(model, data):
    photos, grid = data.validation[:500], on_the_grid(model, 8)
    first = rounded(without_channels(model, QUARTER, data), data)
    mended = without_channels(grid, QUARTER, data)
    again = rounded(mended, data)
    right = {name: accuracy(one, photos) for name, one in {"first": first, "mended": mended, "again": again}.items()}
    assert abs(right["first"] - right["again"]) < 0.02
    assert abs(right["first"] - right["mended"]) < 0.02
    assert accuracy(model, photos) - right["first"] < 0.08
    assert onnx_bytes(mended) > 3 * onnx_bytes(first)
    assert onnx_bytes(again) == onnx_bytes(first)


def test_folding_and_not_rounding_is_what_misleads_the_mask(model, data):
    photos, folded, grid = data.validation[:250], fold_batch_norm(model), on_the_grid(model, 8)
    whole = accuracy(on_the_grid(apply_masks(model, global_masks(model, 0.3)), 8), photos)
    rounded_first = accuracy(apply_masks(grid, global_masks(grid, 0.3)), photos)
    folded_first = accuracy(on_the_grid(apply_masks(folded, global_masks(folded, 0.3)), 8), photos)
    assert whole - rounded_first > 0.1
    assert abs(rounded_first - folded_first) < 0.05


def test_the_sentences_about_the_ways_hold(model, data):
    dense = onnx_bytes(model)
    assert onnx_bytes(apply_masks(model, global_masks(model, 0.5))) == dense
    assert onnx_bytes(rounded(model, data)) < 0.35 * dense
    assert onnx_bytes(rounded(model, data, integers=False)) < 0.35 * dense
    assert dense > 5 * capstone.draw_budget().max_bytes
    moved = moved_images(data.validation[:500], data, 5)
    assert abs(accuracy(model, moved) - accuracy(model, data.validation[:500])) < 0.04


def test_the_stored_runtimes_support_the_text():
    rows = {row["target"]: row for row in figures.stored()["rows"]}
    assert 0 < sum(row["latency_ratio"] < 1 for row in rows.values()) < 4
    assert len({row["int8_right"] for row in rows.values()}) == 1
    assert rows["litert"]["float_bytes"] > 4 * 77_000, "converted alone: four bytes a weight"
    assert rows["litert"]["float_bytes"] > 3 * rows["litert"]["int8_bytes"]


def test_the_switches_start_off():
    sources = {cell.id: cell.source for cell in solution("10").cells}
    assert "measure_the_network=False)" in sources["10-pitfall-file"]
    assert "quantize_first=False)" in sources["10-pitfall-order"]


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("10").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 4
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


NOTHING = {
    "front_of": ["def front_of(sizes, drops):\n    pass",
                 "def front_of(sizes, drops):\n    return list(range(len(sizes)))",
                 "def front_of(sizes, drops):\n    return []"],
    "best_within": ["def best_within(ways, budget):\n    pass",
                    "def best_within(ways, budget):\n    return ways",
                    "def best_within(ways, budget):\n    return budget"],
    "pipeline": ["def pipeline(model, data, budget):\n    pass",
                 "def pipeline(model, data, budget):\n    return model",
                 "def pipeline(model, data, budget):\n    return budget"],
}


@pytest.mark.parametrize(("name", "source"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, source):
    result = grade_cells(solution("10"), name, replace={name: source})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_a_pipeline_that_misses_one_line_earns_the_others():
    int8 = "def pipeline(model, data, budget):\n    return rounded(model, data)"
    result = grade_cells(solution("10"), "pipeline", replace={"pipeline": int8})[0]
    assert result.points == 4.0
    failed, = (one for one in result.expectations if not one.passed)
    assert (failed.id, failed.hint[-23:]) == ("bytes", "and 60,000 are allowed.")


def test_the_lesson_s_budget_is_met_with_no_training(model, data):
    small = without_channels(model, {"block3.conv1": 0.25}, data)
    few = Scheme(weight_bits=4, weight_observer="mse")
    quantized = quantize_model(small, data.train[:128], layers={"block3.conv1": few, "block3.conv2": few})
    trial = try_model(correct_bias(quantized, small, data.train[:256]), timer=same)
    assert trial.met, str(trial)


def test_the_challenge_can_be_met(model, data):
    budget, few = DeviceBudget(45_000, 0.95, 5.5), Scheme(weight_bits=4, weight_observer="mse")
    small = without_channels(model, {"block3.conv1": 0.375}, data)
    names = [name for name in quantize_model(small, data.train[:8]).layers if name not in ("conv", "fc")]
    quantized = quantize_model(small, data.train[:128], layers=dict.fromkeys(names, few))
    trial = try_model(correct_bias(quantized, small, data.train[:256]), budget, timer=same)
    assert trial.met, str(trial)
