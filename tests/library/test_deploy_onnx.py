"""Deployment to ONNX Runtime: what was simulated is what runs, on integer kernels, in a process without torch."""

import subprocess
import sys
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from shrinklab.data import load
from shrinklab.deploy import SaturationWarning, export, load_runner, run, saturates, saturation
from shrinklab.metrics import predict
from shrinklab.models import DATA_OF, pretrained
from shrinklab.quantize import Scheme, quantize_model

# Where the processor's int8 kernels saturate, the files of these tests take the way out.
SAFE = {"weights": "uint8"} if saturates() else {}
EVERY = {
    "8 bits": {}, "per tensor": {"per_channel": False}, "7 bits": {"weight_bits": 7}, "symmetric": {"symmetric": True},
    "4 bits": {"weight_bits": 4, "weight_observer": "mse"}, "3 and 5 bits": {"weight_bits": 3, "activation_bits": 5},
    "symmetric 4 and 6": {"weight_bits": 4, "activation_bits": 6, "symmetric": True}, "dynamic": {"dynamic": True},
    "weights only": {"activation_bits": None},
}


@pytest.fixture(scope="module")
def models():
    return {name: pretrained(name) for name in DATA_OF}


def images_of(name, count=1000):
    return load(DATA_OF[name]).validation.images[:count]


def quantized(models, name, options=None, **more):
    return quantize_model(models[name], load(DATA_OF[name]).train[:64], Scheme(**options or {}), **more)


def same(simulated, deployed):
    return (simulated.argmax(1) == deployed.argmax(1)).double().mean().item()


def operations(path, tmp_path):
    """Counts of the operations that ONNX Runtime really runs, after its own optimizations."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimized.onnx"), 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)


def state(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


def net(*layers, seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(*layers).eval()


# Simulated against deployed

@pytest.mark.parametrize("kind", EVERY)
def test_lenet_deployed_predicts_what_was_simulated(models, tmp_path, kind):
    small, images = quantized(models, "lenet", EVERY[kind]), images_of("lenet")
    runner = export(small, "onnx", tmp_path / "lenet.onnx", example=images[:1], **SAFE)
    assert same(predict(small, images, batch_size=1000), runner(images)) >= 0.999


@pytest.mark.parametrize(("name", "kind", "count"), [
    ("resnet8", "8 bits", 1000), ("resnet8", "symmetric 4 and 6", 300), ("mobilenet", "8 bits", 1000),
    ("mobilenet", "per tensor", 300), ("resnet12", "8 bits", 200)])
def test_a_deployed_network_predicts_what_was_simulated(models, tmp_path, name, kind, count):
    small, images = quantized(models, name, EVERY[kind]), images_of(name, count)
    runner = export(small, "onnx", tmp_path / "small.onnx", example=images[:1], **SAFE)
    assert same(predict(small, images), runner(images)) >= 0.999


def test_both_kinds_of_weights_give_the_same_logits(models, tmp_path):
    small, images, logits = quantized(models, "resnet8", {"weight_bits": 7}), images_of("resnet8", 200), {}
    for weights, kind in (("int8", onnx.TensorProto.INT8), ("uint8", onnx.TensorProto.UINT8)):
        runner = export(small, "onnx", tmp_path / "small.onnx", example=images[:1], weights=weights)
        logits[weights] = runner(images)
        stored = onnx.load(runner.path).graph.initializer
        assert {tensor.data_type for tensor in stored if tensor.name.endswith("_weight")} == {kind}
    assert torch.equal(logits["int8"], logits["uint8"])
    assert same(predict(small, images), logits["int8"]) == 1


def test_layers_with_bits_of_their_own(models, tmp_path):
    layers = {"fc1": Scheme(weight_bits=4, activation_bits=6), "conv2": Scheme(weight_bits=2, weight_observer="mse"),
              "fc3": Scheme(weight_bits=5, per_channel=False)}
    small, images = quantized(models, "lenet", layers=layers), images_of("lenet")
    runner = export(small, "onnx", tmp_path / "mixed.onnx", example=images[:1], **SAFE)
    assert same(predict(small, images), runner(images)) >= 0.999
    if not SAFE:
        kinds = {t.name: t.data_type for t in onnx.load(runner.path).graph.initializer if "weight" in t.name}
        assert kinds["fc1_weight_int4"] == kinds["conv2_weight_int4"] == onnx.TensorProto.INT4
        assert kinds["fc3_weight"] == onnx.TensorProto.INT8


def test_a_layer_on_floats_before_layers_on_integers_clips_its_result(models, tmp_path):
    """The simulation once let values beyond the grid pass from a layer with weights only."""
    small = quantized(models, "lenet", layers={"conv1": Scheme(activation_bits=None)})
    images = 5 * images_of("lenet", 100)  # far beyond what calibration saw
    runner = export(small, "onnx", tmp_path / "mixed.onnx", example=images[:1], **SAFE)
    torch.testing.assert_close(runner(images), predict(small, images), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kind", ["8 bits", "3 and 5 bits", "symmetric", "symmetric 4 and 6"])
def test_values_beyond_the_calibrated_range_are_clipped_as_simulated(models, tmp_path, kind):
    small, images = quantized(models, "lenet", EVERY[kind]), 5 * images_of("lenet", 100)
    runner = export(small, "onnx", tmp_path / "lenet.onnx", example=images[:1], **SAFE)
    assert ((predict(small, images) - runner(images)).abs().amax(1) < 1e-3).double().mean() > 0.95


def test_our_scales_and_zero_points_are_those_of_the_file(models, tmp_path):
    small = quantized(models, "lenet")
    export(small, "onnx", tmp_path / "lenet.onnx", example=images_of("lenet", 1), **SAFE)
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "lenet.onnx").graph.initializer}
    for name, layer in small.layers.items():
        np.testing.assert_array_equal(stored[f"{name}_weight_scale"], layer.weight_grid.scale)
        np.testing.assert_array_equal(stored[f"{name}_bias"], layer.bias)
        if layer.output_grid is not None:
            assert stored[f"{name}_integers_scale"] == layer.output_grid.scale.numpy()
            assert stored[f"{name}_integers_zero_point"] == layer.output_grid.zero_point.numpy()


# What really runs

def test_the_whole_network_runs_on_integer_kernels(models, tmp_path):
    for name, convolutions, additions in (("resnet8", 9, 3), ("mobilenet", 13, 0), ("lenet", 2, 0)):
        runner = export(quantized(models, name), "onnx", tmp_path / "small.onnx", example=images_of(name, 1), **SAFE)
        counts = operations(runner.path, tmp_path)
        assert (counts["QLinearConv"], counts["QLinearAdd"]) == (convolutions, additions)
        assert counts["QuantizeLinear"] == 1  # the image; the logits come out of the last kernel as floats
        assert not {"Conv", "Gemm", "Add", "Relu", "DequantizeLinear", "BatchNormalization"} & set(counts)


def test_narrow_grids_run_on_integer_kernels_too(models, tmp_path):
    small = quantized(models, "resnet8", EVERY["symmetric 4 and 6"])
    counts = operations(export(small, "onnx", tmp_path / "s.onnx", example=images_of("resnet8", 1)).path, tmp_path)
    assert counts["QLinearConv"] == 9
    assert not {"Conv", "DequantizeLinear", "Cast"} & set(counts)


def test_a_dynamic_network_runs_on_integer_kernels(models, tmp_path):
    small = quantized(models, "resnet8", EVERY["dynamic"])
    counts = operations(export(small, "onnx", tmp_path / "s.onnx", example=images_of("resnet8", 1), **SAFE).path,
                        tmp_path)
    assert counts["ConvInteger"] == 9
    assert counts["Conv"] == 0


def test_a_float_file_has_its_batch_norm_folded(models, tmp_path):
    for name, convolutions in (("lenet", 2), ("resnet8", 9), ("mobilenet", 13), ("resnet12", 14)):
        images = images_of(name, 100)
        runner = export(models[name], "onnx", tmp_path / f"{name}.onnx", example=images[:1])
        torch.testing.assert_close(runner(images), predict(models[name], images), rtol=1e-3, atol=1e-3)
        counts = Counter(node.op_type for node in onnx.load(runner.path).graph.node)
        assert counts["Conv"] == convolutions
        assert counts["BatchNormalization"] == 0


def test_an_int8_file_is_about_a_quarter_and_an_int4_file_about_an_eighth(models, tmp_path):
    example = images_of("resnet12", 1)
    dense = export(models["resnet12"], "onnx", tmp_path / "dense.onnx", example=example)
    eight = export(quantized(models, "resnet12"), "onnx", tmp_path / "8.onnx", example=example, **SAFE)
    four = export(quantized(models, "resnet12", {"weight_bits": 4}), "onnx", tmp_path / "4.onnx", example=example)
    assert dense.file_bytes > 3.8 * eight.file_bytes
    assert dense.file_bytes > 7.2 * four.file_bytes


# The file and its runner

def test_a_fresh_process_without_torch_gives_the_same_logits(models, tmp_path):
    small, images = quantized(models, "lenet"), images_of("lenet")
    runner = export(small, "onnx", tmp_path / "lenet.onnx", example=images[:1], **SAFE)
    np.save(tmp_path / "images.npy", images.numpy())
    code = ("import sys; from shrinklab.deploy.run import main; main(sys.argv[1:]); "
            "assert 'torch' not in sys.modules, 'torch was imported'; print(len(sys.modules))")
    files = [tmp_path / name for name in ("lenet.onnx", "images.npy", "logits.npy")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    logits = torch.from_numpy(np.load(tmp_path / "logits.npy"))
    assert logits.shape == (1000, 10)
    torch.testing.assert_close(logits, runner(images), rtol=0, atol=0)
    assert same(predict(small, images), logits) >= 0.999


def test_the_command_reports_a_mistake_and_no_traceback(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run.main([str(tmp_path / "none.onnx"), "images.npy", "logits.npy"])
    assert "error: path is" in capsys.readouterr().err


def test_a_file_opens_again_and_takes_any_number_of_images(models, tmp_path):
    images = images_of("lenet", 7)
    first = export(quantized(models, "lenet"), "onnx", tmp_path / "lenet.onnx", example=images[:3], **SAFE)
    again = load_runner(str(tmp_path / "lenet.onnx"), threads=2)
    assert (again.target, again.path, again.threads) == ("onnx", tmp_path / "lenet.onnx", 2)
    assert again.file_bytes == (tmp_path / "lenet.onnx").stat().st_size
    wanted = first(images)
    for count in (1, 2, 7):
        torch.testing.assert_close(again(images[:count].double()), wanted[:count], rtol=1e-5, atol=1e-5)
    assert wanted.dtype == torch.float32


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_was(models, tmp_path):
    for model in (quantized(models, "resnet8"), pretrained("resnet8").train()):
        before, mode, chance = state(model), model.training, torch.get_rng_state()
        files = [export(model, "onnx", tmp_path / f"{i}.onnx", example=images_of("resnet8", 1), **SAFE).path
                 for i in range(2)]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert state(model) == before
        assert model.training == mode
        assert torch.equal(torch.get_rng_state(), chance)


def test_no_path_of_this_machine_is_in_the_file(models, tmp_path):
    runner = export(models["lenet"], "onnx", tmp_path / "lenet.onnx", example=images_of("lenet", 1))
    assert str(tmp_path).encode() not in runner.path.read_bytes()


# Other networks

class Odd(nn.Module):
    """Operations that our four models do not have."""

    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm2d(3)
        self.conv = nn.Conv2d(3, 6, (3, 5), stride=2, padding=(1, 2), dilation=1, padding_mode="zeros")
        self.same = nn.Conv2d(6, 6, (3, 5), padding="same", dilation=(2, 1), groups=2)
        self.act, self.norm = nn.ReLU6(), nn.BatchNorm2d(6)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        x = self.act(self.conv(self.bn(x)))
        y = nn.functional.max_pool2d(self.same(x), 3, stride=1, padding=1)
        x = torch.cat([x * torch.sigmoid(y), self.norm(nn.functional.relu(y) + 0.5)], 1)
        x = nn.functional.avg_pool2d(x, 2).permute(0, 2, 3, 1).transpose(1, 3)
        return self.fc(x.mean((2, 3)).view(x.size(0), -1)).relu()


@pytest.mark.parametrize("scheme", [None, Scheme(), Scheme(activation_bits=4), Scheme(dynamic=True)])
def test_many_operations_agree(tmp_path, scheme):
    torch.manual_seed(3)
    model = Odd().eval()
    model.bn.running_mean += 0.3
    images = torch.rand(64, 3, 12, 10)
    model = model if scheme is None else quantize_model(model, images, scheme)
    runner = export(model, "onnx", tmp_path / "odd.onnx", example=images[:1], **SAFE)
    got, wanted = runner(images), predict(model, images)
    # A value that lies on a tie may round to its other neighbour.
    assert ((got - wanted).abs().amax(1) < 1e-4).double().mean() > 0.95


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_torchvisions_networks_float_and_quantized(tmp_path, name):
    from shrinklab.vision import torchvision

    torch.manual_seed(0)
    model, images = getattr(torchvision.models, name)(num_classes=10).eval(), torch.randn(4, 3, 64, 64)
    dense = export(model, "onnx", tmp_path / "dense.onnx", example=images)
    torch.testing.assert_close(dense(images), predict(model, images), rtol=1e-3, atol=1e-4)
    small = quantize_model(model, images)
    deployed = export(small, "onnx", tmp_path / "small.onnx", example=images, **SAFE)
    wanted = predict(small, images)
    assert (deployed(images) - wanted).abs().max() < 0.05 * wanted.abs().max()
    assert not {"Conv", "Add", "Clip"} & set(operations(deployed.path, tmp_path))


def test_one_layer_alone_and_a_quantized_linear_net(tmp_path):
    images = torch.randn(50, 6)
    model = net(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    small = quantize_model(model, images, Scheme(symmetric=True))
    for made in (nn.Linear(6, 5), model, small):
        runner = export(made, "onnx", tmp_path / "line.onnx", example=images[:1], **SAFE)
        torch.testing.assert_close(runner(images), predict(made, images), rtol=1e-4, atol=1e-4)


# Saturation

def sixteen_bits(kind, weights):
    """The probe on a processor that adds pairs of products in 16 bits: VPMADDUBSW."""
    values, integers = saturation.extremes()
    rows, columns = values[0].reshape(saturation.CHANNELS, -1).T, integers[:, :, 0, 0]
    pairs = (rows[:, None] * columns[None]).reshape(len(rows), len(columns), -1, 2).sum(-1)
    sums = (pairs.clip(-(2**15), 2**15 - 1) if weights == "int8" else pairs).sum(-1)
    return sums if kind == "product" else sums.T.reshape(values.shape)


def test_the_probe_knows_a_saturating_kernel(monkeypatch):
    for kind in ("convolution", "product"):
        assert np.abs(saturation.exact(kind)).min() == 64 * 255 * 127
    monkeypatch.setattr(saturation, "probe", sixteen_bits)
    assert saturation.saturates.__wrapped__("int8")
    assert not saturation.saturates.__wrapped__("uint8")


def test_the_uint8_kernel_never_saturates():
    assert not saturates("uint8")


def test_an_export_that_would_saturate_warns_and_both_ways_out_do_not(models, tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(saturation, "saturates", lambda: True)
    path, example = tmp_path / "lenet.onnx", images_of("lenet", 1)
    with pytest.warns(SaturationWarning, match=r"two products can reach 64,770.*weight_bits=7.*weights=\"uint8\""):
        export(quantized(models, "lenet"), "onnx", path, example=example)
    recwarn.clear()
    export(quantized(models, "lenet"), "onnx", path, example=example, weights="uint8")
    export(quantized(models, "lenet", {"weight_bits": 7}), "onnx", path, example=example)
    export(quantized(models, "lenet", {"activation_bits": None}), "onnx", path, example=example)
    export(models["lenet"], "onnx", path, example=example)
    assert not recwarn.list


# Refusals

class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(("change", "words"), [
    ({"target": "coreml"}, "target is 'coreml'; known targets are onnx, executorch, litert, torchao; use one of them."),
    ({"path": "model.pt"}, "path is model.pt; files for onnx end in .onnx; use model.onnx."),
    ({"path": "none/model.onnx"}, "its folder has to exist; make .*none first."),
    ({"example": None}, "example is a NoneType of shape .*; a file is made for float images"),
    ({"example": torch.zeros(0, 1, 28, 28)}, r"example is a Tensor of shape \(0, 1, 28, 28\)"),
    ({"example": torch.zeros(1, 1, 28, 28, dtype=torch.uint8)}, "made for float images"),
    ({"example": torch.zeros(1, 3, 9, 9)}, r"example has shape \(1, 3, 9, 9\); LeNet cannot take it: .*; pass images"),
    ({"model": "lenet"}, "the model is a str; a file is made from an nn.Module; pass a float model or a Quantized"),
    ({"model": Branch()}, "Branch cannot be traced"),
    ({"model": nn.Sequential(nn.GELU())}, "_0 is a GELU; this operation has no ONNX form here; .*torch.onnx.export"),
    ({"weights": "int4"}, "weights is 'int4'; integer weights are stored as \"int8\" or \"uint8\"; use \"int8\"."),
    ({"bits": 8}, "the option bits is 8; onnx has the options weights; leave it out."),
])
def test_bad_exports_are_refused(models, tmp_path, change, words):
    options = {"model": models["lenet"], "target": "onnx", "example": torch.zeros(1, 1, 28, 28)} | change
    options["path"] = tmp_path / options.get("path", "model.onnx")
    with pytest.raises(ValueError, match=words):
        export(**options)
    assert not list(tmp_path.glob("*"))


def test_nan_weights_and_other_dynamic_grids_are_refused(models, tmp_path):
    broken = pretrained("lenet")
    broken.fc1.weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="fc1.weight holds 1 values that are NaN or inf"):
        export(broken, "onnx", tmp_path / "m.onnx", example=images_of("lenet", 1))
    small = quantized(models, "lenet", {"dynamic": True, "activation_bits": 4})
    with pytest.raises(ValueError, match="conv1 chooses grids of 4 bits for each batch; .* has 8 bits; quantize with"):
        export(small, "onnx", tmp_path / "m.onnx", example=images_of("lenet", 1))


def test_bad_runs_are_refused(models, tmp_path):
    runner = export(models["lenet"], "onnx", tmp_path / "m.onnx", example=images_of("lenet", 1))
    for images, words in ((torch.zeros(1, 3, 28, 28), r"shape \(1, 3, 28, 28\); m.onnx takes \('N', 1, 28, 28\)"),
                          (torch.zeros(28, 28), "the images have shape"),
                          (torch.zeros(0, 1, 28, 28), "a runner takes a batch of one image or more"),
                          (torch.zeros(1, 1, 28, 28, dtype=torch.int64), "images holds torch.int64; .*takes floats"),
                          (np.zeros((1, 1, 28, 28)), "images is a ndarray; a runner takes a float tensor")):
        with pytest.raises(ValueError, match=words):
            runner(images)
    with pytest.raises(ValueError, match="images holds int64; a runner takes floats"):
        runner.run(np.zeros((1, 1, 28, 28), int))


def test_files_that_cannot_be_opened_are_refused(models, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file; export the model first"):
        load_runner(tmp_path / "none.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="is no file that ONNX Runtime can run .* a runner opens ONNX files; export"):
        load_runner(tmp_path / "broken.onnx")
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="path is weights.pt; a runner opens files that end in .onnx, .pte, .tflite"):
        load_runner(tmp_path / "weights.pt")
    export(models["lenet"], "onnx", tmp_path / "m.onnx", example=images_of("lenet", 1))
    for threads in (0, "2", True):
        with pytest.raises(ValueError, match=f"threads is {threads!r}; a runner needs at least one; use 1"):
            load_runner(tmp_path / "m.onnx", threads=threads)


def test_a_missing_package_is_named_with_its_installation(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "shrinklab.deploy.onnx")
    with pytest.raises(ImportError, match=r"package onnxruntime is missing; .*: pip install \"shrinklab\[deploy\]\""):
        export(nn.Linear(2, 1), "onnx", tmp_path / "m.onnx", example=torch.zeros(1, 2))
