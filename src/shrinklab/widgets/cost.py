"""Lesson 02's explorer: move width and batch; each move runs the network, times it, and places it under the roofs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from shrinklab.channels import recalibrate_batch_norm, shrink_channels
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.fast import fast, fast_images
from shrinklab.files import file_bytes
from shrinklab.memory import peak_memory
from shrinklab.metrics import accuracy, evaluating
from shrinklab.models import pretrained
from shrinklab.profiling import profile
from shrinklab.roofline import arithmetic_intensity, measure_machine, roofline
from shrinklab.timing import latency
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Bars, Lines

BATCHES = [1, 2, 4, 8, 16, 32]
INTENSITIES = np.geomspace(0.1, 1000, 41)  # more than 30, so that the curves are drawn without dots


def cost_explorer(model=None, split=None, machine=None, *, calibration=None, timer=latency):
    """Explorer: width and batch size -> MACs, bytes, accuracy, measured latency, and the point under the roofs.

    It opens with all channels and one image, so that it gives no guess away.

    model, split: the trained ResNet8 and 250 CIFAR-10 validation images unless given; machine: its roofs, measured now
    unless given. The narrow networks are cut when the explorer is made; their batch norms take new statistics from
    `calibration`, images (N, C, H, W), 500 training images unless given. Each move predicts the split and times the
    network anew with `timer`, a function like `latency`.

    >>> from shrinklab.roofline import Machine
    >>> images = load("cifar10").validation
    >>> explorer = cost_explorer(split=images[:20], machine=Machine(1e11, 1e10, 1e11), calibration=images.images[:20])
    >>> explorer.compute(width=0.5)["numbers"]["MACs an image"]["value"]
    3236160
    """
    model = pretrained("resnet8") if model is None else model
    split = load("cifar10").validation[:250] if split is None else split
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    machine = measure_machine() if machine is None else machine
    calibration = load("cifar10").train.images[:500] if calibration is None else calibration
    width = Range("width", 0.3, 1.0, step=0.1, value=1.0, label="Share of channels kept", percent=True)
    versions = {share: _version(model, 1 - share, split.images[:1], calibration) for share in width.stops()}
    quick, batches = replace(split, images=fast_images(split.images)), [n for n in BATCHES if n <= len(split)]
    before = {batch: _time(versions[1.0].network, split.images[:batch], timer).p50_ms for batch in batches}

    def settings(width, batch):
        now, whole = versions[width], versions[1.0]
        right, timed = accuracy(now.quick, quick), _time(now.network, split.images[:batch], timer)
        macs, moved, seconds = batch * now.found.macs, now.found.moved_bytes(batch), timed.p50_ms / 1000
        intensity, rate = arithmetic_intensity(macs, moved), macs / seconds
        roof = macs / roofline(macs, moved, machine.macs_per_second, machine.cache_bytes_per_second)[0] * 1000
        return {
            "headline": f"{_percent(width)} of the channels, batch {batch}: {_percent(right, 1)} of {len(split):,} "
                        f"images right, {timed.p50_ms:.2f} ms a batch, {batch / seconds:,.0f} images a second.",
            "numbers": {
                "accuracy": accuracy_number(right, len(split)),
                "MACs an image": _number(now.found.macs, "", f"{now.found.macs:,}"),
                "file": _number(now.file, "bytes", f"{now.file:,} bytes"),
                "bytes moved": _number(moved, "bytes", f"{moved / 1e6:.2f} MB a batch"),
                "peak memory": _number(memory := peak_memory(now.network, split.images[:batch]), "bytes",
                                       f"{memory / 1e6:.2f} MB"),
                "latency": _number(timed.p50_ms, "ms", f"{timed.p50_ms:.2f} ms a batch"),
                "throughput": _number(batch / seconds, "", f"{batch / seconds:,.0f} images a second"),
                "share of the roof": _number(rate / roof, "%", _percent(rate / roof, 1)),
            },
            "roofline": {"series": [*_roofs(machine), {"name": "the network", "x": [intensity], "y": [rate / 1e9]}],
                         "marker": intensity},
            "beside": {"labels": ["MACs", "bytes moved", "file", "time"], "unit": "%", "reference": 1.0, "values": [
                now.found.macs / whole.found.macs, moved / whole.found.moved_bytes(batch), now.file / whole.file,
                timed.p50_ms / before[batch]]},
        }

    kind = split.name.split("/")[-1].split("[")[0]
    title = f"A narrower {type(model).__name__}, tested on {len(split):,} {kind} images"
    return Explorer(settings, title=title, controls=[width, Select("batch", batches, label="Images at a time")], views=[
        Bars("beside", "Beside the whole network, same batch", x="share of the whole network's figure (%)",
             parts=("now", "whole network")),
        Lines("roofline", "What the machine could do, and what it does", x="MACs for each byte moved",
              y="billion MACs a second", log="xy"),
    ])


def _version(model, amount, example, calibration):
    """One width: the narrow network, a quick copy for predictions, its layers, and the bytes of its file."""
    network = recalibrate_batch_norm(shrink_channels(model, amount, example=example), calibration)
    return SimpleNamespace(network=network, quick=fast(network), found=profile(network, example, repeats=1),
                           file=file_bytes(network))


def _time(network, images, timer):
    with evaluating(network):
        return timer(lambda: network(images), warm_up=1, repeats=max(5, 48 // len(images)), batch=len(images))


def _roofs(machine):
    """The best rate at each arithmetic intensity, in billion MACs a second, for data from memory and from the cache."""
    sources = {"roof, data from memory": machine.bytes_per_second,
               "roof, data from cache": machine.cache_bytes_per_second}
    return [{"name": name, "x": INTENSITIES.tolist(),
             "y": (np.minimum(machine.macs_per_second, INTENSITIES * rate) / 1e9).tolist()}
            for name, rate in sources.items()]


def _number(value, unit, text):
    return {"value": value, "unit": unit, "text": text}


def _percent(value, digits=0):
    return f"{100 * value:.{digits}f} %"
