"""One network in all four runtimes: measured now where they are installed, and as it was measured once.

Importing ExecuTorch, LiteRT and torchao and exporting with them takes a minute together: too long for a cell that runs
with all others. `stored` gives dated figures; `compare` measures again.
"""

import json
import sys
import tempfile
import time
from importlib import import_module, metadata, resources
from pathlib import Path

from shrinklab.deploy import TARGETS, export
from shrinklab.errors import need

FILE = "figures.json"
PACKAGES = {"onnx": "onnxruntime", "executorch": "executorch", "litert": "ai-edge-litert", "torchao": "torchao"}
NAMES = {"onnx": "ONNX Runtime", "executorch": "ExecuTorch", "litert": "LiteRT", "torchao": "torchao PT2E"}


def stored():
    """The figures that travel with the package: {"date", "network", "split", "machine", "rows": [...]}.

    >>> sorted(row["target"] for row in stored()["rows"])
    ['executorch', 'litert', 'onnx', 'torchao']
    """
    return json.loads((resources.files("shrinklab.deploy") / FILE).read_text(encoding="utf-8"))


def is_installed(target):
    """Whether a target's package is on this computer.

    >>> is_installed("onnx")
    True
    """
    need(target in TARGETS, f"target is {target!r}", f"known targets are {', '.join(TARGETS)}", "use one of them")
    try:
        import_module(f"shrinklab.deploy.{target}")
    except ModuleNotFoundError:
        return False
    return True


def compare(target, model, quantized, split, *, timer):
    """Export a float network and its quantized form to one target and run both; returns a row of figures.

    split: labelled images; timer: runners, image -> their median milliseconds, such as `capstone.interleaved`.
    The row: target, runtime, version, float_bytes, int8_bytes, float_right, int8_right, images, latency_ratio (int8's
    share of the float file's, in this runtime), seconds (imports, both exports, both runs). Raises ImportError where
    the target is not installed.

    >>> from shrinklab.capstone import interleaved
    >>> from shrinklab.data import load
    >>> from shrinklab.models import pretrained
    >>> from shrinklab.quantize import quantize_model
    >>> data, lenet = load("mnist"), pretrained("lenet")
    >>> row = compare("onnx", lenet, quantize_model(lenet, data.train[:64]), data.validation[:100], timer=interleaved)
    >>> row["int8_bytes"] < row["float_bytes"] / 3, row["int8_right"] > 90
    (True, True)
    """
    from shrinklab.inference import predict  # here: running a file needs no torch

    start, example = time.perf_counter(), split.images[:1]
    with tempfile.TemporaryDirectory() as folder:
        files = [export(one, target, Path(folder) / f"{name}{TARGETS[target]}", example=example)
                 for name, one in (("float", model), ("int8", quantized))]
        right = [int((predict(one, split.images).argmax(1) == split.labels).sum()) for one in files]
        times = timer(files, example)
        sizes = [one.file_bytes for one in files]
    return {"target": target, "runtime": NAMES[target], "version": metadata.version(PACKAGES[target]),
            "float_bytes": sizes[0], "int8_bytes": sizes[1], "float_right": right[0], "int8_right": right[1],
            "images": len(split), "latency_ratio": round(times[1] / times[0], 3),
            "seconds": round(time.perf_counter() - start, 1)}


def table(rows):
    """Rows of `compare` as {column: values}, as a person reads them.

    >>> table(stored()["rows"])["runtime"]
    ['ONNX Runtime', 'ExecuTorch', 'LiteRT', 'torchao PT2E']
    """
    return {"runtime": [row["runtime"] for row in rows], "version": [row["version"] for row in rows],
            "float file, bytes": [f"{row['float_bytes']:,}" for row in rows],
            "int8 file, bytes": [f"{row['int8_bytes']:,}" for row in rows],
            "right, float": [f"{row['float_right']} of {row['images']}" for row in rows],
            "right, int8": [f"{row['int8_right']} of {row['images']}" for row in rows],
            "int8 latency / float": [f"{row['latency_ratio']:.2f}" for row in rows]}


def write(path, date):
    """Measure ResNet8 in all four and write the file that `stored` reads; needs the extra `deploy`."""
    import platform

    from shrinklab.capstone import interleaved
    from shrinklab.data import load
    from shrinklab.models import pretrained
    from shrinklab.quantize import quantize_model

    data, model = load("cifar10"), pretrained("resnet8")
    split, quantized = data.validation[:500], quantize_model(model, data.train[:256])
    rows = [compare(target, model, quantized, split, timer=interleaved) for target in TARGETS]
    content = {"date": date, "network": "ResNet8", "split": split.name, "machine": f"{platform.machine()}, 1 thread",
               "python": platform.python_version(), "rows": rows}
    Path(path).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).with_name(FILE), sys.argv[1])
