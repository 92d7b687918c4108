"""The capstone: a device with a budget, a pipeline that has to meet it, and the measurement that decides.

The budget is drawn from a seed. A pipeline is a function of the trained network, the data and the budget; what it
returns is exported to ONNX Runtime and measured there, beside the dense network, on images moved and lit anew.
"""

import hashlib
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from shrinklab.data import Split, load
from shrinklab.deploy import export
from shrinklab.errors import need
from shrinklab.exercise import service
from shrinklab.inference import predict
from shrinklab.measure import count_macs
from shrinklab.models import ARCHITECTURES, pretrained
from shrinklab.quantize.model import QuantizedModel
from shrinklab.verdict import drop_points

NETWORK, DATA = "resnet8", "cifar10"
SOURCE_BYTES = 32_000  # of a pipeline's code: no room for weights
PIPELINE_SECONDS = 240  # that a pipeline may take in grading, on one thread
BAND = 0.10  # a measured latency ratio may pass its limit by this share: two measurements differ by some per cent
MOST_WORK = 1.5  # times the dense network's MACs: what does more is not measured
BROKEN_POINTS = 15.0  # a network that lost more has lost its use, and no saving counts
REACH = 2  # pixels that an image is moved, at most
LINES = "bytes", "latency", "accuracy"
# (bytes, latency ratio, drop) that were met in trials, from the mildest device to the tightest.
DEVICES = ((60_000, 0.90, 4.0), (55_000, 0.90, 4.5), (50_000, 0.95, 5.0), (45_000, 0.95, 5.5))


@dataclass(frozen=True)
class DeviceBudget:
    """What the device allows. max_bytes: of the ONNX file; max_latency_ratio: p50 latency of one image, as a share of
    the dense network's in the same runtime; max_drop_points: of accuracy, against the dense network.

    >>> print(DeviceBudget(max_bytes=80_000, max_latency_ratio=0.9, max_drop_points=4.0))
    at most 80,000 bytes, at most 0.90 of the dense network's latency, at most 4.0 points less accuracy
    """

    max_bytes: int
    max_latency_ratio: float
    max_drop_points: float

    def __str__(self):
        return (f"at most {self.max_bytes:,} bytes, at most {self.max_latency_ratio:.2f} of the dense network's "
                f"latency, at most {self.max_drop_points:.1f} points less accuracy")


@dataclass(frozen=True)
class Line:
    """One line of a budget: whether it was met, and the sentence that says why."""

    name: str
    met: bool
    sentence: str

    def __str__(self):
        return f"{'✓' if self.met else '✗'} {self.sentence}"


@dataclass(frozen=True)
class Trial:
    """A pipeline's result. lines: one `Line` for bytes, latency and accuracy; measured: the figures behind them."""

    budget: DeviceBudget
    lines: tuple[Line, ...]
    measured: dict

    @property
    def met(self):
        return all(line.met for line in self.lines)

    def line(self, name):
        """The line called "bytes", "latency" or "accuracy"."""
        return next(line for line in self.lines if line.name == name)

    def __str__(self):
        return "\n".join([f"Budget: {self.budget}.", *map(str, self.lines)])


def draw_budget(student="", term=""):
    """The budget of a student, by the name of the submission's folder; "" is the one for learning by oneself.

    The same name and term always draw the same. A tight file comes with a milder accuracy line, so that nobody's
    device is out of reach.

    >>> print(draw_budget())
    at most 60,000 bytes, at most 0.90 of the dense network's latency, at most 4.0 points less accuracy
    >>> draw_budget("ann", "autumn") == draw_budget("ann", "autumn") != draw_budget("bob", "autumn")
    True
    """
    if not student:
        return DeviceBudget(*DEVICES[0])
    draw = np.random.RandomState(list(hashlib.sha256(f"capstone/{term}/{student}".encode()).digest()))
    place = draw.uniform(0, len(DEVICES) - 1)
    limits = [np.interp(place, range(len(DEVICES)), column) for column in zip(*DEVICES, strict=True)]
    return DeviceBudget(int(limits[0] // 100 * 100), round(float(limits[1]), 2), round(float(limits[2]), 1))


def moved_images(split, data, seed):
    """Copies of images, each moved by up to two pixels and lit anew: brighter or darker, with more or less contrast.

    Labels stay, and so does what a person sees. A network that learnt pixels by heart meets other pixels.
    split: normalised images (N, C, H, W); data: the `Data` that they are from; seed: any int.

    >>> images = load("cifar10").validation[:4]
    >>> fresh = moved_images(images, load("cifar10"), seed=1)
    >>> fresh.images.shape == images.images.shape, bool((fresh.images != images.images).any())
    (True, True)
    """
    draw = torch.Generator().manual_seed(seed)
    images, (n, _, height, width) = split.images, split.images.shape
    dy, dx = torch.randint(0, 2 * REACH + 1, (2, n), generator=draw)
    padded = F.pad(images, [REACH] * 4, mode="reflect")
    moved = torch.stack([image[:, y:y + height, x:x + width]
                         for image, y, x in zip(padded, dy.tolist(), dx.tolist(), strict=True)])
    contrast = 0.85 + 0.3 * torch.rand(n, 1, 1, 1, generator=draw)
    light = 0.2 * torch.rand(n, 1, 1, 1, generator=draw) - 0.1
    mean, std = data.mean[:, None, None], data.std[:, None, None]
    pixels = ((moved * std + mean - 0.5) * contrast + 0.5 + light).clamp(0, 1)
    return Split(f"{split.name}, moved and lit anew", (pixels - mean) / std, split.labels)


def interleaved(runners, image, *, rounds=300, warm_up=20):
    """Median milliseconds of each runner for one image, (1, C, H, W), taken in turn: what slows the machine down for
    a while slows all of them."""
    array, times = image.numpy(), [[] for _ in runners]
    for turn in range(warm_up + rounds):
        for runner, own in zip(runners, times, strict=True):
            start = time.perf_counter_ns()
            runner.run(array)
            if turn >= warm_up:
                own.append((time.perf_counter_ns() - start) / 1e6)
    return [float(np.median(own)) for own in times]


def why_not(model, example):
    """Why a pipeline's result cannot be measured, as a sentence; "" when it can.

    >>> why_not(None, load("cifar10").example)
    'The pipeline returned None. Return the small network.'
    """
    if model is None:
        return "The pipeline returned None. Return the small network."
    known = type(model) in ARCHITECTURES.values() or (isinstance(model, QuantizedModel) and model.source)
    if not known:
        return (f"The pipeline returned a {type(model).__name__}. Return the network: one of the course's, smaller or "
                "not, or what quantize_model made of it.")
    try:
        work = count_macs(model, example)
    except Exception as error:
        return f"The network cannot run on one image of {DATA} ({type(error).__name__})."
    most = MOST_WORK * count_macs(pretrained(NETWORK), example)
    return f"The network does {work:,} MACs an image, more than the dense one." if work > most else ""


def measure_pair(model, split, *, timer=interleaved, example=None):
    """Export the dense network and this one to ONNX, run both: {"bytes", "dense_bytes", "ms", "dense_ms", "right",
    "dense_right", "images"}. split: labelled images; timer: see `interleaved`. Raises what the export raises."""
    example = split.images[:1] if example is None else example
    with tempfile.TemporaryDirectory() as folder:
        small, dense = (export(one, "onnx", Path(folder) / f"{name}.onnx", example=example)
                        for name, one in (("small", model), ("dense", pretrained(NETWORK))))
        dense_ms, ms = timer([dense, small], example)
        right, dense_right = (int((predict(one, split.images).argmax(1) == split.labels).sum())
                              for one in (small, dense))
        return {"bytes": small.file_bytes, "dense_bytes": dense.file_bytes, "ms": ms, "dense_ms": dense_ms,
                "right": right, "dense_right": dense_right, "images": len(split)}


def judge(measured, budget):
    """A `Trial` from measured figures. A line is met or not, whatever the others are, but for two rules of the course:
    no saving counts when the network is broken, and keeping the accuracy counts only with a saving.

    >>> figures = {"bytes": 70_000, "dense_bytes": 313_422, "ms": 0.08, "dense_ms": 0.13, "right": 860,
    ...            "dense_right": 880, "images": 1000}
    >>> print(judge(figures, DeviceBudget(80_000, 0.5, 4.0)))
    Budget: at most 80,000 bytes, at most 0.50 of the dense network's latency, at most 4.0 points less accuracy.
    ✓ File: 70,000 bytes, and 80,000 are allowed.
    ✗ Latency: 0.62 of the dense network's, and 0.50 is allowed (0.55 with the tolerance of the measurement).
    ✓ Accuracy: 86.0 % on 1,000 images, 2.0 points less than the dense network; 4.0 are allowed.
    """
    ratio = measured["ms"] / measured["dense_ms"]
    share, dense = (measured[key] / measured["images"] for key in ("right", "dense_right"))
    drop, limit = drop_points(dense, share), budget.max_latency_ratio * (1 + BAND)
    small, fast = measured["bytes"] <= budget.max_bytes, ratio <= limit
    broken = f" It does not count: {drop:.1f} points are lost." if drop > BROKEN_POINTS else ""
    idle = "" if small or fast else " It counts only for a network that got small or fast enough."
    less = f"{abs(drop):.1f} points {'less' if drop >= 0 else 'more'}"
    return Trial(budget, (
        Line("bytes", small and not broken, f"File: {measured['bytes']:,} bytes, and {budget.max_bytes:,} are allowed."
             + broken * small),
        Line("latency", fast and not broken, f"Latency: {ratio:.2f} of the dense network's, and "
             f"{budget.max_latency_ratio:.2f} is allowed ({limit:.2f} with the tolerance of the measurement)."
             + broken * fast),
        Line("accuracy", drop <= budget.max_drop_points and not idle,
             f"Accuracy: {share:.1%} on {measured['images']:,} images, {less} than the dense network; "
             f"{budget.max_drop_points:.1f} are allowed.".replace("%", " %")
             + idle * (drop <= budget.max_drop_points)),
    ), measured)


def failed(why, budget):
    """The `Trial` of a pipeline that gave nothing to measure: no line is met, and each says why.

    >>> failed("It ran too long.", draw_budget()).line("bytes").sentence
    'No bytes were measured. It ran too long.'
    """
    return Trial(budget, tuple(Line(name, False, f"No {name} were measured. {why}" if name == "bytes" else
                                    f"No {name} was measured. {why}") for name in LINES), {})


def try_model(model, budget=None, split=None, *, timer=interleaved):
    """Measure a network against a budget on this computer; returns a `Trial`, and raises nothing.

    split: labelled images, 1,000 validation images moved and lit anew unless given.
    """
    budget, data = budget or draw_budget(), load(DATA)
    why = why_not(model, data.example)
    if why:
        return failed(why, budget)
    split = moved_images(data.validation[:1000], data, 0) if split is None else split
    try:
        return judge(measure_pair(model, split, timer=timer), budget)
    except Exception as error:
        return failed(f"The network could not be exported ({type(error).__name__}: {error}).", budget)


def try_capstone(pipeline, budget=None, *, data=None, timer=interleaved, show=True):
    """Run a pipeline here, measure what it returns, print each line of the budget; returns the `Trial`.

    pipeline: function of a trained network, a `Data` and a dict of the budget -> the small network. data: all of
    CIFAR-10's bundled images unless given, and `load("cifar10").first(256)` for a quick look. Accuracy is taken on
    validation images, moved and lit anew; the grader's are test images.

    >>> trial = try_capstone(lambda model, data, budget: None, data=load("cifar10").first(2))
    Budget: at most 60,000 bytes, at most 0.90 of the dense network's latency, at most 4.0 points less accuracy.
    ✗ No bytes were measured. The pipeline returned None. Return the small network.
    ✗ No latency was measured. The pipeline returned None. Return the small network.
    ✗ No accuracy was measured. The pipeline returned None. Return the small network.
    """
    need(callable(pipeline), f"pipeline is {pipeline!r}", "it is a function (model, data, budget) -> network",
         "pass the function itself, without calling it")
    budget, data = budget or draw_budget(), load(DATA) if data is None else data
    trial = try_model(pipeline(pretrained(NETWORK), data, asdict(budget)), budget, timer=timer)
    if show:
        print(trial)
    return trial


def finished(name, model, ready=True):
    """For a check: the `Trial` of the exercise `name`. In grading the pipeline runs anew in a clean process, on all
    images, and the grader measures; elsewhere the model that a short run gave is measured here.

    ready: whether the short run gave a smaller network; without one nothing more is tried.
    """
    grader = service("capstone")
    if grader:
        return grader(name, ready)
    if not ready:
        return failed("The pipeline gave no smaller network.", draw_budget())
    data = load(DATA)
    return try_model(model, split=moved_images(data.validation[:300], data, 0))


def onnx_bytes(model):
    """Bytes of a network's ONNX file, measured on a real one: what the device has room for.

    >>> onnx_bytes(pretrained("resnet8"))
    313422
    """
    with tempfile.TemporaryDirectory() as folder:
        return export(model, "onnx", Path(folder) / "model.onnx", example=load(DATA).example).file_bytes


def is_smaller(model):
    """Whether a pipeline's result can be measured at all, and its ONNX file is smaller than the dense network's."""
    if why_not(model, load(DATA).example):
        return False
    try:
        return onnx_bytes(model) < onnx_bytes(pretrained(NETWORK))
    except Exception:
        return False


def is_unchanged(model, name=NETWORK):
    """Whether a network is still the one that travels with the package, weight for weight.

    >>> is_unchanged(pretrained("resnet8"))
    True
    """
    if not isinstance(model, nn.Module):
        return False
    wanted, found = pretrained(name).state_dict(), model.state_dict()
    return wanted.keys() == found.keys() and all(torch.equal(wanted[key], found[key]) for key in wanted)
