"""Post-training int8 on four networks, beside ONNX Runtime's quantize_static and torchao's PT2E.

All see the same 256 training images, without labels; bias correction looks at 16 of them. Our observer, with bias
correction or without, and ONNX Runtime's method are chosen for each network on the validation images, by how little
they diverge from fp32; the figures are then those of the test images. Ours is what ONNX Runtime computes from our file.
Times: from the float network to a written int8 file, the median of runs in turn, as processor time, so that other
work on the machine does not count; on one thread it is the time that passes.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from int8_peers import ORT, ort_prepared, ort_quantized, torchao_prepared, torchao_quantized
from report import Row, arguments, judged, publish
from torch.nn import functional as F

from shrinklab.data import load
from shrinklab.deploy import backend, load_runner
from shrinklab.metrics import correct, predict
from shrinklab.models import DATA_OF, pretrained
from shrinklab.quantize import Scheme, correct_bias, quantize_model
from shrinklab.significance import mcnemar

CORRECTED = " + bias"
WAYS = "min_max", "percentile", "entropy", "mse", "min_max" + CORRECTED, "mse" + CORRECTED
CALIBRATION, CORRECTION, REPEATS = 256, 16, 7  # images, images, runs
SMALL_DROP = {"lenet", "resnet8", "resnet12"}  # the depthwise network has a table of its own


def ours(model, images, way, path):
    """Calibrate, convert, write: -> the simulation; path holds the file. way: an observer, with bias correction or
    without."""
    small = quantize_model(model, images, Scheme(observer=way.removesuffix(CORRECTED)))
    small = correct_bias(small, model, images[:CORRECTION]) if way.endswith(CORRECTED) else small
    backend("onnx").write(small, path, images[:1])
    return small


def all_ours(model, images, folder, threads):
    """{way: (runner, simulation)}."""
    found = {}
    for way in WAYS:
        small = ours(model, images, way, path := folder / f"ours_{way}.onnx")
        found[way] = load_runner(path, threads=threads), small
    return found


def all_ort(model, images, folder, threads):
    """{method: runner}."""
    prepared = ort_prepared(model, images, folder / "prepared.onnx")
    return {method: load_runner(ort_quantized(prepared, images, method, folder / f"ort_{method}.onnx", threads=threads),
                                threads=threads) for method in ORT}


def best(runners, split, wanted):
    """The name whose answers diverge least from fp32's; and {name: (divergence, accuracy)}.

    By the mean KL divergence from fp32's probabilities, for on 4,000 images the accuracies of the ways differ by less
    than their chance: the first run chose by accuracy.
    """
    found = {}
    for name, runner in runners.items():
        logits = predict(runner, split.images)
        divergence = F.kl_div(logits.log_softmax(1), wanted.log_softmax(1), reduction="batchmean", log_target=True)
        found[name] = divergence.item(), correct(logits, split.labels).double().mean().item()
    return min(found, key=lambda name: found[name][0]), found


def right(network, split):
    with torch.no_grad():
        return correct(predict(network, split.images), split.labels)


def times(model, images, folder, threads):
    """{way or method: median milliseconds} of "ours ..." and "ort ...", run in turn."""
    ways = {f"ours {name}": partial(ours, model, images, name, folder / "timed.onnx") for name in WAYS}
    ways |= {f"ort {name}": partial(ort_quantized, folder / "prepared.onnx", images, name, folder / "timed_ort.onnx",
                                    threads=threads) for name in ORT}
    ways |= {f"ort {name}, singly": partial(ways[f"ort {name}"], singly=True) for name in ORT}
    taken = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.process_time()
            way()
            taken[name].append(1000 * (time.process_time() - start))
    return {name: sorted(values)[len(values) // 2] for name, values in taken.items()}


def measured(name, split, threads, folder):
    """All that a network's rows need: right predictions of each tool on the split, choices, times."""
    model, data = pretrained(name), load(DATA_OF[name])
    images = data.train[:CALIBRATION].images
    mine, theirs = all_ours(model, images, folder, threads), all_ort(model, images, folder, threads)
    wanted = predict(model, data.validation.images)
    observer, our_shares = best({key: runner for key, (runner, _) in mine.items()}, data.validation, wanted)
    method, their_shares = best(theirs, data.validation, wanted)
    runner, simulated = mine[observer]
    torchao = torchao_quantized(torchao_prepared(model, images), images)
    same = predict(runner, split.images).argmax(1) == predict(simulated, split.images).argmax(1)
    return {"name": name, "observer": observer, "method": method, "same": same.double().mean().item(),
            "right": {"fp32": right(model, split), "ours": right(runner, split),
                      "ONNX Runtime": right(theirs[method], split), "torchao": right(eager(torchao), split)},
            "validation": {f"ours {key}": share for key, share in our_shares.items()}
            | {f"ort {key}": share for key, share in their_shares.items()},
            "ms": times(model, images, folder, threads)}


def eager(exported):
    """A network from PT2E as a plain function: it has no evaluation mode to be put in."""
    return lambda images: exported(images)


def rows(found):
    """The rows of one network."""
    name, right_of, ms = found["name"], found["right"], found["ms"]
    share = {tool: flags.double().mean().item() for tool, flags in right_of.items()}
    for tool, setting in (("ONNX Runtime", found["method"]), ("torchao", "PT2E, x86")):
        test = mcnemar(right_of["ours"], right_of[tool])
        yield Row(f"{name}: accuracy", share["ours"], share[tool], f"{tool}, {setting}", "%",
                  "at most 0.1 points less", share["ours"] >= share[tool] - 0.001 - 1e-9,
                  {"chosen": found["observer"], "McNemar": f"{test.b} : {test.c}, p = {test.p_value:.2f}"})
    drop = share["fp32"] - share["ours"]
    yield Row(f"{name}: drop", drop, against=f"fp32, {share['fp32']:.2%}", unit="points",
              target="at most 0.2" if name in SMALL_DROP else "reported",
              met=drop <= 0.002 + 1e-9 if name in SMALL_DROP else None)
    yield Row(f"{name}: same prediction simulated and deployed", found["same"], unit="%", against="our simulation",
              target="at least 99.9 %", met=found["same"] >= 0.999)
    mine, theirs = ms[f"ours {found['observer']}"], f"ort {found['method']}"
    for way, key in (("image by image, as documented", f"{theirs}, singly"), ("in batches like ours", theirs)):
        yield Row(f"{name}: calibrate and convert", mine, ms[key], f"ONNX Runtime, {found['method']}, {way}", "ms",
                  "at most half", mine <= ms[key] / 2, {"chosen": found["observer"]})


def means(all_found):
    """The mean accuracy over the networks, beside each peer's."""
    share = {tool: sum(found["right"][tool].double().mean().item() for found in all_found) / len(all_found)
             for tool in ("ours", "ONNX Runtime", "torchao")}
    for tool in ("ONNX Runtime", "torchao"):
        yield Row("mean accuracy", share["ours"], share[tool], tool, "%", "at least equal",
                  share["ours"] >= share[tool] - 1e-9)


def details(all_found):
    """Every observer and method: accuracy on the validation images, on which the choice was made, and time."""
    return pd.DataFrame([{"network": found["name"], "way": way, "validation": f"{100 * share:.2f} %",
                          "KL divergence": f"{divergence:.2e}",
                          "ms": f"{found['ms'][way]:.0f}",
                          "chosen": "yes" if way in (f"ours {found['observer']}", f"ort {found['method']}") else ""}
                         for found in all_found for way, (divergence, share) in found["validation"].items()])


if __name__ == "__main__":
    given, all_found = arguments(__doc__), []
    for name in given.networks:
        with tempfile.TemporaryDirectory() as folder:
            all_found.append(measured(name, judged(name, given), given.threads, Path(folder)))
    table = [row for found in all_found for row in rows(found)] + list(means(all_found))
    publish("int8", "Post-training int8 beside ONNX Runtime and torchao", table, given,
            packages=("onnx", "onnxruntime", "torchao"),
            details={"Every way, on the validation images": details(all_found)})
