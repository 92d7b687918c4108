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

from shrinklab.errors import need
from shrinklab.metrics import accuracy

REACH = {"none": 0, "shift": 2, "crop_flip": 4}  # how far an image is moved, in pixels


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


def set_seed(seed):
    """Seed Python, NumPy and PyTorch, so that a run can be repeated.

    >>> set_seed(0); first = torch.rand(1); set_seed(0); bool(torch.rand(1) == first)
    True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def augmented(images, how, generator):
    """Randomly shifted (and, for "crop_flip", mirrored) copies of images (N, C, H, W); padding repeats the border.

    "shift" moves by up to 2 pixels, "crop_flip" by up to 4 (the usual CIFAR-10 crop).
    """
    if how == "none":
        return images
    reach = REACH[how]
    n, _, height, width = images.shape
    padded = F.pad(images, [reach] * 4, mode="reflect" if how == "crop_flip" else "replicate")
    dy, dx = torch.randint(0, 2 * reach + 1, (2, n, 1), generator=generator)
    rows = (dy + torch.arange(height))[:, None, :, None]
    columns = dx + torch.arange(width)
    if how == "crop_flip":
        mirror = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirror, columns.flip(1), columns)
    index = torch.arange(n)[:, None, None, None], torch.arange(images.shape[1])[None, :, None, None]
    return padded[index[0], index[1], rows, columns[:, None, None, :]]


def _average(ema, model, decay):
    """Move each floating tensor of ema a little towards the model's; counters are copied."""
    with torch.no_grad():
        for mean, now in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


def _optimizer(model, recipe, steps):
    """SGD with Nesterov momentum; batch-norm parameters and biases are not decayed."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=0.9, nesterov=True)
    warm_up = max(1, steps // 20)

    def factor(step):
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + np.cos(np.pi * (step - warm_up) / max(1, steps - warm_up)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _hold(model, masks):
    """Set the masked-out weights to zero again (an optimizer step moves them)."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].masked_fill_(~mask, 0.0)  # a product would leave -0.0, which no file packs


def _check(recipe, images, masks, model):
    need(recipe.epochs >= 1, f"epochs is {recipe.epochs}", "training needs at least one epoch", "use 1 or more")
    need(recipe.batch_size >= 1, f"batch_size is {recipe.batch_size}", "a batch holds at least one image",
         "use 1 or more, for example 128")
    need(recipe.augment in REACH, f"augment is {recipe.augment!r}", f"known ways are {', '.join(REACH)}",
         "use one of them")
    need(len(images) > 0, "the training split has 0 images", "training needs at least one", "load one with images")
    names = dict(model.named_parameters())
    for name in masks:
        need(name in names, f"the mask names {name!r}", f"the model's parameters are {', '.join(names)}",
             "use one of them")


def fit(model, data, recipe=None, *, masks=None, on_epoch=None, progress=True):
    """Train `model` IN PLACE on data.train; return one {"epoch", "loss", "validation_accuracy"} per epoch.

    data: a `Data`, or anything with .train and .validation of .images and .labels.
    masks: {parameter name: bool tensor}, held at zero through the whole training.
    on_epoch: called with each record, so that a caller can show progress; it may raise to stop the training.
    The weights that remain are those of the epoch with the best validation accuracy. The test set is not touched.
    """
    recipe, masks = recipe or Recipe(), masks or {}
    images, labels = data.train.images, data.train.labels
    _check(recipe, images, masks, model)
    generator = torch.Generator().manual_seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    batches = (len(images) + recipe.batch_size - 1) // recipe.batch_size
    optimizer, schedule = _optimizer(model, recipe, recipe.epochs * batches)
    history, best = [], None
    was_training = model.training
    _hold(model, masks)
    ema = copy.deepcopy(model) if recipe.ema_decay else model
    bar = tqdm(range(1, recipe.epochs + 1), desc="training", unit="epoch", disable=not progress)
    for epoch in bar:
        model.train()
        total = torch.zeros(())
        for rows in torch.randperm(len(images), generator=generator).split(recipe.batch_size):
            x = augmented(images[rows], recipe.augment, generator).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bfloat16):
                loss = F.cross_entropy(model(x).float(), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            _hold(model, masks)
            total += loss.detach() * len(rows)
            if recipe.ema_decay:
                _average(ema, model, recipe.ema_decay)
        record = {"epoch": epoch, "loss": float(total / len(images)),
                  "validation_accuracy": accuracy(ema, data.validation)}
        history.append(record)
        if best is None or record["validation_accuracy"] > best[0]:
            best = record["validation_accuracy"], copy.deepcopy(ema.state_dict())
        bar.set_postfix(loss=f"{record['loss']:.3f}", validation=f"{record['validation_accuracy']:.2%}")
        if on_epoch:
            on_epoch(record)
    model.load_state_dict(best[1])
    model.train(was_training)
    return history
