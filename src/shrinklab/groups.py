"""Groups of channels that only go together, and the cut itself: smaller tensors in a copy of the model."""

import copy
from dataclasses import dataclass, field

import torch
from torch import nn

from shrinklab.errors import need


@dataclass(frozen=True)
class Group:
    """Channels that are pruned together, named after the first layer that makes them.

    size: how many; makes: the layers whose outputs they are; carries: batch norms and depthwise convolutions with
    weights for each of them; reads: layers with inputs for them. Without concatenations channel i is output i of all
    layers that make it.
    """

    name: str
    size: int
    makes: tuple
    carries: tuple
    reads: tuple
    channels: torch.Tensor = field(repr=False, compare=False)  # their numbers in `tracing`


def groups_of(wiring):
    """All groups of a `Wiring`, in calling order: channels that are made by just the same layers.

    So every layer that makes one channel of a group makes them all, and keeps an output where one of them stays.
    """
    dense = {name: layer for name, layer in wiring.layers.items() if layer.kind == "dense"}
    mark, last = torch.zeros(len(wiring.fixed), dtype=torch.long), 0  # equal marks: the same makers so far
    for layer in dense.values():
        before = mark[layer.makes]
        for value in before.unique().tolist():
            last += 1
            mark[layer.makes[before == value]] = last
    mark[wiring.fixed] = 0
    groups, order = {}, mark[mark > 0].tolist()
    for value in dict.fromkeys(order):
        member = mark == value
        makes = _touching(dense, "makes", member)
        # Concatenations can give one layer several groups; the next maker lends its name then.
        name = next((name for name in makes if name not in groups), "+".join(makes))
        carries = {name: layer for name, layer in wiring.layers.items() if name not in dense}
        groups[name] = Group(name, int(member.sum()), makes, _touching(carries, "makes", member),
                             _touching(dense, "reads", member), member.nonzero().flatten())
    return list(groups.values())


def _touching(layers, side, member):
    return tuple(name for name, layer in layers.items() if bool(member[getattr(layer, side)].any()))


def staying(groups, keep, numbers):
    """Which of all the numbered channels stay, bool (numbers,). keep: {group name: bool (size,)}, checked."""
    groups = {group.name: group for group in groups}
    known(keep, groups)
    result = torch.ones(numbers, dtype=torch.bool)
    for name, mask in keep.items():
        size = groups[name].size
        right = isinstance(mask, torch.Tensor) and mask.dtype == torch.bool and mask.shape == (size,)
        right = right and bool(mask.any())
        need(right, "" if right else f"keep[{name!r}] is {mask!r}",  # writing out a tensor takes a millisecond
             f"it is a bool tensor of shape ({size},) with at least one True",
             "compare scores with a cut: scores > cut")
        result[groups[name].channels] = mask
    return result


def cut_channels(model, wiring, keep):
    """A copy of the model with the channels that keep, bool (numbers,), marks.

    The copy takes the cut tensors in place of the old ones, which are never copied.
    """
    memo, counts = {}, {}
    for name, layer in wiring.layers.items():
        module, rows, columns = model.get_submodule(name), keep[layer.makes], keep[layer.reads]
        for tensor in [*module._parameters.values(), *module._buffers.values()]:
            if tensor is not None and tensor.ndim > 0:
                cut = tensor.detach()[rows]
                cut = cut[:, columns] if layer.kind == "dense" and tensor.ndim > 1 else cut
                if isinstance(tensor, nn.Parameter):
                    cut = nn.Parameter(cut, requires_grad=tensor.requires_grad)
                memo[id(tensor)] = cut
        counts[name] = int(columns.sum()), int(rows.sum())
    small = copy.deepcopy(model, memo)
    for name, (reads, makes) in counts.items():
        _resize(small.get_submodule(name), wiring.layers[name].kind, reads, makes)
    return small


def _resize(module, kind, reads, makes):
    """Bring a module's own counts in line with its tensors."""
    if kind == "norm":
        module.num_features = makes
    elif isinstance(module, nn.Linear):
        module.in_features, module.out_features = reads, makes
    else:
        module.in_channels, module.out_channels = reads, makes
        module.groups = reads if kind == "depthwise" else 1


def known(names, groups):
    """Refuse a name that is no group's."""
    for name in names:
        need(name in groups, f"the group name is {name!r}", f"this model's groups are {', '.join(groups)}",
             "use one of them")
