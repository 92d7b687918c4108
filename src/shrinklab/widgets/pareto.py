"""Lesson 10's explorer: a device's budget as sliders, and all that the course measured, as points."""

from functools import cache, partial

from shrinklab import capstone
from shrinklab.data import load
from shrinklab.models import DATA_OF, pretrained
from shrinklab.pareto import pareto_front
from shrinklab.shipping import STORED, Bench, candidates
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Scatter, Table

IMAGES = {"lenet": 500, "resnet8": 250}
AMOUNTS = 0.0, 0.125, 0.25, 0.375
BITS = [("floats", "32"), ("int8", "8"), ("4-bit weights", "4")]
NAMES = {"lenet": "LeNet", "resnet8": "ResNet8", "resnet12": "ResNet12 (stored)"}


def pareto_explorer(models=None, splits=None, *, rounds=40):
    """Explorer: limits for file, latency and accuracy -> which ways meet them, and the front; and one way of your own.

    models, splits: {"lenet": ..., "resnet8": ...}, the course's networks and validation images unless given. The ways
    are made and measured in ONNX Runtime when the explorer is made; ResNet12's figures were stored with their date.
    Each move of amount or bits cuts and rounds the network and runs its file.
    """
    models = {name: pretrained(name) for name in IMAGES} if models is None else models
    splits = splits or {name: load(DATA_OF[name]).validation[:IMAGES[name]] for name in models}
    timer = partial(capstone.interleaved, rounds=rounds, warm_up=5)
    benches = {name: Bench(model, load(DATA_OF[name]), splits[name], timer=timer,
                           round_to=1 if name == "lenet" else 8) for name, model in models.items()}
    found = {name: candidates(bench) + STORED.get(name, []) for name, bench in benches.items()}
    found |= {name: ways for name, ways in STORED.items() if name not in found}

    @cache  # a move of a limit measures nothing anew
    def yours(network, amount, bits):
        bench = benches[network]
        return bench.measure("yours", bench.cut(amount) if bits == "32" else bench.rounded(amount, int(bits)))

    for name, bench in benches.items():
        yours(name, AMOUNTS[0], "32")
        for amount in AMOUNTS:  # cutting and calibrating take longer than a move may
            bench.rounded(amount)

    def settings(network, share, latency, drop, amount, bits):
        bench, ways = benches.get(network), found[network]
        allowed = share * (bench.file_bytes if bench else ways[0].file_bytes)
        meets = partial(_meets, max_bytes=allowed, max_ratio=latency, max_drop=drop)
        fit = [way for way in ways if meets(way)]
        best = min(fit, key=lambda way: (way.drop_points, way.file_bytes), default=None)
        own = bench and yours(network, amount, bits)
        front = pareto_front([way.file_bytes for way in ways], [way.drop_points for way in ways],
                             better=("less", "less"))
        numbers = {"ways that fit": _number(len(fit), "", f"{len(fit)} of {len(ways)}"),
                   "file allowed": _number(allowed, "bytes", f"{allowed:,.0f} bytes")}
        if own:
            numbers |= {"your file": _number(own.file_bytes, "bytes", f"{own.file_bytes:,} bytes"),
                        "your latency": _number(own.latency_ratio, "of dense", f"{own.latency_ratio:.2f} of dense"),
                        "your accuracy": accuracy_number(own.accuracy, len(splits[network])),
                        "your drop": _number(own.drop_points, "points", f"{own.drop_points:.1f} points")}
        return {
            "headline": (f"Best of {len(fit)} that fit: {best.label}, {_lost(best.drop_points)}."
                         if best else "Nothing here fits. Loosen a limit.")
                        + (f" Yours {'fits' if meets(own) else 'does not fit'}." if own else ""),
            "numbers": numbers,
            "ways": {"points": [_point(way, "fast enough" if _fast(way, latency) else "too slow or not timed")
                                for way in ways],
                     "front": front, "now": _point(own) if own else None,
                     "budget": {"x": allowed / 1000, "y": drop}},
            "table": {"columns": ["way", "bytes", "time / dense", "points lost", "fits", "when"],
                      "rows": [[way.label, f"{way.file_bytes:,}",
                                "–" if way.latency_ratio is None else f"{way.latency_ratio:.2f}",
                                f"{way.drop_points:.1f}", "yes" if meets(way) else "no", way.source] for way in ways]},
        }

    return Explorer(settings, title="Choose for a device: what fits into its budget?", controls=[
        Select("network", [(NAMES[name], name) for name in found], value=list(found)[-2] if len(found) > 1 else None,
               label="Network"),
        Range("share", 0.05, 1.0, step=0.05, value=1.0, label="File, share of dense: at most",
              percent=True),
        Range("latency", 0.1, 1.5, step=0.05, value=1.5, label="Latency, share of dense: at most"),
        Range("drop", 0.0, 15.0, step=0.5, value=15.0, label="Points lost: at most"),
        Range("amount", 0.0, 0.375, step=0.125, value=0.0, label="Yours: share of the channels removed", percent=True),
        Select("bits", BITS, label="Yours: weights and values as"),
    ], views=[
        Scatter("ways", "File against accuracy lost", x="file (kB, 1 kB = 1,000 bytes)", y="accuracy lost (points)",
                log="x", better=("less", "less")),
        Table("table", "Every way and its figures"),
    ])


def _lost(points):
    return f"{abs(points):.1f} points {'gained' if points < 0 else 'lost'}"


def _fast(way, limit):
    return way.latency_ratio is not None and way.latency_ratio <= limit


def _meets(way, max_bytes, max_ratio, max_drop):
    return way.file_bytes <= max_bytes and _fast(way, max_ratio) and way.drop_points <= max_drop


def _point(way, group=None):
    point = {"label": way.label, "x": way.file_bytes / 1000, "y": way.drop_points}
    return point | ({"group": group} if group else {})


def _number(value, unit, text):
    return {"value": value, "unit": unit, "text": text}
