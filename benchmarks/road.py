"""The whole road: remove channels, distil, quantize to int8, run in ONNX Runtime; against the dense fp32 network there.

usage: python benchmarks/road.py        (`make bench ARGS=road`; about half an hour on one core)

Trains on the full CIFAR-10 training split without the validation images, which chose the settings below.
"""

import tempfile
from pathlib import Path

from report import Row, arguments, judged, publish

from shrinklab.channel_amounts import shrink_to_macs
from shrinklab.data import load
from shrinklab.deploy import export
from shrinklab.distill import distill
from shrinklab.measure import latency
from shrinklab.metrics import correct, predict
from shrinklab.models import pretrained
from shrinklab.quantize import Scheme, quantize_model
from shrinklab.significance import mcnemar
from shrinklab.train import Recipe

RECIPE = Recipe(epochs=16, learning_rate=0.05, weight_decay=5e-4, ema_decay=0.999, augment="crop_flip", bfloat16=True)


def road(model, data):
    """Dense fp32 network -> int8 network with about a third of its work: four steps."""
    small = shrink_to_macs(model, 0.35, example=data.example, round_to=8)
    small = distill(small, model, data, RECIPE, temperature=4.0, weight=0.9)
    return quantize_model(small, data.train[:512], Scheme(observer="percentile"))


def main(given):
    model, data = pretrained("resnet12"), load("cifar10", full=True)
    split, small, folder = judged("resnet12", given), road(model, data), Path(tempfile.mkdtemp())
    runners = [export(net, "onnx", folder / f"{name}.onnx", example=data.example)
               for name, net in (("dense", model), ("small", small))]
    (dense, dense_right), (int8, int8_right) = (
        (runner, correct(predict(runner, split.images), split.labels)) for runner in runners)
    times = {runner: [] for runner in runners}
    for _ in range(20):  # in turns, so that a busy moment of the machine meets both
        for runner in runners:
            times[runner].append(latency(lambda runner=runner: runner(data.example), threads=1).p50_ms)
    dense_ms, int8_ms = (sorted(times[runner])[10] for runner in runners)
    drop = (dense_right.double().mean() - int8_right.double().mean()).item()
    publish("road", "The whole road, on the wide CNN in ONNX Runtime", [
        Row("file", int8.file_bytes, dense.file_bytes, "dense fp32", "bytes", "at least 12 times smaller",
            dense.file_bytes >= 12 * int8.file_bytes),
        Row("p50 latency, batch 1", int8_ms, dense_ms, "dense fp32", "ms", "at least 6 times lower",
            dense_ms >= 6 * int8_ms),
        Row("accuracy", int8_right.double().mean().item(), dense_right.double().mean().item(), "dense fp32", "%",
            "drop at most 0.5 points", round(drop, 4) <= 0.005,
            {"McNemar p": f"{mcnemar(dense_right, int8_right).p_value:.2g}"})], given, packages=("onnxruntime",))


if __name__ == "__main__":
    main(arguments(__doc__, ("resnet12",)))
