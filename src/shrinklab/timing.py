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
    and not the mean, because a busy machine makes some calls slow and none too fast. batch is only noted down.
    `call_times` gives the single times, `summary` what is made of them.

    >>> latency(lambda: None, repeats=5).repeats
    5
    """
    need(callable(run), f"run is a {type(run).__name__}", "latency times a function without arguments",
         "write lambda: model(example)", TypeError)
    need(repeats >= 1 and warm_up >= 0, f"repeats is {repeats} and warm_up is {warm_up}",
         "at least one call is timed", "use warm_up=10, repeats=50")
    p50, p95 = summary(call_times(run, warm_up + repeats, threads=threads), warm_up)
    return Latency(p50, p95, repeats, threads, batch)


def summary(times, warm_up):
    """Median and 95th percentile of the times (in order, any unit) after the first warm_up of them: two floats.

    Between two times the percentile is interpolated, as `numpy.percentile` does.

    >>> summary([9.0, 1.0, 2.0, 3.0, 4.0, 5.0], warm_up=1)
    (3.0, 4.8)
    """
    need(0 <= warm_up < len(times), f"warm_up is {warm_up} of {len(times)} times", "at least one time is left",
         "leave out fewer")
    p50, p95 = np.percentile(times[warm_up:], [50, 95])
    return float(p50), float(p95)


def network_times(log, warm_up):
    """Milliseconds that the network took in each call of a log after the first warm_up of them.

    log: float tensor (calls, 3), seconds at which preparing starts, the network starts, the network ends; it is not
    changed -> float tensor (calls - warm_up,).

    >>> network_times(torch.tensor([[0.0, 3.0, 3.5], [10.0, 13.0, 14.5]]), warm_up=1)
    tensor([1500.])
    """
    need(log.ndim == 2 and log.shape[1] == 3, f"the log has shape {tuple(log.shape)}",
         "a log has a row for each call, with three readings", "give a tensor (calls, 3)")
    need(0 <= warm_up < len(log), f"warm_up is {warm_up} of {len(log)} calls", "at least one call is left",
         "leave out fewer")
    _, starts, ends = log[warm_up:].T
    return 1000 * (ends - starts)


def call_times(run, calls, *, threads=1):
    """Milliseconds of each of so many calls of a function without arguments, the first ones included: a list.

    PyTorch's thread count is set for the time of the measurement, gradients and garbage collection are off.

    >>> len(call_times(lambda: None, 3))
    3
    """
    need(isinstance(threads, int) and threads >= 1, f"threads is {threads}", "threads is a count of 1 or more", "use 1")
    before, collecting, times = torch.get_num_threads(), gc.isenabled(), []
    torch.set_num_threads(threads)
    gc.disable()  # a collection inside one call would be counted as the model's time
    try:
        with torch.inference_mode():
            for _ in range(calls):
                start = time.perf_counter_ns()
                run()
                times.append((time.perf_counter_ns() - start) / 1e6)
    finally:
        torch.set_num_threads(before)
        if collecting:
            gc.enable()
    return times
