"""How long channel pruning takes, ours beside Torch-Pruning: to half the MACs, and one step at a known amount.

Both use the settings that channels.py chooses on validation.
"""

import torch
from channel_settings import OURS, THEIRS, chosen, our_step, ours, their_step, theirs
from report import Row, arguments, publish

from shrinklab.data import load
from shrinklab.measure import latency
from shrinklab.models import DATA_OF, pretrained

PEER = "Torch-Pruning"


def timed(method, *arguments):
    """Median milliseconds of 5 calls, outside inference mode, in which Torch-Pruning can't trace."""
    def run():
        with torch.inference_mode(False), torch.enable_grad():
            method(*arguments)

    return latency(run, warm_up=1, repeats=5, threads=1).p50_ms


def times(name, mine, peer):
    """How long the pruning itself takes, from a model to a smaller copy."""
    model, example = pretrained(name), load(DATA_OF[name]).example
    took = timed(ours, mine, model, example), timed(theirs, peer, model, example)
    yield Row(f"time, to half the MACs: {name}", *took, PEER, "ms", "at most 1/5", took[0] <= took[1] / 5)
    took = timed(our_step, mine, model, example, 0.3), timed(their_step, peer, model, example, 0.3)
    yield Row(f"time, one step at a known amount: {name}", *took, PEER, "ms", "reported")


def main(given):
    (mine, _), (peer, _) = chosen(ours, OURS, given), chosen(theirs, THEIRS, given)
    publish("channel_times", "Time of channel pruning, against Torch-Pruning",
            [row for name in given.networks for row in times(name, mine, peer)], given, packages=["torch-pruning"],
            notes=[f"Settings, chosen on validation: ours {', '.join(mine)}; "
                   f"Torch-Pruning {', '.join(map(str, peer))}.",
                   "Torch-Pruning has no way to a share of the MACs, so its amount is found by bisection, as ours is; "
                   "each of its tries prunes a copy, each of ours only counts."])


if __name__ == "__main__":
    main(arguments(__doc__))
