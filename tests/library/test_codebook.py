"""Weight sharing for whole networks: what is shared, how centroids are trained, and that nothing else changes."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.codebook import CodebookModel, kmeans, share_weights, tune_centroids
from shrinklab.codebook.layers import Lookup
from shrinklab.data import load
from shrinklab.distill import distillation_loss
from shrinklab.masks import apply_masks, global_masks
from shrinklab.metrics import accuracy, predict
from shrinklab.models import LeNet, build, pretrained
from shrinklab.quantize import Scheme, fold_batch_norm, quantize_model
from shrinklab.train import Recipe

SHAPES = {"lenet": (1, 28, 28), "resnet8": (3, 32, 32), "resnet12": (3, 32, 32), "mobilenet": (3, 32, 32)}


@pytest.fixture(scope="module")
def part():
    data = load("mnist")
    return SimpleNamespace(train=data.train[:400], validation=data.validation[:200])


def test_the_derivative_of_a_centroid_is_the_mean_over_its_weights():
    torch.manual_seed(0)
    indices = torch.randint(0, 4, (5, 3, 3, 3), dtype=torch.uint8)
    indices[indices == 2] = 1  # a centroid that no weight has
    centroids = torch.randn(4, requires_grad=True)
    pull = torch.randn(indices.shape)
    ours, = torch.autograd.grad((Lookup.apply(centroids, indices) * pull).sum(), centroids)
    total, = torch.autograd.grad((centroids[indices.long()] * pull).sum(), centroids)  # torch's own, the sum
    counts = torch.stack([(indices == k).sum() for k in range(4)])
    torch.testing.assert_close(ours, total / counts.clamp(min=1))
    assert ours[2] == 0


def test_a_step_moves_a_centroid_as_far_as_its_weights_would_move_on_average():
    """Plain gradient descent on the weights, then their mean in each cluster: the projection that Lookup stands for."""
    torch.manual_seed(0)
    layer, x = nn.Linear(6, 4, bias=False), torch.randn(8, 6)
    shared = share_weights(layer, 2)
    plain = shared.to_float()
    for model in (shared, plain):
        model(x).square().sum().backward()
    book, weight = shared.layers["0"], plain.get_submodule("0").weight
    moved = (weight - 0.1 * weight.grad).detach()
    means = torch.stack([moved[book.indices == k].mean() for k in range(4)])
    torch.testing.assert_close((book.centroids - 0.1 * book.centroids.grad).detach(), means)


@pytest.mark.parametrize("name", SHAPES)
def test_all_four_networks_are_shared_and_compute_what_their_float_form_computes(name):
    torch.manual_seed(0)
    model, x = build(name).eval(), torch.rand(2, *SHAPES[name])
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    shared = share_weights(model, 4)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    kinds = nn.Conv2d, nn.Linear
    assert list(shared.layers) == [key for key, layer in model.named_modules() if isinstance(layer, kinds)]
    floats = shared.to_float()
    assert type(floats) is type(model)
    assert torch.equal(floats(x), shared(x))
    assert list(floats.state_dict()) == list(before)
    for key, layer in shared.layers.items():
        centroids, indices = kmeans(model.get_submodule(key).weight, 16)
        assert torch.equal(layer.centroids, centroids)
        assert torch.equal(layer.indices, indices)
        assert torch.equal(floats.get_submodule(key).weight, centroids[indices.long()])


def test_the_start_and_its_seed_reach_kmeans_also_beside_zeros():
    model = pretrained("lenet")
    pruned = apply_masks(model, global_masks(model, 0.5))
    dense = share_weights(model, 4, init="random", seed=5).layers["fc1"]
    assert torch.equal(dense.centroids, kmeans(model.fc1.weight, 16, init="random", seed=5)[0])
    left = pruned.fc1.weight.detach()
    expected, _ = kmeans(left[left != 0], 15, init="random", seed=5)
    layer = share_weights(pruned, 4, init="random", seed=5).layers["fc1"]
    assert torch.equal(layer.centroids[layer.centroids != 0], expected)
    nearest = (left[..., None].double() - expected.double()).abs().argmin(-1)
    assert torch.equal(layer.weight[left != 0], expected[nearest][left != 0])


def test_a_network_with_folded_batch_norm_is_shared_too():
    torch.manual_seed(0)
    folded, x = fold_batch_norm(build("resnet8")), torch.rand(2, 3, 32, 32)
    assert share_weights(folded, 8)(x).shape == (2, 10)
    assert share_weights(folded, 8).to_float().conv.bias is not None


def test_more_bits_come_closer_and_accuracy_follows(part):
    model = pretrained("lenet")
    errors = []
    for bits in (2, 3, 4, 8):
        floats = share_weights(model, bits).to_float()
        pairs = zip(floats.parameters(), model.parameters(), strict=True)
        errors.append(sum(F.mse_loss(ours, theirs).item() for ours, theirs in pairs))
    assert errors == sorted(errors, reverse=True)
    assert abs(accuracy(floats, part.validation) - accuracy(model, part.validation)) <= 0.01


def test_layers_have_bits_of_their_own_or_stay_floats():
    shared = share_weights(LeNet(), 3, layers={"conv1": 5, "fc3": None})
    assert [layer.bits for layer in shared.layers.values()] == [5, 3, 3, 3]
    assert len(shared.layers["conv1"].centroids) == 32
    assert type(shared.body.fc3) is nn.Linear


def test_pruned_weights_stay_zero_also_through_tuning(part):
    model = pretrained("lenet")
    pruned = apply_masks(model, global_masks(model, 0.8))
    shared = share_weights(pruned, 3)
    tuned = tune_centroids(shared, part, Recipe(batch_size=50), progress=False)
    for name, layer in tuned.layers.items():
        assert torch.equal(layer.weight == 0, pruned.get_submodule(name).weight == 0)
        assert len(layer.centroids) == 8
        assert torch.equal(layer.centroids, layer.centroids.sort().values)
    assert share_weights(nn.Linear(3, 2).requires_grad_(False), 2).layers["0"].centroids.requires_grad is False
    empty = nn.Linear(3, 2)
    empty.weight.data.zero_()
    assert not share_weights(empty, 2).layers["0"].weight.any()


def test_tuning_lowers_the_loss_keeps_indices_and_repeats(part):
    shared = share_weights(pretrained("lenet"), 2)
    before, state, history = copy.deepcopy(shared.state_dict()), torch.get_rng_state(), []
    recipe = Recipe(epochs=2, learning_rate=0.01, batch_size=20)
    tuned = tune_centroids(shared, part, recipe, progress=False, on_epoch=history.append)
    again = tune_centroids(shared, part, recipe, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], tensor) for name, tensor in shared.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(tuned.state_dict().values(), again.state_dict().values(), strict=True))
    before, after = (F.cross_entropy(predict(m, part.train.images), part.train.labels) for m in (shared, tuned))
    assert after < 0.75 * before
    assert len(history) == 2
    for name, layer in tuned.layers.items():
        assert torch.equal(layer.indices, shared.layers[name].indices)
        assert not torch.equal(layer.centroids, shared.layers[name].centroids)
    assert not torch.equal(tuned.body.fc1.bias, shared.body.fc1.bias)


def test_biases_and_batch_norm_stay_when_only_centroids_are_trained():
    torch.manual_seed(0)
    split = SimpleNamespace(images=torch.rand(16, 3, 32, 32), labels=torch.arange(16) % 10)
    model = build("resnet8", widths=(4, 4, 4, 8, 8, 8, 8))
    shared = share_weights(model, 2)
    tuned = tune_centroids(shared, SimpleNamespace(train=split, validation=split), rest=False, progress=False,
                           loss=distillation_loss(model))
    own, theirs = dict(tuned.named_parameters()), dict(shared.named_parameters())
    moved = {name for name in own if not torch.equal(own[name], theirs[name])}
    assert moved
    assert all(name.endswith("centroids") for name in moved)
    assert all(parameter.requires_grad for parameter in own.values())


def test_a_layer_with_two_names_gets_one_codebook():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model.append(model[0])
    shared = share_weights(model, 2)
    assert shared.body[2] is shared.body[0]
    assert shared.to_float()[2] is not shared.body[0]
    assert type(shared.to_float()[2]) is nn.Linear


@pytest.mark.parametrize("bits", [1, 9, 4.0, "4", True, None])
def test_bad_bits_are_refused(bits):
    with pytest.raises(ValueError, match=f"bits is {bits!r}; an index has 2 to 8 bits; use 4"):
        share_weights(LeNet(), bits)


def test_bad_models_are_refused():
    broken = LeNet()
    broken.fc1.weight.data[0, 0] = float("nan")
    cases = [
        (lambda: share_weights("lenet"), TypeError, "the model is a str; weights are shared in an nn.Module; pass"),
        (lambda: share_weights(quantize_model(LeNet(), scheme=Scheme(dynamic=True))), ValueError,
         "the model is a QuantizedModel; it is quantized already; share the weights of the float model"),
        (lambda: share_weights(share_weights(LeNet())), ValueError, "has a codebook already; a float model gets one"),
        (lambda: share_weights(broken), ValueError, "fc1.weight holds NaN or infinite values; k-means averages"),
        (lambda: share_weights(nn.ReLU()), ValueError, "the ReLU|Sequential has no convolution or linear layer"),
        (lambda: share_weights(LeNet(), layers={"fc9": 4}), ValueError, "layers names 'fc9'; .*conv1.*; use one"),
        (lambda: share_weights(LeNet(), init="best"), ValueError, "init is 'best'; known starts are linear, density"),
        (lambda: tune_centroids(LeNet(), None), ValueError, "the model is a LeNet; tune_centroids trains a CodebookMo"),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=message):
            call()
    assert isinstance(share_weights(LeNet()), CodebookModel)
