"""Lesson 06's explorer: move the share of channels to remove; each move cuts the network and measures what is left."""

from torch import nn

from shrinklab.channels import channel_groups, recalibrate_batch_norm, shrink_channels
from shrinklab.criteria import l1, l2, random
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.fast import fast
from shrinklab.files import file_bytes
from shrinklab.inference import evaluating, predict
from shrinklab.measure import count_macs, latency
from shrinklab.metrics import correct
from shrinklab.models import DATA_OF, architecture, pretrained
from shrinklab.tracing import CONVOLUTIONS
from shrinklab.widgets.controls import Range, Select, Toggle
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Bars, Network

CRITERIA = {"l1": l1, "l2": l2, "lot": random}
CHOICES = [("sum of sizes (l1)", "l1"), ("sum of squares (l2)", "l2"), ("lot (at random)", "lot")]
ROUNDINGS = [("any number", 1), ("multiples of 4", 4), ("multiples of 8", 8)]
WIDE = 200  # inputs from which a layer would hide the thin ones, so that lengths are drawn as square roots


def channels_explorer(model=None, split=None, calibration=None, *, repeats=15):
    """Explorer: share of channels, criterion, rounding, batch norm -> the network's drawing, and what is left of it.

    It opens with nothing removed, so that it gives no guess away.

    model, split: the trained ResNet8 and 250 CIFAR-10 validation images unless given; calibration: images (N, ...) for
    the batch norms, 100 training images of the model's data set unless given. Each move cuts the model into a smaller
    one, writes its file, counts its MACs, times it beside the whole one and runs the images.

    >>> from shrinklab.models import build
    >>> images = load("cifar10").validation[:20]
    >>> explorer = channels_explorer(build("resnet8", widths=[8] * 7), images, images.images, repeats=2)
    >>> explorer.compute(amount=0.5)["numbers"]["channels left"]["value"]  # of 48
    24
    """
    model = pretrained("resnet8") if model is None else model
    split = load("cifar10").validation[:250] if split is None else split
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    calibration = load(DATA_OF[architecture(model)]).train.images[:100] if calibration is None else calibration
    example = split.images[:1]
    groups, whole = channel_groups(model, example), _costs(model, example)
    all_channels, before, layers = sum(group.size for group in groups), _accuracy(model, split), boxes(model)

    def settings(amount, criterion, round_to, recalibrate):
        small = shrink_channels(model, amount, criterion=CRITERIA[criterion], example=example, round_to=round_to)
        small = recalibrate_batch_norm(small, calibration) if recalibrate and amount else small
        left = sum(group.size for group in channel_groups(small, example))
        right, costs = _accuracy(small, split), _costs(small, example)
        times = _milliseconds((model, small), example, repeats)
        shares = {name: costs[name] / whole[name] for name in costs} | {"latency": times[1] / times[0]}
        return {
            "headline": f"{1 - left / all_channels:.1%} of the channels removed: {shares['MACs']:.0%} of the MACs and "
                        f"{shares['latency']:.0%} of the time are left, {right:.1%} of {len(split):,} images right "
                        f"({before:.1%} before).".replace("%", " %"),
            "numbers": {
                "accuracy": accuracy_number(right, len(split)),
                "channels left": _number(left, "", f"{left:,} of {all_channels:,}"),
                **{name: _number(value, "", f"{value:,}") for name, value in costs.items() if name != "dense file"},
                "dense file": _number(costs["dense file"], "bytes", f"{costs['dense file']:,} bytes"),
                "latency": _number(times[1], "ms", f"{times[1]:.2f} ms ({times[0]:.2f} ms whole)"),
            },
            "network": {"layers": boxes(small), "before": layers},
            "left": {"labels": list(shares), "values": list(shares.values()), "unit": "%", "reference": 1.0},
        }

    kind = split.name.split("/")[-1].split("[")[0]
    widest = max(layer["inputs"] for layer in layers)
    title = f"Cut channels out of a {type(model).__name__} and test it on {len(split):,} {kind} images"
    return Explorer(settings, title=title, controls=[
        Range("amount", 0.0, 0.75, step=0.05, value=0.0, label="Share of channels removed", percent=True),
        Select("criterion", CHOICES, label="Channels are judged by"),
        Select("round_to", ROUNDINGS, label="Channels kept"),
        Toggle("recalibrate", label=f"Batch norms look at {len(calibration):,} training images again"),
    ], views=[
        Network("network", "The network: each box is a layer's weights", scale="root" if widest > WIDE else "linear"),
        Bars("left", "What is left, beside the whole network", x="share of the whole network (%)", x_max=1.2,
             parts=("now", "whole")),
    ])


def boxes(model):
    """What the Network view draws: each convolution and linear layer with its channels; a shortcut is a branch.

    >>> boxes(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Linear(8, 10)))[1]
    {'name': '1', 'inputs': 8, 'outputs': 10}
    """
    layers = []
    for name, module in model.named_modules():
        if isinstance(module, (*CONVOLUTIONS, nn.Linear)):
            inputs, outputs = reversed(module.weight.shape[:2])
            layers.append({"name": name, "inputs": inputs, "outputs": outputs}
                          | ({"branch": True} if "shortcut" in name else {})
                          | ({"note": "depthwise"} if getattr(module, "groups", 1) > 1 else {}))
    return layers


def _accuracy(model, split):
    """The share of right predictions, with batch norms folded and in small batches, which is sooner."""
    return correct(predict(fast(model), split.images, 125), split.labels).double().mean().item()


def _costs(model, example):
    """What a network costs that needs no clock, by name."""
    return {"parameters": sum(parameter.numel() for parameter in model.parameters()),
            "MACs": count_macs(model, example), "dense file": file_bytes(model)}


def _milliseconds(models, example, repeats):
    """Median times of the networks. They take turns, and the lower of two medians counts: load comes and goes."""
    rounds = []
    for _ in range(2):
        for model in models:
            with evaluating(model):
                timed = latency(lambda model=model: model(example), warm_up=3, repeats=(repeats + 1) // 2)
            rounds.append(timed.p50_ms)
    return [min(rounds[i::len(models)]) for i in range(len(models))]


def _number(value, unit, text):
    return {"value": value, "unit": unit, "text": text}
