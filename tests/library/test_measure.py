import copy
import gc
import time
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from shrinklab import files, masks
from shrinklab.measure import Measurement, count_macs, latency, measure, peak_memory
from shrinklab.metrics import bootstrap_interval
from shrinklab.models import LeNet, ResNet8

EXAMPLES = {LeNet: torch.zeros(1, 1, 28, 28), ResNet8: torch.zeros(1, 3, 32, 32)}


def split_of(model, n=60, seed=0):
    """Random images; half of the labels are what the model says, so its accuracy is about one half."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(n, *EXAMPLES[type(model)].shape[1:], generator=generator)
    with torch.no_grad():
        labels = copy.deepcopy(model).eval()(images).argmax(1)
    labels[::2] = (labels[::2] + 1) % 10
    return SimpleNamespace(name="made/random", images=images, labels=labels)


def flops(model, example):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(example)
    return counter.get_total_flops()


def test_lenet_needs_416520_macs_an_image_whatever_the_batch():
    # 28*28*6*25 + 10*10*16*150 + 400*120 + 120*84 + 84*10
    assert count_macs(LeNet(), torch.zeros(1, 1, 28, 28)) == 117_600 + 240_000 + 48_000 + 10_080 + 840 == 416_520
    assert count_macs(LeNet(), torch.zeros(7, 1, 28, 28)) == 416_520


@pytest.mark.parametrize(("model", "shape"), [
    (ResNet8(), (1, 3, 32, 32)),
    (LeNet((3, 7), (20, 11)), (1, 1, 28, 28)),
    (nn.Conv2d(8, 8, 3, padding=1, groups=8), (1, 8, 16, 16)),
    (nn.Conv1d(4, 6, 3, stride=2, dilation=2), (1, 4, 30)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2), (1, 4, 9, 9)),
    (nn.Linear(6, 3), (1, 5, 6)),
    (nn.Sequential(*[nn.Linear(4, 4)] * 3), (1, 4)),
])
def test_macs_are_half_of_what_torchs_flop_counter_counts(model, shape):
    example = torch.zeros(shape)
    assert 2 * count_macs(model, example) == flops(model.eval(), example)


def test_a_mask_lowers_no_macs():
    model = ResNet8()
    pruned = masks.apply_masks(model, masks.global_masks(model, 0.9))
    assert count_macs(pruned, EXAMPLES[ResNet8]) == count_macs(model, EXAMPLES[ResNet8])


def test_no_hook_is_left_behind_even_after_an_error():
    model = LeNet()
    count_macs(model, EXAMPLES[LeNet])
    with pytest.raises(ValueError, match="LeNet cannot take them"):
        count_macs(model, torch.zeros(1, 3, 5, 5))
    assert not any(module._forward_hooks for module in model.modules())


def test_peak_memory_is_weights_and_the_largest_activations_alive_together():
    # LeNet's peak: the first convolution's output and its ReLU, 6x28x28 values each, beside the input.
    values = 61_706 + 28 * 28 + 2 * 6 * 28 * 28
    assert peak_memory(LeNet(), EXAMPLES[LeNet]) == 4 * values
    batch = peak_memory(LeNet(), torch.zeros(8, 1, 28, 28))
    assert batch == 4 * (61_706 + 8 * (28 * 28 + 2 * 6 * 28 * 28))
    # ResNet8's: in the first block, the shortcut and three more maps, 16x32x32 values each.
    buffers = sum(buffer.nbytes for buffer in ResNet8().buffers())
    assert peak_memory(ResNet8(), EXAMPLES[ResNet8]) == 4 * (77_946 + 3 * 32 * 32 + 4 * 16 * 32 * 32) + buffers


def test_peak_memory_knows_in_place_and_views_and_freed_tensors():
    example = torch.zeros(1, 1000)
    for step, extra in [(nn.ReLU(), 4000), (nn.ReLU(inplace=True), 0), (nn.Unflatten(1, (10, 100)), 0)]:
        assert peak_memory(nn.Sequential(nn.Flatten(), step), example) == 4000 + extra
    chain = nn.Sequential(*[nn.ReLU() for _ in range(9)])
    assert peak_memory(chain, example) == 4000 + 2 * 4000


def test_peak_memory_of_one_image_does_not_count_the_split_that_it_is_a_view_of():
    images = torch.zeros(500, 1, 28, 28)
    assert peak_memory(LeNet(), images[:1]) == peak_memory(LeNet(), images[:1].clone())


def test_latency_warms_up_repeats_and_restores_threads_and_collector():
    calls, before = [], torch.get_num_threads()

    def run():
        calls.append((torch.get_num_threads(), torch.is_inference_mode_enabled(), gc.isenabled()))

    timed = latency(run, warm_up=3, repeats=20, threads=before + 1, batch=4)
    assert calls == [(before + 1, True, False)] * 23
    assert (timed.repeats, timed.threads, timed.batch) == (20, before + 1, 4)
    assert 0 < timed.p50_ms <= timed.p95_ms
    assert torch.get_num_threads() == before
    assert gc.isenabled()


def test_latency_leaves_the_warm_up_out_and_takes_the_median(monkeypatch):
    # A clock whose readings are given: the two warm-up calls take 500 ms, the timed ones 1 to 4 and 100 ms.
    readings = [0]
    for length in (500, 500, 1, 2, 3, 4, 100):
        readings += [readings[-1] + length * 10**6] * 2
    monkeypatch.setattr(time, "perf_counter_ns", iter(readings).__next__)
    timed = latency(lambda: None, warm_up=2, repeats=5)
    assert timed.p50_ms == pytest.approx(3.0)
    assert timed.p95_ms == pytest.approx(80.8)  # 4 + 0.8 x 96, as numpy.percentile interpolates


def test_latency_restores_threads_and_collector_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        latency(lambda: 1 / 0, threads=before + 1)
    assert torch.get_num_threads() == before
    assert gc.isenabled()


@pytest.mark.parametrize("make", [LeNet, ResNet8])
def test_measure_gives_what_its_parts_give(make):
    torch.manual_seed(0)
    model = make()
    model = masks.apply_masks(model, masks.global_masks(model, 0.5))
    split = split_of(model)
    found = measure(model, split, repeats=3)
    with torch.no_grad():
        predictions = copy.deepcopy(model).eval()(split.images).argmax(1)
    assert found.accuracy == (predictions == split.labels).double().mean().item() == 0.5
    assert (found.accuracy_low, found.accuracy_high) == bootstrap_interval(predictions == split.labels)
    assert torch.equal(found.predictions, predictions)
    assert found.parameters == sum(weight.numel() for weight in model.parameters())
    zeros = sum(int((weight == 0).sum()) for weight in model.parameters())
    assert found.parameters - found.nonzeros == zeros > 0
    assert found.macs == count_macs(model, split.images[:1])
    assert found.file_bytes == files.file_bytes(model)
    assert found.gzip_bytes == files.gzip_bytes(model)
    assert found.sparse_bytes == files.sparse_bytes(model)
    assert found.peak_memory_bytes == peak_memory(model, split.images[:1])
    assert 0 < found.latency_ms <= found.latency_p95_ms
    assert (found.threads, found.batch, found.images, found.split) == (1, 1, 60, "made/random")


def test_the_example_sets_batch_and_memory():
    model = LeNet()
    split = split_of(model)
    found = measure(model, split, example=split.images[:16], repeats=2, threads=2)
    assert (found.batch, found.threads, found.macs) == (16, 2, 416_520)
    assert found.peak_memory_bytes == peak_memory(model, split.images[:16])


def test_measure_leaves_model_modes_split_and_random_state_as_they_were():
    model = ResNet8().train()
    model.bn.eval()  # a frozen batch norm inside a model in training
    split = split_of(model)
    state, images, labels = copy.deepcopy(model.state_dict()), split.images.clone(), split.labels.clone()
    modes, generator = [module.training for module in model.modules()], torch.get_rng_state()
    measure(model, split, repeats=2)
    assert [module.training for module in model.modules()] == modes
    now = model.state_dict()
    assert all(now[name].numpy().tobytes() == tensor.numpy().tobytes() for name, tensor in state.items())
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert torch.equal(split.images, images)
    assert torch.equal(split.labels, labels)
    assert torch.equal(torch.get_rng_state(), generator)


def test_a_measurement_is_frozen_and_reads_well():
    model = LeNet()
    found = replace(measure(model, split_of(model), repeats=2), accuracy=0.5, accuracy_low=0.4, accuracy_high=0.625)
    with pytest.raises(FrozenInstanceError):
        found.accuracy = 1.0
    lines = {line[:17].strip(): line[17:] for line in str(found).splitlines()}
    assert lines["accuracy"] == "50.0 %"
    assert lines["95 % interval"] == "40.0 % to 62.5 %"
    assert lines["MACs an image"] == "416,520"
    assert lines["dense file"] == f"{found.file_bytes:,} bytes"
    assert lines["latency, median"] == f"{found.latency_ms:.3f} ms"
    assert lines["batch"] == "1"
    assert "predictions" not in repr(found)


def test_the_html_table_holds_the_same_rows_and_escapes_names():
    found = Measurement(accuracy=0.5, file_bytes=10, latency_ms=1.0, split="<b>mine</b>")
    text = found._repr_html_()
    assert text.count("<tr>") == len(found.rows()) == len(str(found).splitlines()) == 4
    assert "&lt;b&gt;mine" in text
    assert "<b>" not in text


def test_messages_show_value_rule_and_fix():
    model = LeNet()
    split = split_of(model)
    nobody = SimpleNamespace(images=split.images[:0], labels=split.labels[:0])
    short = SimpleNamespace(images=split.images, labels=split.labels[:-1])
    broken = copy.deepcopy(model)
    broken.fc3.weight.data[0, 0] = float("nan")
    cases = [
        (lambda: measure(model, nobody), "the split has 0 images and 0 labels; measuring needs at least one image"),
        (lambda: measure(model, short), "the split has 60 images and 59 labels; .*; pass a split such as"),
        (lambda: measure(broken, split), "60 rows of logits hold NaN; a prediction needs numbers; look for NaN"),
        (lambda: measure(model, split, example=torch.zeros(1, 3, 28, 28)),
         r"the images have shape \(1, 3, 28, 28\); LeNet cannot take them: .*; pass images of the shape"),
        (lambda: measure(model, split, example=split.images[:0]), "at least one image is needed"),
        (lambda: peak_memory(model, torch.zeros(1, 3, 28, 28)), "LeNet cannot take them"),
        (lambda: latency(lambda: None, repeats=0), "repeats is 0 and warm_up is 10; at least one call is timed"),
        (lambda: latency(lambda: None, threads=0), "threads is 0; threads is a count of 1 or more; use 1"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=r"(?s)" + message):
            call()
    with pytest.raises(TypeError, match="run is a Tensor; .*; write lambda"):
        latency(torch.zeros(1))
