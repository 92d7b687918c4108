"""Four bits: weights alone without training, and weights and activations after quantization-aware training.

usage: python benchmarks/low_bits.py [resnet12] [resnet8]        (both when none is named; `make bench ARGS=low_bits`)

resnet12: every layer's weights in 4 bits, activations in 8, rounded by AdaRound on 1,000 training images without
labels. resnet8: weights and activations in 4 bits, first and last layer in 8, trained towards the float network's
answers for 16 epochs on the full CIFAR-10 training split without the validation images, which chose both recipes.
"""

import time

from report import Row, arguments, judged, publish

from shrinklab.data import load
from shrinklab.distill import distillation_loss
from shrinklab.metrics import correct, predict
from shrinklab.models import DATA_OF, pretrained
from shrinklab.quantize import Scheme, adaround, correct_bias, qat, quantize_model, quantized_bytes
from shrinklab.significance import bootstrap_interval, mcnemar
from shrinklab.train import Recipe


def weights_in_four_bits(model, data):
    """Three ways from the same float network, each an improvement on the one before: {name: QuantizedModel}."""
    images = data.train[:1000]
    nearest = quantize_model(model, images, Scheme(weight_bits=4, weight_observer="mse"))
    return {"rounded to nearest": nearest, "bias corrected": correct_bias(nearest, model, images),
            "AdaRound": adaround(nearest, model, images, progress=False)}


def all_in_four_bits(model, data):
    """Before and after training: {name: QuantizedModel}."""
    eight = Scheme(observer="mse", weight_observer="mse")
    four = Scheme(weight_bits=4, activation_bits=4, observer="mse", weight_observer="mse")
    before = quantize_model(model, data.train[:512], four, layers={"conv": eight, "fc": eight})
    after = qat(before, model, data, RECIPE, loss=distillation_loss(model), progress=False)
    return {"rounded to nearest": before, "after QAT": after}


WAYS = {"resnet12": ("4-bit weights, 8-bit activations, no training", weights_in_four_bits),
        "resnet8": ("4-bit weights and activations, first and last layer 8", all_in_four_bits)}
RECIPE = Recipe(epochs=16, learning_rate=0.002, weight_decay=0.0, augment="crop_flip", bfloat16=True)
LIMIT = 0.01  # points of accuracy that may be lost, as a fraction


def rows(name, split):
    """One row a way; only the last has the target."""
    model, data = pretrained(name), load(DATA_OF[name], full=name == "resnet8")
    floats = correct(predict(model, split.images), split.labels)
    what, make = WAYS[name]
    start = time.monotonic()
    made = make(model, data)
    minutes = (time.monotonic() - start) / 60
    for way, small in made.items():
        right = correct(predict(small, split.images), split.labels)
        drop = (floats.double().mean() - right.double().mean()).item()
        low, high = bootstrap_interval(right)
        last = way == list(made)[-1]
        yield Row(f"{name}, {what}, {way}", right.double().mean().item(), floats.double().mean().item(),
                  against="fp32", unit="%", target="drop at most 1.0 point" if last else "reported",
                  met=round(drop, 4) <= LIMIT if last else None,
                  more={"drop": f"{100 * drop:.2f} points", "interval 95 %": f"{low:.2%} to {high:.2%}",
                        "McNemar p": f"{mcnemar(floats, right).p_value:.2g}",
                        "file": f"{quantized_bytes(small):,} bytes", "minutes, all ways": f"{minutes:.1f}"})


if __name__ == "__main__":
    given = arguments(__doc__, tuple(WAYS))
    publish("low_bits", "Four bits against fp32",
            [row for name in given.networks for row in rows(name, judged(name, given))], given)
