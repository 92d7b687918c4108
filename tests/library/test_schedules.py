import copy
from functools import partial
from types import SimpleNamespace as Part

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.ao.pruning import CubicSL
from torch.nn.utils import prune

from shrinklab import criteria, lottery, masks, schedules
from shrinklab.data import load
from shrinklab.models import LeNet, pretrained
from shrinklab.schedules import cubic_amount, cubic_schedule, further_masks, geometric_schedule, prune_gradually
from shrinklab.train import Recipe, fit

QUICK = Recipe(learning_rate=0.01, batch_size=32)


@pytest.fixture(scope="module")
def data():
    whole = load("mnist")
    return Part(train=whole.train[:128], validation=whole.validation[:100])


def bits(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def same(first, second):
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 30))
def test_the_cubic_schedule_is_that_of_torch(one, other, steps):
    start, amount = sorted((one, other))
    theirs = [CubicSL.sparsity_compute_fn(start, amount, step, 0, 1, steps) for step in range(1, steps + 1)]
    assert cubic_schedule(amount, steps, start=start) == pytest.approx(theirs, abs=1e-12)
    assert cubic_schedule(amount, steps, start=start)[-1] == amount
    assert cubic_amount(-1, steps, start, amount) == pytest.approx(start, abs=1e-12)
    assert cubic_amount(steps + 3, steps, start, amount) == amount


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.999), st.floats(0, 0.999), st.integers(1, 30))
def test_a_geometric_schedule_takes_the_same_share_of_what_is_left(one, other, steps):
    start, amount = sorted((one, other))
    amounts = [start, *geometric_schedule(amount, steps, start=start)]
    assert len(amounts) == steps + 1
    assert amounts[-1] == amount
    shares = [(1 - then) / (1 - now) for now, then in zip(amounts, amounts[1:], strict=False)]
    assert shares == pytest.approx([shares[0]] * steps, rel=1e-6)


def test_iterative_masks_are_those_of_torch_pruned_again_and_again():
    torch.manual_seed(5)
    layer, found = nn.Linear(100, 50), {}
    theirs = copy.deepcopy(layer)
    for amount in geometric_schedule(1 - 0.8**4, 4):
        found = further_masks(layer, found, amount, masks.scores(layer))
        prune.l1_unstructured(theirs, "weight", amount=0.2)  # of what is left
        assert torch.equal(found["weight"], theirs.weight_mask.bool())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.floats(0, 1), st.floats(0, 1), st.sampled_from([masks.global_masks, masks.layer_masks]))
def test_what_is_pruned_stays_pruned_and_counts_are_exact_even_where_scores_change_their_mind(seed, one, other, choose):
    layer, low, high = nn.Linear(9, 7), min(one, other), max(one, other)
    draw = partial(criteria.random, seed=seed)
    first = choose(layer, low, draw)
    table = {"weight": (draw(layer.weight, seed=seed + 1) * 3).long()}  # whole numbers, with ties
    second = further_masks(layer, first, high, table, choose)
    assert not (second["weight"] & ~first["weight"]).any()
    assert int((~second["weight"]).sum()) == round(high * 63)


def test_every_step_is_pruned_trained_and_recorded(data):
    model, seen = pretrained("lenet"), []
    result = prune_gradually(model, data, [0.6, 0.9], QUICK, progress=False,
                             on_step=lambda step, network: seen.append((step, network)))
    assert [step for step, _ in seen] == list(result.history)
    assert [(step.step, step.amount) for step in result.history] == [(1, 0.6), (2, 0.9)]
    first, second = masks.global_masks(model, 0.6), result.masks
    assert not any((second[name] & ~first[name]).any() for name in first)
    for step, network in seen:
        assert step.sparsity == masks.sparsity(network) == pytest.approx(step.amount, abs=1e-4)
        assert step.accuracy == schedules.accuracy(network, data.validation)
        assert step.epochs[-1]["validation_accuracy"] == step.accuracy
    assert bits(seen[-1][1]) == bits(result.model)
    assert pd.DataFrame(result.history).sparsity.round(3).tolist() == [0.6, 0.9]

    # The same by hand.
    network = masks.apply_masks(model, first)
    assert result.history[0].accuracy_pruned == schedules.accuracy(network, data.validation)
    fit(network, data, QUICK, masks=first, progress=False)
    assert bits(network) == bits(seen[0][1])
    again = masks.global_masks(network, 0.9)
    assert same(again, second)
    network = masks.apply_masks(network, again)
    fit(network, data, Recipe(learning_rate=0.01, batch_size=32, seed=1), masks=again, progress=False)
    assert bits(network) == bits(result.model)


def test_masks_hold_at_plus_zero_and_the_callback_cannot_reach_the_network(data):
    def spoil(step, network):
        network.fc3.weight.data.fill_(7.0)

    result = prune_gradually(pretrained("lenet"), data, [0.9, 0.9], QUICK, on_step=spoil, progress=False)
    for name, mask in result.masks.items():
        weight = result.model.get_parameter(name).detach()
        assert weight.view(torch.int32)[~mask].unique().tolist() == [0]
        assert weight.max() < 7.0


def test_scores_that_need_data_are_made_anew_at_every_step(data):
    asked = []

    def rescore(network):
        asked.append(masks.sparsity(network))
        return criteria.taylor_scores(network, data.train[:32])

    model = pretrained("lenet")
    result = prune_gradually(model, data, [0.5, 0.8], QUICK, rescore=rescore, choose=masks.layer_masks, progress=False)
    assert asked == [0.0, pytest.approx(0.5, abs=1e-3)]
    assert int(result.masks["fc3.weight"].sum()) == 168
    once = prune_gradually(model, data, 0.5, QUICK, rescore=rescore, progress=False)
    assert same(once.masks, masks.global_masks(model, 0.5, criteria.taylor_scores(model, data.train[:32])))


def test_with_rewind_to_every_training_starts_from_the_old_weights(data):
    torch.manual_seed(6)
    start = LeNet()
    dense = lottery.trained(start, data, QUICK, progress=False)
    seen = []
    result = prune_gradually(dense, data, [0.5, 0.8], QUICK, rewind_to=start, progress=False,
                             on_step=lambda step, network: seen.append(network))
    first = masks.global_masks(dense, 0.5)  # chosen by the trained weights,
    ticket = masks.apply_masks(start, first)  # put on those before training
    assert result.history[0].accuracy_pruned == schedules.accuracy(ticket, data.validation)
    fit(ticket, data, QUICK, masks=first, progress=False)
    assert bits(ticket) == bits(seen[0])
    assert same(result.masks, masks.global_masks(seen[0], 0.8))
    ticket = masks.apply_masks(start, result.masks)
    assert result.history[1].accuracy_pruned == schedules.accuracy(ticket, data.validation)


def test_controls_draw_new_weights_and_new_masks_by_seed_and_leave_the_random_state_alone():
    start, state = LeNet(), torch.get_rng_state()
    before = bits(start)
    new = lottery.reinitialized(start, seed=3)
    assert bits(new) == bits(lottery.reinitialized(start, seed=3)) != bits(lottery.reinitialized(start, seed=4))
    found = masks.global_masks(start, 0.9)
    drawn = lottery.shuffled(found, seed=3)
    assert same(drawn, lottery.shuffled(found, seed=3))
    assert not same(drawn, lottery.shuffled(found, seed=4))
    assert {name: int(mask.sum()) for name, mask in drawn.items()} == {n: int(mask.sum()) for n, mask in found.items()}
    assert torch.equal(torch.get_rng_state(), state)
    assert bits(start) == before
    torch.manual_seed(3)
    assert bits(new) == bits(LeNet())  # as PyTorch draws them for a new network


def test_tickets_are_compared_with_their_controls_for_each_seed(data):
    torch.manual_seed(7)
    start = LeNet()
    found = masks.global_masks(start, 0.5)
    table = lottery.compare_tickets(start, found, data, QUICK, seeds=(0, 5), progress=False)
    assert table.start.tolist() == ["rewound", "reinitialized", "shuffled"] * 2
    assert table.seed.tolist() == [0] * 3 + [5] * 3
    recipe = Recipe(learning_rate=0.01, batch_size=32, seed=5)
    network = lottery.trained(start, data, recipe, masks=found, progress=False)
    row = table.query("start == 'rewound' and seed == 5")
    assert row.accuracy.item() == schedules.accuracy(network, data.validation)


def test_tickets_can_be_judged_on_images_that_chose_no_epoch(data):
    start, judge = LeNet(), load("mnist").validation[3000:3300]
    found = masks.global_masks(start, 0.5)
    table = lottery.compare_tickets(start, found, data, QUICK, seeds=(0,), judge=judge, progress=False)
    network = lottery.trained(start, data, Recipe(learning_rate=0.01, batch_size=32), masks=found, progress=False)
    assert table.accuracy[0] == schedules.accuracy(network, judge)


def test_the_model_its_modes_and_the_random_state_stay_and_results_repeat(data):
    model, start = pretrained("lenet").train(), LeNet().eval()
    model.pool.eval()
    before, modes = (bits(model), bits(start)), [module.training for module in model.modules()]
    state = torch.get_rng_state()
    first, second = (prune_gradually(model, data, 0.8, QUICK, rewind_to=start, progress=False) for _ in range(2))
    lottery.trained(model, data, QUICK, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert bits(first.model) == bits(second.model)
    assert first.history == second.history
    assert (bits(model), bits(start)) == before
    assert [module.training for module in model.modules()] == modes


def test_messages_show_value_rule_and_fix(data):
    lenet = LeNet()
    broken = copy.deepcopy(lenet)
    broken.fc3.weight.data[0, 0] = float("nan")
    nothing = Part(train=data.train[:0], validation=data.validation)
    run = partial(prune_gradually, lenet, data, progress=False)
    cases = [
        (lambda: cubic_schedule(50, 8), "amount is 50; amount is a fraction from 0 to 1; use 0.5"),
        (lambda: cubic_schedule(0.9, 0), "steps is 0; a schedule has a whole number of steps, 1 or more; use 8"),
        (lambda: geometric_schedule(0.9, 2.5), "steps is 2.5"),
        (lambda: geometric_schedule(0.9, True), "steps is True"),
        (lambda: cubic_schedule(0.5, 3, start=0.8), "start is 0.8 and amount is 0.5; a schedule never falls; use sta"),
        (lambda: geometric_schedule(1, 3), "amount is 1; steps that each leave a share .*; use less than 1"),
        (lambda: run([]), r"amounts is empty; pruning takes at least one step; use \[0.9\], or cubic_schedule"),
        (lambda: run([0.5, 50]), "amount is 50"),
        (lambda: run(50), "amount is 50"),
        (lambda: run([0.9, 0.5]), "the amounts fall from 0.9 to 0.5; what is pruned stays pruned; use a list that"),
        (lambda: prune_gradually(broken, data, 0.5), "fc3.weight holds 1 weights that are NaN or inf"),
        (lambda: prune_gradually(lenet, nothing, 0.5), "the training split has 0 images"),
        (lambda: run(0.5, rewind_to=LeNet(channels=(3, 16))),
         "rewind_to is a LeNet with other tensors than the model's; pruning rewinds to .*; pass the network as it was"),
        (lambda: run(0.5, rescore=lambda model: {"fc3.weight": torch.ones(3)}), "no entry 'conv1.weight'"),
        (lambda: run(0.5, choose=lambda *_: {"fc3.weight": torch.ones(3)}), "the mask of fc3.weight is torch.float32"),
        (lambda: lottery.compare_tickets(lenet, {}, data), "masks is empty; a ticket has masks; pass the masks of"),
        (lambda: lottery.compare_tickets(lenet, {"a": 1}, data, seeds=()), r"seeds is empty; .*; use \(0, 1, 2\)"),
        (lambda: lottery.reinitialized(Bare()), "the model is a Bare without reset_parameters"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    for call, message in [
        (lambda: run(0.5, choose=lambda *_: None), "choose gave a NoneType; it gives masks, .*; end it with"),
        (lambda: prune_gradually("lenet", data, 0.5), "the model is a str; pruning takes a torch.nn.Module"),
        (lambda: lottery.reinitialized("lenet"), "the model is a str; new weights need a torch.nn.Module; pass"),
    ]:
        with pytest.raises(TypeError, match=message):
            call()


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
