import copy
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from shrinklab import criteria, masks
from shrinklab.models import LeNet, ResNet8


@pytest.fixture(scope="module")
def lenet():
    torch.manual_seed(0)
    return LeNet()


def linear(values):
    """A linear layer without bias that holds just these weights."""
    layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
    layer.weight.data = values.clone()
    return layer


def tied(shape, levels, seed):
    """Weights of a few distinct values, both signs, so that most of them tie."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-levels, levels + 1, shape, generator=generator) / 8


def same_state(model, before):
    now = model.state_dict()
    return list(now) == list(before) and all(
        now[name].numpy().tobytes() == before[name].numpy().tobytes() for name in before
    )


def test_prunable_lists_convolutions_and_linear_layers_in_model_order():
    assert masks.prunable(LeNet()) == [
        "conv1.weight",
        "conv2.weight",
        "fc1.weight",
        "fc2.weight",
        "fc3.weight",
    ]
    names = masks.prunable(ResNet8())
    assert len(names) == 10
    assert not any("bn" in name for name in names)


def test_a_weight_shared_by_two_layers_is_listed_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert masks.prunable(model) == ["0.weight"]


@pytest.mark.parametrize("amount", [0.0, 0.123, 0.2, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("make", [LeNet, ResNet8])
def test_global_masks_are_those_of_torch(make, amount):
    torch.manual_seed(1)
    model = make()
    ours, theirs = masks.global_masks(model, amount), copy.deepcopy(model)
    pairs = [(theirs.get_submodule(name.rpartition(".")[0]), "weight") for name in ours]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=amount)
    for (module, _), (name, mask) in zip(pairs, ours.items(), strict=True):
        assert torch.equal(module.weight_mask.bool(), mask), name


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 3), st.floats(0, 1), st.integers(0, 9))
def test_with_ties_layer_masks_are_those_of_torch_and_the_count_is_exact(rows, columns, levels, amount, seed):
    layer = linear(tied((rows, columns), levels, seed))
    mask = masks.layer_masks(layer, amount)["weight"]
    assert int((~mask).sum()) == round(amount * rows * columns)
    prune.l1_unstructured(layer, "weight", amount=amount)
    assert torch.equal(mask, layer.weight_mask.bool())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    st.integers(0, 2),
    st.floats(0, 1),
    st.integers(0, 9),
)
def test_with_ties_global_masks_are_those_of_torch_and_the_count_is_exact(shapes, levels, amount, seed):
    model = nn.Sequential(*[linear(tied(shape, levels, seed)) for shape in shapes])
    ours = masks.global_masks(model, amount)
    total = sum(rows * columns for rows, columns in shapes)
    assert sum(int((~mask).sum()) for mask in ours.values()) == round(amount * total)
    prune.global_unstructured([(layer, "weight") for layer in model], prune.L1Unstructured, amount=amount)
    for layer, mask in zip(model, ours.values(), strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


def test_l1_unstructured_of_a_fifth_leaves_4000_of_5000_nonzero_and_the_tensor_its_size():
    layer = nn.Linear(100, 50)
    pruned = masks.apply_masks(layer, masks.layer_masks(layer, 0.2))
    assert int(pruned.weight.count_nonzero()) == 4000
    assert pruned.weight.shape == layer.weight.shape


def test_amounts_by_name_touch_only_those_layers(lenet):
    found = masks.layer_masks(lenet, {"fc2.weight": 0.5, "conv1.weight": 0.1})
    assert {name: int((~mask).sum()) for name, mask in found.items()} == {
        "fc2.weight": 5040,
        "conv1.weight": 15,
    }


def test_global_masks_of_some_names_rank_only_those(lenet):
    found = masks.global_masks(lenet, 0.3, names=["fc1.weight", "fc3.weight"])
    assert list(found) == ["fc1.weight", "fc3.weight"]
    assert sum(int((~mask).sum()) for mask in found.values()) == round(0.3 * (48_000 + 840))


def test_a_function_of_the_students_own_plugs_in(lenet):
    ours = masks.global_masks(lenet, 0.4, lambda weight: (weight**2).sqrt())
    expected = masks.global_masks(lenet, 0.4, criteria.l1)
    assert (
        sum(int((ours[name] != expected[name]).sum()) for name in ours) <= 2
    )  # rounding may swap neighbours
    most = masks.layer_masks(lenet, 0.5, lambda weight: -weight.abs())["fc3.weight"]
    assert lenet.fc3.weight.abs()[most].max() <= lenet.fc3.weight.abs()[~most].min()


def test_scores_made_beforehand_plug_in_too(lenet):
    table = masks.scores(lenet, partial(criteria.random, seed=5))
    by_table, by_function = (
        masks.global_masks(lenet, 0.4, how) for how in (table, partial(criteria.random, seed=5))
    )
    assert all(torch.equal(by_table[name], by_function[name]) for name in by_table)


def test_a_criterion_that_works_in_place_cannot_change_the_model(lenet):
    before = copy.deepcopy(lenet.state_dict())
    masks.global_masks(lenet, 0.5, lambda weight: weight.abs_().mul_(3))
    assert same_state(lenet, before)


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 8), (1, 2), (4, 4)])
def test_n_m_masks_of_a_linear_layer_are_those_of_torch(n, m):
    from torch.ao.pruning import WeightNormSparsifier

    torch.manual_seed(2)
    layer = nn.Sequential(nn.Linear(16, 5))
    ours = masks.n_m_masks(layer, n, m)["0.weight"]
    sparsifier = WeightNormSparsifier(sparsity_level=1.0, sparse_block_shape=(1, m), zeros_per_block=m - n)
    sparsifier.prepare(layer, [{"tensor_fqn": "0.weight"}])
    sparsifier.step()
    assert torch.equal(ours, layer[0].parametrizations.weight[0].mask.bool())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(0, 9))
def test_every_group_of_m_inputs_keeps_exactly_n_ties_included(outputs, groups, kernel, levels, seed):
    layer = nn.Conv2d(4 * groups, outputs, kernel)
    layer.weight.data = tied(tuple(layer.weight.shape), levels, seed)
    mask = masks.n_m_masks(layer)["weight"]
    counts = mask.permute(0, 2, 3, 1).reshape(-1, 4).sum(1)
    assert (counts == 2).all()
    kept = layer.weight.abs().permute(0, 2, 3, 1).reshape(-1, 4)
    chosen = mask.permute(0, 2, 3, 1).reshape(-1, 4)
    lowest_kept = kept.masked_fill(~chosen, float("inf")).min(1).values
    assert (lowest_kept >= kept.masked_fill(chosen, -1.0).max(1).values).all()


def test_n_m_masks_leave_out_layers_whose_inputs_do_not_divide(lenet):
    assert list(masks.n_m_masks(lenet)) == [
        "fc1.weight",
        "fc2.weight",
        "fc3.weight",
    ]  # conv1 has 1, conv2 has 6


@pytest.mark.parametrize("make", [LeNet, ResNet8])
def test_apply_masks_changes_a_copy_only_and_keeps_each_modules_mode(make):
    model = make().train()
    frozen = next(module for module in model.modules() if isinstance(module, (nn.BatchNorm2d, nn.MaxPool2d)))
    frozen.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    pruned = masks.apply_masks(model, masks.global_masks(model, 0.7))
    assert same_state(model, before)
    assert [module.training for module in model.modules()] == modes
    assert [module.training for module in pruned.modules()] == modes
    assert masks.sparsity(pruned) == pytest.approx(0.7, abs=1e-4)
    assert masks.sparsity(model) == 0.0


def test_pruned_weights_are_plus_zero_bit_for_bit_and_the_others_untouched():
    layer = linear(-torch.ones(4, 8) * torch.arange(1, 9))
    mask = masks.layer_masks(layer, 0.5)["weight"]
    pruned = masks.apply_masks(layer, {"weight": mask}).weight.detach()
    assert pruned.view(torch.int32)[~mask].unique().tolist() == [0]
    assert torch.equal(pruned[mask], layer.weight[mask])


def test_pruning_a_pruned_model_further_keeps_the_first_zeros(lenet):
    once = masks.apply_masks(lenet, masks.global_masks(lenet, 0.5))
    first, second = masks.global_masks(lenet, 0.5), masks.global_masks(once, 0.8)
    assert not any((second[name] & ~first[name]).any() for name in first)


def test_sensitivity_prunes_one_layer_at_a_time(lenet):
    torch.manual_seed(3)
    split = SimpleNamespace(images=torch.randn(40, 1, 28, 28), labels=torch.randint(10, (40,)))
    before = copy.deepcopy(lenet.state_dict())
    table = masks.sensitivity(lenet, split, [0.0, 0.5, 1.0])
    assert list(table.columns) == ["layer", "amount", "accuracy"]
    assert len(table) == 15
    row = table.query("layer == 'fc2.weight' and amount == 0.5").iloc[0]
    pruned = masks.apply_masks(lenet, masks.layer_masks(lenet, {"fc2.weight": 0.5}))
    with torch.no_grad():
        assert row.accuracy == (pruned(split.images).argmax(1) == split.labels).double().mean().item()
    assert table.query("amount == 0").accuracy.nunique() == 1
    # Without its last layer's weights, a network says one class for every image.
    assert table.query("layer == 'fc3.weight' and amount == 1").accuracy.item() in [
        (split.labels == digit).double().mean().item() for digit in range(10)
    ]
    assert same_state(lenet, before)


def broken(lenet, value):
    model = copy.deepcopy(lenet)
    model.conv2.weight.data[0, 0, 0, 0] = value
    return model


@pytest.mark.parametrize("amount", [50, -0.1, 1.01, float("nan"), "half", None, True])
def test_an_amount_that_is_no_fraction_is_refused(lenet, amount):
    for call in (masks.global_masks, masks.layer_masks):
        with pytest.raises(
            ValueError, match=r"amount is .*; amount is a fraction from 0 to 1; use 0.5"
        ) as error:
            call(lenet, amount)
        assert repr(amount) in str(error.value)
    with pytest.raises(ValueError, match="amount is a fraction"):
        masks.layer_masks(lenet, {"fc1.weight": amount})


def test_a_numpy_amount_is_fine(lenet):
    assert int((~masks.layer_masks(lenet, np.float32(0.5))["fc3.weight"]).sum()) == 420


def test_messages_show_value_rule_and_fix(lenet):
    cases = [
        (
            lambda: masks.global_masks(broken(lenet, float("nan")), 0.5),
            "conv2.weight holds 1 weights that are NaN or inf; weights are finite numbers; load",
        ),
        (lambda: masks.layer_masks(broken(lenet, float("inf")), 0.5), "conv2.weight holds 1 weights"),
        (
            lambda: masks.layer_masks(lenet, {"conv9.weight": 0.5}),
            "the layer name is 'conv9.weight'; this model's prunable weights are conv1.weight, .*; use one",
        ),
        (lambda: masks.global_masks(lenet, 0.5, names=["conv1.bias"]), "the layer name is 'conv1.bias'"),
        (
            lambda: masks.global_masks(lenet, 0.5, names="fc1.weight"),
            r"names is 'fc1.weight'; names is a list of names; use \['fc1.weight'\]",
        ),
        (
            lambda: masks.global_masks(lenet, 0.5, names=["fc1.weight"] * 2),
            "none twice; name each weight once",
        ),
        (lambda: masks.layer_masks(lenet, {}), r"names is \[\]; at least one weight takes part"),
        (
            lambda: masks.global_masks(nn.ReLU(), 0.5),
            "the model is a ReLU without convolution or linear weights",
        ),
        (lambda: masks.sparsity(nn.ReLU()), "the model is a ReLU"),
        (
            lambda: masks.global_masks(lenet, 0.5, lambda weight: weight.abs().sum()),
            r"the scores of conv1.weight are torch.float32 of shape \(\); a criterion gives one number",
        ),
        (lambda: masks.global_masks(lenet, 0.5, lambda weight: weight > 0), "are torch.bool of shape"),
        (
            lambda: masks.global_masks(lenet, 0.5, lambda weight: None),
            "scores of conv1.weight are a NoneType",
        ),
        (
            lambda: masks.global_masks(lenet, 0.5, lambda weight: weight * float("nan")),
            "hold 150 NaN; scores must be",
        ),
        (lambda: masks.global_masks(lenet, 0.5, {"fc1.weight": lenet.fc1.weight}), "no entry 'conv1.weight'"),
        (lambda: masks.n_m_masks(lenet, 5, 4), "n is 5 and m is 4; n of every m weights are kept"),
        (lambda: masks.n_m_masks(lenet, 0, 4), "n is 0 and m is 4"),
        (lambda: masks.n_m_masks(nn.Linear(3, 2)), "m is 4; no layer of this model .*; use a smaller m"),
        (
            lambda: masks.n_m_masks(lenet, names=["conv2.weight"]),
            "conv2.weight has 6 inputs; groups of 4 need",
        ),
        (
            lambda: masks.apply_masks(lenet, {"conv9": torch.ones(1, dtype=torch.bool)}),
            "a mask is named 'conv9'",
        ),
        (
            lambda: masks.apply_masks(lenet, {"fc3.weight": torch.ones(10, 84)}),
            r"mask of fc3.weight is torch.float32 of shape \(10, 84\); a mask is a bool tensor",
        ),
        (
            lambda: masks.apply_masks(lenet, {"fc3.weight": torch.ones(84, 10, dtype=torch.bool)}),
            r"torch.bool of shape \(84, 10\); a mask is a bool tensor of shape \(10, 84\); compare",
        ),
        (lambda: masks.sensitivity(lenet, None, []), r"amounts is empty; .*; use \[0.2, 0.5, 0.8\]"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_keep_highest_is_pytorchs_mask_for_one_tensor():
    weight = torch.tensor([[0.5, -0.5, 0.5], [0.1, -3.0, 0.5]])  # ties on purpose
    theirs = prune.L1Unstructured(amount=0.5).compute_mask(weight, default_mask=torch.ones_like(weight))
    assert torch.equal(masks.keep_highest(weight.abs(), 0.5), theirs.bool())


@pytest.mark.parametrize(("scores", "amount", "rule"), [
    (torch.ones(3) > 0, 0.5, "one per weight"), ([1.0, 2.0], 0.5, "one per weight"),
    (torch.tensor([1.0, float("nan")]), 0.5, "hold 1 NaN; scores must be comparable; look for 0/0"),
    (torch.ones(3), 50, "fraction from 0 to 1")])
def test_keep_highest_refuses_what_it_cannot_rank(scores, amount, rule):
    with pytest.raises(ValueError, match=rule):
        masks.keep_highest(scores, amount)


@pytest.mark.parametrize("call", [
    partial(masks.global_masks, amount=0.5), partial(masks.layer_masks, amount=0.5), masks.n_m_masks, masks.scores,
    masks.sparsity, masks.prunable, partial(masks.apply_masks, masks={}),
    partial(masks.sensitivity, split=None, amounts=[0.5])])
def test_what_is_no_network_is_refused(call):
    with pytest.raises(TypeError, match="the model is a str; pruning takes a torch.nn.Module; pass a network"):
        call("lenet")


def test_a_quantized_model_is_refused(lenet):
    from shrinklab.quantize import quantize_model

    small = quantize_model(lenet, torch.randn(4, 1, 28, 28))
    for call in (partial(masks.global_masks, amount=0.5), masks.n_m_masks, masks.sparsity):
        with pytest.raises(ValueError, match="the model is a QuantizedModel without .*; prune before quantizing"):
            call(small)
