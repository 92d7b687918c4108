"""Lesson 05's explorer, which steps through a real run of pruning and fine-tuning, and its button, which makes one."""

from dataclasses import replace
from types import SimpleNamespace

from torch.nn.functional import adaptive_avg_pool2d

from shrinklab.checkpoints import prune_and_keep
from shrinklab.data import load
from shrinklab.errors import need
from shrinklab.files import file_bytes, gzip_bytes, sparse_bytes
from shrinklab.lottery import trained
from shrinklab.masks import apply_masks, global_masks, prunable, sparsity
from shrinklab.metrics import accuracy
from shrinklab.models import pretrained
from shrinklab.train import Recipe
from shrinklab.widgets.controls import Range, Select
from shrinklab.widgets.explorer import Explorer
from shrinklab.widgets.job import Job
from shrinklab.widgets.shares import accuracy_number
from shrinklab.widgets.views import Bars, Heatmap, Lines

AMOUNTS = [0.5, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.99]
RECIPE = Recipe(learning_rate=0.02, batch_size=32)  # one epoch a round
FILES = {"dense": file_bytes, "gzip": gzip_bytes, "sparse": sparse_bytes}
CELLS = 40, 60  # at most so many cells of the mask's picture
CURVES = Lines("curves", "Accuracy so far, before and after fine-tuning", x="share of weights removed (%)",
               y="accuracy (%)", percent="xy", x_range=(0, 1), y_range=(0, 1))


def portion():
    """What the lesson fine-tunes on: 3,000 MNIST training images, and 500 validation images that choose the epoch."""
    data = load("mnist")
    return SimpleNamespace(train=data.train[:3000], validation=data.validation[3000:3500])


def recover_explorer(run=None, split=None):
    """Explorer: round and layer -> accuracy before and after fine-tuning, the layer's mask, sparsity, file bytes.

    run: checkpoints from `prune_and_keep`, the whole network first; made here, in some seconds, unless given.
    split: 1,000 MNIST validation images unless given, none of which the run used. Each move runs both networks of
    the round on them and writes the files. Rounds that are still to come are not shown.

    >>> from shrinklab.models import build
    >>> part = SimpleNamespace(train=load("mnist").train[:64], validation=load("mnist").validation[:50])
    >>> small = prune_and_keep(build("lenet", channels=[2, 4], hidden=[20, 10]), part, [0.5], progress=False)
    >>> recover_explorer(small, load("mnist").validation[50:100]).compute(round=1)["numbers"]["removed"]["value"]
    0.5
    """
    run = prune_and_keep(pretrained("lenet"), portion(), AMOUNTS, RECIPE, progress=False) if run is None else run
    split = load("mnist").validation[:1000] if split is None else split
    need(len(run) > 1, f"the run has {len(run)} checkpoints", "it holds the whole network and at least one round",
         "make it with prune_and_keep")
    need(len(split) > 0, f"{split.name} holds 0 images", "accuracy needs at least one", "take a larger slice")
    layers, whole = prunable(run[0].tuned), {kind: size(run[0].tuned) for kind, size in FILES.items()}
    gone = [sparsity(one.tuned) for one in run]
    shares = [(accuracy(one.pruned, split), accuracy(one.tuned, split)) for one in run]

    def settings(round, layer):
        now, removed = run[round], sparsity(run[round].tuned)
        before, after = accuracy(now.pruned, split), accuracy(now.tuned, split)
        sizes = {kind: size(now.tuned) for kind, size in FILES.items()}
        curves = zip(("after the cut", "after fine-tuning"), zip(*shares[:round + 1], strict=True), strict=True)
        return {
            "headline": f"Round {round}: {_percent(removed)} of the weights are gone. {_percent(before)} of "
                        f"{len(split):,} images right after the cut, {_percent(after)} after fine-tuning.",
            "numbers": {
                "after the cut": accuracy_number(before, len(split)),
                "after fine-tuning": accuracy_number(after, len(split)), "removed": _share(removed),
                **{f"{kind} file": {"value": size, "unit": "bytes", "text": f"{size:,} bytes"}
                   for kind, size in sizes.items()},
            },
            "curves": {"series": [{"name": name, "x": gone[:round + 1], "y": list(y)} for name, y in curves],
                       "marker": removed},
            "mask": _mask(dict(now.tuned.named_parameters())[layer]),
            "files": {"labels": list(sizes), "values": [size / 1000 for size in sizes.values()], "unit": "kB",
                      "reference": [size / 1000 for size in whole.values()]},
        }

    return Explorer(settings, title=f"A run of {len(run) - 1} rounds, tested on {split.name}", controls=[
        Range("round", 0, len(run) - 1, label="Round"),
        Select("layer", layers, value="conv2.weight" if "conv2.weight" in layers else None, label="Layer shown"),
    ], views=[
        CURVES, Heatmap("mask", "Where the layer still has weights", x="inputs", y="outputs", unit="%", range=(0, 1)),
        Bars("files", "Size of the saved file", x="kilobytes (1 kB = 1,000 bytes)"),
    ])


def fine_tune_job(amount, model=None, data=None, split=None, *, recipe=None):
    """Button "Fine-tune now": prune once, to the amount chosen, then train with the mask held.

    amount: a control with a `.value` from 0 to 1, such as an ipywidgets slider, read when the button is pressed.
    model, data, split: the trained LeNet, `portion()` and 1,000 MNIST validation images unless given. recipe: five
    epochs unless given. The model stays as it is.
    """
    model = pretrained("lenet") if model is None else model
    data, split = data or portion(), load("mnist").validation[:1000] if split is None else split
    recipe = recipe or replace(RECIPE, epochs=5)

    def run(report):
        masks = global_masks(model, amount.value)
        pruned, history = apply_masks(model, masks), []
        report(0, recipe.epochs, "pruned")

        def on_epoch(record):
            history.append(record)
            report(record["epoch"], recipe.epochs, f"loss {record['loss']:.3f}")

        tuned = trained(pruned, data, recipe, masks=masks, on_epoch=on_epoch, progress=False)
        before, after, size = accuracy(pruned, split), accuracy(tuned, split), sparse_bytes(tuned)
        epochs = [0, *(record["epoch"] for record in history)]
        steps = [accuracy(pruned, data.validation), *(record["validation_accuracy"] for record in history)]
        return {
            "headline": f"{_percent(sparsity(tuned))} of the weights are gone. {_percent(before)} of {len(split):,} "
                        f"images right after the cut, {_percent(after)} after fine-tuning.",
            "numbers": {"after the cut": accuracy_number(before, len(split)),
                        "after fine-tuning": accuracy_number(after, len(split)),
                        "removed": _share(sparsity(tuned)),
                        "sparse file": {"value": size, "unit": "bytes", "text": f"{size:,} bytes"}},
            "epochs": {"series": [{"name": "accuracy", "x": epochs, "y": steps}]},
        }

    return Job("Fine-tune now", run, [
        Lines("epochs", f"Accuracy on the {len(data.validation):,} images that choose the epoch", x="epoch",
              y="accuracy (%)", percent="y", y_range=(0, 1)),
    ], title=f"Prune and fine-tune, tested on {split.name}")


def _percent(value):
    return f"{value:.1%}".replace("%", " %")


def _share(value):
    return {"value": value, "unit": "%", "text": _percent(value)}


def _mask(weight):
    """The share of weights that are left, a cell a weight; of a large layer, a cell for a block of weights."""
    there = (weight.detach() != 0).float().flatten(1)
    # Blocks of one size, so that each weight counts once.
    shape = [max(n for n in range(1, most + 1) if size % n == 0) for size, most in zip(there.shape, CELLS, strict=True)]
    cells = adaptive_avg_pool2d(there[None], shape)[0]
    return {"rows": list(range(1, shape[0] + 1)), "columns": list(range(1, shape[1] + 1)), "values": cells.tolist()}
