"""Lesson 06: its pitfalls show both figures, its sentences fit the shipped networks, its challenge can be met."""

import json

import pytest
import torch
from lesson_notebooks import released, run_cells, solution

from autograder.engine import grade_cells
from shrinklab.channel_amounts import amount_for_macs
from shrinklab.channels import channel_groups, recalibrate_batch_norm, remove_channels, shrink_channels
from shrinklab.files import file_bytes
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy, predict


@pytest.fixture(scope="module")
def lesson():
    return run_cells("06", "load", "exercise-channel_scores", "exercise-keep_channels", "exercise-cut_pair",
                     "score-picture", "library-versions", "own-block", "groups", "pitfall-addition", "load-lenet",
                     "debug-cut_flatten", "pitfall-flatten", "mask-or-cut", "plans")


@pytest.fixture(scope="module")
def resnet(lesson):
    return lesson["resnet"]


@pytest.fixture(scope="module")
def example(lesson):
    return lesson["data"].example


def share(text):
    """The fraction that a figure such as "84.0% of the digits right" states."""
    return float(text.split("%")[0]) / 100


def test_the_untied_addition_and_the_tied_one_stand_side_by_side(lesson, resnet, example):
    shown = lesson["cut_addition"](channels_gone=2, each_its_own=True)
    stem, inner = (lesson["weights"][f"{name}.weight"].abs().flatten(1).sum(1) for name in ("conv", "block1.conv2"))
    keep = torch.ones(16, dtype=torch.bool)
    keep[(stem + inner).argsort()[:2]] = False
    tied = recalibrate_batch_norm(remove_channels(resnet, {"conv": keep}, example=example), lesson["look"][:100])
    assert share(shown["tied"]) == pytest.approx(accuracy(tied, lesson["photos"][:250]), abs=0.005)
    assert share(shown["tied"]) - share(shown["each its own"]) > 0.3
    assert list(lesson["cut_addition"](channels_gone=2, each_its_own=False)) == ["tied"]


def test_the_wrong_columns_and_the_right_ones_stand_side_by_side(lesson):
    shown = lesson["cut_lenet"](channels_gone=1, wrong_columns=True)
    lenet, digits = lesson["lenet"], lesson["digits"]
    keep = torch.ones(16, dtype=torch.bool)
    keep[lenet.conv2.weight.detach().abs().flatten(1).sum(1).argmin()] = False
    right = accuracy(remove_channels(lenet, {"conv2": keep}, example=digits.images[:1]), digits)
    assert share(shown["blocks of columns"]) == pytest.approx(right, abs=0.0006)
    assert right > 0.98
    assert share(shown["channels last"]) < 0.5
    assert list(lesson["cut_lenet"](channels_gone=1, wrong_columns=False)) == ["blocks of columns"]


def test_the_student_s_block_is_the_library_s(lesson, resnet, example):
    images = lesson["photos"].images[:50]
    for amount in (0.0, 0.5, 0.9):
        kept = lesson["library_choice"](lesson["library_scores"](lesson["weights"]["block1.conv1.weight"]), amount)
        theirs = remove_channels(resnet, {"block1.conv1": lesson["chosen_mask"](kept, 16)}, example=example)
        by_hand = lesson["cut_pair"]
        state, names = resnet.state_dict(), ("block1.conv1", "block1.bn1", "block1.conv2")
        keys = "weight", "bias", "running_mean", "running_var"
        parts = [{key: state[f"{name}.{key}"] for key in keys if f"{name}.{key}" in state} for name in names]
        for name, tensors in zip(names, by_hand(*parts, kept), strict=True):
            state.update({f"{name}.{key}": tensor for key, tensor in tensors.items()})
        own = lesson["build"]("resnet8", **theirs.config)
        own.load_state_dict(state)
        assert torch.allclose(predict(own, images), predict(theirs, images), atol=1e-4)
        assert lesson["first_block"](amount)["channels kept"] == len(kept)
    found = [share(lesson["first_block"](amount)["photos right"]) for amount in (0.0, 0.1, 0.5)]
    assert found[0] - found[1] < 0.02 < 0.1 < found[0] - found[2]


def test_the_library_versions_do_what_the_exercises_ask(lesson):
    weight = torch.randn(7, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(lesson["library_scores"](weight), lesson["channel_scores"](weight))
    scores = lesson["channel_scores"](weight)
    for amount in (0.0, 0.3, 0.5, 1.0):
        assert lesson["library_choice"](scores, amount).tolist() == lesson["keep_channels"](scores, amount).tolist()
    flat, keep = torch.arange(48.0).reshape(4, 12), torch.tensor([0, 2])
    assert torch.equal(lesson["library_columns"](flat, keep, 3), lesson["cut_flatten"](flat, keep, 3))


def test_zeroed_and_removed_give_the_same_answers_but_not_the_same_file(lesson, resnet, example):
    assert lesson["apart"] < 1e-3
    masked, removed = lesson["masked"], lesson["removed"]
    assert file_bytes(masked) == file_bytes(resnet) > 1.5 * file_bytes(removed)
    assert count_macs(masked, example) == count_macs(resnet, example) > 1.5 * count_macs(removed, example)


def test_the_sentences_about_groups_and_scores_hold(lesson, resnet, example):
    groups = {group.name: group for group in channel_groups(resnet, example)}
    assert len(groups) == 6
    assert groups["conv"].makes == ("conv", "block1.conv2")
    assert len(groups["conv"].reads) == 3
    assert [len(group.makes) for group in groups.values()].count(1) == 3, "each block has one free layer inside"
    assert all(scores.min() > 0.5 * scores.max() for scores in lesson["table"].values())
    assert sum(isinstance(module, torch.nn.Conv2d) for module in resnet.modules()) == 9


def test_the_sentences_about_work_and_accuracy_hold(lesson, resnet, example):
    whole = count_macs(resnet, example)
    assert 0.55 < count_macs(shrink_channels(resnet, 0.25, example=example), example) / whole < 0.58
    assert 0.0035 < count_macs(shrink_channels(resnet, 1.0, example=example), example) / whole < 0.0045
    cut = shrink_channels(resnet, 0.25, example=example)
    assert lesson["right"](recalibrate_batch_norm(cut, lesson["look"])) > lesson["right"](cut) + 0.2
    rounded = shrink_channels(resnet, 0.25, example=example, round_to=8).config["widths"]
    assert (rounded[:3], cut.config["widths"][:3]) == ([16, 16, 16], [12, 12, 12])


def test_the_scan_s_sentences_hold(lesson, resnet, example):
    whole, rows = count_macs(resnet, example), {}
    for group in lesson["groups"]:
        small = shrink_channels(resnet, {group.name: 0.5}, example=example)
        rows[group.name] = (lesson["right"](recalibrate_batch_norm(small, lesson["look"])),
                            1 - count_macs(small, example) / whole, file_bytes(resnet) - file_bytes(small))
    accuracies = {name: row[0] for name, row in rows.items()}
    assert max(accuracies, key=accuracies.get) == "block1.conv1"
    assert rows["block1.conv1"][1] == pytest.approx(0.19, abs=0.01)
    assert max(rows, key=lambda name: rows[name][2]) == "block3.conv1"
    makers = {group.name: len(group.makes) for group in lesson["groups"]}
    assert makers[min(accuracies, key=accuracies.get)] == 2, "the group that hurts most is tied by an addition"


def test_the_scan_s_plan_beats_equal_shares(lesson, resnet, example):
    reached, mended = lesson["reached"], lesson["mended"]
    assert reached["by the scan"] > reached["equal shares"] + 0.01
    macs = {name: count_macs(network, example) for name, network in mended.items()}
    assert macs["by the scan, further"] < macs["by the scan"] < macs["equal shares"]
    assert macs["equal shares"] <= 0.75 * count_macs(resnet, example)
    assert all(100 * (lesson["base"] - right) > 1.4 for right in reached.values()), "He and others lose less"
    assert all(count > 0.5 * count_macs(resnet, example) for count in macs.values()), "and less saved"


def test_both_switches_start_off():
    sources = {cell.id: cell.source for cell in solution("06").cells}
    assert "each_its_own=False)" in sources["06-pitfall-addition"]
    assert "wrong_columns=False)" in sources["06-pitfall-flatten"]


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("06").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 8
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    # JupyterLab shows the first line of a hidden input.
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


def test_an_answer_is_told_neither_right_nor_wrong_before_it_is_graded(capsys):
    checks = {cell.metadata["shrinklab"]["name"]: cell.source for cell in released("06").cells
              if cell.metadata.get("shrinklab", {}).get("kind") == "check"}
    for given in ('"a"', '"b"'):
        namespace = run_cells("06") | {"answer_2": json.loads(given)}
        exec(checks["answer_2"].replace("\nearned.points", "\nshown = earned.points"), namespace)
        assert namespace["shown"] is None
        assert "your answer can be read" in capsys.readouterr().out


NOTHING = {
    "channel_scores": ["def channel_scores(weight):\n    pass", "def channel_scores(weight):\n    return weight"],
    "keep_channels": ["def keep_channels(scores, amount):\n    pass",
                      "def keep_channels(scores, amount):\n    return scores",
                      "def keep_channels(scores, amount):\n    return scores > amount"],
    "cut_pair": ["def cut_pair(first, norm, second, keep):\n    pass",
                 "def cut_pair(first, norm, second, keep):\n    return first, norm, second"],
}


@pytest.mark.parametrize(("name", "source"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_right_earns_nothing(name, source):
    result = grade_cells(solution("06"), name, replace={name: source})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


def test_the_challenge_can_be_met_and_not_by_its_first_shares(lesson, resnet, example):
    bar = accuracy(lesson["mend"](amount_for_macs(resnet, 0.6, example=example)), lesson["chance"])
    first = lesson["mend"](0.25)
    mine = lesson["mend"]({"conv": 0.125, "block1.conv1": 0.625, "block2.conv1": 0.3125, "block2.conv2": 0.125,
                           "block3.conv1": 0.125})
    assert count_macs(mine, example) <= 0.6 * count_macs(resnet, example)
    assert accuracy(mine, lesson["chance"]) > bar + 0.03
    assert accuracy(first, lesson["chance"]) < bar + 0.01
