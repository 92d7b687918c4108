"""Layers whose weights are looked up: each weight is an index into a small table of centroids."""

import copy

import torch
from torch import nn


class Lookup(torch.autograd.Function):
    """centroids[indices], forwards; backwards, each centroid gets the mean of the derivatives of its weights.

    By the chain rule it would be their sum. The mean moves a centroid as far as its weights would move on average:
    it is the step of the weights, projected back to "equal indices, equal weights". So the learning rates that suit
    the weights suit the centroids, however many share one.
    """

    @staticmethod
    def forward(ctx, centroids, indices):
        indices = indices.int()
        ctx.save_for_backward(centroids, indices)
        return centroids.index_select(0, indices.flatten()).reshape(indices.shape)

    @staticmethod
    def backward(ctx, gradient):
        centroids, indices = ctx.saved_tensors
        flat, clusters = indices.flatten(), len(centroids)
        sums = torch.bincount(flat, gradient.flatten().double(), minlength=clusters)
        mean = sums / torch.bincount(flat, minlength=clusters).clamp(min=1)
        # A centroid of exactly 0 stands for pruned weights, and they stay pruned.
        return (mean * (centroids != 0)).to(centroids.dtype), None


class Shared:
    """What the shared layers have in common: `centroids`, a parameter (K,), and `indices`, uint8 of the weight's shape.

    `weight` is made of the two each time that it is read.
    """

    @property
    def weight(self):
        return Lookup.apply(self.centroids, self.indices)


class SharedConv1d(Shared, nn.Conv1d):
    """An nn.Conv1d with a codebook."""


class SharedConv2d(Shared, nn.Conv2d):
    """An nn.Conv2d with a codebook."""


class SharedConv3d(Shared, nn.Conv3d):
    """An nn.Conv3d with a codebook."""


class SharedLinear(Shared, nn.Linear):
    """An nn.Linear with a codebook."""


SHARED = {nn.Conv1d: SharedConv1d, nn.Conv2d: SharedConv2d, nn.Conv3d: SharedConv3d, nn.Linear: SharedLinear}
PLAIN = {shared: plain for plain, shared in SHARED.items()}


def shared_layer(layer, centroids, indices, bits):
    """The layer with a codebook in place of its weight; settings and bias are copied.

    >>> layer = shared_layer(nn.Linear(2, 1, bias=False), torch.tensor([-1.0, 1.0]), torch.tensor([[0, 1]]), 2)
    >>> layer(torch.tensor([[3.0, 5.0]]))  # -3 + 5
    tensor([[2.]], grad_fn=<MmBackward0>)
    """
    done = copy.deepcopy(layer)
    del done.weight
    done.__class__ = SHARED[type(layer)]
    done.centroids = nn.Parameter(centroids.detach().clone(), requires_grad=layer.weight.requires_grad)
    done.register_buffer("indices", indices.to(torch.uint8))
    done.bits = bits
    return done


def plain_layer(layer):
    """The way back: an ordinary layer with the weights written out.

    >>> shared = shared_layer(nn.Linear(2, 1), torch.tensor([-1.0, 1.0]), torch.tensor([[0, 1]]), 2)
    >>> plain_layer(shared).weight.tolist()
    [[-1.0, 1.0]]
    """
    done, weight = copy.deepcopy(layer), layer.weight.detach()
    bias = done.bias
    del done.centroids, done.indices, done.bits, done.bias
    done.__class__ = PLAIN[type(layer)]
    # The bias once more, so that the parameters have the usual order.
    done.weight = nn.Parameter(weight, requires_grad=layer.centroids.requires_grad)
    done.register_parameter("bias", bias)
    return done
