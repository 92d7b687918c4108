"""Side by side with torch.nn.utils.prune: the same weights removed? How long does it take, and what is left?

usage: python benchmarks/pruning.py [lenet] [resnet8]        (all when none is named; `make bench`)

Both remove a share of all weights, the smallest ones over all layers. Each time is the median and the 95th
percentile of 20 runs after 3 runs of warm-up, on one thread, from the model to a pruned copy of it.
"""

import copy
import sys
from functools import partial

import pandas as pd
import torch
from torch.nn.utils import prune

from shrinklab.data import load
from shrinklab.masks import apply_masks, global_masks, prunable, sparsity
from shrinklab.measure import latency
from shrinklab.metrics import accuracy
from shrinklab.models import DATA_OF, pretrained

AMOUNTS = 0.5, 0.8, 0.9


def ours(model, amount):
    return apply_masks(model, global_masks(model, amount))


def torchs(model, amount):
    pruned = copy.deepcopy(model)
    weights = [(pruned.get_submodule(name.rpartition(".")[0]), "weight") for name in prunable(pruned)]
    prune.global_unstructured(weights, pruning_method=prune.L1Unstructured, amount=amount)
    for module, name in weights:
        prune.remove(module, name)
    return pruned


def same(one, other):
    one, other = one.state_dict(), other.state_dict()  # by name: prune.remove changes their order
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rows(name):
    """One row per amount and library."""
    model, split = pretrained(name), load(DATA_OF[name]).validation
    for amount in AMOUNTS:
        peers = {"shrinklab": ours, "torch.nn.utils.prune": torchs}
        results = {peer: method(model, amount) for peer, method in peers.items()}
        equal = same(*results.values())
        for peer, method in peers.items():
            time = latency(partial(method, model, amount), warm_up=3, repeats=20, threads=1)
            yield {
                "network": name, "amount": amount, "library": peer, "zeros": f"{sparsity(results[peer]):.2%}",
                "same weights": "yes" if equal else "NO", "median ms": f"{time.p50_ms:.2f}",
                "p95 ms": f"{time.p95_ms:.2f}", "accuracy": f"{accuracy(results[peer], split):.2%}",
            }


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(DATA_OF)
    unknown = set(wanted) - set(DATA_OF)
    if unknown:
        sys.exit(f"error: the network is {', '.join(unknown)}; use {' or '.join(DATA_OF)}")
    print(f"torch {torch.__version__}; accuracy on the validation images")
    print(pd.DataFrame([row for name in wanted for row in rows(name)]).to_string(index=False))
