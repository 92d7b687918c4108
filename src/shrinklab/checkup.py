"""Does the course work on this computer? Versions, data, networks, and five seconds of measuring."""

import html
import importlib.util
import os
import time
from dataclasses import dataclass
from importlib import metadata

import torch

from shrinklab.data import load
from shrinklab.deploy.saturation import saturates
from shrinklab.metrics import accuracy
from shrinklab.models import DATA_OF, pretrained
from shrinklab.timing import latency

PACKAGES = ("torch", "torchvision", "jupyterlab", "nbgrader", "onnxruntime", "ipywidgets", "anywidget", "matplotlib")
EXTRA = ("executorch", "litert_torch", "torchao")
NETWORKS = ("lenet", "resnet8")
LEAST = {"lenet": 0.98, "resnet8": 0.80}  # far below what the bundled networks reach: a wrong file shows


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. ok: None for a figure that is only told."""

    what: str
    found: str
    ok: bool | None = None


@dataclass(frozen=True)
class Checkup:
    """Everything that was looked at; printed as text, shown as a table in a notebook."""

    lines: tuple[Line, ...]

    @property
    def ok(self):
        """Whether nothing is wrong."""
        return all(line.ok is not False for line in self.lines)

    def __str__(self):
        width = max(len(line.what) for line in self.lines)
        return "\n".join(f"{line.what:{width}}  {line.found}{SIGNS[line.ok]}" for line in self.lines)

    def _repr_html_(self):
        rows = "".join(f"<tr><th scope='row' style='text-align:left'>{html.escape(line.what)}</th>"
                       f"<td style='text-align:left'>{html.escape(line.found + SIGNS[line.ok])}</td></tr>"
                       for line in self.lines)
        return f"<table>{rows}</table>"


SIGNS = {True: "  ok", False: "  NOT OK", None: ""}


def checkup(seconds=5.0):
    """Look at versions, data, networks and speed; return a `Checkup`. seconds: for measuring, about.

    >>> from shrinklab.checkup import Checkup, Line
    >>> print(Checkup((Line("torch", "2.13.0", True), Line("threads", "2"))))
    torch    2.13.0  ok
    threads  2
    """
    lines = [_package(name) for name in PACKAGES]
    found = [name for name in EXTRA if importlib.util.find_spec(name)]
    lines.append(Line("extra deploy", f"{', '.join(found)}" if found else "not installed; lesson 10 shows stored "
                      "results of ExecuTorch, LiteRT and torchao"))
    lines.append(Line("processor", f"{os.cpu_count()} cores; PyTorch uses {torch.get_num_threads()} threads"))
    lines += [_data(name) for name in ("mnist", "cifar10")]
    lines += [_network(name) for name in NETWORKS]
    lines.append(_kernels())
    return Checkup((*lines, *_speed(seconds)))


def _package(name):
    try:
        # torchvision's wheel does not import beside a CPU build of torch; `shrinklab.vision` sees to that.
        importlib.import_module({"torchvision": "shrinklab.vision"}.get(name, name))
        return Line(name, metadata.version(name), True)
    except Exception as error:
        return Line(name, f"{type(error).__name__}: {error}; run make lab again", False)


def _data(name):
    try:
        data = load(name)
        counts = ", ".join(f"{len(getattr(data, part)):,} {part}" for part in ("train", "validation", "test"))
        return Line(f"data {name}", f"{counts} images, hashes right", True)
    except Exception as error:
        return Line(f"data {name}", f"{type(error).__name__}: {error}", False)


def _network(name):
    try:
        images = load(DATA_OF[name]).validation[:200]
        right = accuracy(pretrained(name), images)
        return Line(f"network {name}", f"{right:.1%} of {len(images)} {images.name} right".replace("%", " %"),
                    right >= LEAST[name])
    except Exception as error:
        return Line(f"network {name}", f"{type(error).__name__}: {error}", False)


def _kernels():
    if saturates():
        return Line("8-bit kernels", "sums of 8-bit products are cut off on this processor; use 7-bit weights "
                    "(lesson 08 shows how)")
    return Line("8-bit kernels", "exact on this processor", True)


def _speed(seconds):
    """Milliseconds an image, one at a time on one thread: the middle of many runs."""
    for name in NETWORKS:
        model, example = pretrained(name).eval(), load(DATA_OF[name]).example
        end, times = time.monotonic() + seconds / len(NETWORKS), []
        while not times or time.monotonic() < end:
            times.append(latency(lambda model=model, example=example: model(example), warm_up=5, repeats=20))
        middle = sorted(times, key=lambda one: one.p50_ms)[len(times) // 2]
        yield Line(f"speed {name}", f"{middle.p50_ms:.2f} ms an image (median), 95 of 100 runs under "
                                    f"{middle.p95_ms:.2f} ms, one thread, PyTorch")
