"""Whole networks to integers: folding, calibration, and the arithmetic of ONNX Runtime's integer kernels."""

import numpy as np
import pytest
import torch
from torch import nn

from shrinklab.affine import choose_qparams, dequantize, fake_quantize, quantize
from shrinklab.data import load
from shrinklab.metrics import accuracy, predict
from shrinklab.models import ResNet8, pretrained
from shrinklab.quantize import QuantizedModel, Scheme, calibrate, collect, fold_batch_norm, quantize_model
from shrinklab.quantize.layers import QuantizedLayer


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def trained_norms(model, seed=0):
    """The model with batch-norm statistics as after training: none 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(generator=generator)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 2, generator=generator)
    return model


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return trained_norms(ResNet8(widths=(4, 4, 4, 8, 8, 8, 8)))


@pytest.fixture(scope="module")
def lenet():
    return pretrained("lenet")


def state(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def net(*layers):
    torch.manual_seed(1)
    return nn.Sequential(*[layer() if isinstance(layer, type) else layer for layer in layers])


# Folding

def test_folding_keeps_the_outputs_and_the_class(resnet):
    folded = fold_batch_norm(resnet)
    assert type(folded) is ResNet8
    assert folded.config == resnet.config
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    x = images(4, 3, 32, 32)
    torch.testing.assert_close(predict(folded, x), predict(resnet, x), rtol=1e-4, atol=1e-4)


def test_folding_is_torchs_own():
    conv, norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)
    model = trained_norms(nn.Sequential(conv, norm)).eval()
    theirs = torch.nn.utils.fuse_conv_bn_eval(conv.eval(), norm)
    ours = fold_batch_norm(model)[0]
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_a_norm_that_is_no_layers_own_stays():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

        def forward(self, x):
            y = self.conv(x)
            return self.norm(y) + y  # the raw output is needed too

    model = trained_norms(Shared())
    folded = fold_batch_norm(model)
    assert isinstance(folded.norm, nn.BatchNorm2d)
    x = images(2, 1, 5, 5)
    torch.testing.assert_close(predict(folded, x), predict(model, x))
    assert isinstance(quantize_model(model, x), QuantizedModel)


# One layer against integer arithmetic that others wrote

def first_layer(model, x, **options):
    small = quantize_model(model, x, Scheme(**options))
    return small, next(iter(small.layers.values()))


@pytest.mark.parametrize(("layer", "shape"), [
    (nn.Conv2d(3, 6, 3, stride=2, padding=1), (4, 3, 9, 9)),
    (nn.Conv2d(6, 6, 3, groups=6, padding=1, bias=False), (4, 6, 9, 9)),
    (nn.Conv2d(4, 6, 3, groups=2, dilation=2), (4, 4, 9, 9)),
    (nn.Linear(30, 7), (20, 30)),
])
@pytest.mark.parametrize("options", [{}, {"weight_bits": 4}, {"per_channel": False}, {"symmetric": True}])
def test_the_sums_are_those_of_64_bit_integers(layer, shape, options):
    x = images(*shape)
    small, quantized = first_layer(nn.Sequential(layer), x, **options)
    grid = small.activations["input_1"]
    centred = quantize(x, grid).long() - grid.zero_point
    weight = quantized.weight.long()
    bias = None if quantized.bias is None else quantized.bias.long()
    if isinstance(layer, nn.Linear):
        theirs = centred @ weight.T + bias
    else:
        theirs = nn.functional.conv2d(centred.double(), weight.double(), None if bias is None else bias.double(),
                                      **quantized.settings).long()
    ours = quantized.accumulate(centred.float(), grid, quantized.bias)
    assert torch.equal(ours.long(), theirs)
    scale = grid.scale * quantized.weight_grid.scale
    real = theirs * quantized.broadcast(scale)
    torch.testing.assert_close(small(x), real.float())


def test_sums_beyond_what_a_float_holds_are_exact_too():
    layer = nn.Linear(9000, 4, bias=False)
    layer.weight.data = 0.8 + 0.2 * torch.rand(4, 9000, generator=torch.Generator().manual_seed(0))
    x = 0.8 + 0.2 * torch.rand(5, 9000, generator=torch.Generator().manual_seed(1))
    small, quantized = first_layer(nn.Sequential(layer), x)
    grid = small.activations["input_1"]
    centred = quantize(x, grid).long() - grid.zero_point
    exact = centred @ quantized.weight.long().T
    assert exact.min() > 2**25
    assert torch.equal(quantized.accumulate(centred.float(), grid), exact.float())


def test_the_bias_is_the_nearest_int32_at_the_scale_of_the_sums():
    layer = nn.Linear(20, 6)
    small, quantized = first_layer(nn.Sequential(layer), images(10, 20))
    step = (small.activations["input_1"].scale * quantized.weight_grid.scale).double()
    real = layer.bias.detach().double()
    assert quantized.bias.dtype == torch.int32
    assert torch.equal(quantized.bias.double(), (real / step).round())


def test_a_layer_is_onnx_runtimes_qlinearconv_bit_for_bit():
    import onnxruntime as ort
    from onnx import helper

    x = images(8, 3, 12, 12)
    model = net(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU, nn.Conv2d(8, 4, 3))
    # 7-bit weights, so that processors without VNNI cannot saturate on the way.
    small, layer = first_layer(model, x, weight_bits=7)
    grids = list(small.activations.values())
    arrays = {"xs": grids[0].scale, "xz": grids[0].zero_point.to(torch.uint8), "w": layer.weight,
              "ws": layer.weight_grid.scale, "wz": torch.zeros(8, dtype=torch.int8), "b": layer.bias,
              "ys": grids[1].scale, "yz": grids[1].zero_point.to(torch.uint8)}
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"],
                            pads=[1, 1, 1, 1])
    from onnx import numpy_helper
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", 2, [8, 3, 12, 12])],
        [helper.make_tensor_value_info("y", 2, [8, 8, 12, 12])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()])
    session = ort.InferenceSession(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)],
                                                     ir_version=10).SerializeToString(),
                                   providers=["CPUExecutionProvider"])
    theirs = torch.from_numpy(session.run(None, {"x": quantize(x, grids[0]).numpy()})[0])
    ours = layer(fake_quantize(x, grids[0]))
    assert torch.equal(quantize(ours, grids[1]), theirs)
    assert grids[1].zero_point == 0  # the grid's own end does the ReLU's work
    assert torch.equal(dequantize(theirs, grids[1]), ours)


@pytest.mark.parametrize("relu", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_relu_is_part_of_the_layer_before_it(relu, symmetric):
    x = images(50, 20) * 10
    model = net(nn.Linear(20, 30), relu, nn.Linear(30, 5))
    small, layer = first_layer(model, x, symmetric=symmetric)
    y = layer(fake_quantize(x, small.activations["input_1"]))
    assert not [m for m in small.modules() if isinstance(m, relu)]
    assert y.min() == 0
    step = small.activations["_0"].scale
    torch.testing.assert_close(y, predict(model[:2], x), rtol=0, atol=3 * step.item() + 0.2)
    if relu is nn.ReLU6:
        assert y.max() <= 6 + step / 2


# Where values are rounded

def test_inputs_layers_and_sums_are_rounded_moves_and_logits_are_not(resnet, lenet):
    x = images(2, 3, 32, 32)
    assert list(quantize_model(resnet, x).activations) == [
        "x", "conv", "block1_conv1", "block1_conv2", "block1_relu_1", "block2_conv1", "block2_conv2",
        "block2_shortcut", "block2_relu_1", "block3_conv1", "block3_conv2", "block3_shortcut", "block3_relu_1", "pool"]
    small = quantize_model(lenet, load("mnist").train[:2])
    assert list(small.activations) == ["x", "conv1", "conv2", "fc1", "fc2"]
    assert small.layers["fc3"].output_grid is None
    four = quantize_model(lenet, load("mnist").train[:2], Scheme(4, 4))
    assert {grid.bits for grid in four.activations.values()} == {4}  # through pooling and flatten


def test_a_value_takes_the_bits_of_the_layers_that_read_it_and_a_sum_eight(resnet):
    first = Scheme(weight_bits=8, activation_bits=8)
    small = quantize_model(resnet, images(2, 3, 32, 32), Scheme(weight_bits=4, activation_bits=4),
                           layers={"conv": first, "fc": first, "block2.shortcut": Scheme(6, 6)})
    bits = {name: grid.bits for name, grid in small.activations.items()}
    assert bits["x"] == bits["pool"] == bits["block1_conv2"] == 8
    assert bits["conv"] == bits["block1_conv1"] == 4
    assert bits["block1_relu_1"] == 6  # read by block2.conv1 with 4 and by the shortcut with 6
    weights = {name: layer.weight_grid.qparams.bits for name, layer in small.layers.items()}
    assert (weights["conv"], weights["block1.conv1"], weights["block2.shortcut"], weights["fc"]) == (8, 4, 6, 8)


def test_additions_in_place_and_relus_in_place_are_traced_as_what_they_compute():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(inplace=True)

        def forward(self, x):
            y = self.conv(x)
            y += x
            return self.relu(y).mean((2, 3))

    model, x = Residual(), images(30, 2, 6, 6)
    small = quantize_model(model, x)
    assert not any(getattr(module, "inplace", False) for module in small.modules())
    torch.testing.assert_close(small(x), predict(model, x), rtol=0, atol=0.05)


def test_operations_without_integer_form_are_computed_on_rounded_values():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 1)
            self.c, self.d = nn.Conv2d(8, 8, 3, groups=8), nn.Linear(8, 5)
            self.drop = nn.Dropout()

        def forward(self, flatten):  # named like a method that moves values
            y = self.c(torch.cat([nn.functional.relu(self.a(flatten)), self.b(flatten).relu()], 1))
            y = nn.functional.max_pool2d(y * torch.sigmoid(y), 2).mean((2, 3))
            return self.d(self.drop(y.view(y.size(0), -1)))

    torch.manual_seed(0)
    model, x = Mixed(), images(20, 3, 12, 12)
    small = quantize_model(model, x)
    assert list(small.activations) == ["flatten", "a", "b", "cat", "c", "sigmoid", "mul", "mean"]
    expected = predict(model, x)
    assert (small(x) - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "mobilenet_v2"])
def test_networks_of_torchvision(name):
    from shrinklab.vision import torchvision

    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=10).eval()
    if name == "vgg11_bn":
        model.classifier = nn.Sequential(nn.Dropout(), nn.Linear(512 * 49, 10))  # its own has 120 M weights
    x = images(2, 3, 32, 32)
    small = quantize_model(model, x)
    assert not [m for m in small.modules() if isinstance(m, nn.BatchNorm2d | nn.Dropout)]
    expected = predict(model, x)
    assert (predict(small, x) - expected).norm() < 0.3 * expected.norm()


# Whole networks

@pytest.mark.parametrize(("scheme", "drop"), [
    (Scheme(), 0.003), (Scheme(observer="percentile"), 0.003), (Scheme(observer="mse"), 0.003),
    (Scheme(observer="entropy"), 0.003), (Scheme(symmetric=True), 0.003), (Scheme(per_channel=False), 0.003),
    (Scheme(dynamic=True), 0.003), (Scheme(weight_bits=4, weight_observer="mse"), 0.01),
    (Scheme(weight_bits=5, activation_bits=None), 0.005), (Scheme(weight_bits=6, activation_bits=6), 0.005),
])
def test_lenet_stays_accurate(lenet, scheme, drop):
    data = load("mnist")
    small = quantize_model(lenet, data.train[:100], scheme)
    assert accuracy(small, data.validation[:1000]) >= accuracy(lenet, data.validation[:1000]) - drop


def test_two_bits_ruin_lenet(lenet):
    data = load("mnist")
    small = quantize_model(lenet, data.train[:100], Scheme(weight_bits=2, activation_bits=2))
    assert accuracy(small, data.validation[:500]) < 0.9


def test_resnet8_stays_accurate():
    data, model = load("cifar10"), pretrained("resnet8")
    small = quantize_model(model, data.train[:100])
    part = data.validation[:500]
    same = predict(small, part.images).argmax(1) == predict(model, part.images).argmax(1)
    assert same.float().mean() > 0.97


def test_the_model_stays_as_it_was_in_any_mode(resnet):
    for train in (True, False):
        resnet.train(train)
        resnet.bn.eval()  # a batch norm frozen on purpose
        before, modes = state(resnet), [m.training for m in resnet.modules()]
        small = quantize_model(resnet, images(3, 3, 32, 32))
        fold_batch_norm(resnet)
        assert state(resnet) == before
        assert [m.training for m in resnet.modules()] == modes
        assert not small.training


def test_the_same_images_give_the_same_model(lenet):
    part = load("mnist").train[:50]
    assert state(quantize_model(lenet, part)) == state(quantize_model(lenet, part))


def test_dynamic_grids_follow_the_batch_like_dynamic_quantize_linear():
    x = images(6, 20)
    model = net(nn.Linear(20, 5))
    small, layer = first_layer(model, None, dynamic=True)
    assert small.activations == {}
    assert layer.bias.dtype == torch.float32
    for batch in (x, 100 * x):
        grid = choose_qparams(batch.min(), batch.max())
        weight = dequantize(layer.weight, layer.weight_grid.qparams)
        torch.testing.assert_close(small(batch), fake_quantize(batch, grid) @ weight.T + layer.bias)


# Hard cases

def test_channels_with_tiny_weights_or_none_keep_their_bias():
    layer = nn.Linear(4, 3)
    layer.weight.data = torch.tensor([[1.0, -1.0, 0.5, 0.2], [0.0] * 4, [1e-12, -1e-12, 0, 0]])
    layer.bias.data = torch.tensor([0.1, 3.7, -2.5])
    x = images(10, 4)
    for per_channel in (True, False):
        small = quantize_model(nn.Sequential(layer), x, Scheme(per_channel=per_channel))
        torch.testing.assert_close(small(x), predict(layer, x), rtol=0, atol=0.03)
        torch.testing.assert_close(small(x)[:, 1:], predict(layer, x)[:, 1:], rtol=0, atol=1e-3)
        scale = small.layers["0"].weight_grid.scale
        assert not per_channel or scale[1] == scale[0]
    layer.weight.data.zero_()
    torch.testing.assert_close(quantize_model(nn.Sequential(layer), x)(x), predict(layer, x), rtol=0, atol=0.01)


def test_images_that_are_all_zero_calibrate():
    model = net(nn.Linear(4, 3), nn.ReLU, nn.Linear(3, 2))
    zero = torch.zeros(2, 4)
    torch.testing.assert_close(quantize_model(model, zero)(zero), predict(model, zero), rtol=0, atol=0.02)


def test_calibrate_gives_each_values_whole_range(lenet):
    part = load("mnist").train[:250]
    ranges = calibrate(lenet, part)
    assert ranges["x"] == (part.images.min(), part.images.max())
    hidden = lenet.conv1(part.images).relu().detach()
    torch.testing.assert_close(ranges["conv1"], (hidden.min(), hidden.max()))
    assert calibrate(lenet, part, lambda values: (values.mean(), values.mean() + 1))["x"][0] < 1


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(x) if x.sum() > 0 else x


class Twice(Branching):
    def forward(self, x):
        return self.fc(self.fc(x))


def broken():
    model = nn.Sequential(nn.Linear(3, 2))
    model[0].weight.data[0, 0] = float("nan")
    return model


@pytest.mark.parametrize(("call", "text"), [
    (lambda: Scheme(weight_bits=1), "weight_bits is 1; a grid has 2 to 8 bits; use 8, or 4."),
    (lambda: Scheme(activation_bits=9), "activation_bits is 9"),
    (lambda: Scheme(weight_bits=None), "weight_bits is None"),
    (lambda: Scheme(observer="median"), "the observer is 'median'; known ones are min_max"),
    (lambda: Scheme(dynamic=True, symmetric=True), "dynamic is True"),
    (lambda: quantize_model(net(nn.Linear(3, 2)), torch.zeros(0, 3)), "the calibration set holds 0 images"),
    (lambda: quantize_model(net(nn.Linear(3, 2))), "the calibration images are a NoneType"),
    (lambda: quantize_model(net(nn.Linear(3, 2)), torch.full((1, 3), torch.nan)), "NaN or inf"),
    (lambda: quantize_model(net(nn.Linear(3, 2)), torch.zeros(1, 4)), "cannot take them"),
    (lambda: quantize_model(broken(), torch.zeros(1, 3)), "0.weight holds 1 values that are NaN"),
    (lambda: quantize_model(quantize_model(net(nn.Linear(3, 2)), torch.zeros(1, 3))), "it is quantized already"),
    (lambda: quantize_model(net(nn.ReLU), torch.zeros(1, 3)), "without convolution or linear layers"),
    (lambda: quantize_model(Branching(), torch.zeros(1, 3)), "Branching cannot be traced"),
    (lambda: quantize_model(Twice(), torch.zeros(1, 3)), "fc is used 2 times"),
    (lambda: quantize_model(net(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")), torch.zeros(1, 1, 4, 4)),
     "integer convolutions pad with zeros"),
    (lambda: quantize_model(net(nn.Linear(3, 2)), torch.zeros(1, 3), layers={"1": Scheme()}), "layers names '1'"),
    (lambda: quantize_model(net(nn.Linear(3, 2)), torch.zeros(1, 3), layers={"0": 4}), "the scheme of 0 is 4"),
])
def test_bad_input_is_refused_with_value_rule_and_fix(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_a_quantized_layer_shows_what_it_is():
    small, layer = first_layer(net(nn.Linear(3, 2), nn.ReLU), images(4, 3))
    assert isinstance(layer, QuantizedLayer)
    assert "Linear, weight (2, 3), clip=(0.0, None)" in repr(small)


@pytest.mark.parametrize("scheme", [Scheme(), Scheme(observer="percentile", activation_bits=4), Scheme(observer="mse"),
                                    Scheme(observer="entropy", symmetric=True)], ids=lambda scheme: scheme.observer)
def test_collected_values_give_the_model_that_their_images_give(lenet, scheme):
    digits = load("mnist").validation
    seen = collect(lenet, digits[:70])
    one, other = (quantize_model(lenet, given, scheme) for given in (seen, digits[:70]))
    assert torch.equal(predict(one, digits.images[:50]), predict(other, digits.images[:50]))


def test_values_of_another_network_are_refused(lenet, resnet):
    seen = collect(lenet, load("mnist").validation[:10])
    with pytest.raises(ValueError, match="collect them from the model that you quantize"):
        quantize_model(resnet, seen)
