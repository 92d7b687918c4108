"""Equalization changes no output and evens out the ranges; bias correction takes the mean shift away."""

import pytest
import torch
from torch import nn

from shrinklab.metrics import predict
from shrinklab.models import LeNet, ResNet8
from shrinklab.quantize import Scheme, correct_bias, equalize, quantize_model, unbalance
from shrinklab.quantize.equalization import pairs
from shrinklab.quantize.graph import prepare


def noise(model, reference, x):
    expected = predict(reference, x)
    return ((predict(model, x) - expected).square().mean() / expected.var(0).mean()).item()


@pytest.fixture(scope="module")
def depthwise():
    """A depthwise network whose channels differ in size by up to a thousand, as batch norm can leave them."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=16), nn.ReLU(), nn.Conv2d(16, 8, 1),
        nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)).eval()
    sizes = torch.logspace(-1.5, 1.5, 16)[torch.randperm(16)]
    model[0].weight.data *= sizes[:, None, None, None]
    model[0].bias.data *= sizes
    model[2].weight.data *= sizes.flip(0)[:, None, None, None]
    model[2].bias.data *= sizes * sizes.flip(0)
    model[4].weight.data /= (sizes * sizes.flip(0))[None, :, None, None]
    return model


@pytest.fixture(scope="module")
def x():
    return torch.randn(40, 3, 10, 10, generator=torch.Generator().manual_seed(1))


def test_pairs_are_layers_with_only_relu_and_pooling_between(depthwise):
    assert pairs(prepare(LeNet())) == [("conv1", "conv2"), ("conv2", "fc1"), ("fc1", "fc2"), ("fc2", "fc3")]
    assert pairs(prepare(ResNet8())) == [(f"block{i}.conv1", f"block{i}.conv2") for i in (1, 2, 3)]
    assert pairs(prepare(depthwise)) == [("0", "2"), ("2", "4"), ("4", "9")]
    assert pairs(prepare(nn.Sequential(nn.Linear(2, 3), nn.ReLU6(), nn.Linear(3, 2)))) == []
    assert pairs(prepare(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Linear(4, 3)))) == []  # along the width
    assert pairs(prepare(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 4, 1, groups=2)))) == []


@pytest.mark.parametrize("build", [LeNet, ResNet8])
def test_equalization_keeps_outputs_class_and_the_model_itself(build):
    torch.manual_seed(0)
    model = build()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(5, *((1, 28, 28) if build is LeNet else (3, 32, 32)))
    equal = equalize(model)
    assert type(equal) is build
    torch.testing.assert_close(predict(equal, images), predict(model, images), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not torch.equal(next(equal.parameters()), before[next(iter(before))]) or build is ResNet8


def test_both_sides_of_a_pair_get_the_same_ranges(depthwise):
    equal = equalize(depthwise, rounds=100)
    rows = equal[0].weight.data.flatten(1).abs().amax(1)
    columns = equal[2].weight.data.flatten(1).abs().amax(1)
    torch.testing.assert_close(rows, columns, rtol=1e-2, atol=0)
    blocks = equal[9].weight.data.reshape(5, 8, 4).abs().amax((0, 2))
    torch.testing.assert_close(equal[4].weight.data.flatten(1).abs().amax(1), blocks, rtol=1e-2, atol=0)


def test_equalization_regains_what_one_grid_per_tensor_loses(depthwise, x):
    per_tensor = Scheme(per_channel=False)
    lost = noise(quantize_model(depthwise, x, per_tensor), depthwise, x)
    regained = noise(quantize_model(equalize(depthwise), x, per_tensor), depthwise, x)
    per_channel = noise(quantize_model(depthwise, x), depthwise, x)
    assert lost > 0.02
    assert regained < lost / 10
    assert per_channel < lost


def test_channels_that_nobody_uses_stay_finite(x):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3, bias=False))
    model[0].weight.data[0] = 0
    model[2].weight.data[:, 1] = 0
    equal = equalize(model)
    assert all(tensor.isfinite().all() for tensor in equal.state_dict().values())
    torch.testing.assert_close(predict(equal, x), predict(model, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scheme", [Scheme(3), Scheme(3, activation_bits=None), Scheme(3, dynamic=True)])
def test_bias_correction_takes_the_mean_shift_away(depthwise, x, scheme):
    model = equalize(depthwise)
    small = quantize_model(model, x, scheme)
    before = {name: layer.bias.clone() for name, layer in small.layers.items()}
    mended = correct_bias(small, model, x)

    def shift(quantized):
        return (predict(quantized, x) - predict(model, x)).mean(0).abs().max()

    assert shift(mended) < shift(small) / 5
    assert noise(mended, model, x) < noise(small, model, x)
    assert all(torch.equal(before[name], layer.bias) for name, layer in small.layers.items())
    assert {layer.bias.dtype for layer in mended.layers.values()} == {before["0"].dtype}


def test_a_layer_without_bias_gets_one(x):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2, bias=False))
    small = quantize_model(model, x, Scheme(2))
    mended = correct_bias(small, model, x)
    assert mended.layers["0"].bias.dtype == torch.int32
    assert noise(mended, model, x) < noise(small, model, x)


@pytest.mark.parametrize("relu", [nn.ReLU, nn.ReLU6])
def test_bias_correction_matches_what_a_relu_lets_through(relu):
    # Channels mostly far below 0, whose mean before the ReLU says little of what comes out: matching that one made a
    # wide network at 4 bits 3 points worse than no correction.
    x = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(nn.Linear(8, 6), relu(), nn.Linear(6, 2))
    torch.manual_seed(1)
    nn.init.normal_(model[0].weight)
    model[0].bias.data = torch.tensor([-6.0, -5.0, -4.0, -3.0, 0.0, 2.0])
    small = quantize_model(model, x, Scheme(3, activation_bits=None, weight_observer="mse"))
    mended = correct_bias(small, model, x)
    wanted = model[:2](x).mean(0)
    rounded, corrected = ((predict(upto_relu(network), x).mean(0) - wanted).abs().max() for network in (small, mended))
    assert corrected < 0.001 < 0.02 < rounded
    assert noise(mended, model, x) < noise(small, model, x)


def upto_relu(quantized):
    return next(iter(quantized.layers.values()))


@pytest.mark.parametrize(("call", "text"), [
    (lambda: equalize(nn.Linear(2, 2), rounds=0), "rounds is 0"),
    (lambda: equalize(quantize_model(nn.Linear(2, 2), torch.ones(1, 2))), "quantized already"),
    (lambda: correct_bias(nn.Linear(2, 2), nn.Linear(2, 2), torch.ones(1, 2)), "quantized is a Linear"),
    (lambda: correct_bias(quantize_model(nn.Linear(2, 2), torch.ones(1, 2)), LeNet(), torch.ones(1, 2)),
     "the float model has the layers conv1"),
    (lambda: correct_bias(quantize_model(nn.Linear(2, 2), torch.ones(1, 2)), nn.Linear(2, 2), torch.ones(0, 2)),
     "0 images"),
])
def test_bad_input_is_refused_with_value_rule_and_fix(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_rule_of_ones_own_takes_the_place_of_the_factors(depthwise, x):
    seen = []

    def halves(before, after):
        seen.append((before.shape, after.shape))
        return torch.full((len(before),), 2.0)

    scaled = equalize(depthwise, 1, factors=halves)
    assert seen == [((16, 27), (16, 9)), ((16, 9), (16, 8)), ((8, 16), (8, 20))]
    torch.testing.assert_close(predict(scaled, x), predict(depthwise, x))
    torch.testing.assert_close(scaled[0].weight, depthwise[0].weight / 2)
    torch.testing.assert_close(scaled[-1].weight, depthwise[-1].weight * 2)


@pytest.mark.parametrize("factors", [
    lambda before, after: torch.ones(3), lambda before, after: torch.zeros(len(before)),
    lambda before, after: torch.full((len(before),), torch.nan)])
def test_a_rule_that_gives_no_usable_factors_is_refused(depthwise, factors):
    with pytest.raises(ValueError, match="numbers above 0, one a channel"):
        equalize(depthwise, factors=factors)


def test_unbalanced_channels_change_no_output_and_equalization_undoes_them(depthwise, x):
    uneven = unbalance(depthwise, factor=20)
    torch.testing.assert_close(predict(uneven, x), predict(depthwise, x), rtol=1e-4, atol=1e-5)
    ratio = (uneven[0].weight / depthwise[0].weight).flatten(1)
    assert ratio.amin() >= 1 / 20 - 1e-6
    assert ratio.amax() <= 20 + 1e-5
    assert ratio[:, 0].max() / ratio[:, 0].min() > 10
    for one, other in zip(equalize(uneven, 200), equalize(depthwise, 200), strict=True):
        if isinstance(one, nn.Conv2d | nn.Linear):
            torch.testing.assert_close(one.weight, other.weight, rtol=0.01, atol=1e-4)
    assert not torch.equal(uneven[0].weight, unbalance(depthwise, factor=20, seed=2)[0].weight)
    with pytest.raises(ValueError, match="up to so many times larger"):
        unbalance(depthwise, factor=0.5)
