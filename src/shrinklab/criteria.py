"""Which weights matter? A criterion takes a weight tensor and gives scores of the same shape.

The larger the score, the more the weight matters. Any function of this form can be used for pruning, a
student's own included. The score of a channel is the sum over its weights: `l1(weight).flatten(1).sum(1)`.
"""

import torch


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
