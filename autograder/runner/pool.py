"""A pool of worker processes on this computer. A worker that dies costs a submission a new try, and nobody else."""

import logging
import multiprocessing
import os
import queue
import signal
import threading
import traceback
from multiprocessing.connection import wait

TRIES = 3
# What a worker imports once: it is forked from a process that has done so, and has run no tensor operation yet.
WARM = ("torch", "autograder.runner.work", "autograder.runner.pages")


class Failed(Exception):
    """An item could not be worked on. The text says why."""


class Pool:
    """Workers that call `function(common, item)`. function: of a module; common, item: what pickle takes.

    jobs: how many workers; method: how Python starts them. Use as a context manager; `submit` items, and take one
    answer for each with `next`.
    """

    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"

    def __init__(self, function, common, jobs):
        self.width = 2 * jobs  # one more for each worker, so that none waits while the host is busy
        self._items, self._answers = queue.SimpleQueue(), queue.SimpleQueue()
        self._context = multiprocessing.get_context(self.method)
        if self.method == "forkserver":
            self._context.set_forkserver_preload(list(WARM))
        self.workers = [_Worker(self._context, function, common) for _ in range(jobs)]
        # One thread for each worker waits for its answers; what is computed is computed in the processes.
        self._threads = [threading.Thread(target=self._look_after, args=(one,), daemon=True) for one in self.workers]

    def submit(self, item):
        """Hand over one item."""
        self._items.put((item,))

    def next(self):
        """Wait for an answer: (item, what the function returned or a `Failed`)."""
        return self._answers.get()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        for _ in self._threads:
            self._items.put(None)
        for worker in self.workers:
            worker.end()

    def _look_after(self, worker):
        while taken := self._items.get():
            self._answers.put((taken[0], worker.ask(taken[0])))


class _Worker:
    def __init__(self, context, function, common):
        self._context, self._given = context, (function, common)
        self._process = self._ours = None
        self._ended = False

    @property
    def pid(self):
        return self._process.pid if self._process else None

    def ask(self, item):
        for _ in range(TRIES):
            if self._ended:
                break
            try:
                if self._process is None:
                    self._start()
                self._ours.send(item)
                good, answer = self._ours.recv()
                return answer if good else Failed(answer)
            except (EOFError, OSError):
                self._forget()
        return Failed(f"the worker process ended {TRIES} times while it had this one; it may need more memory than "
                      "there is: try fewer at a time, with --jobs")

    def _start(self):
        self._ours, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, *self._given), daemon=True)
        self._process.start()
        theirs.close()

    def _forget(self):
        if self._process:
            self._process.kill()
            self._process.join()
            self._ours.close()
        self._process = None

    def end(self):
        """A worker that has nothing to do ends when its pipe does; one at work is killed."""
        self._ended, process = True, self._process  # which the worker's thread may forget meanwhile
        if process:
            process.terminate()
            process.join(5)
            process.kill()


def through(workers, items):
    """Let workers work on all items: yields (item, answer) in the order in which they come back.

    workers: a `Pool` or a `Cluster`; items: any iterable, looked at only as fast as the workers take them.
    """
    items, waiting, more = iter(items), 0, True
    while more or waiting:
        while more and waiting < workers.width:
            try:
                workers.submit(next(items))
                waiting += 1
            except StopIteration:
                more = False
        if waiting:
            yield workers.next()
            waiting -= 1


def _serve(pipe, function, common):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with(multiprocessing.parent_process())
    logging.disable(logging.WARNING)
    import torch
    torch.set_num_threads(1)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = True, function(common, item)
        except Exception as error:
            told = f"{type(error).__name__}: {error}" if isinstance(error, RuntimeError) else traceback.format_exc()
            answer = False, told
        pipe.send(answer)


def _end_with(parent):
    """End this process when the one that asked for it is gone, also in the middle of a submission."""
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()
