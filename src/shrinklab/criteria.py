"""Which weights matter? A criterion takes a weight tensor and gives scores of the same shape.

The larger the score, the more the weight matters. Any function of this form can be used for pruning, a
student's own included. The score of a channel is the sum over its weights: `l1(weight).flatten(1).sum(1)`.

Taylor scores need data, so they come as a table of the whole model, {weight name: scores}, made beforehand:
`global_masks(model, 0.9, taylor_scores(model, data.train[:512]))`. Scores of whole channels, by Taylor or by
batch-norm scale, are in `channel_criteria`.
"""

import copy

import torch
from torch import nn  # noqa: F401  (the examples use it)
from torch.nn import functional as F

from shrinklab.errors import need
from shrinklab.metrics import evaluating, forward
from shrinklab.scoring import chosen, score


def l1(weight):
    """Absolute value: the larger the weight, of either sign, the more it adds to the output. Any shape.

    Source: Han et al., "Learning both Weights and Connections for Efficient Neural Networks", 2015.

    >>> l1(torch.tensor([-3.0, 1.0]))
    tensor([3., 1.])
    """
    return weight.abs()


def l2(weight):
    """Square. Single weights rank as with l1; sums over a channel do not, since one large weight counts more.

    Source: He et al., "Soft Filter Pruning for Accelerating Deep Convolutional Neural Networks", 2018.

    >>> l2(torch.tensor([-3.0, 1.0]))
    tensor([9., 1.])
    """
    return weight.square()


def random(weight, seed=0):
    """A score drawn by lot, 0 to 1, the same for the same seed: what a criterion has to beat.

    The global random state is not touched. For another draw: `functools.partial(random, seed=3)`.

    >>> bool((random(torch.zeros(4)) == random(torch.ones(4))).all())
    True
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(weight.shape, generator=generator)


def taylor(weight, gradient):
    """Square of weight times gradient: by the loss's slope, how far the loss moves when the weight becomes 0.

    weight, gradient: two tensors of one shape. A large weight on which the loss does not depend scores 0.
    Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", 2019, equation 8.

    >>> taylor(torch.tensor([-3.0, 1.0]), torch.tensor([0.1, 2.0]))
    tensor([0.0900, 4.0000])
    """
    return (weight * gradient).square()


def taylor_scores(model, split, criterion=taylor, *, batch_size=32):
    """Taylor scores of every prunable weight: {weight name: tensor of the weight's shape}.

    split: .images (N, C, H, W) and .labels (N,) of training images, some hundred. criterion: a function
    weight, gradient -> scores. The gradients are those of the mean cross-entropy of one batch, in evaluation mode;
    scores are averaged over the batches. Batches are small on purpose: over many images the gradients of a trained
    network cancel out.

    >>> from types import SimpleNamespace as Split
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> layer.weight.data = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    >>> taylor_scores(layer, Split(images=torch.tensor([[1.0, 0.0]]), labels=torch.tensor([0])))["weight"]
    tensor([[0.2500, 0.0000],
            [0.2500, 0.0000]])
    """
    names = chosen(model, None)
    total = {name: torch.zeros(()) for name in names}
    for share, pairs in slopes(model, split, batch_size):
        for name in names:
            weight, gradient = pairs[name]
            values = criterion(weight.clone(), gradient.clone())
            total[name] = total[name] + share * score(name, weight, {name: values})
    return total


def slopes(model, split, batch_size=32):
    """Backward passes over a split: for each batch its share of the images and {parameter name: (value, gradient)}.

    The gradients are those of the batch's mean cross-entropy, in evaluation mode, and 0 for what takes no part; the
    model stays as it was.

    >>> from types import SimpleNamespace as Split
    >>> split = Split(images=torch.zeros(3, 1), labels=torch.zeros(3, dtype=torch.long))
    >>> [round(share, 2) for share, pairs in slopes(nn.Linear(1, 2), split, batch_size=2)]
    [0.67, 0.33]
    """
    some(split)
    need(isinstance(batch_size, int) and batch_size >= 1, f"batch_size is {batch_size!r}",
         "a batch holds at least one image", "use 1 or more, for example 32")
    twin = copy.deepcopy(model).requires_grad_(True)
    with evaluating(twin), torch.enable_grad():
        for images, labels in zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True):
            twin.zero_grad()
            loss = F.cross_entropy(forward(twin, images).float(), labels)
            need(bool(loss.isfinite()), f"the loss is {loss.item():g}", "slopes need a finite loss",
                 "look for NaN or huge values in the images and weights")
            loss.backward()
            yield len(images) / len(split.images), {
                name: (p.detach(), torch.zeros_like(p) if p.grad is None else p.grad)
                for name, p in twin.named_parameters()}


def some(split):
    """Refuse a split without images or with as many labels as do not fit."""
    need(hasattr(split, "images") and hasattr(split, "labels"), f"the split is a {type(split).__name__}",
         "a split has .images and .labels", "pass data.train[:512]", TypeError)
    need(len(split.images) == len(split.labels) > 0, f"there are {len(split.images)} images and {len(split.labels)} "
         "labels", "each image has a label, and there is at least one", "pass data.train[:512]")


