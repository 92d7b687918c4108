"""A codebook of 16 weights a layer, before and after its centroids were fine-tuned, on the wide CNN.

usage: python benchmarks/codebook.py        (`make bench ARGS=codebook`)

The peer is the figure of MIT 6.5940's second lab (given, not run here): a VGG on CIFAR-10 falls from 92.95 to 92.70 %
with k-means at 4 bits and fine-tuned centroids. Tuned on the bundled training images towards the float network's
answers; the settings were chosen on validation.
"""

import time

from report import Row, arguments, judged, publish

from shrinklab.codebook import codebook_bytes, codebook_sizes, share_weights, tune_centroids
from shrinklab.data import load
from shrinklab.distill import distillation_loss
from shrinklab.files import file_bytes, gzip_bytes
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.quantize import fold_batch_norm
from shrinklab.significance import mcnemar
from shrinklab.train import Recipe

MIT_DROP = 0.9295 - 0.9270
RECIPE = Recipe(epochs=4, learning_rate=0.01, weight_decay=0.0, ema_decay=0.98, augment="crop_flip", bfloat16=True)


def main(given):
    model, data = pretrained("resnet12"), load("cifar10")
    split = judged("resnet12", given)
    floats = correct(predict(model, split.images), split.labels)
    start = time.monotonic()
    shared = share_weights(model, 4)
    tuned = tune_centroids(shared, data, RECIPE, loss=distillation_loss(fold_batch_norm(model)), progress=False)
    minutes, rows = (time.monotonic() - start) / 60, []
    for what, small in (("k-means alone", shared), ("centroids fine-tuned", tuned)):
        right = correct(predict(small.to_float(), split.images), split.labels)
        drop = (floats.double().mean() - right.double().mean()).item()
        last = small is tuned
        rows.append(Row(f"resnet12, 4 bits, {what}: drop", drop, MIT_DROP if last else None,
                        "MIT's lab, given" if last else "", "points", "at most 0.25 points" if last else "reported",
                        round(drop, 4) <= 0.0025 if last else None,
                        {"accuracy": f"{right.double().mean():.2%}", "fp32": f"{floats.double().mean():.2%}",
                         "McNemar p": f"{mcnemar(floats, right).p_value:.2g}"}))
    sizes = {"dense": file_bytes(model), "dense, gzip": gzip_bytes(model)}
    for kind, size in sizes.items():
        rows.append(Row("resnet12, file", codebook_bytes(tuned), size, kind, "bytes", "reported"))
    publish("codebook", "4-bit codebooks on the wide CNN", rows, given, details={"Where the bytes are": _sizes(tuned)},
            notes=[f"Tuning took {minutes:.1f} minutes."])


def _sizes(shared):
    table = codebook_sizes(shared)
    return table.assign(entropy_bits=table.entropy_bits.round(2))


if __name__ == "__main__":
    main(arguments(__doc__, ("resnet12",)))
