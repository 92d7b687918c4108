"""Run a network as it is used: in evaluation mode, without gradients, batch by batch; and put everything back.

A network is an nn.Module or a runner: any other function images (N, ...) -> logits (N, classes), such as a deployed
file that `deploy.load_runner` opened.
"""

from contextlib import contextmanager

import torch
from torch import nn

from shrinklab.errors import need


@contextmanager
def evaluating(model):
    """Put every module of the model in evaluation mode, and each back in its own mode afterwards.

    Module by module, because `model.train()` would also wake a batch norm that someone froze on purpose. A runner
    has no modes.

    >>> layer = torch.nn.Dropout()
    >>> with evaluating(layer): layer.training
    False
    >>> layer.training
    True
    """
    _runs(model)
    modes = [(module, module.training) for module in model.modules()] if isinstance(model, nn.Module) else []
    for module, _ in modes:
        module.training = False
    try:
        yield model
    finally:
        for module, training in modes:
            module.training = training


def predict(model, images, batch_size=100):
    """Logits of a model in evaluation mode: images (N, ...) -> float (N, classes). The model stays as it was.

    model: an nn.Module, a QuantizedModel too, or a runner, a function images -> logits. The values of 100 images fit
    the processor's cache; larger batches take a ResNet8 up to twice as long.

    >>> predict(torch.nn.Flatten(), torch.tensor([[[1.0, 2.0]]]))
    tensor([[1., 2.]])
    >>> predict(lambda images: 2 * images, torch.tensor([[1.0, 2.0]]))
    tensor([[2., 4.]])
    """
    need(batch_size >= 1, f"batch_size is {batch_size}", "a batch holds at least one image", "use 1 or more")
    _images(images)
    with evaluating(model), torch.inference_mode():
        batches = [torch.as_tensor(forward(model, batch)) for batch in images.split(batch_size)]
    # Outside inference mode, so that the result is an ordinary tensor that autograd can use.
    return torch.cat(batches)


def forward(model, images):
    """model(images), with a readable error where they do not fit; mode and gradients are the caller's business.

    >>> forward(torch.nn.Linear(4, 2), torch.zeros(1, 3))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: the images have shape (1, 3); Linear cannot take them: ...
    """
    _runs(model)
    _images(images)
    try:
        return model(images)
    except RuntimeError as error:
        raise ValueError(f"the images have shape {tuple(images.shape)}; {type(model).__name__} cannot take them: "
                         f"{error}; pass images of the shape that the model was built for.") from error


def need_network(model):
    """Refuse what is no nn.Module.

    >>> need_network("lenet")
    Traceback (most recent call last):
        ...
    TypeError: the model is a str; a network is an nn.Module; pass the network itself, for example pretrained("lenet").
    """
    need(isinstance(model, nn.Module), f"the model is {_kind(model)}", "a network is an nn.Module",
         'pass the network itself, for example pretrained("lenet")', TypeError)


def _runs(model):
    need(callable(model) and not isinstance(model, type), f"the model is {_kind(model)}",
         "a model is an nn.Module, or a runner: a function images -> logits",
         'pass the network itself, for example pretrained("lenet")', TypeError)


def _kind(model):
    return f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"


def _images(images):
    need(isinstance(images, torch.Tensor), f"the images are a {type(images).__name__}",
         "a model takes a tensor of images", "pass split.images", TypeError)
    need(images.ndim and len(images), f"the images have shape {tuple(images.shape)}",
         "at least one image is needed", "pass images of shape (N, C, H, W) with N of 1 or more")
