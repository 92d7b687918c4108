import copy
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from shrinklab.channels import (
    channel_groups,
    channel_masks,
    channel_scores,
    choose,
    recalibrate_batch_norm,
    remove_channels,
    shrink_channels,
)
from shrinklab.criteria import l1, l2, random
from shrinklab.files import load_file, save_dense
from shrinklab.models import LeNet, ResNet8, architecture, build

COLOUR = torch.zeros(1, 3, 32, 32)
EXAMPLES = {"lenet": torch.zeros(1, 1, 28, 28), "resnet8": COLOUR, "resnet12": COLOUR, "mobilenet": COLOUR}


def lively(model, seed=0):
    """The model with batch norms and biases as after a training: no mean 0, no variance 1, no shift 0."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low in ((module.running_mean, -1), (module.running_var, 0.5), (module.weight.data, 0.5),
                                (module.bias.data, -1)):
                tensor.uniform_(low, 1.5, generator=generator)
    return model.eval()


def random_masks(groups, seed, share=0.5):
    generator = torch.Generator().manual_seed(seed)
    masks = {group.name: torch.rand(group.size, generator=generator) > share for group in groups}
    for mask in masks.values():
        mask[0] |= ~mask.any()
    return masks


def zeroed(model, groups, masks):
    """The oracle: the same network, in which all that makes or carries a removed channel is zero, shifts included."""
    result = copy.deepcopy(model)
    for group in groups:
        for name in group.makes + group.carries:
            module = result.get_submodule(name)
            for tensor in (module.weight, module.bias):
                if tensor is not None:
                    tensor.data[~masks[group.name]] = 0
    return result


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same_state(model, before):
    now = model.state_dict()
    return list(now) == list(before) and all(torch.equal(now[name], before[name]) for name in before)


def assert_same_logits_as_zeroed(model, example, masks):
    model, example = copy.deepcopy(model).double(), example.double()
    groups = channel_groups(model, example)
    small = remove_channels(model, masks, example=example)
    images = torch.randn(3, *example.shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, whole, got = zeroed(model, groups, masks)(images), model(images), small(images)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(got, whole)  # the removed channels did matter
    return small


# ---- groups

def test_groups_of_lenet():
    groups = channel_groups(LeNet(), EXAMPLES["lenet"])
    assert [(g.name, g.size, g.makes, g.reads) for g in groups] == [
        ("conv1", 6, ("conv1",), ("conv2",)), ("conv2", 16, ("conv2",), ("fc1",)),
        ("fc1", 120, ("fc1",), ("fc2",)), ("fc2", 84, ("fc2",), ("fc3",))]


def test_groups_of_resnet8_follow_the_residual_additions():
    groups = {g.name: g for g in channel_groups(ResNet8(), EXAMPLES["resnet8"])}
    assert list(groups) == ["conv", "block1.conv1", "block2.conv1", "block2.conv2", "block3.conv1", "block3.conv2"]
    assert groups["conv"].makes == ("conv", "block1.conv2")
    assert groups["conv"].carries == ("bn", "block1.bn2")
    assert groups["conv"].reads == ("block1.conv1", "block2.conv1", "block2.shortcut")
    assert groups["block3.conv2"].makes == ("block3.conv2", "block3.shortcut")
    assert groups["block3.conv2"].reads == ("fc",)


def test_groups_of_resnet12_and_mobilenet():
    groups = {g.name: g for g in channel_groups(build("resnet12"), COLOUR)}
    assert groups["block3.conv2"].makes == ("block3.conv2", "block3.shortcut", "block4.conv2")
    assert groups["block3.conv2"].reads == ("block4.conv1", "block5.conv1", "block5.shortcut")
    groups = channel_groups(build("mobilenet"), COLOUR)
    assert [group.name for group in groups] == ["conv", *(f"blocks.{i}.pointwise" for i in range(6))]
    assert groups[1].carries == ("blocks.0.bn2", "blocks.1.depthwise", "blocks.1.bn1")
    assert groups[1].reads == ("blocks.1.pointwise",)


def test_a_chain_of_depthwise_layers_is_one_group():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))
    assert str(channel_groups(model, torch.zeros(1, 3, 5, 5))) == \
        "[Group(name='0', size=4, makes=('0',), carries=('1', '2'), reads=('3',))]"


class Mixed(nn.Module):
    """Concatenation, a depthwise layer with two outputs per channel, an addition, a gate, a layer called twice."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 5, 1), nn.Conv2d(8, 8, 1)
        self.twice, self.wide = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 16, 3, groups=8)
        self.gate, self.fc = nn.Conv2d(16, 16, 1), nn.Linear(64, 7)

    def forward(self, x):
        x = torch.cat([self.a(x).relu(), self.b(x).relu()], 1)
        x = torch.relu(self.twice(self.twice(x + self.c(x))))
        x = self.wide(x)
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        return {"scores": self.fc(x.view(x.size(0), -1)) / 2}


def test_concatenation_multiplier_gate_and_a_layer_called_twice():
    model, example = Mixed(), torch.randn(1, 2, 4, 4)
    # The addition ties c to a and b; the layer called twice reads what it makes; wide makes two channels for each.
    assert [(group.name, group.size, group.makes, group.carries) for group in channel_groups(model, example)] == [
        ("a", 3, ("a", "c", "twice", "gate"), ("wide",)), ("b", 5, ("b", "c", "twice", "gate"), ("wide",))]
    masks = {"a": torch.tensor([True, False, True]), "b": torch.tensor([True, True, False, False, True])}
    small = remove_channels(model, masks, example=example)
    assert [small.a.out_channels, small.b.out_channels, small.wide.out_channels] == [2, 3, 10]
    assert small.fc.in_features == 40
    whole = copy.deepcopy(model)
    for layer, rows in ((whole.a, slice(1, 2)), (whole.b, slice(2, 4))):
        layer.weight.data[rows] = layer.bias.data[rows] = 0
    for layer in (whole.c, whole.twice):
        layer.weight.data[[1, 5, 6]] = layer.bias.data[[1, 5, 6]] = 0
    for layer in (whole.wide, whole.gate):
        layer.weight.data[[2, 3, 10, 11, 12, 13]] = layer.bias.data[[2, 3, 10, 11, 12, 13]] = 0
    torch.testing.assert_close(small(example)["scores"], whole(example)["scores"])


class Dense(nn.Module):
    """As in DenseNet: batch norm over a concatenation, which ties nothing, and an addition of two concatenations."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4, size) for size in (2, 3, 3, 2))
        self.norm, self.mix = nn.BatchNorm1d(5), nn.Linear(5, 4)
        self.left, self.right, self.last = nn.Linear(4, 3), nn.Linear(4, 2), nn.Linear(5, 2)

    def forward(self, x):
        x = self.mix(self.norm(torch.cat([self.left(x), self.right(x)], 1)))
        return self.last(torch.cat([self.a(x), self.b(x)], 1) + torch.cat(tensors=[self.c(x), self.d(x)], dim=1))


def test_concatenations_tie_only_what_is_added():
    groups = channel_groups(Dense(), torch.zeros(1, 4))
    assert [(group.name, group.size, group.makes) for group in groups] == [
        ("left", 3, ("left",)), ("right", 2, ("right",)), ("mix", 4, ("mix",)),
        ("a", 2, ("a", "c")), ("b", 1, ("b", "c")), ("d", 2, ("b", "d"))]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([Mixed, Dense]), st.integers(0, 10_000), st.floats(0, 1))
def test_any_channel_set_leaves_a_network_with_concatenations_that_runs(kind, seed, share):
    model = kind().eval()
    example = torch.randn(2, 2, 4, 4) if kind is Mixed else torch.randn(2, 4)
    small = remove_channels(model, random_masks(channel_groups(model, example), seed, share), example=example)
    assert [t.shape for t in small(example).values()] == [(2, 7)] if kind is Mixed else small(example).shape == (2, 2)


def test_the_networks_outputs_stay():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    assert [g.name for g in channel_groups(model, torch.zeros(1, 4))] == ["0"]
    for amount, how in ((1.0, "uniform"), (1.0, "global")):
        small = shrink_channels(model, amount, example=torch.zeros(1, 4), how=how)
        assert small(torch.zeros(2, 4)).shape == (2, 3)
        assert small[0].out_features == 1  # one channel always stays


class Ends(nn.Module):
    """What is added to the logits can't go either."""

    def __init__(self):
        super().__init__()
        self.head, self.extra = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(x) + self.extra(x), x


def test_a_channel_tied_to_an_output_or_an_input_stays():
    assert channel_groups(Ends(), torch.zeros(1, 4)) == []
    with pytest.raises(ValueError, match=r"Ends without channels that can go; .*hidden layer"):
        shrink_channels(Ends(), 0.5, example=torch.zeros(1, 4))


# ---- the oracle: zeroed channels

@pytest.mark.parametrize("name", EXAMPLES)
def test_the_small_network_answers_as_the_zeroed_one(name):
    torch.manual_seed(0)
    model = lively(build(name))
    masks = random_masks(channel_groups(model, EXAMPLES[name]), seed=2)
    small = assert_same_logits_as_zeroed(model, EXAMPLES[name], masks)
    kept = [int(mask.sum()) for mask in masks.values()]
    if name == "lenet":
        assert small.config == {"channels": kept[:2], "hidden": kept[2:]}
    elif name == "resnet8":
        assert small.config == {"widths": [kept[0], kept[1], kept[0], *kept[2:]]}
    elif name == "resnet12":
        assert small.config == {"widths": [kept[0], kept[1], kept[0], *kept[2:6], kept[6], kept[5], *kept[7:]]}
    else:
        assert small.config == {"widths": kept}


def test_the_bias_of_a_removed_channel_goes_with_it():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1, bias=False))
    model[0].bias.data = torch.tensor([0.0, 5.0])
    model[0].weight.data.fill_(0)
    small = remove_channels(model, {"0": torch.tensor([True, False])}, example=torch.zeros(1, 1, 1, 1))
    image = torch.zeros(1, 1, 1, 1)
    assert small(image) == 0  # zero weights alone would leave ReLU(5)
    assert model(image) == 5 * model[2].weight[0, 1, 0, 0]



def from_torchvision(name):
    from shrinklab.vision import torchvision

    torch.manual_seed(0)
    return lively(getattr(torchvision.models, name)(weights=None, num_classes=10))


@pytest.fixture(scope="module")
def torchvision_models():
    return {name: from_torchvision(name) for name in ("resnet18", "mobilenet_v2")}


@pytest.mark.parametrize(("name", "groups"), [("resnet18", 12), ("mobilenet_v2", 25)])
def test_torchvision_networks_answer_as_the_zeroed_ones(torchvision_models, name, groups):
    model, example = torchvision_models[name], torch.zeros(1, 3, 32, 32)
    found = channel_groups(model, example)
    assert len(found) == groups
    assert_same_logits_as_zeroed(model, example, random_masks(found, seed=3, share=0.1))


def test_vgg_answers_as_the_zeroed_one():
    model, example = from_torchvision("vgg11_bn"), torch.randn(2, 3, 32, 32)
    groups = channel_groups(model, example)
    assert len(groups) == 10
    masks = random_masks(groups, seed=4, share=0.3)
    small = remove_channels(model, masks, example=example)
    assert small.classifier[0].in_features == 49 * int(masks["features.25"].sum())
    with torch.no_grad():
        got = small(example)
        for group in groups:  # in place: a copy has half a gigabyte
            for name in group.makes + group.carries:
                for tensor in (model.get_submodule(name).weight, model.get_submodule(name).bias):
                    tensor[~masks[group.name]] = 0
        torch.testing.assert_close(got, model(example), rtol=1e-4, atol=1e-4 * float(got.abs().max()))


# ---- any channel set

@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(EXAMPLES)), st.integers(0, 10_000), st.floats(0, 1))
def test_any_channel_set_leaves_a_network_that_runs_and_rebuilds(name, seed, share):
    model, example = build(name), EXAMPLES[name]
    small = remove_channels(model, random_masks(channel_groups(model, example), seed, share), example=example)
    assert small(example).shape == (1, 10)
    again = build(architecture(small), **small.config)
    assert {n: t.shape for n, t in again.state_dict().items()} == {n: t.shape for n, t in small.state_dict().items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.floats(0, 1), st.integers(1, 6),
       st.sampled_from(["uniform", "global"]), st.integers(0, 3))
def test_counts_are_exact_ties_included(sizes, amount, round_to, how, levels):
    generator = torch.Generator().manual_seed(levels)
    scores = {str(i): torch.randint(0, levels + 1, (n,), generator=generator).float() for i, n in enumerate(sizes)}
    keep = choose(scores, amount, how)
    kept = [int(mask.sum()) for mask in keep.values()]
    if how == "uniform":
        assert kept == [max(1, n - round(amount * n)) for n in sizes]
    else:
        assert sum(kept) == max(len(sizes), sum(sizes) - round(amount * sum(sizes)))
        assert min(kept) >= 1
    for mask, values in zip(keep.values(), scores.values(), strict=True):
        if not mask.all():
            assert values[mask].min() >= values[~mask].max()
    for mask, n, before in zip(choose(scores, amount, how, round_to).values(), sizes, kept, strict=True):
        assert int(mask.sum()) == n or int(mask.sum()) % round_to == 0
        assert abs(int(mask.sum()) - before) <= round_to / 2 or int(mask.sum()) == min(n, round_to)


# ---- what goes

def test_scores_count_makers_carriers_and_readers():
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 2, 1, groups=2, bias=False), nn.Flatten(),
                          nn.Linear(4, 1, bias=False))
    for layer, values in zip((model[0], model[1], model[3]), ([1, 2], [10, 20], [100, 200, 300, 400]), strict=True):
        layer.weight.data = torch.tensor(values).float().reshape(layer.weight.shape)
    example = torch.zeros(1, 1, 1, 2)
    assert channel_scores(model, example=example)["0"].tolist() == [311, 722]
    assert channel_scores(model, example=example, reads=False)["0"].tolist() == [11, 22]
    assert channel_scores(model, l2, example=example, reads=False)["0"].tolist() == [101, 404]
    table = {f"{i}.weight": torch.ones_like(model[i].weight) for i in (0, 1, 3)}
    assert channel_scores(model, table, example=example)["0"].tolist() == [4, 4]


def test_the_lowest_scores_go():
    model = LeNet()
    example, amounts = EXAMPLES["lenet"], {"conv2": 0.25, "fc1": 0.9}
    masks = channel_masks(model, amounts, example=example)
    assert {name: int((~mask).sum()) for name, mask in masks.items()} == {
        "conv1": 0, "conv2": 4, "fc1": 108, "fc2": 0}
    scores = channel_scores(model, example=example)
    assert scores["fc1"][masks["fc1"]].min() > scores["fc1"][~masks["fc1"]].max()
    small = shrink_channels(model, amounts, example=example)
    assert torch.equal(small.fc1.bias, model.fc1.bias[masks["fc1"]])


def test_a_global_choice_weighs_groups_by_their_own_mean():
    scores = {"loud": torch.tensor([100.0, 300.0]), "quiet": torch.tensor([0.9, 1.0, 1.1])}
    assert choose(scores, 0.2, "global")["loud"].tolist() == [False, True]


def test_counts_rounded_to_a_multiple():
    small = shrink_channels(ResNet8(), 0.4, example=EXAMPLES["resnet8"], round_to=8)
    assert small.config == {"widths": [8, 8, 8, 16, 16, 40, 40]}  # 10, 19 and 38 to the nearest multiple
    assert shrink_channels(LeNet(), 0.0, example=EXAMPLES["lenet"], round_to=8).config == LeNet().config


def test_another_criterion_and_seed_choose_others():
    choices = [channel_masks(LeNet(), 0.5, partial(random, seed=seed), example=EXAMPLES["lenet"]) for seed in (1, 1, 2)]
    assert torch.equal(choices[0]["fc1"], choices[1]["fc1"])
    assert not torch.equal(choices[0]["fc1"], choices[2]["fc1"])


# ---- Torch-Pruning as the oracle

def torch_pruning_s(model, example, amount):
    """The same model pruned by Torch-Pruning: the sum of absolute weights of all convolutions and linear layers."""
    import torch_pruning

    pruned = copy.deepcopy(model)
    head = [module for module in pruned.modules() if isinstance(module, nn.Linear)][-1]
    importance = torch_pruning.importance.GroupMagnitudeImportance(
        p=1, normalizer=None, target_types=[nn.modules.conv._ConvNd, nn.Linear])
    torch_pruning.pruner.BasePruner(pruned, example, importance, pruning_ratio=amount, ignored_layers=[head]).step()
    return pruned


@pytest.mark.parametrize("name", [*EXAMPLES, "resnet18", "mobilenet_v2"])
def test_torch_pruning_removes_the_same_channels(name, torchvision_models):
    torch.manual_seed(0)
    model = torchvision_models[name] if name in torchvision_models else lively(build(name))
    example = EXAMPLES.get(name, torch.zeros(1, 3, 32, 32))
    # Torch-Pruning leaves a depthwise layer's own weights out of the sum.
    table = {f"{name}.weight": l1(module.weight) * (getattr(module, "groups", 1) == 1)
             for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    small, theirs = shrink_channels(model, 0.5, criterion=table, example=example), torch_pruning_s(model, example, 0.5)
    assert same_state(small, state(theirs))


# ---- files, purity, modes

@pytest.mark.parametrize("name", EXAMPLES)
def test_the_result_survives_a_file(name, tmp_path):
    model = lively(build(name))
    small = shrink_channels(model, 0.5, example=EXAMPLES[name], how="global")
    assert type(small) is type(model)
    back = load_file(save_dense(small, tmp_path / "small"))
    image = torch.randn(EXAMPLES[name].shape)
    assert torch.equal(back(image), small(image))
    assert back.config == small.config != model.config


@pytest.mark.parametrize("how", ["uniform", "global"])
def test_the_model_stays_as_it_was(how):
    model, example = lively(ResNet8()), torch.randn(4, 3, 32, 32)
    model.train()
    model.block1.eval()
    model.conv.weight.requires_grad_(False)
    before, modes, seen = state(model), [m.training for m in model.modules()], example.clone()
    small = shrink_channels(model, 0.5, example=example, how=how)
    fresh = recalibrate_batch_norm(model, example)
    assert same_state(model, before)
    assert torch.equal(example, seen)
    for result in (model, small, fresh):
        assert [m.training for m in result.modules()] == modes
        assert not result.conv.weight.requires_grad
        assert result.fc.weight.requires_grad
    own = {tensor.data_ptr() for tensor in model.state_dict().values()}
    untouched = shrink_channels(model, 0.0, example=example)
    for result in (small, fresh, untouched):
        assert not own & {tensor.data_ptr() for tensor in result.state_dict().values()}
    assert same_state(untouched, before)


def test_a_small_network_trains_and_shrinks_again():
    example = torch.randn(4, 3, 32, 32)
    small = shrink_channels(ResNet8(), 0.5, example=example).train()
    small(example).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    assert shrink_channels(small, 0.5, example=example).config == {"widths": [4, 4, 4, 8, 8, 16, 16]}


# ---- batch norm

def test_recalibration_takes_mean_and_variance_of_the_images():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Dropout(0.5), nn.Conv2d(4, 2, 1),
                          nn.BatchNorm2d(2)).eval()
    images = torch.randn(12, 3, 6, 6)
    fresh = recalibrate_batch_norm(model, images)
    with torch.no_grad():
        inside = model[0](images)
        torch.testing.assert_close(fresh[1].running_mean, inside.mean((0, 2, 3)))
        torch.testing.assert_close(fresh[1].running_var, inside.var((0, 2, 3)))
        normed = nn.functional.batch_norm(inside, None, None, training=True)
        torch.testing.assert_close(fresh[4].running_mean, model[3](normed).mean((0, 2, 3)))  # and no dropout
    assert fresh[1].momentum == 0.3
    by_parts = recalibrate_batch_norm(model, images, batch_size=4)
    torch.testing.assert_close(by_parts[1].running_mean, fresh[1].running_mean)
    uneven = recalibrate_batch_norm(nn.Sequential(nn.BatchNorm1d(1)), torch.arange(5.0)[:, None], batch_size=2)
    assert uneven[0].running_mean.item() == pytest.approx((1 + 3.5) / 2)  # [0, 1, 2] and [3, 4], none alone
    plain = nn.Linear(2, 2)
    assert same_state(recalibrate_batch_norm(plain, torch.zeros(2, 2)), state(plain))


# ---- refusals

def refuse(model, *parts, example=None):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the parts are checked below)
        channel_groups(model, torch.zeros(1, 4, 6, 6) if example is None else example)
    for part in parts:
        assert part in str(raised.value)


class Around(nn.Module):
    """Some steps between two layers, in a submodule of the name `inner`."""

    def __init__(self, step):
        super().__init__()

        class Inner(nn.Module):
            def forward(self, x):
                return step(x)

        self.first, self.inner, self.last = nn.Conv2d(4, 4, 1), Inner(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.last(self.inner(self.first(x)))


@pytest.mark.parametrize(("module", "name"), [
    (nn.Conv2d(4, 4, 1, groups=2), "1 (Conv2d)"), (nn.GroupNorm(2, 4), "1 (GroupNorm)"),
    (nn.PixelShuffle(2), "1 (PixelShuffle)"), (nn.Softmax(1), "1 (Softmax)"), (nn.Linear(6, 6), "1 (Linear)"),
    (nn.ConvTranspose2d(4, 4, 1), "1 (ConvTranspose2d)"),
])
def test_modules_that_mix_channels_otherwise_are_refused_by_name(module, name):
    refuse(nn.Sequential(nn.Conv2d(4, 4, 1), module), f"{name} cannot be traced; shrinking follows channels through",
           "use one of these instead")


@pytest.mark.parametrize(("step", "name"), [
    (lambda x: x.roll(1, 1), "roll in inner"), (lambda x: x.flip(1), "flip in inner"),
    (lambda x: x + x[:, :, 0].mean(), "getitem in inner"), (lambda x: torch.cat([x, x], 2), "cat in inner"),
    (lambda x: x.permute(0, 1, 3, 2).softmax(1), "permute in inner"),
    (lambda x: x.reshape(-1, 4, 6, 6), "reshape in inner"), (lambda x: x + x.sum(1, keepdim=True), "sum in inner"),
    (lambda x: x + x.mean(1, keepdim=True), "mean in inner"), (lambda x: x[:, :4], "getitem in inner"),
    (lambda x: x.reshape(x.shape).reshape(-1, 144).unflatten(1, (4, 6, 6)), "reshape in inner"),
])
def test_steps_that_cannot_be_followed_are_refused_with_their_module(step, name):
    refuse(Around(step), f"{name} cannot be traced")


def test_an_if_on_a_value_is_refused_with_its_module():
    refuse(Around(lambda x: x if x.sum() > 0 else -x), "inner (Inner) cannot be traced: ", "control flow",
           "take out what depends on values")


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.conv = nn.Parameter(torch.ones(1, 4, 1, 1)), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.conv(x * self.scale)


def test_a_weight_outside_a_layer_is_refused_by_name():
    refuse(Scaled(), "scale in Scaled cannot be traced")


def test_shared_and_computed_weights_are_refused():
    model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    model[2].weight = model[0].weight
    refuse(model, "2 (Conv2d) shares or computes its weight; each layer holds a weight of its own; remove")
    masked = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1))
    prune.l1_unstructured(masked[0], "weight", amount=0.5)
    refuse(masked, "0 (Conv2d) shares or computes its weight", "make masks permanent")


def test_bad_input_is_refused_with_value_rule_and_fix():
    model, example = LeNet(), EXAMPLES["lenet"]
    for amount in (50, -0.1, True, "half", float("nan")):
        with pytest.raises(ValueError, match=r"amount is .*; amount is a fraction from 0 to 1; use 0.5"):
            shrink_channels(model, amount, example=example)
    with pytest.raises(ValueError, match="group name is 'conv9'; this model's groups are conv1, conv2, fc1, fc2; use"):
        shrink_channels(model, {"conv9": 0.5}, example=example)
    with pytest.raises(ValueError, match="how is 'globally'; how is \"uniform\" or \"global\"; use"):
        shrink_channels(model, 0.5, example=example, how="globally")
    with pytest.raises(ValueError, match="how is 'global' with an amount for each group; .*; leave out how"):
        shrink_channels(model, {"fc1": 0.5}, example=example, how="global")
    for round_to in (0, 2.5, True):
        with pytest.raises(ValueError, match=r"round_to is .*; round_to is a whole number from 1; use 8"):
            shrink_channels(model, 0.5, example=example, round_to=round_to)
    with pytest.raises(ValueError, match=r"images have shape \(1, 3, 28, 28\); LeNet cannot take them"):
        shrink_channels(model, 0.5, example=torch.zeros(1, 3, 28, 28))
    for wrong in (None, torch.zeros(28), torch.zeros(0, 1, 28, 28)):
        with pytest.raises(ValueError, match=r"example is .*; channels are followed on a batch of one input or more"):
            shrink_channels(model, 0.5, example=wrong)
    for mask in (torch.zeros(6, dtype=torch.bool), torch.ones(5, dtype=torch.bool), torch.ones(6), [True] * 6):
        with pytest.raises(ValueError, match=r"keep\['conv1'\] is .*shape \(6,\) with at least one True"):
            remove_channels(model, {"conv1": mask}, example=example)
    with pytest.raises(ValueError, match=r"scores of conv1.weight are .*; a criterion gives one number per weight"):
        shrink_channels(model, 0.5, criterion=lambda weight: weight.sum(), example=example)
    model.fc1.weight.data[0, 0] = torch.nan
    with pytest.raises(ValueError, match="fc1.weight holds 1 weights that are NaN or inf"):
        shrink_channels(model, 0.5, criterion=l1, example=example)
    for images in (torch.zeros(0, 1, 28, 28), torch.zeros(1, 1, 28, 28)):
        with pytest.raises(ValueError, match=f"{len(images)} images are given; a variance needs at least two; pass"):
            recalibrate_batch_norm(ResNet8(), images)
