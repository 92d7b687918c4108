"""One move of a slider: prune, and measure accuracy on some images. How long does it take, with the same numbers?

The plain way masks the model and predicts. The fast way masks a copy in which batch norm was folded beforehand, with
channels last in memory (see `shrinklab.fast`), in batches that fit the processor's cache. The difference that this
makes to the accuracy is taken over several amounts, on all judged images.
"""

from functools import partial
from types import SimpleNamespace

import torch
from report import Row, arguments, judged, publish

from shrinklab.fast import fast, fast_images
from shrinklab.masks import apply_masks, global_masks
from shrinklab.measure import latency
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained

IMAGES, LIMITS = {"lenet": 500, "resnet8": 250}, {"lenet": 20, "resnet8": 100}  # images of a move, milliseconds
AMOUNTS = 0.0, 0.5, 0.8, 0.9
BATCH = {"lenet": 500, "resnet8": 50}  # what fits the cache
WAYS = {"float32": torch.float32}  # bfloat16 moved the accuracy of LeNet by 0.2 points


def move(model, judge, split, batch, amount):
    """Prune `model`'s weights in `judge` (the model itself, or its fast copy), and the accuracy on split."""
    pruned = apply_masks(judge, global_masks(model, amount))
    return correct(predict(pruned, split.images, batch), split.labels).double().mean().item()


def rows(name, split):
    model, limit = pretrained(name), LIMITS[name]
    few = split[:IMAGES[name]]
    plain = partial(move, model, model)
    timed = partial(latency, warm_up=2, repeats=15, threads=1)
    slow = timed(partial(plain, few, 500, 0.8)).p50_ms
    for way, dtype in WAYS.items():
        judge, images = fast(model, dtype), fast_images(split.images, dtype)
        same = SimpleNamespace(images=images[:len(few)], labels=few.labels)
        took = timed(partial(move, model, judge, same, BATCH[name], 0.8)).p50_ms
        yield Row(f"{name}, {len(few)} images, {way}: prune and measure", took, slow, "plain way", "ms",
                  f"at most {limit} ms", took <= limit)
        whole = SimpleNamespace(images=images, labels=split.labels)
        apart = max(abs(move(model, judge, whole, BATCH[name], a) - plain(split, 500, a)) for a in AMOUNTS)
        yield Row(f"{name}, {way}: largest difference in accuracy", apart, None, "plain way", "points",
                  "at most 0.2 points", apart <= 0.002)


def main(given):
    publish("slider_step", "A slider's step: prune and measure",
            [row for name in given.networks for row in rows(name, judged(name, given))], given)


if __name__ == "__main__":
    main(arguments(__doc__, networks=tuple(IMAGES)))
