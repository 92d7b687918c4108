"""Training: the one place where a model is changed in place.

`fit` mutates the model that it is given, and says so; everything else in the library returns a new one.
"""

import copy
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from shrinklab.augment import REACH, augmented
from shrinklab.errors import need
from shrinklab.loop import Training
from shrinklab.metrics import accuracy

__all__ = ["Recipe", "augmented", "cross_entropy", "fit", "set_seed"]


@dataclass(frozen=True)
class Recipe:
    """How to train. Epochs and batch in images; learning_rate is the peak of a warm-up and cosine schedule."""

    epochs: int = 1
    batch_size: int = 128
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    ema_decay: float = 0.0  # 0: off; otherwise the weights returned are their moving average
    augment: str = "none"  # "none", "shift" (MNIST) or "crop_flip" (CIFAR-10)
    bfloat16: bool = False
    seed: int = 0
    patience: int | None = None  # stop after so many epochs without a better validation accuracy; None: never


def set_seed(seed):
    """Seed Python, NumPy and PyTorch, so that a run can be repeated.

    >>> set_seed(0); first = torch.rand(1); set_seed(0); bool(torch.rand(1) == first)
    True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def cross_entropy(logits, labels, images):
    """The loss of plain classification: logits (N, classes), int64 labels (N,) -> the mean, (). Images do not count.

    >>> cross_entropy(torch.zeros(1, 10), torch.tensor([3]), None)  # ln 10
    tensor(2.3026)
    """
    return F.cross_entropy(logits, labels)


def fit(model, data, recipe=None, *, masks=None, loss=None, on_epoch=None, progress=True):
    """Train `model` IN PLACE on data.train; return one {"epoch", "loss", "validation_accuracy"} per epoch.

    data: a `Data`, or anything with .train and .validation of .images and .labels.
    masks: {parameter name: bool tensor}, held at zero through the whole training.
    loss: a function of logits (N, classes), labels (N,) and the images they belong to, augmented, (N, C, H, W), that
    returns a scalar; cross-entropy unless given. `distill.distillation_loss` makes one.
    on_epoch: called with each record, so that a caller can show progress; it may raise to stop the training.
    The weights that remain are those of the epoch with the best validation accuracy. With recipe.patience the
    training ends early; the learning rate falls as if it went on. The test set is not touched.

    >>> from types import SimpleNamespace as Part
    >>> split = Part(images=torch.tensor([[1.0], [-1.0]]), labels=torch.tensor([1, 0]))
    >>> model = torch.nn.Linear(1, 2)
    >>> fit(model, Part(train=split, validation=split), Recipe(epochs=50), progress=False)[-1]["validation_accuracy"]
    1.0
    """
    recipe, masks, loss = recipe or Recipe(), masks or {}, loss or cross_entropy
    _check_recipe(recipe, len(data.train.labels))
    _check_model(model, masks, loss)
    modes = [(module, module.training) for module in model.modules()]
    # The caller's random numbers go on as if nothing had been drawn.
    with torch.random.fork_rng(devices=[]):
        try:
            history, best = _epochs(Training(model, data, recipe, masks, loss), on_epoch, progress)
        finally:
            for module, training in modes:
                module.training = training
    model.load_state_dict(best)
    return history


def _epochs(training, on_epoch, progress):
    """Train epoch by epoch; -> the records, and the weights of the best one."""
    recipe, history, best, best_epoch = training.recipe, [], None, 0
    bar = tqdm(range(1, recipe.epochs + 1), desc="training", unit="epoch", disable=not progress)
    for epoch in bar:
        record = {"epoch": epoch, "loss": training.epoch(),
                  "validation_accuracy": accuracy(training.ema, training.data.validation)}
        history.append(record)
        if best is None or record["validation_accuracy"] > history[best_epoch - 1]["validation_accuracy"]:
            best, best_epoch = copy.deepcopy(training.ema.state_dict()), epoch
        bar.set_postfix(loss=f"{record['loss']:.3f}", validation=f"{record['validation_accuracy']:.2%}")
        if on_epoch:
            on_epoch(record)
        if recipe.patience is not None and epoch - best_epoch >= recipe.patience:
            break
    bar.close()
    return history, best


def _check_recipe(recipe, images):
    need(recipe.epochs >= 1, f"epochs is {recipe.epochs}", "training needs at least one epoch", "use 1 or more")
    need(recipe.batch_size >= 1, f"batch_size is {recipe.batch_size}", "a batch holds at least one image",
         "use 1 or more, for example 128")
    need(recipe.augment in REACH, f"augment is {recipe.augment!r}", f"known ways are {', '.join(REACH)}",
         "use one of them")
    need(recipe.patience is None or recipe.patience >= 1, f"patience is {recipe.patience}",
         "patience counts epochs without a better validation accuracy", "use 1 or more, or None for no early stop")
    need(images > 0, "the training split has 0 images", "training needs at least one", "load one with images")


def _check_model(model, masks, loss):
    names = dict(model.named_parameters())
    need(any(parameter.requires_grad for parameter in names.values()),
         f"the {type(model).__name__} has no parameter to train", "fit moves parameters",
         "train the float model; for a QuantizedModel use quantize.training.qat")
    for name, parameter in names.items():
        need(not parameter.isnan().any(), f"{name} holds NaN", "training starts from numbers",
             "load or build the model again")
    for name in masks:
        need(name in names, f"the mask names {name!r}", f"the model's parameters are {', '.join(names)}",
             "use one of them")
    need(callable(loss), f"loss is {loss!r}", "a loss is a function of logits, labels and images",
         "leave it out for cross-entropy")
