"""Lesson 04's explorer: move the share of weights to remove; each move prunes the network and tests it again."""

import torch

from shrinklab.criteria import l1
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.files import file_bytes, gzip_bytes, sparse_bytes
from shrinklab.masks import apply_masks, global_masks, layer_masks, prunable
from shrinklab.measure import latency
from shrinklab.metrics import accuracy, evaluating
from shrinklab.models import pretrained
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Bars, Histogram

SCOPES = [("all layers, one cut (global)", "global"), ("each layer, the same share", "each"),
          ("only the layer chosen below", "one")]
BINS = 60


def magnitude_explorer(model=None, split=None, criterion=l1, *, repeats=15):
    """Explorer: amount, scope and layer -> the layer's weights with the cut, accuracy, three file sizes, latency.

    It opens with nothing removed, so that it gives no guess away.

    model, split: the trained LeNet and 1,000 MNIST validation images unless given. criterion: weight -> scores,
    for example a function of your own. Each move prunes a copy of the model, writes its files and runs it.

    >>> from shrinklab.models import build
    >>> explorer = magnitude_explorer(build("lenet", channels=[2, 4], hidden=[20, 10]), load("mnist").validation[:50])
    >>> explorer.compute(amount=0.5)["numbers"]["weights left"]["value"]  # of 2,550
    1275
    """
    model = pretrained("lenet") if model is None else model
    split = load("mnist").validation[:1000] if split is None else split
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    layers, files = prunable(model), {"dense": file_bytes, "gzip": gzip_bytes, "sparse": sparse_bytes}
    before = accuracy(model, split), {kind: size(model) for kind, size in files.items()}

    def settings(amount, scope, layer):
        if scope == "global":
            masks = global_masks(model, amount, criterion)
        else:
            masks = layer_masks(model, amount if scope == "each" else {layer: amount}, criterion)
        pruned = apply_masks(model, masks)
        share, sizes = accuracy(pruned, split), {kind: size(pruned) for kind, size in files.items()}
        with evaluating(pruned):
            timed = latency(lambda: pruned(split.images[:1]), warm_up=3, repeats=repeats)
        kept = {name: dict(pruned.named_parameters())[name].count_nonzero().item() for name in layers}
        totals = {name: dict(model.named_parameters())[name].numel() for name in layers}
        removed = 1 - sum(kept.values()) / sum(totals.values())
        return {
            "headline": f"{removed:.1%} of the weights removed: {share:.1%} of {len(split):,} images right "
                        f"({before[0]:.1%} before).".replace("%", " %"),
            "numbers": {
                "accuracy": accuracy_number(share, len(split)),
                "weights left": _number(sum(kept.values()), "", f"{sum(kept.values()):,} of {sum(totals.values()):,}"),
                **{f"{kind} file": _number(size, "bytes", f"{size:,} bytes") for kind, size in sizes.items()},
                "latency": _number(timed.p50_ms, "ms", f"{timed.p50_ms:.2f} ms"),
            },
            "weights": _histogram(dict(model.named_parameters())[layer].detach(), masks.get(layer)),
            "layers": {"labels": layers, "values": [kept[name] / totals[name] for name in layers], "unit": "%"},
            "files": {"labels": list(sizes), "values": [size / 1000 for size in sizes.values()], "unit": "kB",
                      "reference": [size / 1000 for size in before[1].values()]},
        }

    kind = split.name.split("/")[-1].split("[")[0]
    title = f"Prune a {type(model).__name__} and test it on {len(split):,} {kind} images"
    return Explorer(settings, title=title, controls=[
        Range("amount", 0.0, 0.95, step=0.05, value=0.0, label="Share of weights removed", percent=True),
        Select("scope", SCOPES, label="Remove from"),
        Select("layer", layers, value=max(layers, key=lambda name: dict(model.named_parameters())[name].numel()),
               label="Layer shown"),
    ], views=[
        Histogram("weights", "Weights of the layer chosen: small ones go", x="weight", y="number of weights"),
        Bars("layers", "Weights left in each layer", x="share of the layer's weights", x_max=1.0),
        Bars("files", "Size of the saved file", x="kilobytes (1 kB = 1,000 bytes)"),
    ])


def _number(value, unit, text):
    return {"value": value, "unit": unit, "text": text}


def _histogram(weight, mask):
    """Bars over the weights, and the cut: between -cut and cut everything is removed, outside nothing.

    There is no cut when nothing was removed, or when the criterion did not go by size.
    """
    size = weight.abs()
    reach = size.max().item() * 1.0001 or 1.0
    counts, edges = torch.histogram(weight.flatten(), bins=BINS, range=(-reach, reach))
    cut = None
    if mask is not None and not mask.all():
        largest = size[~mask].max().item()
        by_size = not mask.any() or size[mask].min().item() >= largest
        cut = [-largest, largest] if by_size else None
    return {"edges": edges.tolist(), "counts": counts.int().tolist(), "cut": cut}
