"""Let the channels that stay take over what the removed ones did: linear regression, no labels, no training."""

import copy

import torch

from shrinklab.channels import recalibrating
from shrinklab.errors import need
from shrinklab.groups import groups_of, staying
from shrinklab.metrics import evaluating, forward
from shrinklab.tracing import follow

SAMPLES = 20_000  # values of each channel that a regression sees; a layer of an image network has far more


def reconstruct(model, keep, images, *, ridge=1e-3):
    """A copy of the model, of the same size, in which no layer reads the channels that are to be removed.

    Each layer that reads some of them gets new weights: what it used to read is predicted by least squares from the
    channels that stay, and the prediction is multiplied into its weights (and its bias, where it has one). Layers
    are mended in calling order, each on what the layers mended before it now deliver, in one pass over the images,
    and batch norms take their statistics from the same pass. `remove_channels` with the same keep then changes no
    logit in evaluation mode.

    keep: as from `channel_masks`. images (N, ...): some hundred training images, no labels. ridge: strength of the
    regularization, relative to the mean variance of a channel.
    Source: He et al., "Channel Pruning for Accelerating Very Deep Neural Networks", 2017, whose regression is
    over whole patches; one channel of one pixel at a time needs no patch and keeps the kernel's size.

    >>> model = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.Linear(2, 1))
    >>> model[0].weight.data = torch.tensor([[1.0], [3.0]])  # the second channel is three times the first
    >>> mended = reconstruct(model, {"0": torch.tensor([True, False])}, torch.tensor([[1.0], [2.0]]), ridge=0)
    >>> torch.allclose(mended(torch.tensor([[7.0]])), model(torch.tensor([[7.0]])))
    True
    """
    need(isinstance(images, torch.Tensor) and images.ndim > 1 and len(images) > 1,
         f"images is {_size(images)}", "a regression needs a tensor of two images or more (N, ...)",
         "pass data.train.images[:500]")
    need(ridge >= 0, f"ridge is {ridge}", "the regularization is 0 or more", "use 1e-3")
    wiring = follow(model, images)
    stay = staying(groups_of(wiring), keep, len(wiring.fixed))
    kept = {name: stay[layer.reads] for name, layer in wiring.layers.items() if layer.kind == "dense"}
    kept = {name: columns for name, columns in kept.items() if not columns.all()}
    mended, wanted = copy.deepcopy(model), {}

    def note(name, module, values):
        wanted.setdefault(name, _samples(values))

    def mend(name, module, values):
        if name in wanted:  # a layer called twice is mended once
            _mend(module, kept[name], _samples(values), wanted.pop(name), ridge)

    with evaluating(model):
        _run(model, images, kept, note)
    with recalibrating(mended):
        _run(mended, images, kept, mend)
    return mended


def _run(model, images, names, before):
    """One pass; before(name, module, input) is called ahead of each of the layers named."""
    hooks = [model.get_submodule(name).register_forward_pre_hook(
        lambda module, inputs, name=name: before(name, module, inputs[0])) for name in names]
    try:
        with torch.no_grad():
            forward(model, images)
    finally:
        for hook in hooks:
            hook.remove()


def _samples(values):
    """A layer's input (N, channels, ...) as float64 rows (samples, channels): the same places for the same shape."""
    rows = values.flatten(2).transpose(1, 2).flatten(0, 1) if values.ndim > 2 else values
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:SAMPLES]
    return rows[chosen].double()


def _mend(module, kept, now, wanted, ridge):
    """Change weight and bias so that the kept columns of `now` give what `wanted` gave. Both (samples, channels)."""
    now = now[:, kept]
    mean_now, mean_wanted = now.mean(0), wanted.mean(0)
    centred = now - mean_now
    covariance = centred.T @ centred
    covariance.diagonal().add_(ridge * covariance.diagonal().mean() + 1e-30)
    # wanted = shift + now @ mix, in the least squares; lstsq, since channels may be copies of each other.
    mix = torch.linalg.lstsq(covariance, centred.T @ (wanted - mean_wanted), driver="gelsd").solution
    shift = mean_wanted - mean_now @ mix
    weight = module.weight.double()
    new = torch.zeros_like(weight)
    new[:, kept] = torch.einsum("oi...,ki->ok...", weight, mix)
    if module.bias is not None:
        module.bias += (weight.flatten(2).sum(2) if weight.ndim > 2 else weight) @ shift
    module.weight.copy_(new)


def _size(images):
    return f"a tensor of shape {tuple(images.shape)}" if isinstance(images, torch.Tensor) else repr(images)
