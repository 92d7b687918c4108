import copy
from types import SimpleNamespace as Split

import pytest
import torch
import torch_pruning as tp
from torch import nn
from torch.nn import functional as F

from shrinklab import channels, masks
from shrinklab.channel_criteria import bn_scale_channel_scores, bn_scale_scores, taylor_channel_scores
from shrinklab.criteria import slopes, taylor, taylor_scores
from shrinklab.data import load
from shrinklab.models import LeNet, MobileNet, ResNet8, pretrained
from shrinklab.tracing import follow


@pytest.fixture(scope="module")
def mnist():
    return load("mnist").train[:40]


@pytest.fixture(scope="module")
def colours():
    return load("cifar10").train[:12]


def noisy(model, seed=0):
    """The network with batch norms that are not all alike, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data = torch.rand(module.num_features, generator=generator) * 2 - 0.5
            module.bias.data = torch.randn(module.num_features, generator=generator) * 0.2
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
    return model.eval()


def bits(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def test_taylor_scores_are_the_squares_of_weight_times_gradient_averaged_over_batches(mnist):
    model, expected = pretrained("lenet"), {}
    for start, count in ((0, 16), (16, 16), (32, 8)):
        model.zero_grad()
        F.cross_entropy(model(mnist.images[start:start + count]), mnist.labels[start:start + count]).backward()
        for name in masks.prunable(model):
            weight = model.get_parameter(name)
            expected[name] = expected.get(name, 0) + count / 40 * (weight * weight.grad).detach() ** 2
    found = taylor_scores(model, mnist, batch_size=16)
    assert list(found) == masks.prunable(model)
    for name, values in found.items():
        torch.testing.assert_close(values, expected[name], rtol=1e-5, atol=1e-12)


def test_a_score_foretells_what_removing_the_weight_does_to_the_loss(mnist):
    # To first order: for a weight made a little smaller, the loss moves by that share of weight times gradient.
    model = pretrained("lenet").double()
    split = Split(images=mnist.images[:8].double(), labels=mnist.labels[:8])
    table = taylor_scores(model, split, batch_size=8)["fc3.weight"]
    row, column = divmod(int(table.argmax()), 84)

    def loss(factor):
        changed = copy.deepcopy(model)
        changed.fc3.weight.data[row, column] *= factor
        return F.cross_entropy(changed(split.images), split.labels).item()

    slope = (loss(1 + 1e-5) - loss(1 - 1e-5)) / 2e-5
    assert slope**2 == pytest.approx(table.max().item(), rel=1e-4)


@pytest.mark.parametrize("make", [LeNet, ResNet8, MobileNet])
def test_sums_of_absolute_products_are_torch_prunings_taylor_importance(make, mnist, colours):
    torch.manual_seed(3)
    model, split = noisy(make()), mnist[:12] if make is LeNet else colours
    table = taylor_scores(model, split, lambda w, slope: (w * slope).abs(), batch_size=12)
    # Torch-Pruning's Taylor importance leaves depthwise weights out.
    table = {name: values * ("depthwise" not in name) for name, values in table.items()}
    ours = channels.channel_scores(model, table, example=split.images[:1])
    model.zero_grad()
    F.cross_entropy(model(split.images), split.labels).backward()
    layers = [nn.Conv2d, nn.Linear]
    importance = tp.importance.TaylorImportance(group_reduction="sum", normalizer=None, target_types=layers)
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=split.images[:1])
    for name, scores in ours.items():
        layer = model.get_submodule(name)
        cut = tp.prune_linear_out_channels if isinstance(layer, nn.Linear) else tp.prune_conv_out_channels
        theirs = importance(graph.get_pruning_group(layer, cut, idxs=list(range(len(scores)))))
        torch.testing.assert_close(scores, theirs, rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.parametrize("make", [LeNet, ResNet8, MobileNet])
def test_channel_scores_are_the_squared_slopes_of_gates_on_what_the_readers_get(make, mnist, colours):
    torch.manual_seed(4)
    model, split = noisy(make()), mnist[:8] if make is LeNet else colours[:8]
    wiring = follow(model, split.images[:1])
    expected = torch.zeros(len(wiring.fixed))
    for start in (0, 4):
        gates, hooks = torch.ones(len(wiring.fixed), requires_grad=True), []
        for name, layer in wiring.layers.items():
            if layer.kind == "dense":
                def through(module, inputs, reads=layer.reads):
                    return inputs[0] * gates[reads].reshape(1, -1, *[1] * (inputs[0].ndim - 2))  # noqa: B023
                hooks.append(model.get_submodule(name).register_forward_pre_hook(through))
        loss = F.cross_entropy(model(split.images[start:start + 4]), split.labels[start:start + 4])
        expected += torch.autograd.grad(loss, gates)[0] ** 2 / 2
        for hook in hooks:
            hook.remove()
    found = taylor_channel_scores(model, split, batch_size=4)
    groups = channels.channel_groups(model, split.images[:1])
    assert list(found) == [group.name for group in groups]
    for group in groups:
        torch.testing.assert_close(found[group.name], expected[group.channels], rtol=1e-3, atol=1e-9, msg=group.name)


def test_a_channel_that_changes_nothing_scores_0_and_goes_first(mnist):
    model = pretrained("lenet")
    model.fc1.weight.data[:, 25:50] = 0.0  # nothing reads channel 1 of conv2
    assert taylor_channel_scores(model, mnist)["conv2"].argmin() == 1
    table = taylor_channel_scores(model, mnist)
    kept = channels.channel_masks(model, {"conv2": 1 / 16}, table, example=mnist.images[:1])
    assert kept["conv2"].tolist() == [True] + [False] + [True] * 14


@pytest.mark.parametrize("make", [ResNet8, MobileNet])
def test_batch_norm_scales_are_those_of_torch_pruning(make, colours):
    model, example = noisy(make()), colours.images[:1]
    ours = bn_scale_channel_scores(model, example=example)
    importance = tp.importance.BNScaleImportance(group_reduction="sum", normalizer=None)
    graph = tp.DependencyGraph().build_dependency(model, example_inputs=example)
    assert len(ours) == len(channels.channel_groups(model, example))
    for name, scores in ours.items():
        every = list(range(len(scores)))
        theirs = importance(graph.get_pruning_group(model.get_submodule(name), tp.prune_conv_out_channels, idxs=every))
        torch.testing.assert_close(scores, theirs, msg=name)


def test_batch_norm_scales_of_weights_are_constant_over_a_filter_and_masks_take_whole_filters():
    model = noisy(ResNet8())
    table = bn_scale_scores(model, example=torch.zeros(1, 3, 32, 32))
    assert "fc.weight" not in table
    assert torch.equal(table["block1.conv1.weight"][:, 2, 1, 1], model.block1.bn1.weight.detach().abs())
    found = masks.layer_masks(model, {"block1.conv1.weight": 0.25}, table)["block1.conv1.weight"]
    assert found.flatten(1).sum(1).unique().tolist() == [0, 144]


def test_groups_without_batch_norm_stay_whole():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 6), nn.Linear(6, 3))
    model[1].weight.data = torch.arange(1.0, 9.0)
    example = torch.zeros(1, 1, 4, 4)
    table = bn_scale_channel_scores(model, example=example)
    assert list(table) == ["0"]
    for how in ("uniform", "global"):
        small = channels.shrink_channels(model, 0.5, criterion=table, example=example, how=how)
        assert small[1].weight.tolist() == [5.0, 6.0, 7.0, 8.0]
        assert small[3].out_features == 6


@pytest.mark.parametrize("make", ["taylor", "channels", "scales", "weights"])
def test_the_model_its_mode_its_gradients_and_the_random_state_stay_and_scores_repeat(make, colours):
    model = noisy(ResNet8()).train()
    model.block2.bn1.eval()
    model.fc.weight.requires_grad_(False)
    calls = {"taylor": lambda: taylor_scores(model, colours), "channels": lambda: taylor_channel_scores(model, colours),
             "scales": lambda: bn_scale_channel_scores(model, example=colours.images[:1]),
             "weights": lambda: bn_scale_scores(model, example=colours.images[:1])}
    before, modes, state = bits(model), [module.training for module in model.modules()], torch.get_rng_state()
    with torch.no_grad():
        first, second = calls[make](), calls[make]()
    assert all(torch.equal(first[name], second[name]) and not first[name].requires_grad for name in first)
    assert bits(model) == before
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.fc.weight.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_a_layer_that_takes_no_part_scores_0(mnist):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model[1].register_module("idle", nn.Linear(2, 2))
    assert taylor_scores(model, mnist)["1.idle.weight"].abs().sum() == 0


def broken(model):
    model.fc3.weight.data[0, 0] = float("nan")
    return model


def test_messages_show_value_rule_and_fix(mnist):
    lenet, example = LeNet(), mnist.images[:1]
    empty, few = mnist[:0], Split(images=mnist.images[:3], labels=mnist.labels[:2])
    cases = [
        (lambda: taylor_scores(lenet, empty), "there are 0 images and 0 labels; each image has a label.*; pass"),
        (lambda: taylor_scores(lenet, few), "there are 3 images and 2 labels"),
        (lambda: taylor_channel_scores(lenet, empty), "there are 0 images and 0 labels"),
        (lambda: list(slopes(lenet, mnist, 0)), "batch_size is 0; a batch holds at least one image; use 1 or more"),
        (lambda: taylor_scores(broken(LeNet()), mnist), "the loss is nan; slopes need a finite loss; look for NaN"),
        (lambda: taylor_channel_scores(broken(LeNet()), mnist), "the loss is nan"),
        (lambda: taylor_scores(lenet, mnist, lambda weight, gradient: weight.sum()), "scores of conv1.weight are"),
        (lambda: taylor_scores(nn.Flatten(), mnist), "the model is a Flatten without convolution or linear weights"),
        (lambda: bn_scale_channel_scores(lenet, example=example),
         "the model is a LeNet without channels with batch norm that can go; .*; pass a deeper model, or prune with"),
        (lambda: bn_scale_scores(lenet, example=example), "the model is a LeNet without channels with batch norm"),
        (lambda: taylor_channel_scores(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), mnist),
         "the model is a Sequential without channels that can go"),
        (lambda: channels.channel_scores(lenet, {"conv1": torch.ones(5)}, example=example),
         r"the scores of group conv1 are torch.float32 of shape \(5,\); a channel has one score: .* \(6,\); sum"),
        (lambda: channels.channel_scores(lenet, {"conv1": torch.full((6,), torch.nan)}, example=example),
         "the scores of group conv1 hold 6 NaN"),
        (lambda: channels.channel_scores(lenet, {"conv1": torch.ones(6), "con": torch.ones(6)}, example=example),
         "the group name is 'con'; this model's groups are conv1, conv2, fc1, fc2"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    for call, message in [(lambda: taylor_scores(lenet, mnist.images), "the split is a Tensor; a split has .images"),
                          (lambda: taylor_scores("lenet", mnist), "the model is a str; pruning takes a torch.nn.Modu")]:
        with pytest.raises(TypeError, match=message):
            call()


def test_the_plain_formula():
    weight, gradient = torch.tensor([[2.0, -1.0]]), torch.tensor([[0.5, 3.0]])
    assert taylor(weight, gradient).tolist() == [[1.0, 9.0]]
