"""Lesson 09: its pitfalls show both figures, its sentences agree with what is measured, its challenge can be met."""

import pytest
import torch
from lesson_notebooks import released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab.codebook import codebook_bytes, codebook_sizes, kmeans, share_weights
from shrinklab.data import load
from shrinklab.files import file_bytes, sparse_bytes
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, qat, quantize_model, quantized_bytes
from shrinklab.train import Recipe, fit


@pytest.fixture(scope="module")
def lesson():
    return run_cells("09", "load", "rounded", "train", "exercise-round_ste", "own-rounding", "own-training",
                     "own-result", "control", "pitfall-latent", "pitfall-table", "exercise-share_step", "own-codebook",
                     "exercise-shared_bytes", "own-bytes", "exercise-centroid_gradient", "deep-run", "own-tuning")


@pytest.fixture(scope="module")
def images(lesson):
    return lesson["images"]


@pytest.fixture(scope="module")
def before_and_after(lesson, images):
    """{bits: (accuracy rounded, accuracy trained)}, weights and values between layers."""
    return {bits: (accuracy(lesson["round_to"](bits, bits), images), accuracy(lesson["trained"]["all", bits], images))
            for bits in (2, 3, 4, 8)}


def test_two_bits_break_the_network_and_training_mends_it(lesson, before_and_after):
    rounded, trained = before_and_after[2]
    assert rounded < 2 / 3 * lesson["float_right"]  # "more than a third of its right answers"
    assert trained - rounded > 0.3
    assert trained > 0.96


def test_rounding_alone_loses_little_from_three_bits_on_and_training_gains_nothing_at_eight(lesson, before_and_after):
    assert min(before_and_after[bits][0] for bits in (3, 4)) > lesson["float_right"] - 0.03
    assert abs(before_and_after[8][0] - lesson["float_right"]) < 0.005
    assert before_and_after[8][1] - before_and_after[8][0] < 0.005
    assert before_and_after[4][1] - before_and_after[4][0] < 0.01 < before_and_after[3][1] - before_and_after[3][0]
    assert before_and_after[3][1] > lesson["float_right"] - 0.01 > before_and_after[2][1]  # "more at 2"


def test_the_right_choice_of_the_guess_about_widths_is_one_of_its_choices(before_and_after):
    cell = next(cell for cell in solution("09").cells if cell.id == "09-predict-eight")
    nothing = ", ".join(f"{bits} bits" for bits, (rounded, trained) in before_and_after.items()
                        if trained - rounded < 0.01)
    assert f'"{nothing}"' in cell.source


def test_scales_learned_and_observed_lie_close(lesson):
    observed = qat(lesson["round_to"](2, 2), lesson["model"], lesson["few"], lesson["recipe"], scales="observed",
                   progress=False)
    both = [accuracy(network, lesson["data"].validation) for network in (observed, lesson["trained"]["all", 2])]
    assert abs(both[0] - both[1]) < 0.02


def test_training_alone_does_little_beside_rounding_in_the_loop(lesson, images, before_and_after):
    afterwards = accuracy(quantize_model(lesson["longer"], lesson["data"].train.images[:128], lesson["scheme"]), images)
    rounded, trained = before_and_after[2]
    assert afterwards - rounded < 0.5 * (trained - rounded)


def test_round_alone_changes_nothing_and_the_estimator_brings_most_digits_back(lesson):
    right_with, on_grid, no_slope = lesson["right_with"], lesson["on_grid"], lesson["no_slope"]
    start = right_with(on_grid(lesson["start"], no_slope))
    assert right_with(on_grid(lesson["train_rounded"](no_slope, steps=5), no_slope)) == start < 0.3
    assert right_with(on_grid(lesson["latent"], no_slope)) > 0.7
    zeros = {name: (lesson["start"][name] / scale).round() == 0 for name, scale in lesson["scales"].items()}
    assert sum(int(zero.sum()) for zero in zeros.values()) > 0.95 * sum(zero.numel() for zero in zeros.values())


def test_the_latent_weights_are_another_network_than_the_one_that_ships(lesson):
    shown = lesson["report_accuracy"](measure_the_latent_weights=True)
    shipped = lesson["right_with"](lesson["on_grid"](lesson["latent"], lesson["no_slope"]))
    latent = lesson["right_with"](lesson["latent"])
    assert shown == {"shipped: rounded": f"{shipped:.1%}", "never shipped: latent": f"{latent:.1%}"}
    assert latent > shipped + 0.03  # "reads more digits"
    assert list(lesson["report_accuracy"](measure_the_latent_weights=False)) == ["shipped: rounded"]


def test_a_forgotten_table_makes_a_layer_look_smaller_than_it_is(lesson):
    shown = lesson["layer_size"](layer="conv1", bits=8, forget_the_table=True)
    row = codebook_sizes(share_weights(lesson["model"], 8)).set_index("layer").loc["conv1"]
    whole = row.packed_bytes + row.table_bytes
    assert shown == {"dense": "600 bytes", "indices and table": f"{whole:,} bytes",
                     "times smaller": f"{600 / whole:.2f}",
                     "times smaller, table forgotten": f"{600 / row.packed_bytes:.2f}"}
    assert whole > 630  # "larger", the guess says
    assert 600 / row.packed_bytes > 3.9
    assert "times smaller, table forgotten" not in lesson["layer_size"](layer="conv1", bits=8, forget_the_table=False)


def test_both_switches_start_off():
    sources = {cell.id: cell.source for cell in solution("09").cells}
    assert "measure_the_latent_weights=False)" in sources["09-pitfall-latent"]
    assert "forget_the_table=False)" in sources["09-pitfall-table"]


def test_four_shared_values_hold_out_longer_than_the_grid(lesson, images):
    shared, grid = share_weights(lesson["model"], 2), lesson["round_to"](2, 8)
    assert accuracy(shared, images) > accuracy(grid, images) + 0.01
    assert accuracy(lesson["trained"]["codebook", 2], images) - accuracy(shared, images) < 0.01


def test_with_three_values_each_the_codebook_and_the_grid_lie_close(lesson, images):
    grid, three = (accuracy(one, images) for one in (lesson["round_to"](2, 8), lesson["shared_copy"](3)))
    assert abs(three - grid) < 0.03
    assert accuracy(lesson["shared_copy"](4), images) > max(three, grid) + 0.02  # "the fourth value"
    assert grid - accuracy(lesson["round_to"](2, 2), images) > 0.2  # "most of the harm" is the values between layers
    distances = kmeans(lesson["model"].fc1.weight.detach(), 4)[0].abs().sort().values
    assert distances[1] < 0.5 * distances[2]  # "two of the four lie close to 0"


def test_a_round_ste_written_with_autograd_can_be_plugged_in(lesson):
    def by_autograd(x, gradient, low, high):
        x = x.clone().requires_grad_()
        clipped = x.clamp(low, high)
        rounded = clipped + (clipped.round() - clipped).detach()
        rounded.backward(gradient)
        return rounded, x.grad
    lesson["own_ste"], kept = by_autograd, lesson["own_ste"]
    trained = lesson["train_rounded"](lesson["Rounding"].apply, steps=5)
    lesson["own_ste"] = kept
    library = lesson["train_rounded"](lesson["Rounding"].apply, steps=5)
    assert all(torch.allclose(trained[name], library[name]) for name in library)


def test_the_student_s_functions_do_what_the_library_does(lesson, images):
    lesson["own_step"], lesson["bytes_of"] = lesson["share_step"], lesson["shared_bytes"]
    weight = lesson["model"].fc2.weight.detach()
    own, (library, _) = lesson["codebook_of"](weight, 4)[0], kmeans(weight, 4)
    assert torch.allclose(own, library, atol=0.01)
    assert accuracy(lesson["shared_copy"](16), images) > 0.98
    assert accuracy(lesson["shared_copy"](2), images) < 0.8
    shown = lesson["compare"](bits=4)
    sizes = codebook_sizes(share_weights(lesson["model"], 4))
    assert shown["indices and tables"] == f"{sizes.packed_bytes.sum() + sizes.table_bytes.sum():,} bytes"


def test_ten_numbers_bring_many_digits_back(lesson):
    tables = [table for table, _ in lesson["books"].values()]
    assert sum(map(len, tables)) == 10
    untrained = lesson["start"] | {name: kmeans(lesson["start"][name].detach(), 2)[0][indices.long()]
                                   for name, (_, indices) in lesson["books"].items()}
    assert lesson["right_with"](lesson["written_out"]()) > lesson["right_with"](untrained) + 0.1


def test_the_sentences_about_deep_compression_hold(lesson, images):
    model, deep, pruned = lesson["model"], lesson["deep"], lesson["pruned"]
    packed, coded = codebook_bytes(deep, coding="packed"), codebook_bytes(deep)
    assert 0.85 < packed / sparse_bytes(pruned) < 1.05  # "hardly smaller"
    assert coded < packed / 3
    assert 20 < file_bytes(model) / coded < 39
    assert 0 < lesson["float_right"] - accuracy(deep, images) < 0.02


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("09").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) == 6
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


NOTHING = {
    "round_ste": ["def round_ste(x, gradient, low, high):\n    pass",
                  "def round_ste(x, gradient, low, high):\n"
                  "    return torch.tensor([0.0, 1.0, -1.0]), torch.tensor([5.0, 0.0, 0.0])",
                  "def round_ste(x, gradient, low, high):\n    return x, gradient"],
    "share_step": ["def share_step(weights, centroids):\n    return weights, centroids",
                   "def share_step(weights, centroids):\n"
                   "    return torch.tensor([0, 0, 1, 1]), torch.tensor([0.5, 10.0])",
                   "def share_step(weights, centroids):\n    return torch.zeros_like(weights).long(), centroids"],
    "shared_bytes": ["def shared_bytes(weight, clusters):\n    return 19",
                     "def shared_bytes(weight, clusters):\n    return weight.nbytes"],
    "centroid_gradient": ["def centroid_gradient(gradient, indices, clusters):\n    return gradient",
                          "def centroid_gradient(gradient, indices, clusters):\n    return torch.zeros(clusters)"],
    "detached_round": ["def detached_round(x, gradient, low, high):\n    return x.round(), gradient"],
}


def test_the_sentences_about_resnet8_hold():
    resnet, photos = pretrained("resnet8"), load("cifar10")
    split, difference = photos.validation[:250], {}
    for bits in (6, 4, 3):
        grid = quantize_model(resnet, photos.train.images[:128], Scheme(bits, 8, weight_observer="mse"))
        book = share_weights(resnet, bits)
        difference[bits] = accuracy(book, split) - accuracy(grid, split)
        assert codebook_bytes(book) < quantized_bytes(grid)
    assert max(abs(difference[6]), abs(difference[4])) < 0.025
    assert difference[3] > 0.1
    assert accuracy(resnet, split) - accuracy(book, split) > 0.05  # at 3 bits even the codebook loses much


@pytest.mark.parametrize(("name", "source"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, source):
    result = grade_cells(solution("09"), name, replace={name: source})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_the_challenge_can_be_met(lesson):
    masks = global_masks(lesson["model"], 0.92)
    mine = apply_masks(lesson["model"], masks)
    fit(mine, lesson["few"], Recipe(epochs=4, learning_rate=0.02), masks=masks, progress=False)
    mine = share_weights(mine, 3, layers={"conv1": 5, "conv2": 4})
    assert codebook_bytes(mine) <= 8000
    assert accuracy(mine, lesson["data"].validation) >= 0.98
