"""How long does a call take?"""

import gc
import time
from dataclasses import dataclass

import numpy as np
import torch

from shrinklab.errors import need


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
