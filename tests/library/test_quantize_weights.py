"""Weights rounded in floats: against torch's fake quantization, and against the network that holds the integers."""

import pytest
import torch

from shrinklab.affine import fake_quantize
from shrinklab.data import load
from shrinklab.metrics import predict
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, fold_batch_norm, quantize_model, round_weights, weight_qparams

NAMES = ["lenet", "resnet8"]


def rounded(model, bits, **options):
    return round_weights(model, lambda weight: fake_quantize(weight, weight_qparams(weight, bits, **options)))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("symmetric", [False, True])
def test_weights_are_torchs_fake_quantized_ones(bits, symmetric):
    weight = pretrained("lenet").conv2.weight.detach()
    one = weight_qparams(weight, bits, symmetric=symmetric, per_channel=False)
    theirs = torch.fake_quantize_per_tensor_affine(weight, one.scale, one.zero_point, one.low, one.high)
    assert torch.equal(fake_quantize(weight, one), theirs)
    each = weight_qparams(weight, bits, symmetric=symmetric)
    assert each.scale.shape == (16,)
    theirs = torch.fake_quantize_per_channel_affine(weight, each.scale, each.zero_point, 0, each.low, each.high)
    assert torch.equal(fake_quantize(weight, each), theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_network_with_rounded_weights_is_the_one_that_holds_the_integers(name, per_channel):
    model = fold_batch_norm(pretrained(name))
    images = load("mnist" if name == "lenet" else "cifar10").validation.images[:20]
    scheme = Scheme(weight_bits=4, activation_bits=None, per_channel=per_channel)
    integers = quantize_model(model, scheme=scheme)
    torch.testing.assert_close(predict(rounded(model, 4, per_channel=per_channel), images), predict(integers, images))


def test_only_weights_change_and_only_in_the_copy():
    model = pretrained("resnet8")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    small = rounded(model, 2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    changed = {name for name, tensor in small.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name, parameter in model.named_parameters() if parameter.ndim > 1}


def test_a_rounder_that_writes_into_its_input_harms_nothing():
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    round_weights(layer, lambda weight: weight.round_())
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize(("rounder", "message"), [
    (lambda weight: weight.to(torch.int8), "torch.int8 of shape .*dequantize"),
    (lambda weight: weight.flatten(), "float tensor of shape"), (lambda weight: None, "is a NoneType")])
def test_what_is_no_weight_is_refused(rounder, message):
    with pytest.raises(ValueError, match=message):
        round_weights(torch.nn.Linear(3, 2), rounder)


def test_what_has_no_weights_or_rows_is_refused():
    with pytest.raises(ValueError, match="nothing to round"):
        round_weights(torch.nn.ReLU(), torch.round)
    with pytest.raises(TypeError, match="pass the function itself"):
        round_weights(torch.nn.Linear(3, 2), 8)
    with pytest.raises(ValueError, match="a row for each output channel"):
        weight_qparams(torch.zeros(3))
