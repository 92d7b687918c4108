"""Groups of channels that only go together, and the cut itself: smaller tensors in a copy of the model."""

import copy
from dataclasses import dataclass, field

import torch
from torch import nn

from shrinklab.errors import need
from shrinklab.tracing import Sets


@dataclass(frozen=True)
class Group:
    """Channels that are pruned together, named after the first layer that makes them.

    size: how many; makes: the layers whose outputs they are; carries: batch norms and depthwise convolutions with
    weights for each of them; reads: layers with inputs for them. Channel i is output i of the layer `name`.
    """

    name: str
    size: int
    makes: tuple
    carries: tuple
    reads: tuple
    channels: torch.Tensor = field(repr=False, compare=False)  # their numbers in `tracing`


def groups_of(wiring):
    """All groups of a `Wiring`, in calling order. Two layers share a group where they make one channel in common."""
    layers = list(wiring.layers.values())
    sets, maker = Sets(len(layers)), torch.full((len(wiring.fixed),), -1)
    for index, layer in enumerate(layers):
        others = maker[layer.makes].unique()
        others = others[others >= 0]
        sets.join(torch.full_like(others, index), others)
        maker[layer.makes] = index
    # Of each channel, the first layer of its group; a number that no layer makes is an input's, or was joined.
    first = torch.where(maker >= 0, sets.smallest()[maker], -1)
    groups = []
    for index, name in enumerate(wiring.layers):
        member = (first == index) & ~wiring.fixed
        if bool(member.any()):
            groups.append(_group(name, member, wiring.layers))
    return groups


def _group(name, member, layers):
    def touching(side, *kinds):
        return tuple(name for name, layer in layers.items()
                     if layer.kind in kinds and bool(member[getattr(layer, side)].any()))

    return Group(name, int(member.sum()), touching("makes", "dense"), touching("makes", "depthwise", "norm"),
                 touching("reads", "dense"), member.nonzero().flatten())


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
