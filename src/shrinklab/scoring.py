"""Which weights may be pruned, and are their scores usable? What `criteria` and `masks` share."""

from collections.abc import Mapping
from numbers import Real

import torch
from torch import nn

from shrinklab.errors import need


def prunable(model):
    """Names of the weights that pruning may touch: those of convolutions and linear layers, in model order.

    Biases and batch norm stay: they are few, and each serves a whole channel.

    >>> prunable(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 5)))
    ['0.weight', '2.weight']
    """
    network(model)
    kinds = nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear
    found = {id(module.weight) for module in model.modules() if isinstance(module, kinds)}
    return [name for name, parameter in model.named_parameters() if id(parameter) in found]


def network(model):
    """Refuse what is no network.

    >>> network(nn.Linear(1, 1))
    """
    need(isinstance(model, nn.Module), f"the model is a {type(model).__name__}", "pruning takes a torch.nn.Module",
         'pass a network, for example pretrained("lenet")', TypeError)


def chosen(model, names):
    """The names given, or all of `prunable` for None; checked.

    >>> chosen(nn.Linear(1, 1), ["bias"])
    Traceback (most recent call last):
        ...
    ValueError: the layer name is 'bias'; this model's prunable weights are weight; use one of them.
    """
    found = prunable(model)
    need(found, f"the model is a {type(model).__name__} without convolution or linear weights",
         "pruning needs at least one", "pass a float model with such layers; prune before quantizing")
    if names is None:
        return found
    need(not isinstance(names, str), f"names is {names!r}", "names is a list of names", f"use [{names!r}]")
    for name in names:
        need(name in found, f"the layer name is {name!r}",
             f"this model's prunable weights are {', '.join(found)}", "use one of them")
    need(len(set(names)) == len(names) > 0, f"names is {list(names)}",
         "at least one weight takes part, and none twice", "name each weight once, or leave names out")
    return list(names)


def score(name, weight, criterion):
    """Scores of one weight, checked: a wrong shape or a NaN would prune the wrong weights without a word.

    >>> score("fc", torch.tensor([-3.0, 1.0]), torch.abs)
    tensor([3., 1.])
    """
    broken, shape = int((~weight.isfinite()).sum()), tuple(weight.shape)
    need(broken == 0, f"{name} holds {broken} weights that are NaN or inf", "weights are finite numbers",
         "load the model again, or train with a lower learning rate")
    if isinstance(criterion, Mapping):
        need(name in criterion, f"the scores have no entry {name!r}", "every layer taking part needs scores",
             "score it too, or leave it out of names")
    values = criterion[name] if isinstance(criterion, Mapping) else criterion(weight.clone())
    right = isinstance(values, torch.Tensor) and tuple(values.shape) == shape and values.dtype != torch.bool
    need(right, f"the scores of {name} are {kind(values)}",
         f"a criterion gives one number per weight, a tensor of shape {shape}",
         "work element by element, for example weight.abs()")
    comparable(values, f"the scores of {name}")
    return values.detach()


def comparable(values, what="the scores"):
    """Refuse NaN, which no order puts anywhere.

    >>> comparable(torch.tensor([0.0, 1.0]))
    """
    undefined = int(values.isnan().sum())
    need(undefined == 0, f"{what} hold {undefined} NaN", "scores must be comparable",
         "look for 0/0 or the log of a negative number")


def fraction(amount):
    """An amount as a float, checked.

    >>> fraction(50)
    Traceback (most recent call last):
        ...
    ValueError: amount is 50; amount is a fraction from 0 to 1; use 0.5 to remove half.
    """
    right = isinstance(amount, Real) and not isinstance(amount, bool) and 0 <= amount <= 1
    need(right, f"amount is {amount!r}", "amount is a fraction from 0 to 1", "use 0.5 to remove half")
    return float(amount)


def kind(value):
    """What a value is, for an error message.

    >>> kind(torch.ones(2, 3)), kind(None)
    ('torch.float32 of shape (2, 3)', 'a NoneType')
    """
    if isinstance(value, torch.Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
