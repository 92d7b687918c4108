"""Calibration: run some images and observe the range of each value that will be rounded to a grid."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import fx

from shrinklab import affine
from shrinklab.errors import need
from shrinklab.quantize.graph import prepare, sites

SAMPLE = 2**17  # values kept of each site: enough for every observer, whatever the number of images
BATCH = 2**18  # numbers that the images of one batch hold: large enough to be fast, small enough for a cache


def calibrate(model, images, observer="min_max", *, bits=8, symmetric=False):
    """The ranges that the model's values take: {name of the operation: (low, high)}.

    images: float (N, ...) or a split; never test images, and some hundred are enough. observer: "min_max",
    "percentile", "mse", "entropy", or a function of values (N,) -> (low, high). The model stays as it was.

    >>> calibrate(torch.nn.Linear(2, 1), torch.tensor([[1.0, -3.0]]))
    {'input_1': (tensor(-3.), tensor(1.))}
    """
    right = isinstance(bits, int) and not isinstance(bits, bool) and 2 <= bits <= 8
    need(right, f"bits is {bits!r}", "a grid has 2 to 8 bits", "use 8, or 4")
    body = prepare(model)
    values = record(body, sites(body), calibration_images(images), sample_size(observer))
    watch = observer_named(observer, bits=bits, symmetric=symmetric)
    return {name: watch(sample) for name, sample in values.items()}


@dataclass(frozen=True, eq=False)
class Collected:
    """Values that calibration saw: {name of the value: (n,)}. `quantize_model` takes it in place of images."""

    values: dict[str, torch.Tensor]


def collect(model, images):
    """Run the calibration images once and keep the values, for many tries at quantizing the same model.

    images: float (N, ...) or a split. The result is good for every observer, and for this model alone.

    >>> collect(torch.nn.Linear(2, 1), torch.tensor([[1.0, -3.0]])).values
    {'input_1': tensor([ 1., -3.])}
    """
    body = prepare(model)
    return Collected(record(body, sites(body), calibration_images(images)))


def sample_size(observer):
    """How many values of each site an observer needs beside the extremes, which are always kept."""
    return 0 if observer == "min_max" else SAMPLE


def record(body, places, images, sample=SAMPLE):
    """Values at {name: node} -> {name: (n,)}: about `sample` drawn by lot, and each batch's extremes."""
    # Channels last is the layout in which convolution and pooling are fastest.
    batches = [batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch
               for batch in images.split(max(1, BATCH // images[0].numel()))]
    recorder = _Recorder(body, places, math.ceil(sample / len(batches)))
    with torch.inference_mode():
        for batch in batches:
            try:
                recorder.run(batch)
            except RuntimeError as error:
                raise ValueError(f"the calibration images have shape {tuple(images.shape)}; the model cannot take "
                                 f"them: {error}; pass images of the shape that it was built for.") from error
    return {name: torch.cat(parts) for name, parts in recorder.samples.items()}


class _Recorder(fx.Interpreter):
    def __init__(self, body, places, share):
        super().__init__(body)
        self.names, self.share, self.samples = {node: name for name, node in places.items()}, share, {}
        self.generator = torch.Generator().manual_seed(0)

    def run_node(self, n):
        value = super().run_node(n)
        # A size or another number that the graph computes with is no value to round.
        if n in self.names and isinstance(value, torch.Tensor) and value.is_floating_point():
            self.samples.setdefault(self.names[n], []).append(self._kept(_in_memory_order(value)))
        return value

    def _kept(self, values):
        if len(values) <= self.share:
            return values.clone()
        rows = torch.randint(len(values), (self.share,), generator=self.generator)
        return torch.cat([values.take(rows), *(end[None] for end in values.aminmax())])


def _in_memory_order(value):
    """A value's numbers as (n,), without a copy where they lie side by side in memory."""
    return value.permute(sorted(range(value.ndim), key=value.stride, reverse=True)).flatten()


def observer_named(observer, *, bits, symmetric):
    """The observer as a function values -> (low, high); a function is taken as it is."""
    if callable(observer):
        return observer
    need(observer in affine.OBSERVERS, f"the observer is {observer!r}",
         f"known ones are {', '.join(affine.OBSERVERS)}", "use one of them, or a function values -> (low, high)")
    needs = {"mse": {"bits": bits, "symmetric": symmetric}, "entropy": {"bits": bits}}
    return partial(affine.OBSERVERS[observer], **needs.get(observer, {}))


def calibration_images(images):
    """The images of a tensor or a split, checked."""
    images = getattr(images, "images", images)
    need(isinstance(images, torch.Tensor) and images.is_floating_point(),
         f"the calibration images are a {type(images).__name__}", "calibration takes a float tensor or a split",
         "pass data.train[:256]")
    need(len(images) > 0, "the calibration set holds 0 images", "ranges are observed on at least one",
         "pass data.train[:256]")
    need(bool(images.isfinite().all()), "the calibration images hold NaN or inf", "images are finite numbers",
         "normalise them again")
    return images
