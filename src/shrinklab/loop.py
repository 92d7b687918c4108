"""The inside of a training: a batch, a step of the optimizer, masks held, weights averaged. `train.fit` drives it."""

import copy

import numpy as np
import torch

from shrinklab.augment import augmented


class Training:
    """The state of one call of `fit`: its optimizer, its random numbers, and the moving average of the weights."""

    def __init__(self, model, data, recipe, masks, loss):
        self.model, self.data, self.recipe, self.masks, self.loss = model, data, recipe, masks, loss
        self.generator = torch.Generator().manual_seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        batches = (len(data.train.images) + recipe.batch_size - 1) // recipe.batch_size
        self.optimizer, self.schedule = _optimizer(model, recipe, recipe.epochs * batches)
        _hold(model, masks)
        self.ema = copy.deepcopy(model) if recipe.ema_decay else model

    def epoch(self):
        """See every training image once; -> the mean loss."""
        images, labels = self.data.train.images, self.data.train.labels
        self.model.train()
        total = torch.zeros(())
        for rows in torch.randperm(len(images), generator=self.generator).split(self.recipe.batch_size):
            total += self.step(images[rows], labels[rows]) * len(rows)
        return float(total / len(images))

    def step(self, images, labels):
        """One batch, one step of the optimizer; -> the loss before it, ()."""
        x = augmented(images, self.recipe.augment, self.generator)
        x = x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            loss = self.loss(self.model(x).float(), labels, x)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        _hold(self.model, self.masks)
        if self.recipe.ema_decay:
            _average(self.ema, self.model, self.recipe.ema_decay)
        return loss.detach()


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


def held_step(weight, velocity, gradient, mask, rate):
    """One step of SGD with momentum 0.9 and the mask held: the new weight and velocity, both 0 where the mask drops.

    weight, velocity, gradient: the same shape; mask: bool tensor of that shape, True = keep; rate: learning rate.

    >>> kept = torch.tensor([True, False])
    >>> held_step(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.5]), torch.tensor([2.0, 1.0]), kept, 0.1)
    (tensor([0.8000, 0.0000]), tensor([2., 0.]))
    """
    velocity = (0.9 * velocity + gradient).where(mask, 0.0)
    return (weight - rate * velocity).where(mask, 0.0), velocity
