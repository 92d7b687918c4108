"""Measuring what is not a plain nn.Module: quantized and codebook models, deployed files, functions."""

import copy
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shrinklab.codebook import codebook_bytes, share_weights
from shrinklab.data import load
from shrinklab.deploy import export
from shrinklab.files import file_bytes
from shrinklab.measure import count_macs, measure, peak_memory
from shrinklab.measurement import SIMULATED, Measurement
from shrinklab.metrics import accuracy, predict
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, quantize_model, quantized_bytes, save_quantized
from shrinklab.stability import flip_rate
from shrinklab.verdict import Budget, verdict


@pytest.fixture(scope="module")
def data():
    return load("mnist")


@pytest.fixture(scope="module")
def split(data):
    return data.validation[:300]


@pytest.fixture(scope="module")
def model():
    return pretrained("lenet")


@pytest.fixture(scope="module")
def quantized(model, data):
    return quantize_model(model, data.train[:64], Scheme(weight_bits=4))


class Doubler:
    """A runner without a file: PyTorch's logits times two, as NumPy."""

    threads = 2

    def __init__(self, model):
        self.model, self.batches = model, []

    def __call__(self, images):
        self.batches.append(len(images))
        return 2 * predict(self.model, images).numpy()


def test_predict_and_accuracy_take_any_runner_in_batches(model, split):
    runner = Doubler(model)
    logits = predict(runner, split.images, batch_size=128)
    assert runner.batches == [128, 128, 44]
    assert isinstance(logits, torch.Tensor)
    torch.testing.assert_close(logits, 2 * predict(model, split.images))
    assert accuracy(runner, split) == accuracy(model, split)
    assert accuracy(lambda images: runner(images), split) == accuracy(model, split)


def test_a_runner_alone_tells_only_what_it_knows(model, split):
    found = measure(Doubler(model), split, repeats=2)
    assert (found.runtime, found.threads, found.images) == ("Doubler", 2, 300)
    assert found.accuracy == accuracy(model, split)
    unknown = ("parameters", "nonzeros", "macs", "file_bytes", "gzip_bytes", "sparse_bytes", "peak_memory_bytes")
    assert [getattr(found, name) for name in unknown] == [None] * 7
    assert "dense file" not in str(found)
    assert "runtime          Doubler" in str(found)


def test_a_quantized_model_counts_its_integers_and_its_real_file(model, quantized, split, tmp_path):
    found = measure(quantized, split, repeats=2)
    assert found.runtime == SIMULATED
    assert found.accuracy == accuracy(quantized, split)
    assert found.file_bytes == quantized_bytes(quantized) < file_bytes(model) / 6
    path = save_quantized(quantized, tmp_path / "model")
    assert found.gzip_bytes == len(gzip.compress(path.read_bytes(), compresslevel=6, mtime=0))
    assert (found.sparse_bytes, found.peak_memory_bytes) == (None, None)
    assert found.macs == count_macs(model, split.images[:1]) == 416_520
    assert found.parameters == 61_706
    zeros = sum(int((layer.weight == 0).sum()) + int((layer.bias == 0).sum()) for layer in quantized.layers.values())
    assert found.parameters - found.nonzeros == zeros > 1000


def test_macs_of_integer_layers_are_those_of_the_float_ones():
    torch.manual_seed(0)
    example = torch.rand(2, 4, 9, 9)
    for layer in (nn.Conv2d(4, 8, 3, stride=2, groups=2), nn.Conv2d(4, 4, 3, groups=4), nn.Linear(9, 5)):
        network = nn.Sequential(layer, nn.ReLU())
        assert count_macs(quantize_model(network, example), example) == count_macs(network, example) > 0


def test_a_codebook_counts_the_weights_that_it_looks_up_and_its_real_file(model, split):
    shared = share_weights(model, 3)
    found = measure(shared, split, repeats=1)
    assert found.file_bytes == codebook_bytes(shared) < file_bytes(model) / 6
    assert found.accuracy == accuracy(shared, split)
    assert (found.parameters, found.macs, found.runtime) == (61_706, 416_520, "PyTorch")


@pytest.mark.parametrize("kind", ["float", "quantized"])
def test_a_deployed_file_is_measured_beside_its_model(kind, model, quantized, split, tmp_path):
    model = quantized if kind == "quantized" else model
    runner = export(model, "onnx", tmp_path / "model.onnx", example=split.images[:1])
    found = measure(model, split, runner=runner, repeats=2)
    alone = measure(runner, split, repeats=2)
    assert found.runtime == alone.runtime == "ONNX Runtime"
    for one in (found, alone):
        assert torch.equal(one.predictions, runner(split.images).argmax(1))
        assert one.file_bytes == Path(runner.path).stat().st_size
        assert one.gzip_bytes == len(gzip.compress(Path(runner.path).read_bytes(), compresslevel=6, mtime=0))
        assert 0 < one.latency_ms <= one.latency_p95_ms
    assert (found.parameters, found.macs, found.peak_memory_bytes) == (61_706, 416_520, None)
    assert flip_rate(found.predictions, predict(model, split.images).argmax(1)) <= 0.01
    with pytest.raises(ValueError, match=r"threads is 3 and the runner was opened with 1; .*; leave threads out"):
        measure(model, split, runner=runner, threads=3)


def test_measuring_leaves_a_model_beside_its_runner_alone(model, split):
    model = copy.deepcopy(model).train()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    measure(model, split, runner=Doubler(copy.deepcopy(model)), repeats=1)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


# The verdict on two runtimes

BEFORE = Measurement(accuracy=0.95, file_bytes=100_000, latency_ms=10.0, runtime="PyTorch")
AFTER = Measurement(accuracy=0.949, file_bytes=20_000, latency_ms=2.0, runtime="PyTorch")


def test_the_latency_of_simulated_integers_is_not_rated():
    simulated = replace(AFTER, runtime=SIMULATED, latency_ms=50.0)
    found = verdict(BEFORE, simulated, Budget(max_latency_ms=1.0))
    assert verdict(BEFORE, AFTER).rating == "good"
    assert found.rating == "borderline"
    assert found.reasons[2] == ("Latency is not rated: integers simulated in floats do not run as fast as integer "
                                "kernels; export the model and measure the runner.")
    assert len(found.reasons) == 3
    assert verdict(BEFORE, replace(simulated, accuracy=0.85)).rating == "bad"


def test_two_runtimes_are_compared_and_said():
    found = verdict(BEFORE, replace(AFTER, runtime="ONNX Runtime"))
    assert found.rating == "good"
    assert found.reasons[-1].startswith("PyTorch ran before and ONNX Runtime after: a part of the change in latency")
    assert "ran before" not in str(verdict(BEFORE, AFTER))
    assert "ran before" not in str(verdict(replace(BEFORE, runtime=None), AFTER))


def test_messages_show_value_rule_and_fix(model, quantized, split):
    runner, network = Doubler(model), 'an nn.Module; pass the network itself, for example pretrained("lenet")'
    cases = [
        (lambda: predict("lenet", split.images), "the model is a str; a model is an nn.Module, or a runner: .*; pass"),
        (lambda: accuracy(nn.Linear, split), "the model is the class Linear; a model is an nn.Module, or a runner"),
        (lambda: predict(runner, np.zeros((1, 1, 28, 28))), "the images are a ndarray; a model takes a tensor"),
        (lambda: measure(runner, split, runner=runner), "the model is a Doubler beside a runner; .*; pass the runner"),
        (lambda: measure(model, split, runner=model), "runner is a LeNet; a runner is a deployed file, .*; pass"),
        (lambda: count_macs(runner, split.images[:1]), f"the model is a Doubler; a network is {network}"),
        (lambda: peak_memory("lenet", split.images[:1]), f"the model is a str; a network is {network}"),
        (lambda: file_bytes(runner), f"the model is a Doubler; a network is {network}"),
        (lambda: file_bytes(quantized), "is a QuantizedModel; its file packs .*; use save_quantized; measure"),
        (lambda: file_bytes(share_weights(model, 2)), "is a CodebookModel; its file packs .*; use save_codebook"),
    ]
    for call, message in cases:
        with pytest.raises((TypeError, ValueError), match=message.replace("(", r"\(").replace(")", r"\)")):
            call()
