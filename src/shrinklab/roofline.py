"""How soon can a layer be done at best? What a machine can multiply and move in a second, and the bound of both.

Source: Williams, Waterman, Patterson, "Roofline: An Insightful Visual Performance Model for Multicore
Architectures", 2009. One MAC is two of the floating-point operations that they count.
"""

import math
from dataclasses import dataclass
from numbers import Real

import torch
from torch.nn import functional

from shrinklab.errors import need
from shrinklab.timing import call_times

WARM_UP = 3


@dataclass(frozen=True)
class Machine:
    """The two roofs of a machine: MACs a second, and bytes a second from main memory and from the cache.

    >>> Machine(macs_per_second=40e9, bytes_per_second=10e9, cache_bytes_per_second=40e9).ridge
    4.0
    """

    macs_per_second: float
    bytes_per_second: float
    cache_bytes_per_second: float
    threads: int = 1

    def __post_init__(self):
        for name in ("macs_per_second", "bytes_per_second", "cache_bytes_per_second"):
            _positive(name, getattr(self, name))

    @property
    def ridge(self):
        """MACs a byte at which the roof of main memory meets the flat one."""
        return self.macs_per_second / self.bytes_per_second


def measure_machine(*, repeats=10, threads=1):
    """Measure this machine's roofs in well under a second; return a `Machine`.

    The fastest run of each counts: a roof is the best that can be had, and a busy moment only lowers it.
    Multiplications: a matrix product and a convolution of good shape, whichever reaches more. Bytes: a copy of 64 MB,
    too large for most caches, and one of 256 kB; each byte is read once and written once.

    >>> measure_machine(repeats=1).macs_per_second > 0
    True
    """
    need(isinstance(repeats, int) and repeats >= 1, f"repeats is {repeats!r}", "at least one run counts", "use 10")

    def seconds(run):
        return min(call_times(run, WARM_UP + repeats, threads=threads)[WARM_UP:]) / 1000

    matrix, images, kernel = torch.ones(384, 384), torch.ones(4, 128, 16, 16), torch.ones(128, 128, 3, 3)
    product = 384 ** 3 / seconds(lambda: matrix @ matrix)
    convolution = 4 * 16 * 16 * kernel.numel() / seconds(lambda: functional.conv2d(images, kernel, padding=1))
    rates = []
    for size in (64_000_000, 256_000):
        source, target = torch.ones(size // 4), torch.ones(size // 4)
        rates.append(2 * size / seconds(lambda source=source, target=target: target.copy_(source)))
    return Machine(max(product, convolution), *rates, threads)


def conv_cost(weight_shape, output_shape, bias=False):
    """Parameters of a convolution or linear layer, and its MACs for one image, from shapes alone.

    weight_shape: (outputs, inputs, kernel height, kernel width), of a grouped convolution with the inputs of one
    group, as PyTorch stores it, or (outputs, inputs); output_shape: (N, outputs, height, width) or (N, outputs).

    >>> conv_cost((16, 3, 3, 3), (1, 16, 32, 32))
    (432, 442368)
    """
    need(len(weight_shape) == len(output_shape) >= 2 and weight_shape[0] == output_shape[1],
         f"the shapes are {tuple(weight_shape)} and {tuple(output_shape)}",
         "both begin with the outputs (the second after N) and have as many dimensions",
         "pass layer.weight.shape and the shape of what the layer gives")
    weights, positions = math.prod(weight_shape), math.prod(output_shape[2:])
    return weights + (weight_shape[0] if bias else 0), weights * positions


def arithmetic_intensity(macs, moved_bytes):
    """MACs for each byte that is moved between memory and processor.

    >>> arithmetic_intensity(442_368, 79_552)  # ResNet8's first layer, one image
    5.560740144810941
    """
    _positive("moved_bytes", moved_bytes)
    return macs / moved_bytes


def roofline(macs, moved_bytes, macs_per_second, bytes_per_second):
    """Least time in milliseconds, and what sets it: "compute" or "memory". Both go on at once, so the slower counts.

    >>> roofline(2e9, 1e9, 1e9, 4e9)  # 2 s to multiply, 0.25 s to move
    (2000.0, 'compute')
    """
    _positive("macs_per_second", macs_per_second)
    _positive("bytes_per_second", bytes_per_second)
    multiplying, moving = macs / macs_per_second, moved_bytes / bytes_per_second
    return 1000 * max(multiplying, moving), "compute" if multiplying >= moving else "memory"


def _positive(name, value):
    right = isinstance(value, Real) and math.isfinite(value) and value > 0
    need(right, f"{name} is {value!r}", "it is a number above 0", "measure it, for example with measure_machine()")
