"""Lesson 05's explorer and button show what the library computes, for the run and the images that they are given."""

import inspect
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from shrinklab.checkpoints import prune_and_keep
from shrinklab.data import load
from shrinklab.distill import soft_loss
from shrinklab.files import file_bytes, gzip_bytes, sparse_bytes
from shrinklab.loop import held_step
from shrinklab.lottery import rewound, trained
from shrinklab.masks import apply_masks, global_masks, keep_highest, sparsity
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.schedules import prune_gradually
from shrinklab.train import Recipe
from shrinklab.widgets import fine_tune_job, recover_explorer

IMAGES = load("mnist").validation[:200]
PART = SimpleNamespace(train=load("mnist").train[:256], validation=load("mnist").validation[200:300])
AMOUNTS, RECIPE = [0.8, 0.95, 0.99], Recipe(learning_rate=0.02, batch_size=32)


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def run(lenet):
    return prune_and_keep(lenet, PART, AMOUNTS, RECIPE, progress=False)


@pytest.fixture(scope="module")
def explorer(run):
    return recover_explorer(run, IMAGES)


def test_the_checkpoints_are_those_of_the_library_s_run(run, lenet):
    result = prune_gradually(lenet, PART, AMOUNTS, RECIPE, progress=False)
    assert [one.amount for one in run] == [0.0, *AMOUNTS]
    for one, step in zip(run[1:], result.history, strict=True):
        assert accuracy(one.pruned, PART.validation) == step.accuracy_pruned
        assert accuracy(one.tuned, PART.validation) == step.accuracy
        assert sparsity(one.pruned) == sparsity(one.tuned) == step.sparsity
    assert all(torch.equal(first, second) for first, second in
               zip(run[-1].tuned.state_dict().values(), result.model.state_dict().values(), strict=True))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_every_number_is_the_librarys(explorer, run, place):
    answer, one = explorer.compute(round=place, layer="fc1.weight"), run[place]
    before, after = accuracy(one.pruned, IMAGES), accuracy(one.tuned, IMAGES)
    assert {name: number["value"] for name, number in answer["numbers"].items()} == {
        "after the cut": before, "after fine-tuning": after, "removed": sparsity(one.tuned),
        "dense file": file_bytes(one.tuned), "gzip file": gzip_bytes(one.tuned), "sparse file": sparse_bytes(one.tuned),
    }
    for share in (before, after):
        assert f"{share:.1%}".replace("%", " %") in answer["headline"]
    assert [series["y"][-1] for series in answer["curves"]["series"]] == [before, after]
    kept = one.tuned.fc1.weight.count_nonzero().item() / one.tuned.fc1.weight.numel()
    assert torch.tensor(answer["mask"]["values"]).mean().item() == pytest.approx(kept, abs=1e-5)


def test_a_small_layer_is_shown_weight_by_weight(explorer, run):
    shown = torch.tensor(explorer.compute(round=3, layer="conv1.weight")["mask"]["values"])
    assert torch.equal(shown, (run[3].tuned.conv1.weight != 0).float().flatten(1))


def test_rounds_to_come_are_not_told(explorer):
    assert explorer.round == 0
    for place in range(4):
        assert [len(series["x"]) for series in explorer.compute(round=place)["curves"]["series"]] == [place + 1] * 2


@pytest.mark.parametrize("place", [0, 2])
def test_another_run_changes_every_number(explorer, place):
    torch.manual_seed(1)
    small = build("lenet", channels=[3, 8], hidden=[60, 42])
    other = recover_explorer(prune_and_keep(small, PART, [0.6, 0.9, 0.97], RECIPE, progress=False), IMAGES)
    first, second = explorer.compute(round=place), other.compute(round=place)
    for name, number in first["numbers"].items():
        if name != "removed" or place:
            assert number["value"] != second["numbers"][name]["value"], name
    for view in ("curves", "files", "headline"):
        assert first[view] != second[view], view


def test_bad_input_is_refused(run):
    with pytest.raises(ValueError, match="holds 0 images"):
        recover_explorer(run, IMAGES[:0])
    with pytest.raises(ValueError, match="the run has 1 checkpoints"):
        recover_explorer(run[:1], IMAGES)


def test_a_move_leaves_the_networks_as_they_were(explorer, run):
    before = [tensor.clone() for tensor in run[2].tuned.state_dict().values()]
    explorer.compute(round=2)
    assert all(torch.equal(one, other) for one, other in zip(run[2].tuned.state_dict().values(), before, strict=True))


def test_the_settings_function_is_short(explorer):
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40


def test_the_button_does_what_the_library_does(lenet):
    control, recipe = SimpleNamespace(value=0.9), Recipe(epochs=2, learning_rate=0.02, batch_size=32)
    job = fine_tune_job(control, lenet, PART, IMAGES, recipe=recipe)
    control.value = 0.95  # read when it starts
    job.start()
    job.wait(60)
    masks = global_masks(lenet, 0.95)
    tuned = trained(apply_masks(lenet, masks), PART, recipe, masks=masks, progress=False)
    assert job.state == "done"
    assert {name: number["value"] for name, number in job.answer["numbers"].items()} == {
        "after the cut": accuracy(apply_masks(lenet, masks), IMAGES), "after fine-tuning": accuracy(tuned, IMAGES),
        "removed": sparsity(tuned), "sparse file": sparse_bytes(tuned),
    }
    assert job.answer["epochs"]["series"][0]["x"] == [0, 1, 2]
    assert sparsity(lenet) == 0


def test_a_wrong_amount_becomes_a_line(lenet):
    job = fine_tune_job(SimpleNamespace(value=95), lenet, PART, IMAGES)
    job.start()
    job.wait(60)
    assert job.state == "failed"
    assert "95" in job.problem


def test_a_held_step_is_that_of_torch_with_the_mask_on_top():
    generator = torch.Generator().manual_seed(3)
    mask = torch.rand(4, 5, generator=generator) > 0.5
    weight = torch.nn.Parameter(torch.randn(4, 5, generator=generator).where(mask, 0.0))
    theirs = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    ours, velocity = weight.detach().clone(), torch.zeros(4, 5)
    for _ in range(4):
        weight.grad = torch.randn(4, 5, generator=generator)
        ours, velocity = held_step(ours, velocity, weight.grad, mask, 0.1)
        theirs.step()
    torch.testing.assert_close(ours, weight.detach().where(mask, 0.0))
    assert not ours[~mask].any()
    assert not velocity[~mask].any()


def test_the_soft_loss_is_that_of_the_definition():
    logits, answers = torch.randn(2, 7, 10, generator=torch.Generator().manual_seed(5)).double()
    p, q = (answers / 3).softmax(1), (logits / 3).softmax(1)
    torch.testing.assert_close(soft_loss(logits, answers, 3.0), 9 * (p * (p / q).log()).sum(1).mean())
    # With T = 1 and a teacher that is quite sure, it is cross-entropy.
    sure = torch.zeros(7, 10).double()
    sure[:, 2] = 1e4
    torch.testing.assert_close(soft_loss(logits, sure, 1.0), F.cross_entropy(logits, torch.full((7,), 2)))


def test_a_ticket_has_the_start_s_values_where_the_trained_weights_are_large():
    start, end = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(2))
    ticket = rewound(start, end, 0.75)
    assert torch.equal(ticket, start * keep_highest(end.abs(), 0.75))
    with pytest.raises(ValueError, match="start has shape"):
        rewound(start, end.T, 0.5)
