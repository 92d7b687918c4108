"""Fine-tuned centroids: which weights share a value stays, which value it is gets trained.

Source: Han et al., "Deep Compression", 2016, section 3.3 (the gradient of a shared weight).
"""

import copy

from shrinklab.codebook.model import CodebookModel
from shrinklab.errors import need
from shrinklab.train import Recipe, fit


def tune_centroids(shared, data, recipe=None, *, rest=True, **options):
    """Train the centroids of a CodebookModel; return a new one. The indices stay, and so does the model given.

    data, recipe and further options: as for `train.fit`; `loss=distillation_loss(teacher)` learns from the float
    network as well. rest: whether biases and batch norm are trained too; the running statistics of batch norm follow
    the data in either case. The epoch with the best validation accuracy is kept. Learning rates suit that would suit
    a fine-tuning of the weights.

    >>> from types import SimpleNamespace as Part
    >>> from shrinklab.codebook.model import share_weights
    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> data, shared = load("mnist"), share_weights(pretrained("lenet"), 2)
    >>> part = Part(train=data.train[:256], validation=data.validation[:50])
    >>> tuned = tune_centroids(shared, part, progress=False)
    >>> (tuned.layers["fc1"].indices == shared.layers["fc1"].indices).all().item()
    True
    """
    need(isinstance(shared, CodebookModel), f"the model is a {type(shared).__name__}",
         "tune_centroids trains a CodebookModel", "make one with share_weights")
    tuned = copy.deepcopy(shared)
    wanted = {name: parameter.requires_grad for name, parameter in tuned.named_parameters()}
    for name, parameter in tuned.named_parameters():
        parameter.requires_grad = name.endswith("centroids") or (rest and wanted[name])
    fit(tuned, data, recipe or Recipe(epochs=3, learning_rate=0.01), **options)
    for name, parameter in tuned.named_parameters():
        parameter.requires_grad = wanted[name]
    return tuned
