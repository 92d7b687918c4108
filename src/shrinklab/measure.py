"""What does a model cost? Accuracy, size, work, time and memory, measured on the real thing.

Work (MACs) is not time: a mask lowers neither, and a layer can be slow because of the bytes that it moves. The parts
are in modules of their own (`timing`, `memory`, `files`, `metrics`) and can be imported from here too.
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

from shrinklab.codebook import CodebookModel, save_codebook
from shrinklab.errors import need
from shrinklab.files import file_bytes, gzip_bytes, gzip_bytes_of, sparse_bytes
from shrinklab.inference import evaluating, need_network, predict
from shrinklab.measurement import SIMULATED, Measurement
from shrinklab.memory import peak_memory
from shrinklab.metrics import bootstrap_interval, correct
from shrinklab.quantize.file import save_quantized
from shrinklab.quantize.layers import QuantizedLayer
from shrinklab.quantize.model import QuantizedModel
from shrinklab.timing import Latency, latency
from shrinklab.verdict import Budget, Verdict, flip_rate, spread, verdict

__all__ = ["Budget", "Latency", "Measurement", "Verdict", "count_macs", "flip_rate", "latency", "measure",
           "peak_memory", "spread", "verdict"]

PACKED = {QuantizedModel: save_quantized, CodebookModel: save_codebook}
RUNTIMES = {"onnx": "ONNX Runtime", "executorch": "ExecuTorch", "litert": "LiteRT", "torchao": "torchao PT2E"}


def measure(model, split, *, runner=None, example=None, repeats=50, threads=None):
    """Measure a model on a split; return a `Measurement`. The model stays as it was.

    model: an nn.Module, a QuantizedModel or CodebookModel (whose file is that of `save_quantized` or `save_codebook`),
    or a runner (see `inference`). With a runner as well, parameters and MACs are the model's; accuracy, latency and
    file are those of the runner.
    Memory is counted in PyTorch only, and not where it simulates integers: there it is None, as is all that a runner
    alone does not tell.
    example: input (N, C, H, W) for work, time and memory; the split's first image unless given.
    repeats, threads: see `latency`; threads is 1, or the runner's own. Choose on validation; the test split is for
    final numbers.

    >>> from shrinklab.data import Split
    >>> split = Split("two", torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
    >>> found = measure(nn.Linear(2, 2), split, runner=lambda images: images, repeats=1)
    >>> found.parameters, found.macs, found.accuracy, found.runtime
    (6, 4, 0.5, 'function')
    """
    labels, runs = _labels(split), model if runner is None else runner
    _check_runner(model, runner)
    example = split.images[:1] if example is None else example
    logits = predict(runs, split.images)
    right = correct(logits, labels)
    low, high = bootstrap_interval(right)
    structure = _structure(model, example) if isinstance(model, nn.Module) else {}
    threads = _threads(runs, threads)
    with evaluating(runs):
        timed = latency(lambda: runs(example), repeats=repeats, threads=threads, batch=len(example))
    plain = isinstance(runs, nn.Module) and not isinstance(runs, QuantizedModel)
    return Measurement(
        accuracy=right.double().mean().item(), accuracy_low=low, accuracy_high=high, **structure, **_files(runs),
        latency_ms=timed.p50_ms, latency_p95_ms=timed.p95_ms,
        peak_memory_bytes=peak_memory(runs, example) if plain else None,
        threads=threads, batch=len(example), images=len(labels), split=getattr(split, "name", None),
        runtime=_runtime(runs), predictions=logits.argmax(1))


def count_macs(model, example):
    """Multiply-accumulates for one image, in convolutions and linear layers; a bias or an activation counts 0.

    example: (N, C, H, W). Zeros count like any weight: a dense kernel multiplies them too. An integer layer of a
    QuantizedModel counts like the float layer that it was made from.

    >>> count_macs(nn.Conv2d(3, 8, 5), torch.zeros(1, 3, 32, 32))  # 8 x 28 x 28 outputs of 3 x 5 x 5 products
    470400
    """
    totals = []

    def count(module, inputs, output):
        # Each output value is a sum of so many products; of a transposed layer, each input value goes into so many.
        values = inputs[0] if getattr(module, "transposed", False) else output
        totals.append(values.numel() * module.weight[0].numel())

    kinds = nn.Linear, nn.modules.conv._ConvNd, QuantizedLayer
    need_network(model)
    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, kinds)]
    try:
        predict(model, example)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(totals) // len(example)


def _labels(split):
    labels = torch.as_tensor(split.labels)
    need(len(labels) and len(labels) == len(split.images),
         f"the split has {len(split.images)} images and {len(labels)} labels",
         "measuring needs at least one image, each with a label", "pass a split such as data.validation")
    return labels


def _check_runner(model, runner):
    need(runner is None or isinstance(model, nn.Module), f"the model is a {type(model).__name__} beside a runner",
         "with a runner, the model is the nn.Module that it was made from",
         "pass the runner alone: measure(runner, split)", TypeError)
    need(not isinstance(runner, nn.Module), f"runner is a {type(runner).__name__}",
         "a runner is a deployed file, no nn.Module", "pass the network alone: measure(model, split)", TypeError)


def _structure(model, example):
    """Parameters, nonzeros and MACs; of a QuantizedModel its integers count, of a CodebookModel what it looks up."""
    model = model.to_float() if isinstance(model, CodebookModel) else model
    weights = list(model.parameters())
    if isinstance(model, QuantizedModel):
        weights += [tensor for layer in model.layers.values() for tensor in (layer.weight, layer.bias)
                    if tensor is not None]
    return {"parameters": sum(weight.numel() for weight in weights),
            "nonzeros": sum(int(weight.count_nonzero()) for weight in weights), "macs": count_macs(model, example)}


def _files(runs):
    """Sizes of the real file, which a network is written to and a runner has already."""
    save = next((save for kind, save in PACKED.items() if isinstance(runs, kind)), None)
    if save:
        with tempfile.TemporaryDirectory() as folder:
            path = save(runs, Path(folder) / "model")
            return {"file_bytes": path.stat().st_size, "gzip_bytes": gzip_bytes_of(path)}
    if isinstance(runs, nn.Module):
        return {"file_bytes": file_bytes(runs), "gzip_bytes": gzip_bytes(runs), "sparse_bytes": sparse_bytes(runs)}
    path = getattr(runs, "path", None)
    return {"file_bytes": getattr(runs, "file_bytes", None), "gzip_bytes": path and gzip_bytes_of(path)}


def _threads(runs, threads):
    own = getattr(runs, "threads", None)
    need(threads in (None, own) or own is None, f"threads is {threads} and the runner was opened with {own}",
         "a runner's threads are set when its file is opened", "leave threads out, or open the file with these threads")
    return next((count for count in (own, threads) if count is not None), 1)


def _runtime(runs):
    if isinstance(runs, nn.Module):
        return SIMULATED if isinstance(runs, QuantizedModel) else "PyTorch"
    target = getattr(runs, "target", None)
    return RUNTIMES.get(target, target or type(runs).__name__)
