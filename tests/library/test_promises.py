"""What every public function that takes a model promises, checked for all of them.

It leaves the model as it was (state dict bit for bit, modes, gradients, hooks) and the global random state too; it
gives the same result twice and whatever the modes are; and it refuses bad input with value, rule and fix.

The list of functions is made from the modules. A new function fails here until CASES says how to call it, or
EXCEPTIONS why it cannot promise.
"""

import copy
import importlib
import inspect
import pkgutil
import random
from functools import cached_property
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import fx, nn

import shrinklab
from shrinklab.channels import channel_masks
from shrinklab.codebook import CodebookModel, share_weights
from shrinklab.data import Split
from shrinklab.fingerprint import fingerprint
from shrinklab.masks import global_masks
from shrinklab.measure import Measurement
from shrinklab.models import ResNet8
from shrinklab.profiling import LayerCost, Profile
from shrinklab.quantize import QuantizedModel, Scheme, quantize_model
from shrinklab.train import Recipe

TAKES_A_MODEL = {"model", "quantized", "student", "teacher", "shared", "start", "network", "net"}
WITHOUT_MODELS = {"calls", "exercise", "plot", "quiz", "widgets", "wire"}  # cells' answers, drawing, questions

EXCEPTIONS = {
    "capstone.draw_budget": "its student is the name of a person",
    "capstone.finished": "its model is what the check of a pipeline got; try_model measures it, and is checked",
    "train.fit": "training changes the model, the one place that does; test_train covers it",
    "inference.evaluating": "a context manager: modes change inside and come back after; test_metrics covers it",
    "channels.recalibrating": "a context manager that changes the statistics of the model given, as its text says",
    "distill.distillation_loss": "gives a function; distill uses it, and is checked",
    "criteria.slopes": "gives gradients one batch after another; taylor_scores uses it, and is checked",
    "channels.scores_of": "takes what `follow` and `groups_of` made; channel_scores uses it, and is checked",
    "groups.cut_channels": "takes what `follow` and `staying` made; remove_channels uses it, and is checked",
    "schedules.cubic_schedule": "its start is a share",
    "schedules.cubic_amount": "its start is a share",
    "schedules.geometric_schedule": "its start is a share",
    "lottery.rewound": "its start is a tensor",
    "schedules.further_masks": "takes the table that `scores` made; prune_gradually uses it, and is checked",
    "scoring.network": "a check without a result",
    "inference.need_network": "a check without a result",
    "models.architecture": "says the name of a network's class; a class that has none is refused in test_models",
    "quantize.training.frozen": "takes the modules that `trainable` made, with the numbers as they are; qat covers it",
}


class World:
    """Small models of every kind, made anew for each call, and data for them."""

    def __init__(self, folder, training):
        self.path, self.training = folder, training

    def _ready(self, model):
        model.train(self.training)
        if self.training:
            next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d)).eval()  # frozen by someone
        return model

    def network(self, seed=0):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = ResNet8((4, 4, 4, 4, 6, 6, 6))
            with torch.no_grad():
                for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
                    norm.running_mean.uniform_(-0.1, 0.1)
                    norm.weight.uniform_(0.8, 1.2)
        return model

    @cached_property
    def model(self):
        return self._ready(self.network())

    @cached_property
    def student(self):
        return self._ready(self.network(seed=1))

    @cached_property
    def quantized(self):
        return quantize_model(self.model, self.images).train(self.training)

    @cached_property
    def shared(self):
        return share_weights(self.model, 3).train(self.training)

    @cached_property
    def images(self):
        return torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    @property
    def example(self):
        return self.images[:1]

    @cached_property
    def split(self):
        return Split("made", self.images, torch.arange(16) % 10)

    @cached_property
    def data(self):
        return SimpleNamespace(train=self.split, validation=self.split[:8], test=self.split[:8], example=self.example)

    @cached_property
    def masks(self):
        return global_masks(self.model, 0.5)

    @cached_property
    def keep(self):
        return channel_masks(self.model, 0.5, example=self.example)


SHORT = Recipe(epochs=1, batch_size=8, learning_rate=0.001)


def training(w, **more):
    return {"data": w.data, "recipe": SHORT, "progress": False, **more}


def of_model(*names, **fixed):
    """Arguments: the model, things of the world by their names, and fixed values."""
    return lambda w: {"model": w.model, **{name: getattr(w, name) for name in names}, **fixed}


def same_times(runners, image):
    """A timer that measures nothing, so that two runs can be compared."""
    return [1.0] * len(runners)


CASES = {
    "capstone.is_smaller": of_model(),
    "capstone.is_unchanged": of_model(),
    "capstone.measure_pair": of_model("split", timer=same_times),
    "capstone.onnx_bytes": of_model(),
    "capstone.try_model": of_model("split", timer=same_times),
    "capstone.why_not": of_model("example"),
    "channel_amounts.amount_for_macs": of_model("example", share=0.5),
    "channel_amounts.shrink_to_macs": of_model("example", share=0.5),
    "channel_amounts.sensitive_amounts": of_model("split", share=0.6, steps=2),
    "channel_criteria.taylor_channel_scores": of_model("split"),
    "channel_criteria.path_channel_scores": of_model("example"),
    "channel_criteria.bn_scale_channel_scores": of_model("example"),
    "channel_criteria.bn_scale_scores": of_model("example"),
    "channels.channel_groups": of_model("example"),
    "channels.channel_scores": of_model("example"),
    "channels.channel_masks": of_model("example", amount=0.5),
    "channels.remove_channels": of_model("example", "keep"),
    "channels.shrink_channels": of_model("example", amount=0.5),
    "channels.recalibrate_batch_norm": of_model("images"),
    "codebook.file.codebook_bytes": lambda w: {"shared": w.shared},
    "codebook.file.codebook_sizes": lambda w: {"shared": w.shared},
    "codebook.file.save_codebook": lambda w: {"shared": w.shared, "path": w.path / "codebook"},
    "codebook.model.share_weights": of_model(bits=3),
    "codebook.model.shareable": of_model(),
    "codebook.tuning.tune_centroids": lambda w: {"shared": w.shared, **training(w)},
    "criteria.taylor_scores": of_model("split"),
    "deploy.export": of_model("example", target="onnx"),
    "distill.distill": lambda w: {"student": w.student, "teacher": w.model, **training(w)},
    "fast.fast": of_model(),
    "files.save_dense": of_model(),
    "files.save_sparse": of_model(),
    "files.file_bytes": of_model(),
    "files.gzip_bytes": of_model(),
    "files.sparse_bytes": of_model(),
    "graph.traced_graph": of_model("example"),
    "inference.predict": of_model("images"),
    "inference.forward": lambda w: {"model": copy.deepcopy(w.model).eval(), "images": w.images},
    "lottery.trained": lambda w: {"model": w.model, "masks": w.masks, **training(w)},
    "lottery.reinitialized": of_model(),
    "lottery.compare_tickets": lambda w: {"start": w.model, "masks": w.masks, "seeds": (0, 1), **training(w)},
    "masks.scores": of_model(),
    "masks.global_masks": of_model(amount=0.5),
    "masks.layer_masks": of_model(amount=0.5),
    "masks.n_m_masks": of_model(),
    "masks.apply_masks": of_model("masks"),
    "masks.sparsity": of_model(),
    "masks.sensitivity": of_model("split", amounts=[0.5]),
    "measure.measure": of_model("split", repeats=1),
    "measure.count_macs": of_model("example"),
    "memory.peak_memory": of_model("example"),
    "metrics.accuracy": of_model("split"),
    "profiling.profile": of_model("images", repeats=1),
    "quantize.calibration.calibrate": of_model("images"),
    "quantize.calibration.collect": of_model("images"),
    "quantize.equalization.correct_bias": lambda w: {"quantized": w.quantized, "model": w.model, "images": w.images},
    "quantize.equalization.equalize": of_model(),
    "quantize.equalization.unbalance": of_model(),
    "quantize.file.quantized_bytes": lambda w: {"model": w.quantized},
    "quantize.file.save_quantized": lambda w: {"model": w.quantized, "path": w.path / "quantized"},
    "quantize.graph.fold_batch_norm": of_model(),
    "quantize.mixed.bit_sensitivity": of_model("images", bits=[4]),
    "quantize.mixed.mixed_precision": of_model("images", budget_bytes=20_000, bits=[4, 8]),
    "quantize.model.quantize_model": of_model("images", scheme=Scheme()),
    "quantize.rounding.adaround": lambda w: {"quantized": w.quantized, "model": w.model, "images": w.images, "steps": 3,
                                             "progress": False},
    "quantize.training.qat": lambda w: {"quantized": w.quantized, "model": w.model, **training(w)},
    "quantize.training.trainable": lambda w: {"quantized": w.quantized, "model": w.model},
    "quantize.weights.round_weights": of_model(rounder=torch.round),
    "rare.class_scores": of_model("images", positive=1),
    "reconstruct.reconstruct": of_model("images", "keep"),
    "checkpoints.prune_and_keep": lambda w: {"model": w.model, "amounts": [0.3, 0.5], **training(w)},
    "schedules.prune_gradually": lambda w: {"model": w.model, "amounts": [0.3, 0.5], **training(w)},
    "scoring.prunable": of_model(),
    "scoring.chosen": of_model(names=None),
    "shipping.int8_alone": of_model("data", budget={}),
    "shipping.on_the_grid": of_model(bits=4),
    "shipping.rounded": of_model("data", bits=4),
    "shipping.without_channels": of_model("data", amount=0.5, round_to=1),
    "tracing.follow": of_model("example"),
}
for saved in ("files.save_dense", "files.save_sparse"):
    CASES[saved] = lambda w: {"model": w.model, "path": w.path / "model"}
CASES["deploy.export"] = lambda w: {"model": w.model, "target": "onnx", "path": w.path / "model.onnx",
                                    "example": w.example}


def public_functions():
    """{module.function: function} of the library. Of a package, what its __all__ names; of a module, its functions."""
    found = {}
    for _, name, is_package in pkgutil.iter_modules(shrinklab.__path__):
        if name in WITHOUT_MODELS:
            continue
        module = importlib.import_module(f"shrinklab.{name}")
        names = module.__all__ if is_package else [n for n in vars(module) if not n.startswith("_")]
        for function in (inspect.unwrap(getattr(module, n)) for n in names if callable(getattr(module, n))):
            if inspect.isfunction(function) and function.__module__.startswith(f"shrinklab.{name}"):
                found[f"{function.__module__.removeprefix('shrinklab.')}.{function.__name__}"] = getattr(
                    module, function.__name__)
    return found


FUNCTIONS = {name: function for name, function in public_functions().items()
             if TAKES_A_MODEL & inspect.signature(function).parameters.keys()}
CHECKED = sorted(FUNCTIONS.keys() & CASES.keys())


def test_every_function_that_takes_a_model_is_checked_or_says_why_not():
    missing = sorted(FUNCTIONS.keys() - CASES.keys() - EXCEPTIONS.keys())
    assert not missing, (f"these public functions take a model, and nobody checks their promises: {missing}. "
                         "Add each to CASES in test_promises.py with its arguments, or to EXCEPTIONS with the reason.")
    gone = sorted((CASES.keys() | EXCEPTIONS.keys()) - FUNCTIONS.keys())
    assert not gone, f"CASES or EXCEPTIONS names what is no public function with a model: {gone}. Take it out."
    assert not CASES.keys() & EXCEPTIONS.keys()


def global_states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), torch.get_num_threads()


def essence(result):
    """A result without what may differ: times, and the modes of a model that came back."""
    if isinstance(result, fx.Graph):
        return str(result)
    if isinstance(result, nn.Module):
        return [type(result).__name__, [(name, fingerprint(tensor)) for name, tensor in result.state_dict().items()]]
    if isinstance(result, Measurement | Profile | LayerCost):
        return {name: essence(value) for name, value in vars(result).items() if not name.endswith("_ms")}
    if isinstance(result, pd.DataFrame):
        return result.to_dict("list")
    if hasattr(result, "read_bytes") or hasattr(result, "file_bytes"):  # a path, or a runner with its file
        return getattr(result, "path", result).read_bytes()
    if inspect.isgenerator(result):
        return [essence(part) for part in result]
    if isinstance(result, dict):
        return {name: essence(value) for name, value in result.items()}
    if isinstance(result, list | tuple):
        return [essence(part) for part in result]
    if isinstance(result, torch.Tensor | torch.Size):
        return fingerprint(result.detach() if isinstance(result, torch.Tensor) else result)
    if hasattr(result, "__dict__") and not inspect.isfunction(result) and not isinstance(result, type):
        return [type(result).__name__, essence(vars(result))]
    return repr(result)


def call(name, world, seed):
    """The result's essence, after making sure that nothing else changed."""
    arguments = CASES[name](world)
    models = {key: value for key, value in arguments.items() if isinstance(value, nn.Module)}
    assert models
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    before, states = {key: fingerprint(model) for key, model in models.items()}, global_states()
    others = {key: fingerprint(value) for key, value in arguments.items()
              if isinstance(value, torch.Tensor | Split | dict)}
    result = essence(FUNCTIONS[name](**arguments))
    assert global_states() == states, f"{name} changed a global state (random numbers or threads)"
    for key, model in models.items():
        assert fingerprint(model) == before[key], f"{name} changed its {key}: weights, modes, hooks or attributes"
        assert all(weight.grad is None for weight in model.parameters()), f"{name} left gradients in its {key}"
    for key, value in others.items():
        assert fingerprint(arguments[key]) == value, f"{name} changed its {key}"
    return result


@pytest.mark.parametrize("name", CHECKED)
def test_it_is_pure_and_gives_the_same_whatever_the_modes_and_the_global_seed(name, tmp_path):
    results = [call(name, World(tmp_path, training), seed) for training, seed in ((False, 1), (True, 2))]
    assert results[0] == results[1], f"{name} gives another result in training mode, or with another global seed"


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda model: model.fc.weight.data[0, 0].add_(1e-6), "changed its model"),
    (lambda model: model.bn.num_batches_tracked.add_(1), "changed its model"),
    (lambda model: model.train(), "changed its model"),
    (lambda model: model.fc.register_forward_hook(print), "changed its model"),
    (lambda model: model(torch.rand(2, 3, 16, 16, generator=torch.Generator())).sum().backward(), "left gradients"),
    (lambda model: torch.rand(1), "changed a global state"),
    (lambda model: random.random(), "changed a global state"),
])
def test_a_broken_promise_is_seen(spoil, message, tmp_path, monkeypatch):
    monkeypatch.setitem(CASES, "spoil", of_model())
    monkeypatch.setitem(FUNCTIONS, "spoil", spoil)
    with pytest.raises(AssertionError, match=message):
        call("spoil", World(tmp_path, training=False), seed=1)


# Refusals

def with_nan(model):
    """NaN in every layer, in more than a mask of half the weights could hide."""
    broken = copy.deepcopy(model)
    for module in broken.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            module.weight.data.flatten()[: -(-3 * module.weight.numel() // 4)] = float("nan")
    return broken


EMPTY = Split("empty", torch.zeros(0, 3, 16, 16), torch.zeros(0, dtype=torch.long))
BAD = {  # {argument: a value that no function can take}
    "amount": 50, "amounts": [50], "share": 50, "bits": 1, "images": EMPTY.images, "split": EMPTY,
    "example": EMPTY.images, "steps": 0, "rounds": 0, "batch_size": 0, "repeats": 0, "threads": 0, "how": "best",
    "names": ["nothing"], "m": 0, "round_to": 0, "budget_bytes": 1, "positive": 10, "ridge": -1.0, "target": "pdf",
    "masks": {"nothing": torch.ones(1, dtype=torch.bool)}, "keep": {"nothing": torch.ones(1, dtype=torch.bool)},
    "observer": "best", "scales": "best", "seeds": (), "init": "best", "coding": "best", "layers": {"nothing": None},
    "data": SimpleNamespace(train=EMPTY, validation=EMPTY, example=EMPTY.images), "scheme": "int8",
}
STRUCTURE = "looks at the structure only, which is whole"
WHOLE = "keeps every value bit for bit, NaN too"
RUNS = "runs what it is given: a quantized model is a network like others"
SAYS = "says in a sentence what is wrong with it, whatever it is"
# {function: {what is bad: why it is taken}}
TAKEN = {
    "capstone.is_smaller": {"type": "no network is no smaller one", "NaN": STRUCTURE, "quantized": RUNS},
    "capstone.is_unchanged": {"type": "no network is not this one", "NaN": "a NaN is a change",
                              "quantized": "a quantized network is a changed one"},
    "capstone.measure_pair": {"quantized": RUNS},
    "capstone.onnx_bytes": {"quantized": RUNS},
    "capstone.try_model": {"type": SAYS, "NaN": SAYS, "quantized": RUNS, "value": SAYS},
    "capstone.why_not": {"type": SAYS, "NaN": STRUCTURE, "quantized": RUNS, "value": SAYS},
    "channels.channel_groups": {"NaN": STRUCTURE},
    "channels.remove_channels": {"NaN": STRUCTURE},
    "channels.recalibrate_batch_norm": {"NaN": "new statistics, whatever the weights",
                                        "quantized": "has no batch norm left"},
    "codebook.model.shareable": {"NaN": STRUCTURE, "quantized": "names no layer, as there is none"},
    "distill.distill": {"teacher quantized": "a quantized teacher teaches as well"},
    "deploy.export": {"quantized": "the model that a file is made for"},
    "files.file_bytes": {"NaN": WHOLE},
    "files.gzip_bytes": {"NaN": WHOLE},
    "files.save_dense": {"NaN": WHOLE},
    "files.save_sparse": {"NaN": WHOLE},
    "files.sparse_bytes": {"NaN": WHOLE},
    "graph.traced_graph": {"NaN": STRUCTURE, "quantized": "its graph can be traced; what follows it refuses"},
    "inference.forward": {"NaN": "NaN logits say it; accuracy and the rest refuse them", "quantized": RUNS},
    "inference.predict": {"NaN": "NaN logits say it; accuracy and the rest refuse them", "quantized": RUNS},
    "lottery.reinitialized": {"NaN": "new weights take their place"},
    "masks.apply_masks": {"NaN": "sets zeros; the rest stays bit for bit"},
    "masks.sparsity": {"NaN": "a NaN is no zero"},
    "measure.count_macs": {"NaN": STRUCTURE, "quantized": "its integer layers count too"},
    "measure.measure": {"quantized": RUNS},
    "memory.peak_memory": {"NaN": STRUCTURE, "quantized": "counts what PyTorch holds, as it says"},
    "metrics.accuracy": {"quantized": RUNS},
    "profiling.profile": {"NaN": STRUCTURE},
    "quantize.graph.fold_batch_norm": {"quantized": "has no batch norm left"},
    "rare.class_scores": {"quantized": RUNS},
    "scoring.chosen": {"NaN": STRUCTURE},
    "scoring.prunable": {"NaN": STRUCTURE, "quantized": "names no weight, as there is none"},
    "tracing.follow": {"NaN": STRUCTURE},
}


def refusals():
    for name in CHECKED:
        parameters = inspect.signature(FUNCTIONS[name]).parameters
        for argument in parameters:
            if argument in TAKES_A_MODEL:
                yield from ((name, argument, kind) for kind in ("type", "NaN", "quantized"))
            elif argument in BAD:
                yield name, argument, "value"


def bad_value(argument, kind, given):
    """A bad replacement of an argument, or None where the kind does not apply."""
    if kind == "value":
        return [BAD["bits"]] if argument == "bits" and isinstance(given, list) else BAD[argument]
    if kind == "type":
        return "lenet"
    if isinstance(given, QuantizedModel | CodebookModel):
        return None
    return with_nan(given) if kind == "NaN" else quantize_model(given, torch.rand(4, 3, 16, 16))


@pytest.mark.parametrize(("name", "argument", "kind"), list(refusals()))
def test_bad_input_is_refused_with_value_rule_and_fix(name, argument, kind, tmp_path):
    arguments = CASES[name](World(tmp_path, training=False))
    bad = bad_value(argument, kind, arguments.get(argument))
    if bad is None:
        return
    arguments[argument] = bad
    if {kind, f"{argument} {kind}"} & TAKEN.get(name, {}).keys():
        essence(FUNCTIONS[name](**arguments))  # no error, or the reason would be out of date
        return
    with pytest.raises((ValueError, TypeError)) as caught:
        essence(FUNCTIONS[name](**arguments))
    text = str(caught.value)
    assert text.count("; ") >= 2, f"{name} refuses, but not with value, rule and fix: {text}"
    assert text.endswith("."), text
