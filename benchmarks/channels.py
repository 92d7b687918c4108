"""Channel pruning at half the MACs, ours beside Torch-Pruning: accuracy one-shot and after fine-tuning.

Both keep at most half of the multiply-accumulates, by the smallest amount that does. One-shot: pruning, then batch
norm takes new statistics from 1,000 training images, and nothing is trained. Fine-tuned: 2 epochs on the bundled
10,000 training images follow, with the same recipe and the same order for both. The three seeds choose the images of
the recalibration and the order of the training. Ours has three ways (plain, amounts by sensitivity, regression): for
each network and stage the one that is best on the validation images, in the mean of the seeds, has the target; all
three are reported beside it.
Both settings are chosen in this run on 1,000 validation images, one-shot, as the best in the mean of the networks: ours
among criteria and ways to compete, theirs among the options of GroupMagnitudeImportance (p, reduction, normalizer) and
of the pruner (each layer alike, global, isomorphic). How long the pruning takes is in channel_times.py.
"""

from collections import defaultdict
from dataclasses import replace
from statistics import mean
from types import SimpleNamespace

import pandas as pd
import torch
from channel_settings import CRITERIA, OURS, SHARE, THEIRS, chosen, ours, theirs
from report import Row, arguments, judged, publish

from shrinklab.channel_amounts import amount_for_macs, sensitive_amounts
from shrinklab.channels import channel_masks, recalibrate_batch_norm, remove_channels, shrink_channels
from shrinklab.data import load
from shrinklab.measure import count_macs
from shrinklab.metrics import accuracy, correct, predict
from shrinklab.models import DATA_OF, pretrained
from shrinklab.reconstruct import reconstruct
from shrinklab.train import Recipe, fit

SEEDS, IMAGES, PEER = (0, 1, 2), 1_000, "Torch-Pruning"
WAYS = "plain", "sensitivity", "regression"
STAGES = "one-shot", "fine-tuned"
TUNING = {"mnist": Recipe(epochs=2, learning_rate=0.02, augment="shift"),
          "cifar10": Recipe(epochs=2, learning_rate=0.02, augment="crop_flip", bfloat16=True)}


def mended(setting, model, example, images):
    """Ours once more; the channels that stay take over what the others did, by a regression without labels."""
    criterion, how = CRITERIA[setting[0]](model, example), setting[1]
    amount = amount_for_macs(model, SHARE, criterion, example=example, how=how)
    keep = channel_masks(model, amount, criterion, example=example, how=how)
    return remove_channels(reconstruct(model, keep, images), keep, example=example)


def measured_amounts(setting, model, example, split):
    """Ours, with an amount for each group, found by trying on labelled training images what hurts least."""
    criterion = CRITERIA[setting[0]](model, example)
    amounts = sensitive_amounts(model, split, SHARE, criterion, steps=6)
    return shrink_channels(model, amounts, criterion=criterion, example=example)


def accuracies(name, mine, peer, given):
    """What is right on the judged images, {(who, stage): bool (seeds, images)}, the share of MACs left of each, and
    the accuracies on validation images, {(who, stage): [of each seed]}."""
    model, data, split = pretrained(name), load(DATA_OF[name]), judged(name, given)
    train, seeds = data.train[:given.images], SEEDS if given.images is None else SEEDS[:1]
    plain = {"plain": ours(mine, model, data.example), PEER: theirs(peer, model, data.example)}
    right, seen = defaultdict(list), defaultdict(list)

    def note(who, stage, network):
        right[who, stage].append(correct(predict(network, split.images), split.labels))
        seen[who, stage].append(accuracy(network, data.validation[:given.images]))

    for seed in seeds:
        rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:IMAGES]
        chosen = SimpleNamespace(images=train.images[rows], labels=train.labels[rows])
        few = SimpleNamespace(images=chosen.images[:300], labels=chosen.labels[:300])
        small = plain | {"regression": mended(mine, model, data.example, few.images),
                         "sensitivity": measured_amounts(mine, model, data.example, few)}
        for who, network in small.items():
            network = recalibrate_batch_norm(network, chosen.images)
            note(who, "one-shot", network)
            fit(network, SimpleNamespace(train=train, validation=data.validation[:1000]),
                replace(TUNING[data.name], seed=seed), progress=False)
            note(who, "fine-tuned", network)
    macs = {who: count_macs(network, data.example) / count_macs(model, data.example) for who, network in plain.items()}
    return {key: torch.stack(values) for key, values in right.items()}, macs, seen


def best_ways(seen):
    """The way that validation chooses, {stage: way}. seen: {(way, stage): accuracies of the seeds}."""
    return {stage: max(WAYS, key=lambda way: mean(seen[way, stage])) for stage in STAGES}


def compared(right, who, stage, aimed):
    """A row for each network, and one for their mean, of ours against Torch-Pruning. aimed: it has the target."""
    per_image = {name: (found[who, stage].double() - found[PEER, stage].double()).mean(0)
                 for name, found in right.items()}
    target = "at least equal in the mean" if aimed else "reported"
    cases = [*([name] for name in right), list(right)] if len(right) > 1 else [list(right)]
    for names in cases:
        mine, peer = (mean(right[name][key, stage].double().mean().item() for name in names) for key in (who, PEER))
        middle = mean(per_image[name].mean().item() for name in names)
        # Independent images of each network; 1.96 standard errors of their mean on either side.
        half = 1.96 * sum(per_image[name].var().item() / len(per_image[name]) for name in names) ** 0.5 / len(names)
        seeds = [mean((right[name][who, stage][i].double().mean() - right[name][PEER, stage][i].double().mean()).item()
                      for name in names) for i in range(len(right[names[0]][who, stage]))]
        whole = len(names) == len(right)
        yield Row(f"{stage}: {who}, {'mean' if whole and len(names) > 1 else names[0]}", mine, peer, PEER, "%",
                  target, mine >= peer if whole and aimed else None,
                  more={"difference, 95 %": f"{100 * middle:+.2f} [{100 * (middle - half):+.2f}, "
                                            f"{100 * (middle + half):+.2f}]",
                        "over the seeds": f"{100 * min(seeds):+.2f} to {100 * max(seeds):+.2f}"})


def main(given):
    (mine, our_table), (peer, their_table) = chosen(ours, OURS, given), chosen(theirs, THEIRS, given)
    found = {name: accuracies(name, mine, peer, given) for name in given.networks}
    best = {name: best_ways(seen) for name, (_, _, seen) in found.items()}
    right = {name: flags | {("ours", stage): flags[best[name][stage], stage] for stage in STAGES}
             for name, (flags, _, _) in found.items()}
    rows = [row for who in ("ours", *WAYS) for stage in STAGES for row in compared(right, who, stage, who == "ours")]
    left = pd.DataFrame([{"network": name} | {who: f"{share:.3f}" for who, share in macs.items()}
                         for name, (_, macs, _) in found.items()])
    tried = pd.DataFrame([{"network": name, "stage": stage, "chosen": best[name][stage]}
                          | {who: f"{mean(seen[who, stage]):.2%}" for who in (*WAYS, PEER)}
                          for name, (_, _, seen) in found.items() for stage in STAGES])
    publish("channels", "Channel pruning at half the MACs, against Torch-Pruning", rows, given,
            packages=["torch-pruning"], details={"Our ways on validation": tried, "Share of the MACs left": left,
                                                 "Ours on validation": our_table, "Theirs on validation": their_table},
            notes=[f"Chosen on validation: ours {', '.join(mine)}; Torch-Pruning {', '.join(map(str, peer))}.",
                   "Ours is, for each network, the way that validation chose; Torch-Pruning has one setting for all, "
                   "the best in the mean.",
                   "Regression: least squares without labels on 300 training images, then batch norm is recalibrated; "
                   "sensitivity: amounts for each group, found by trying networks on 300 labelled training images, "
                   "and no regression. That search takes seconds to minutes."])


if __name__ == "__main__":
    main(arguments(__doc__))
