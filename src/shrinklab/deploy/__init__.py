"""From a model in PyTorch to a file that another runtime runs: ONNX Runtime, ExecuTorch, LiteRT or torchao.

`export` writes the file and returns a `Runner`; `load_runner` opens a file again. ONNX Runtime comes with the
package, the others with `pip install "shrinklab[deploy]"`. Nothing here imports torch before it is needed, so that
`python -m shrinklab.deploy.run` can run an ONNX file without it.
"""

import inspect
from importlib import import_module
from pathlib import Path

from shrinklab.deploy.runner import Runner
from shrinklab.deploy.saturation import SaturationWarning, saturates
from shrinklab.errors import need

TARGETS = {"onnx": ".onnx", "executorch": ".pte", "litert": ".tflite", "torchao": ".pt2"}
__all__ = ["TARGETS", "Runner", "SaturationWarning", "export", "load_runner", "saturates"]


def export(model, target, path, *, example, **options):
    """Write a model to a file for `target`; return the `Runner` that runs it. The model stays as it was.

    model: a float nn.Module (the file computes in float32, batch norm folded) or a `QuantizedModel` (the file holds
    its integers, scales and zero points). target: "onnx" (.onnx), "executorch" (.pte), "litert" (.tflite) or
    "torchao" (.pt2); path: a file with that ending, in a folder that exists. example: images (N, C, H, W) for the
    shape; the file takes any N. options: those of the target's `write`; for "onnx", weights="uint8".
    Raises ImportError when the target's package is missing, ValueError for what the target cannot run, and warns
    (SaturationWarning) where this processor would cut off the integer sums of an ONNX file.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runner = export(torch.nn.Linear(2, 1), "onnx", f"{folder}/line.onnx", example=torch.zeros(1, 2))
    ...     runner, runner(torch.zeros(3, 2)).shape
    (Runner('line.onnx', target='onnx', threads=1), torch.Size([3, 1]))
    """
    need(target in TARGETS, f"target is {target!r}", f"known targets are {', '.join(TARGETS)}", "use one of them")
    path = Path(path)
    need(path.suffix == TARGETS[target], f"path is {path.name}", f"files for {target} end in {TARGETS[target]}",
         f"use {path.stem}{TARGETS[target]}")
    need(path.parent.is_dir(), f"path is {path}", "its folder has to exist", f"make {path.parent} first")
    _images(example)
    write = backend(target).write
    known = list(inspect.signature(write).parameters)[3:]
    for name in options:
        need(name in known, f"the option {name} is {options[name]!r}",
             f"{target} has {'the options ' + ', '.join(known) if known else 'no options'}", "leave it out")
    write(model, path, example, **options)
    return load_runner(path)


def load_runner(path, *, threads=1):
    """Open a file of `export`, or any ONNX file with one image input and one output: path -> `Runner`.

    The target is known by the file's ending. threads: how many the runtime may use for one batch.
    """
    path = Path(path)
    endings = {ending: target for target, ending in TARGETS.items()}
    need(path.suffix in endings, f"path is {path.name}", f"a runner opens files that end in {', '.join(endings)}",
         "export the model first")
    need(path.is_file(), f"path is {path}", "there is no such file", "export the model first", FileNotFoundError)
    need(type(threads) is int and threads >= 1, f"threads is {threads!r}", "a runner needs at least one",
         "use 1")
    target = endings[path.suffix]
    return Runner(path, target, threads, backend(target).open(path, threads))


def backend(target):
    """The module that writes and opens a target's files, with an error that tells how to install what it needs."""
    try:
        return import_module(f"shrinklab.deploy.{target}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("shrinklab"):
            raise
        raise ImportError(f"the package {error.name} is missing; the target {target!r} runs on it; "
                          'install it with: pip install "shrinklab[deploy]".', name=error.name) from error


def _images(example):
    import torch

    shape = tuple(example.shape) if isinstance(example, torch.Tensor) else ()
    need(len(shape) > 1 and shape[0] > 0 and example.is_floating_point(),
         f"example is a {type(example).__name__} of shape {shape}",
         "a file is made for float images (N, C, H, W)", "pass data.validation.images[:1]")
