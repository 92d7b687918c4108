"""From a trained network to a file that ships: pruned, mended, rounded, exported, and measured as the file it is."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from shrinklab.affine import dequantize
from shrinklab.capstone import interleaved
from shrinklab.channels import channel_masks, remove_channels
from shrinklab.deploy import export
from shrinklab.errors import need
from shrinklab.inference import predict
from shrinklab.masks import apply_masks, global_masks
from shrinklab.pareto import pareto_front
from shrinklab.quantize import Scheme, collect, fold_batch_norm, quantize_model
from shrinklab.reconstruct import reconstruct

MENDING, CALIBRATION = 200, 128  # training images that a regression and a calibration look at
NOW, STORED_ON = "now", "2026-11-22"


@dataclass(frozen=True)
class Candidate:
    """One way to ship a network. file_bytes: of the file; latency_ratio: p50 latency of one image, as a share of the
    dense network's in the same runtime, or None where it was not measured; accuracy: 0 to 1; drop_points: against the
    dense network on the same images; source: when it was measured."""

    label: str
    file_bytes: int
    latency_ratio: float | None
    accuracy: float
    drop_points: float
    source: str = NOW

    def plain(self):
        """The figures that a budget asks for, as a dict of text and numbers.

        >>> Candidate("int8", 92_847, 0.6, 0.87, 0.1).plain()
        {'name': 'int8', 'bytes': 92847, 'latency': 0.6, 'drop': 0.1}
        """
        return {"name": self.label, "bytes": self.file_bytes, "latency": self.latency_ratio, "drop": self.drop_points}


class Bench:
    """A dense network in ONNX Runtime, beside which others are measured: same runtime, same images, in turn.

    model: the dense network; data: its `Data`; split: labelled images, validation ones while something is chosen;
    timer: as `capstone.interleaved`; round_to: multiple of which channels are kept. `runner` is the dense network's,
    `file_bytes` and `accuracy` are its figures.

    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> bench = Bench(pretrained("lenet"), load("mnist"), load("mnist").validation[:50])
    >>> bench.measure("dense again", pretrained("lenet")).drop_points
    0.0
    """

    def __init__(self, model, data, split, *, timer=interleaved, round_to=8):
        need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
        self.model, self.data, self.split, self.timer, self.round_to = model, data, split, timer, round_to
        self._cuts, self._seen = {}, {}
        self.runner, self.file_bytes = self._export(model)
        self.accuracy = self._accuracy(self.runner)

    def cut(self, amount):
        """The network without this share of its channels, mended; made once."""
        if amount not in self._cuts:
            self._cuts[amount] = (without_channels(self.model, amount, self.data, round_to=self.round_to)
                                  if amount else self.model)
        return self._cuts[amount]

    def rounded(self, amount, bits=8):
        """The cut network in so many bits, as `rounded` makes it; its calibration images run once."""
        if amount not in self._seen:
            self._seen[amount] = collect(self.cut(amount), self.data.train[:CALIBRATION])
        return rounded(self.cut(amount), self.data, bits, seen=self._seen[amount])

    def measure(self, label, model):
        """Export a network and run its file: -> `Candidate`."""
        runner, size = self._export(model)
        dense_ms, ms = self.timer([self.runner, runner], self.split.images[:1])
        accuracy = self._accuracy(runner)
        return Candidate(label, size, ms / dense_ms, accuracy, 100 * (self.accuracy - accuracy))

    def _export(self, model):
        """The runner of a file, which the runtime has read by then, and the file's bytes."""
        with tempfile.TemporaryDirectory() as folder:
            runner = export(model, "onnx", Path(folder) / "model.onnx", example=self.split.images[:1])
            return runner, runner.file_bytes

    def _accuracy(self, runner):
        return (predict(runner, self.split.images).argmax(1) == self.split.labels).double().mean().item()


def without_channels(model, amount, data, *, mend=True, round_to=8):
    """A copy with this share of the channels really removed; mend: what stays takes over by regression, no training.

    amount: fraction, or {group name: fraction}; data: a `Data`. round_to: kept counts become multiples of it, where
    integer kernels are fast.

    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> without_channels(pretrained("lenet"), 0.5, load("mnist"), round_to=1).config
    {'channels': [3, 8], 'hidden': [60, 42]}
    """
    keep = channel_masks(model, amount, example=data.example, round_to=round_to)
    whole = reconstruct(model, keep, data.train.images[:MENDING]) if mend else model
    return remove_channels(whole, keep, example=data.example)


def rounded(model, data, bits=8, *, integers=True, seen=None):
    """A quantized copy: weights of `bits` bits, values between the layers of 8; integers=False leaves those as floats.

    seen: what `quantize.collect` kept of the calibration images, for many tries; they run now unless given.

    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> rounded(pretrained("lenet"), load("mnist"), 4).layers["conv1"].weight.abs().max()
    tensor(7, dtype=torch.int8)
    """
    best = {"weight_observer": "mse"} if bits < 8 else {}
    return quantize_model(model, data.train[:CALIBRATION] if seen is None else seen,
                          Scheme(weight_bits=bits, activation_bits=8 if integers else None, **best))


def on_the_grid(model, bits):
    """A float copy, batch norm folded, whose weights lie on a grid of `bits` bits: what stays of a network that was
    quantized, when somebody wants to change it afterwards.

    >>> from shrinklab.models import pretrained
    >>> len(on_the_grid(pretrained("lenet"), 3).fc1.weight[0].unique()) <= 7
    True
    """
    folded, grids = fold_batch_norm(model), quantize_model(model, scheme=Scheme(weight_bits=bits, activation_bits=None))
    with torch.no_grad():
        for name, layer in grids.layers.items():
            folded.get_submodule(name).weight.copy_(dequantize(layer.weight, layer.weight_grid.qparams))
    return folded


def ways(bench):
    """The course's ways to make a network small, as {label: function that makes it}: nothing is made yet.

    "1/8 cut": without an eighth of its channels, mended; "half masked": half of its weights set to 0.
    """
    model, data, cut = bench.model, bench.data, bench.cut
    return {
        "dense": lambda: model,
        "half masked": lambda: apply_masks(model, global_masks(model, 0.5)),
        "1/8 cut": lambda: cut(1 / 8),
        "1/4 cut": lambda: cut(1 / 4),
        "int8 weights only": lambda: rounded(model, data, integers=False),
        "int8": lambda: rounded(model, data),
        "4-bit weights": lambda: rounded(model, data, 4),
        "1/8 cut, int8": lambda: rounded(cut(1 / 8), data),
        "1/4 cut, int8": lambda: rounded(cut(1 / 4), data),
        "1/4 cut, 4-bit": lambda: rounded(cut(1 / 4), data, 4),
    }


def candidates(bench):
    """Make and measure all `ways`: list of `Candidate`.

    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> [one.label for one in candidates(Bench(pretrained("lenet"), load("mnist"), load("mnist").validation[:50]))][:2]
    ['dense', 'half masked']
    """
    return [bench.measure(label, make()) for label, make in ways(bench).items()]


def front_places(sizes, drops):
    """Places of the ways that no other one beats, rising; less is better in both: `pareto_front` in their order.

    >>> front_places([100, 60, 80, 30], [0.0, 1.0, 2.0, 10.0])
    [0, 1, 3]
    """
    return sorted(pareto_front(sizes, drops, better=("less", "less")))


def best_way(ways, budget):
    """Name of the way within all limits of a budget that loses least accuracy (the smaller file between equals), or
    None. ways: dicts as from `Candidate.plain`; budget: {"bytes", "latency", "drop"}, the most of each.

    >>> ways = [{"name": "dense", "bytes": 313, "latency": 1.0, "drop": 0.0},
    ...         {"name": "int8", "bytes": 93, "latency": 0.6, "drop": 0.4}]
    >>> best_way(ways, {"bytes": 100, "latency": 0.9, "drop": 2.0})
    'int8'
    """
    fit = [way for way in ways if way["latency"] is not None
           and all(way[line] <= limit for line, limit in budget.items())]
    return min(fit, key=lambda way: (way["drop"], way["bytes"]))["name"] if fit else None


def int8_alone(model, data, budget):
    """A pipeline of one step, whatever the budget: 8 bits for weights and values."""
    return rounded(model, data)


def _stored(label, file_bytes, latency_ratio, accuracy, dense, on=STORED_ON):
    return Candidate(label, file_bytes, latency_ratio, accuracy, round(100 * (dense - accuracy), 2), on)


# From benchmarks/results (low_bits, road, codebook), on all 10,000 test images; minutes to an hour each.
STORED = {
    "resnet8": [_stored("4 bits throughout", 46_176, None, 0.8037, 0.8806),
                _stored("4 bits throughout, QAT", 46_176, None, 0.8739, 0.8806, on="2026-11-25")],
    "resnet12": [_stored("dense", 5_754_780, 1.0, 0.9249, 0.9249),
                 _stored("4-bit weights, AdaRound", 738_488, None, 0.9232, 0.9249),
                 _stored("4-bit codebooks, tuned", 672_583, None, 0.9225, 0.9249),
                 _stored("cut, distilled, int8", 469_322, 0.157, 0.9187, 0.9249)],
}
