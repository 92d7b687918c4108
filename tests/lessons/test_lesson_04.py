"""Lesson 04: its pitfalls show both figures, its sentences agree with the shipped LeNet, its challenge can be met."""

import json

import pytest
from lesson_notebooks import released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab.masks import apply_masks, global_masks, layer_masks, prunable, sensitivity, sparsity
from shrinklab.metrics import accuracy


@pytest.fixture(scope="module")
def lesson():
    return run_cells("04", "load", "weights", "pitfall-scan", "pitfall-cliff")


@pytest.fixture(scope="module")
def model(lesson):
    return lesson["model"]


@pytest.fixture(scope="module")
def images(lesson):
    return lesson["images"]


def test_over_pruning_shows_the_hoped_for_and_the_measured_figure(lesson, model, images):
    shown = lesson["over_prune"](amount=0.95, trust_the_flat_part=True)
    at = {share: accuracy(apply_masks(model, global_masks(model, share)), images) for share in (0.3, 0.6, 0.95)}
    hoped = at[0.6] + (at[0.6] - at[0.3]) / 0.3 * 0.35
    assert shown == {"measured": f"{at[0.95]:.1%}", "expected from the flat part": f"{hoped:.1%}"}
    assert hoped - at[0.95] > 0.3


def test_without_the_mistake_only_the_measured_figure_stands_there(lesson):
    assert list(lesson["over_prune"](amount=0.95, trust_the_flat_part=False)) == ["measured"]


def test_the_forgetful_scan_and_the_honest_one_stand_side_by_side(lesson, model, images):
    shown = lesson["scan_layers"](forget_to_restore=True)
    honest = sensitivity(model, images, [0.8]).set_index("layer").accuracy
    assert shown["honest"].to_dict() == {name: f"{value:.1%}" for name, value in honest.items()}
    everything = accuracy(apply_masks(model, layer_masks(model, 0.8)), images)
    assert shown["this scan"].iloc[-1] == f"{everything:.1%}"
    assert honest.iloc[-1] - everything > 0.2


def test_the_scan_without_the_mistake_is_the_honest_one(lesson):
    shown = lesson["scan_layers"](forget_to_restore=False)
    assert (shown["honest"] == shown["this scan"]).all()


def test_the_sentences_about_layers_and_scopes_hold(lesson, model, images):
    kept = {name: mask.double().mean().item() for name, mask in global_masks(model, 0.5).items()}
    assert min(kept, key=kept.get) == "fc1.weight"
    assert kept["conv1.weight"] > 0.9
    scan = sensitivity(model, images, [0.9]).set_index("layer").accuracy.sort_values()
    sizes = {name: weight.numel() for name, weight in lesson["weights"].items()}
    assert list(scan.index[:2]) == ["conv1.weight", "conv2.weight"]
    assert sum(sizes[name] for name in scan.index[:2]) < 0.05 * sum(sizes.values())
    assert sizes["fc1.weight"] + sizes["fc2.weight"] > 0.9 * sum(sizes.values())
    assert sizes["fc3.weight"] == 840 < sizes["conv2.weight"]
    assert scan.iloc[2:].min() > 0.98
    for amount in (0.5, 0.8):
        one_cut, each = (accuracy(apply_masks(model, ways(model, amount)), images)
                         for ways in (global_masks, layer_masks))
        assert one_cut > each


def test_the_weights_to_try_things_on_are_copies(lesson, model, images):
    before = accuracy(model, images)
    for name, parameter in model.named_parameters():
        if name in lesson["weights"]:
            assert lesson["weights"][name].data_ptr() != parameter.data_ptr()
    try:
        lesson["weights"]["fc1.weight"].zero_()
        assert accuracy(model, images) == before
    finally:
        lesson["weights"]["fc1.weight"].copy_(model.fc1.weight.detach())


def test_both_switches_start_off():
    sources = {cell.id: cell.source for cell in solution("04").cells}
    assert "forget_to_restore=False)" in sources["04-pitfall-scan"]
    assert "trust_the_flat_part=False)" in sources["04-pitfall-cliff"]


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("04").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 7
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    # JupyterLab shows the first line of a hidden input.
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


def test_an_answer_is_told_neither_right_nor_wrong_before_it_is_graded(capsys):
    checks = {cell.metadata["shrinklab"]["name"]: cell.source for cell in released("04").cells
              if cell.metadata.get("shrinklab", {}).get("kind") == "check"}
    for given in ('"a"', '"b"'):
        namespace = run_cells("04") | {"answer_1": json.loads(given)}
        exec(checks["answer_1"].replace("\nearned.points", "\nshown = earned.points"), namespace)
        assert namespace["shown"] is None
        assert "your answer can be read" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "readable"), [("8160", True), ("8160.0", True), ('"8160"', False), ("True", False),
                                                 ("[8160]", False)])
def test_only_a_number_is_a_readable_number_of_bytes(given, readable):
    result = grade_cells(solution("04"), "answer_3", replace={"answer_3": f"answer_3 = {given}"})[0]
    assert result.expectations[0].passed == readable


NOTHING = {
    "magnitude_scores": ["def magnitude_scores(weight):\n    pass"],
    "prune_mask": ["def prune_mask(scores, amount):\n    pass",
                   "def prune_mask(scores, amount):\n    return scores > amount"],
    "two_of_four_mask": ["def two_of_four_mask(weight):\n    return weight",
                         "def two_of_four_mask(weight):\n    return torch.ones(weight.shape, dtype=torch.bool)"],
}


@pytest.mark.parametrize(("name", "source"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, source):
    result = grade_cells(solution("04"), name, replace={name: source})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_the_challenge_can_be_met(model, lesson):
    validation = lesson["data"].validation
    shares = dict(zip(prunable(model), (0.1, 0.3, 0.94, 0.9, 0.5), strict=True))
    plan = apply_masks(model, layer_masks(model, shares))
    assert sparsity(plan) >= 0.9
    assert accuracy(plan, validation) > accuracy(apply_masks(model, global_masks(model, 0.9)), validation) + 0.01
