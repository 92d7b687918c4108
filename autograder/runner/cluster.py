"""The same workers on a Dask cluster: --scheduler tcp://host:port. Dask is imported only here."""

import queue
import threading
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

from autograder.runner.pool import Failed
from shrinklab.errors import need

CONNECTING = 30
MISSING = "dask's package distributed is not installed"


class Cluster:
    """Workers of a Dask cluster that call `function(common, item)`; used as a `Pool` is.

    address: of the scheduler. A worker that dies while it has an item gives it back to the others; one that took
    several workers with it is a `Failed`. Raises RuntimeError when dask is not installed, when nobody answers at the
    address, when the cluster has no worker, or when a worker has not the module of the function.
    """

    def __init__(self, function, common, address):
        distributed = _dask()
        try:
            self._client = distributed.Client(address, timeout=CONNECTING, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            need(False, f"no Dask scheduler answers at {address} ({error})",
                 "--scheduler takes the address of a running one",
                 "start it with dask scheduler, and workers with dask worker tcp://host:port", RuntimeError)
        try:
            self._client.wait_for_workers(1, timeout=CONNECTING)
        except TimeoutError:
            self._client.close()
            need(False, f"the Dask cluster at {address} has no worker", "it needs at least one",
                 f"start some: dask worker {address} --nthreads 1", RuntimeError)
        self._need_module(function.__module__.split(".")[0])
        # The lesson goes with each submission: what was sent once is lost with the workers that held it.
        # None waits at a worker: Dask counts a worker's death against all that it has.
        self.function, self.common, self.width = function, common, sum(self._client.nthreads().values())
        self._answers = queue.SimpleQueue()
        self._held, self._lock = set(), threading.Lock()

    def _need_module(self, name):
        """A worker that cannot import what it is sent would die of it, and the host wait for ever."""
        found = self._client.run(find_spec, name, on_error="return")
        without = sorted(address for address, spec in found.items() if not isinstance(spec, ModuleSpec))
        if without:
            self._client.close()
            need(False, f"the worker at {without[0]} has no module {name} ({len(without)} of {len(found)} have not)",
                 "each worker imports the course as the host does",
                 "install the course there, or start the worker in an environment that has it", RuntimeError)

    def submit(self, item):
        """Hand over one item."""
        future = self._client.submit(self.function, self.common, item, pure=False, retries=0)
        with self._lock:
            self._held.add(future)
        future.add_done_callback(lambda done: self._answers.put((item, done)))

    def next(self):
        """Wait for an answer: (item, what the function returned or a `Failed`)."""
        item, future = self._answers.get()
        with self._lock:
            self._held.discard(future)
        if future.status == "finished":
            return item, future.result()
        error = future.exception() if future.status == "error" else None
        future.release()
        return item, Failed(f"{type(error).__name__}: {error}" if error else f"the cluster has {future.status} it")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._client.cancel(list(self._held), force=True)
        self._client.close()


def _dask():
    try:
        import distributed
    except ImportError as error:
        raise RuntimeError(f'{MISSING}; --scheduler needs it; run pip install -e ".[cluster]"') from error
    return distributed
