import copy
import functools
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shrinklab.data import Split, load
from shrinklab.fingerprint import fingerprint
from shrinklab.masks import apply_masks, global_masks, sparsity
from shrinklab.measure import Measurement, measure
from shrinklab.models import LeNet, ResNet8
from shrinklab.quantize import Scheme, quantize_model
from shrinklab.stability import spread
from shrinklab.sweep import sweep

quiet = functools.partial(sweep, progress=False)


def counted(folder, name="calls"):
    """How often a function called `note` with this folder; kept on disk, where a sweep does not look."""
    path = Path(folder) / name
    return len(path.read_text()) if path.exists() else 0


def note(folder, name="calls"):
    with (Path(folder) / name).open("a") as file:
        file.write("x")


# The table

def test_the_grid_is_gone_through_in_order_with_a_column_for_each_setting_and_result():
    table = quiet(lambda a, b: {"sum": a + b, "text": f"{a}{b}"}, {"a": [1, 2], "b": (10, 20)})
    expected = pd.DataFrame({"a": [1, 1, 2, 2], "b": [10, 20, 10, 20], "sum": [11, 21, 12, 22],
                             "text": ["110", "120", "210", "220"]})
    pd.testing.assert_frame_equal(table, expected)


def test_models_functions_and_named_values_have_readable_cells():
    torch.manual_seed(0)
    grid = {"model": {"small": LeNet((2, 2), (4, 4)), "large": LeNet()}, "amount": np.linspace(0, 0.5, 2)}
    table = quiet(lambda model, amount: sparsity(apply_masks(model, global_masks(model, amount))), grid)
    assert table.model.tolist() == ["small", "small", "large", "large"]
    assert table.amount.tolist() == [0.0, 0.5, 0.0, 0.5]
    assert table.value.tolist() == pytest.approx([0.0, 0.5, 0.0, 0.5], abs=1e-3)
    assert quiet(lambda f: f(-2.0), {"f": [abs, math.floor]}).f.tolist() == ["abs", "floor"]


def test_a_measurement_gives_its_fields_but_not_its_predictions():
    split = Split("made", torch.randn(20, 1, 28, 28), torch.arange(20) % 10)
    table = quiet(lambda seed: measure(LeNet(), split, repeats=1), {"seed": [1]})
    fields = [name for name in Measurement.__dataclass_fields__ if name != "predictions"]
    assert table.columns.tolist() == ["seed", *fields]
    assert table.loc[0, "macs"] == 416_520
    assert table.loc[0, "runtime"] == "PyTorch"


def test_every_row_starts_from_the_seed_and_the_global_state_stays():
    def draw(x):
        return {"python": random.random(), "numpy": np.random.rand(), "torch": torch.rand(()).item()}

    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    table = quiet(draw, {"x": [1, 2, 3]})
    assert (table.drop(columns="x").nunique() == 1).all()
    assert not quiet(draw, {"x": [1]}, seed=1).equals(table[:1])
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    assert spread(quiet(lambda seed: 0.5 + seed / 10, {"seed": range(3)}).value) == pytest.approx(0.2)


# The cache

def test_a_second_sweep_computes_nothing_and_gives_the_same_table(tmp_path):
    def function(amount, where=tmp_path):
        note(where)
        return {"third": amount / 3, "nan": math.nan, "inf": -math.inf, "none": None, "count": 7, "yes": True}

    grid = {"amount": [0.1, 0.2]}
    first = quiet(function, grid, cache=tmp_path / "new" / "folder")
    again = quiet(function, grid, cache=tmp_path / "new" / "folder")
    assert counted(tmp_path) == 2
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    pd.testing.assert_frame_equal(first, quiet(function, grid), check_exact=True)


def test_an_interrupted_sweep_resumes_and_a_larger_grid_takes_what_is_there(tmp_path):
    def function(x):
        note(tmp_path)
        if x == 3 and not (tmp_path / "mended").exists():
            raise KeyboardInterrupt
        return x * x

    with pytest.raises(KeyboardInterrupt):
        quiet(function, {"x": [1, 2, 3, 4]}, cache=tmp_path / "cache")
    assert counted(tmp_path) == 3
    (tmp_path / "mended").touch()
    assert quiet(function, {"x": [1, 2, 3, 4]}, cache=tmp_path / "cache").value.tolist() == [1, 4, 9, 16]
    assert counted(tmp_path) == 5
    assert quiet(function, {"x": [5, 1, 3]}, cache=tmp_path / "cache").value.tolist() == [25, 1, 9]
    assert counted(tmp_path) == 6


def test_an_error_says_which_row_and_is_not_kept(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        quiet(lambda x: 1 / x, {"x": [1, 0]}, cache=tmp_path)
    assert "in the sweep's row {'x': 0}" in caught.value.__notes__[0]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", [
    lambda text: "", lambda text: text[: len(text) // 2], lambda text: "[]", lambda text: "null", lambda text: "\0" * 9,
    lambda text: text.replace("25", "26"), lambda text: json.dumps({"row": {"value": 1}})])
def test_a_torn_or_changed_entry_is_computed_again(damage, tmp_path):
    def function(x):
        note(tmp_path)
        return x * x

    cache = tmp_path / "cache"
    quiet(function, {"x": [5]}, cache=cache)
    (entry,) = cache.iterdir()
    text = entry.read_text()
    entry.write_text(damage(text))
    assert quiet(function, {"x": [5]}, cache=cache).value.tolist() == [25]
    assert counted(tmp_path) == 2
    assert entry.read_text() == text
    assert list(cache.iterdir()) == [entry]


def test_a_change_in_model_data_code_or_seed_computes_again(tmp_path):
    torch.manual_seed(0)
    model, factor = nn.Linear(2, 1), 1.0

    def function(x):
        note(tmp_path)
        return (model(torch.ones(2)) * x * factor).item()

    def run(function=function, **options):
        return quiet(function, {"x": [1.0]}, cache=tmp_path / "cache", **options).value[0]

    values = [run(), run()]
    assert counted(tmp_path) == 1
    model.weight.data[0, 0] = torch.nextafter(model.weight.data[0, 0], torch.tensor(9.0))  # one bit
    run()
    assert counted(tmp_path) == 2
    factor = 2.0
    values.append(run())
    assert counted(tmp_path) == 3
    assert values[2] == pytest.approx(2 * values[0], rel=1e-5)
    run(seed=1)
    assert counted(tmp_path) == 4

    def function(x):
        note(tmp_path)
        return (model(torch.ones(2)) * x - factor).item()

    run(function)
    assert counted(tmp_path) == 5


def test_a_function_that_changes_what_it_reads_is_refused_and_its_row_not_kept(tmp_path):
    model = nn.Linear(2, 1)

    def train(steps):
        model.weight.data += steps
        return 0.0

    with pytest.raises(ValueError, match="the function changed what it reads; .*; copy the model inside the function"):
        quiet(train, {"steps": [1]}, cache=tmp_path)
    assert not list(tmp_path.iterdir())
    quiet(train, {"steps": [0]}, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="the function changed what it reads"):
        quiet(lambda net: net.weight.data.add_(1).sum().item(), {"net": {"a": model}}, cache=tmp_path)


PROGRAM = """
import sys, time
from pathlib import Path
from shrinklab import fingerprint
from shrinklab.sweep import sweep

fingerprint.library = lambda: "as it is"  # someone may edit the library while this test runs

def function(x):
    with open(sys.argv[1] + "/calls", "a") as file:
        file.write("x")
    time.sleep(0.01)
    return x * x

print(sweep(function, {"x": list(range(30))}, cache=sys.argv[1] + "/cache", progress=False).value.sum())
"""


def test_two_processes_share_a_cache_and_a_third_finds_everything(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONHASHSEED": seed})
            for seed in "12"]
    assert [int(one.communicate(timeout=100)[0]) for one in both] == [8555, 8555]
    calls = counted(tmp_path)
    assert 30 <= calls <= 60
    assert len(list((tmp_path / "cache").iterdir())) == 30
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert counted(tmp_path) == calls


def test_messages_show_value_rule_and_fix():
    cases = [
        (lambda: quiet(3, {"x": [1]}), "function is a int; a sweep calls a function with the settings; write lambda"),
        (lambda: quiet(abs, {}), r"the grid is \{\}; a grid is a dict"),
        (lambda: quiet(abs, [1]), r"the grid is \[1\]; a grid is a dict"),
        (lambda: quiet(abs, {"x": []}), r"x is \[\]; each setting has a list of one value or more; use"),
        (lambda: quiet(abs, {"x": "abc"}), "x is 'abc'; each setting has a list"),
        (lambda: quiet(abs, {"x": [1, 1]}), r"x has the values \[1, 1\]; each value of a setting has its own name"),
        (lambda: quiet(lambda x: {"x": 1}, {"x": [1]}), "x is a setting and a result; each column"),
        (lambda: quiet(lambda x: [1], {"x": [1]}), "value is a list; a result is a number, a text or None; return"),
        (lambda: quiet(lambda x: torch.ones(2), {"x": [1]}), "value is a Tensor; a result is a number"),
    ]
    for call, message in cases:
        with pytest.raises((ValueError, TypeError), match=message):
            call()


# Fingerprints

def plus(number):
    """A function that makes functions with one code and different captured values."""
    return lambda x: x + number


def test_equal_content_has_one_fingerprint_and_any_change_another():
    torch.manual_seed(0)
    model = ResNet8((4, 4, 4, 4, 4, 4, 4))
    same = copy.deepcopy(model)
    assert fingerprint(model) == fingerprint(same)
    changes = [lambda net: net.fc.weight.data[0].neg_(), lambda net: net.bn.running_mean.add_(1e-6),
               lambda net: net.bn.num_batches_tracked.add_(1), lambda net: setattr(net.conv, "stride", (2, 2)),
               lambda net: net.eval(), lambda net: setattr(net, "bn", nn.Identity()),
               lambda net: net.fc.bias.requires_grad_(False), lambda net: net.conv.register_forward_hook(print)]
    prints = {fingerprint(model)}
    for change in changes:
        other = copy.deepcopy(model)
        change(other)
        prints.add(fingerprint(other))
    assert len(prints) == 1 + len(changes)


def test_quantized_models_and_splits_count_by_content():
    torch.manual_seed(0)
    model, images = LeNet(), torch.rand(8, 1, 28, 28)
    one, two = (quantize_model(model, images, Scheme(weight_bits=8)) for _ in range(2))
    assert fingerprint(one) == fingerprint(two)
    two.layers["fc1"].weight[0, 0] += 1
    assert fingerprint(one) != fingerprint(two)
    split = Split("a", images, torch.arange(8))
    assert fingerprint(split) == fingerprint(Split("a", images.clone(), torch.arange(8)))
    assert fingerprint(split) != fingerprint(split[:7])
    data = load("mnist")
    before = fingerprint(data)
    assert len(data.validation) == 4000
    assert fingerprint(data) == before  # splits are decoded when asked for: that changes nothing


def test_functions_count_by_code_and_by_what_they_read():
    first, second = [lambda x: x + 1, lambda x: x + 2]  # on one line: the source text would not do
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(plus(1)) == fingerprint(plus(1))
    assert fingerprint(plus(1)) != fingerprint(plus(2))
    assert fingerprint(functools.partial(plus, 1)) != fingerprint(functools.partial(plus, number=1))
    space = {"scale": 1}
    exec("def helper(x):\n    return scale * x\ndef call(x):\n    return [helper(y) for y in [x]]", space)
    space["call"].__module__ = space["helper"].__module__ = __name__
    before = fingerprint(space["call"])
    assert fingerprint(space["call"]) == before
    space["scale"] = 2
    assert fingerprint(space["call"]) != before


@settings(max_examples=60, deadline=None)
@given(*[st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
                      lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
                      | st.frozensets(st.integers()))] * 2)
def test_values_have_the_same_fingerprint_just_when_they_are_written_the_same(one, other):
    def written(value):
        if isinstance(value, frozenset):
            return f"frozenset{sorted(value)}"
        if isinstance(value, dict):
            return "{" + ",".join(f"{key!r}:{written(part)}" for key, part in value.items()) + "}"
        if isinstance(value, list | tuple):
            return f"{type(value).__name__}({','.join(map(written, value))})"
        return repr(value)

    assert fingerprint(one) == fingerprint(copy.deepcopy(one))
    assert (fingerprint(one) == fingerprint(other)) == (written(one) == written(other))


def test_a_value_that_holds_itself_has_a_fingerprint():
    one, two = [1], [1]
    one.append(one)
    two.append(two)
    assert fingerprint(one) == fingerprint(two) != fingerprint([1, [1]])


def test_what_has_no_content_is_refused(tmp_path):
    with (tmp_path / "file").open("w") as file:
        for value in (file, (x for x in [1])):
            with pytest.raises(TypeError, match="is read here; it has no content to compare .*; make it inside"):
                fingerprint(value)
    with pytest.raises(TypeError, match="an array holds Python objects; only numbers"):
        fingerprint(np.array([object()]))
