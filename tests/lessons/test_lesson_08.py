"""Lesson 08: its pitfall shows both figures, its sentences hold for the shipped MobileNet, its challenge can be met."""

import re

import pytest
import torch
from lesson_notebooks import released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab.affine import choose_qparams, fake_quantize
from shrinklab.metrics import predict
from shrinklab.quantize import Scheme, correct_bias, equalize, fold_batch_norm, quantize_model
from shrinklab.stability import flip_rate

KEYS = ("load", "two-networks", "first-int8", "tiny-observers", "lights", "teams", "predict-dark", "pitfall-real",
        "bias-real", "seeds", "scan", "mixed-run")


@pytest.fixture(scope="module")
def lesson():
    # own-slider makes `collected`; it comes before the cells that use it
    return run_cells("08", *KEYS, "own-slider")


@pytest.fixture(scope="module")
def accuracy(lesson):
    return lesson["accuracy"]


def right(lesson, network, scheme, images=None):
    return lesson["accuracy"](quantize_model(network, lesson["calibration"] if images is None else images, scheme))


def test_the_two_networks_give_the_same_outputs(lesson):
    model, rescaled, images = lesson["model"], lesson["rescaled"], lesson["photos"].images[:100]
    torch.testing.assert_close(predict(rescaled, images), predict(model, images), rtol=1e-4, atol=1e-4)


def test_the_rescaled_network_guesses_and_each_cure_saves_it(lesson):
    model, rescaled, whole = lesson["model"], lesson["rescaled"], lesson["whole"]
    one_grid = lesson["one_grid"]
    assert right(lesson, model, one_grid) > whole - 0.01
    assert right(lesson, rescaled, one_grid) < 0.15
    assert whole - 0.05 < right(lesson, rescaled, Scheme()) < whole
    assert right(lesson, equalize(rescaled), one_grid) > whole - 0.02


def test_floats_between_the_layers_do_not_save_uneven_weights_and_tell_where_the_fault_lies(lesson):
    rescaled = lesson["rescaled"]
    assert right(lesson, rescaled, Scheme(8, None, per_channel=False)) < 0.15
    assert right(lesson, rescaled, Scheme(8, None)) > lesson["whole"] - 0.03


def test_fewer_bits_show_the_same_cause_in_the_network_as_trained(lesson):
    for bits in (5, 4):
        tensor, channel = (right(lesson, lesson["model"], Scheme(weight_bits=bits, per_channel=per_channel))
                           for per_channel in (False, True))
        assert channel > tensor + 0.02, bits
    assert right(lesson, lesson["rescaled"], Scheme(weight_bits=4)) < 0.4, "not even per channel helps"


def test_the_ranges_of_the_channels_are_as_the_text_says(lesson):
    reach = {}
    for name, network in (("trained", fold_batch_norm(lesson["model"])), ("rescaled", lesson["rescaled"]),
                          ("equalized", equalize(lesson["rescaled"]))):
        weight = network.get_submodule("blocks.1.depthwise").weight.detach().flatten(1).abs().amax(1)
        reach[name] = weight.max() / weight
    assert reach["trained"].median() < 3
    assert reach["equalized"].max() < 2
    steps = 127 / reach["rescaled"]
    assert steps.median() < 10
    assert steps.min() < 1


def test_the_tiny_example_tells_the_observers_apart(lesson):
    high = {name: ends[1].item() for name, ends in lesson["ends"].items()}
    assert high["min-max"] == 12
    assert all(end < 5 for name, end in high.items() if name != "min-max")
    errors = {name: (fake_quantize(lesson["values"], choose_qparams(*ends, bits=4)) - lesson["values"]).square().mean()
              for name, ends in lesson["ends"].items()}
    assert min(errors, key=errors.get) == "MSE"
    assert max(errors, key=errors.get) == "min-max"


def test_at_four_bits_the_whole_range_is_the_poorest_observer(lesson):
    found = {name: right(lesson, lesson["model"], Scheme(activation_bits=4, observer=name), lesson["collected"])
             for name in ("min_max", "percentile", "mse", "entropy")}
    assert min(found, key=found.get) == "min_max"
    assert sorted(found.values())[1] > found["min_max"] + 0.03
    at_eight = [right(lesson, lesson["model"], Scheme(observer=name), lesson["collected"]) for name in found]
    assert max(at_eight) - min(at_eight) < 0.02


def test_the_best_percentile_lies_between_the_ends_of_the_slider(lesson, accuracy):
    def at(share):
        lesson["kept"].value = share
        return float(re.match(r"([\d.]+)%", lesson["result"].value)[1])

    assert at(99.7) > max(at(96), at(100)) + 1


@pytest.mark.parametrize("team", ["dark only", "faint noise"])
def test_the_teams_own_figure_and_the_honest_one_stand_side_by_side(lesson, team):
    own_calibration, own_test = lesson["kinds"][team]
    small = quantize_model(lesson["model"], own_calibration, Scheme())

    def changed(images):
        return flip_rate(*(predict(network, images, 50).argmax(1) for network in (lesson["model"], small)))

    own, real = changed(own_test), changed(lesson["street"].images)
    on, off = (list(lesson["team_report"](team, switch).values()) for switch in (True, False))
    assert on == [f"{real:.1%}", off[1], f"{own:.1%}"]
    assert off[:1] == [f"{real:.1%}"]
    assert len(off) == 2
    assert own < 0.1 < 0.2 < real, "the team's figure would pass, the honest one is unstable"
    assert lesson["in_floats"] - lesson["accuracy"](small, lesson["street"]) > 0.05


def test_the_team_that_uses_all_lights_is_told_the_truth_by_its_own_test(lesson):
    report = lesson["reports"]["all lights"]
    assert report["own"] == report["real"] < 0.1
    assert report["accuracy"] > lesson["in_floats"] - 0.02


def test_bias_correction_brings_much_of_it_back(lesson, accuracy):
    rough, corrected, both = (accuracy(lesson[name]) for name in ("rough", "corrected", "both"))
    assert corrected > rough + 0.1
    assert both > rough + 0.1


def test_four_bits_are_unstable_and_eight_are_not(lesson):
    table = lesson["stability"]
    assert table.loc["8 bits", "spread"] <= 0.02
    assert table.loc["8 bits", "answers changed, mean"] < 0.05
    assert table.loc["4 bits", "spread"] > 0.02
    assert table.loc["4 bits", "answers changed, mean"] > 0.1
    lost = lesson["whole"] - table.loc["4 bits", "accuracy, mean"]
    assert table.loc["4 bits", "answers changed, mean"] > lost, "the flip rate is larger than the loss"


def test_the_first_depthwise_layer_minds_most_and_the_last_pointwise_one_little(lesson):
    wide = lesson["wide"]
    assert wide[4].idxmax() == "blocks.0.depthwise"
    assert wide.loc["blocks.0.depthwise", "weights"] == 144
    assert wide.loc["blocks.5.pointwise", "weights"] > 100 * 144
    assert wide.loc["blocks.5.pointwise", 4] < 0.2 * wide.loc["blocks.0.depthwise", 4]


def test_mixed_precision_keeps_more_in_as_many_bytes(lesson, accuracy):
    four, mixed = lesson["four"], lesson["mixed_bits"]
    assert lesson["quantized_bytes"](mixed) <= lesson["quantized_bytes"](four)
    assert accuracy(mixed) > accuracy(four) + 0.01
    table = right(lesson, lesson["model"], Scheme(weight_bits=4), lesson["collected"])
    assert accuracy(four) == table, "the baseline is the figure that the reader has seen above"


def test_switches_start_off():
    sources = {cell.id: cell.source for cell in solution("08").cells}
    assert "test_on_the_same_kind=False)" in sources["08-pitfall-real"]


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("08").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 9
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


def test_every_guess_can_be_answered_when_its_cell_runs():
    """What a guess's truth reads is bound above its cell: readers reveal it before they run on."""
    above = ""
    for cell in released("08").cells:
        if cell.cell_type == "code" and cell.source.lstrip().startswith("Guess("):
            text = re.sub(r'f?"[^"]*"', "", cell.source)
            read = (r"(?<![\w.])(stability|mixed_right|plain_right|times|reports|biases|by_observer|in_floats|four"
                    r"|small|whole|rescaled|one_grid)\b")
            for name in re.findall(read, text):
                assert re.search(rf"\b{name}\b[^\n=]*=|as {name}\b", above), (cell.id, name)
        above += cell.source + "\n"


NOTHING = {
    "percentile_range": ["def percentile_range(values, share):\n    pass",
                         "def percentile_range(values, share):\n    return values.min(), values.max()"],
    "best_cut": ["def best_cut(values, cuts, bits):\n    pass", "def best_cut(values, cuts, bits):\n    return cuts[0]",
                 "def best_cut(values, cuts, bits):\n    return cuts[-1]",
                 "def best_cut(values, cuts, bits):\n    return max(cuts)"],
    "equalizing_scales": ["def equalizing_scales(first, second):\n    pass",
                          "def equalizing_scales(first, second):\n    return torch.ones(first.shape[0])"],
}


@pytest.mark.parametrize(("name", "source"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, source):
    result = grade_cells(solution("08"), name, replace={name: source})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_the_challenge_can_be_met_and_is_not_met_by_the_recipe_given(lesson, accuracy):
    validation = lesson["data"].validation[:1000]
    scheme, even = Scheme(weight_bits=4, per_channel=False, weight_observer="mse"), equalize(lesson["rescaled"])
    saved = correct_bias(quantize_model(even, lesson["calibration"], scheme), even, lesson["calibration"][:64])
    assert accuracy(saved, validation) > 0.82
    assert accuracy(quantize_model(lesson["rescaled"], lesson["calibration"], Scheme(weight_bits=4, per_channel=False)),
                    validation) < 0.2

