"""Train the networks that travel with the package, and write their weights and model cards.

usage: python benchmarks/baselines.py [NAME ...]        (lenet, resnet8, resnet12, mobilenet; all when none is named)

Training uses the full training split without the validation images; the weights kept are those of the epoch with
the best validation accuracy. The test set is used once, at the end, for the figure on the card.
Another number of threads sums in another order, so a new run gives slightly different weights and figures.
"""

import datetime
import hashlib
import json
import platform
import sys
import time
from dataclasses import asdict

import safetensors.torch
import torch

from shrinklab.data import load
from shrinklab.metrics import bootstrap_interval, correct, predict
from shrinklab.models import DATA_OF, WEIGHTS, build
from shrinklab.train import Recipe, fit, set_seed

RECIPES = {
    "lenet": Recipe(epochs=40, batch_size=128, learning_rate=0.05, weight_decay=5e-4, ema_decay=0.999,
                    augment="shift"),
    "resnet8": Recipe(epochs=64, batch_size=128, learning_rate=0.1, weight_decay=3e-4, ema_decay=0.999,
                      augment="crop_flip", bfloat16=True),
    "resnet12": Recipe(epochs=28, batch_size=128, learning_rate=0.1, weight_decay=5e-4, ema_decay=0.999,
                       augment="crop_flip", bfloat16=True),
    "mobilenet": Recipe(epochs=40, batch_size=128, learning_rate=0.1, weight_decay=1e-4, ema_decay=0.999,
                        augment="crop_flip"),
}


def figure(model, split):
    """Accuracy on a split with its 95 % bootstrap interval, as fractions."""
    right = correct(predict(model, split.images), split.labels)
    low, high = bootstrap_interval(right)
    return {"accuracy": round(right.double().mean().item(), 4), "interval_95": [round(low, 4), round(high, 4)],
            "images": len(split)}


def store(name, model, data, history, minutes):
    """Write weights/<name>.safetensors and its card weights/<name>.json; -> the card."""
    path = WEIGHTS / f"{name}.safetensors"
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, path, metadata={"architecture": name, "config": json.dumps(model.config)})
    recipe = RECIPES[name]
    card = {
        "name": name,
        "config": model.config,
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": data.name,
        "training_images": len(data.train),
        "recipe": asdict(recipe) | {"optimizer": "SGD, momentum 0.9, Nesterov; 5 % warm-up, then cosine to 0"},
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "best_epoch": max(history, key=lambda r: r["validation_accuracy"])["epoch"],
        "minutes": round(minutes, 1),
        "validation": figure(model, data.validation),
        "test": figure(model, data.test),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "date": datetime.date.today().isoformat(),
    }
    card |= {"validation_accuracy": card["validation"]["accuracy"], "test_accuracy": card["test"]["accuracy"]}
    (WEIGHTS / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n")
    return card


def train(name):
    data = load(DATA_OF[name], full=True)
    set_seed(RECIPES[name].seed)
    model = build(name).to(memory_format=torch.channels_last)
    start = time.monotonic()
    history = fit(model, data, RECIPES[name])
    return store(name, model, data, history, (time.monotonic() - start) / 60)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or RECIPES:
        done = train(wanted)
        print(f"{wanted}: validation {done['validation_accuracy']:.2%}, test {done['test_accuracy']:.2%} "
              f"{done['test']['interval_95']}, {done['minutes']} minutes")
