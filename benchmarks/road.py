"""The whole road: remove channels, distil, quantize, run in ONNX Runtime; against the dense fp32 network there.

`make bench ARGS=road` takes about an hour on one core. It trains on the full CIFAR-10 training split without the
validation images, which chose the settings below.
"""

import tempfile
from pathlib import Path

from report import Row, arguments, judged, publish

from shrinklab.channel_amounts import sensitive_amounts
from shrinklab.channels import shrink_channels
from shrinklab.data import load
from shrinklab.deploy import export
from shrinklab.distill import distill
from shrinklab.files import file_bytes
from shrinklab.measure import latency
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.quantize import adaround, fold_batch_norm, mixed_precision
from shrinklab.significance import mcnemar
from shrinklab.train import Recipe

RECIPE = Recipe(epochs=34, learning_rate=0.03, weight_decay=5e-4, ema_decay=0.999, augment="crop_flip", bfloat16=True)


def road(model, data, recipe=RECIPE):
    """Dense fp32 network -> a network of integers, 4 or 8 bits a weight, with about 0.38 of its work: four steps."""
    small = shrink_channels(model, 0.3, example=data.example, round_to=16)  # every layer alike, for the file's sake
    amounts = sensitive_amounts(small, data.train[:300], 0.7, steps=8, round_to=16)  # where it hurts least, for time
    small = shrink_channels(small, amounts, example=data.example, round_to=16)
    small = distill(small, fold_batch_norm(model), data, recipe, progress=False)
    mixed = mixed_precision(small, data.train[:512], file_bytes(model) / 12.6, bits=(4, 8))
    return adaround(mixed, small, data.train[:1000], progress=False)


def main(given):
    model, data = pretrained("resnet12"), load("cifar10", full=True)
    split, small, folder = judged("resnet12", given), road(model, data), Path(tempfile.mkdtemp())
    dense, int8 = runners = [export(net, "onnx", folder / f"{name}.onnx", example=data.example)
                             for name, net in (("dense", model), ("small", small))]
    dense_right, int8_right = (correct(predict(runner, split.images), split.labels) for runner in runners)
    times = {runner: [] for runner in runners}
    for _ in range(20):  # in turns, so that a busy moment of the machine meets both
        for runner in runners:
            times[runner].append(latency(lambda runner=runner: runner(data.example), threads=1).p50_ms)
    dense_ms, int8_ms = (sorted(times[runner])[10] for runner in runners)
    before, after = dense_right.double().mean().item(), int8_right.double().mean().item()
    publish("road", "The whole road, on the wide CNN in ONNX Runtime", [
        Row("file", int8.file_bytes, dense.file_bytes, "dense fp32", "bytes", "at least 12 times smaller",
            dense.file_bytes >= 12 * int8.file_bytes),
        Row("p50 latency, batch 1", int8_ms, dense_ms, "dense fp32", "ms", "at least 6 times lower",
            dense_ms >= 6 * int8_ms),
        Row("accuracy", after, before, "dense fp32", "%", "drop at most 0.5 points", round(before - after, 4) <= 0.005,
            {"McNemar p": f"{mcnemar(dense_right, int8_right).p_value:.2g}"})], given, packages=["onnxruntime"])


if __name__ == "__main__":
    main(arguments(__doc__, ("resnet12",)))
