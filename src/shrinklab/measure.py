"""What does a model cost? Accuracy, size, work, time and memory, measured on the real thing.

Work (MACs) is not time: a mask lowers neither, and a layer can be slow because of the bytes that it moves.
"""

import gc
import html
import time
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shrinklab.errors import need
from shrinklab.files import file_bytes, gzip_bytes, sparse_bytes
from shrinklab.metrics import bootstrap_interval, correct, evaluating, forward, predict
from shrinklab.verdict import Budget, Verdict, flip_rate, spread, verdict

__all__ = ["Budget", "Latency", "Measurement", "Verdict", "count_macs", "flip_rate", "latency", "measure",
           "peak_memory", "spread", "verdict"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one model costs. Accuracy 0 to 1 with its 95 % interval, latency in milliseconds, sizes in bytes.

    latency_ms is the median, and `macs` counts one image. None: not measured, as in an example on paper.

    >>> print(Measurement(accuracy=0.95, file_bytes=247_900, latency_ms=0.3))
    accuracy         95.0 %
    dense file       247,900 bytes
    latency, median  0.300 ms
    """

    accuracy: float
    file_bytes: int
    latency_ms: float
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    parameters: int | None = None
    nonzeros: int | None = None
    macs: int | None = None
    gzip_bytes: int | None = None
    sparse_bytes: int | None = None
    latency_p95_ms: float | None = None
    peak_memory_bytes: int | None = None
    threads: int | None = None
    batch: int | None = None
    images: int | None = None
    split: str | None = None
    predictions: torch.Tensor | None = field(default=None, repr=False, compare=False)

    def rows(self):
        """(name, value with its unit) of everything measured, as both tables show it."""
        table = [
            ("accuracy", self.accuracy, "{:.1%}"), ("95 % interval", self.accuracy_low, "{:.1%}"),
            ("parameters", self.parameters, "{:,}"), ("nonzeros", self.nonzeros, "{:,}"),
            ("MACs an image", self.macs, "{:,}"), ("dense file", self.file_bytes, "{:,} bytes"),
            ("gzip file", self.gzip_bytes, "{:,} bytes"), ("sparse file", self.sparse_bytes, "{:,} bytes"),
            ("latency, median", self.latency_ms, "{:.3f} ms"), ("latency, p95", self.latency_p95_ms, "{:.3f} ms"),
            ("peak memory", self.peak_memory_bytes, "{:,} bytes"), ("threads", self.threads, "{}"),
            ("batch", self.batch, "{}"), ("images", self.images, "{:,}"), ("split", self.split, "{}"),
        ]
        texts = {name: form.format(value).replace("%", " %") for name, value, form in table if value is not None}
        if "95 % interval" in texts:
            texts["95 % interval"] += f" to {100 * self.accuracy_high:.1f} %"
        return list(texts.items())

    def __str__(self):
        return "\n".join(f"{name:17}{text}" for name, text in self.rows())

    def _repr_html_(self):
        cells = (f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
                 for name, text in self.rows())
        return f"<table>{''.join(cells)}</table>"


def measure(model, split, *, example=None, repeats=50, threads=1):
    """Measure a model on a split; return a `Measurement`. The model stays as it was.

    example: input (N, C, H, W) for work, time and memory; the split's first image unless given.
    repeats, threads: see `latency`. Choose on validation; the test split is for final numbers.
    """
    labels = torch.as_tensor(split.labels)
    need(len(labels) and len(labels) == len(split.images),
         f"the split has {len(split.images)} images and {len(labels)} labels",
         "measuring needs at least one image, each with a label", "pass a split such as data.validation")
    example = split.images[:1] if example is None else example
    logits = predict(model, split.images)
    right = correct(logits, labels)
    low, high = bootstrap_interval(right)
    macs = count_macs(model, example)
    with evaluating(model):
        timed = latency(lambda: model(example), repeats=repeats, threads=threads, batch=len(example))
    weights = list(model.parameters())
    return Measurement(
        accuracy=right.double().mean().item(), accuracy_low=low, accuracy_high=high,
        parameters=sum(weight.numel() for weight in weights),
        nonzeros=sum(int(weight.count_nonzero()) for weight in weights),
        macs=macs, file_bytes=file_bytes(model), gzip_bytes=gzip_bytes(model), sparse_bytes=sparse_bytes(model),
        latency_ms=timed.p50_ms, latency_p95_ms=timed.p95_ms, peak_memory_bytes=peak_memory(model, example),
        threads=threads, batch=len(example), images=len(labels), split=getattr(split, "name", None),
        predictions=logits.argmax(1))


def count_macs(model, example):
    """Multiply-accumulates for one image, in convolutions and linear layers; a bias or an activation counts 0.

    example: (N, C, H, W). Zeros count like any weight: a dense kernel multiplies them too.

    >>> count_macs(nn.Conv2d(3, 8, 5), torch.zeros(1, 3, 32, 32))  # 8 x 28 x 28 outputs of 3 x 5 x 5 products
    470400
    """
    totals = []

    def count(module, inputs, output):
        if isinstance(module, nn.Linear):
            totals.append(output.numel() * module.in_features)
        elif module.transposed:  # each input value goes to every kernel position of every output channel
            totals.append(inputs[0].numel() * module.out_channels // module.groups * prod(module.kernel_size))
        else:
            totals.append(output.numel() * module.in_channels // module.groups * prod(module.kernel_size))

    kinds = nn.Linear, nn.modules.conv._ConvNd
    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, kinds)]
    try:
        predict(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(totals) // len(example)


@dataclass(frozen=True)
class Latency:
    """Time of one call in milliseconds, median and 95th percentile, and how it was taken."""

    p50_ms: float
    p95_ms: float
    repeats: int
    threads: int
    batch: int


def latency(run, *, warm_up=10, repeats=50, threads=1, batch=1):
    """Time a function without arguments; return a `Latency`.

    The first calls are slow (memory is allocated, kernels are chosen), so warm_up of them do not count. The median
    and not the mean, because a busy machine makes some calls slow and none too fast. PyTorch's thread count is set
    for the time of the measurement; batch is only noted down.

    >>> latency(lambda: None, repeats=5).repeats
    5
    """
    need(callable(run), f"run is a {type(run).__name__}", "latency times a function without arguments",
         "write lambda: model(example)", TypeError)
    need(repeats >= 1 and warm_up >= 0, f"repeats is {repeats} and warm_up is {warm_up}",
         "at least one call is timed", "use warm_up=10, repeats=50")
    need(isinstance(threads, int) and threads >= 1, f"threads is {threads}", "threads is a count of 1 or more", "use 1")
    before, collecting, times = torch.get_num_threads(), gc.isenabled(), []
    torch.set_num_threads(threads)
    gc.disable()  # a collection inside one call would be counted as the model's time
    try:
        with torch.inference_mode():
            for _ in range(warm_up + repeats):
                start = time.perf_counter_ns()
                run()
                times.append((time.perf_counter_ns() - start) / 1e6)
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()
    p50, p95 = np.percentile(times[warm_up:], [50, 95])
    return Latency(float(p50), float(p95), repeats, threads, batch)


def peak_memory(model, example):
    """Peak bytes of all tensors alive at once in a forward pass: weights, buffers, input and activations.

    Every tensor that an operation makes is counted from then until its storage is freed. Two runs give the same
    number on every machine; what is left out differs between them: the interpreter, the libraries, and the work
    space inside one operation.

    >>> model = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
    >>> peak_memory(model, torch.zeros(1, 100)) - 4 * (100 + 5050 + 510)  # two activations of 50 values at 4 bytes
    400
    """
    example = example.clone()  # split.images[:1] is a view, whose storage is that of the whole split
    given = [example, *model.parameters(), *model.buffers()]
    with evaluating(model), torch.inference_mode(), _LiveTensors(given) as tracker:
        forward(model, example)
    return tracker.peak


class _LiveTensors(TorchDispatchMode):
    """Follows each storage from the operation that makes it until it is freed; `peak` is in bytes."""

    def __init__(self, given):
        super().__init__()
        self._live, self.peak = {}, 0
        self._note(given)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self._note(tree_leaves(result))
        return result

    def _note(self, values):
        for value in values:
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()  # shared by views, so a view adds nothing
                self._live[StorageWeakRef(storage)] = storage.nbytes()
        self._live = {ref: size for ref, size in self._live.items() if not ref.expired()}
        self.peak = max(self.peak, sum(self._live.values()))
