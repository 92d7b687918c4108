"""Try a grid of settings: one row of results for each, kept on disk, so that nothing is computed twice.

A row is kept under the fingerprint of all that it follows from: the function, what it reads, its settings, the seed. A
sweep that was interrupted goes on where it stopped; a change in the model, the data or the code starts afresh.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import random
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from shrinklab.errors import need
from shrinklab.fingerprint import fingerprint
from shrinklab.train import set_seed

PLAIN = bool, int, float, str, type(None)


def sweep(function, grid, *, cache=None, seed=0, progress=True):
    """Call function(**settings) for every combination of the grid -> a DataFrame, a column for each setting and result.

    function: returns a number, a dict of numbers and texts, or a dataclass such as `Measurement` (of which tensors are
    left out). grid: {setting: list of values}, or {setting: {label: value}} for values that the table should name, such
    as models; the last setting changes fastest. cache: a folder for finished rows, made where it is missing; None keeps
    none. Any number of processes may share it. seed: every row starts from it, so that no row depends on those before;
    the global random state stays as it was.

    With a cache the function must only compute: TypeError or ValueError where it reads something that cannot be
    compared, or changes what it reads.

    >>> sweep(lambda bits, signed: 2 ** (bits - signed), {"bits": [2, 8], "signed": [0, 1]}, progress=False)
       bits  signed  value
    0     2       0      4
    1     2       1      2
    2     8       0    256
    3     8       1    128
    """
    need(callable(function), f"function is a {type(function).__name__}", "a sweep calls a function with the settings",
         "write lambda amount: {...}", TypeError)
    named, folder = _named(grid), None if cache is None else _Folder(cache, function, seed)
    rows = []
    for cell in tqdm(list(itertools.product(*named.values())), desc="sweep", unit="row", disable=not progress):
        labels = dict(zip(named, (label for label, _ in cell), strict=True))
        settings = dict(zip(named, (value for _, value in cell), strict=True))
        try:
            result = folder.row(settings) if folder else _row(function, settings, seed)
        except Exception as error:
            error.add_note(f"in the sweep's row {labels}; finished rows are kept where there is a cache")
            raise
        for name in result:
            need(name not in labels, f"{name} is a setting and a result", "each column has a name of its own",
                 "give the result another name")
        rows.append(labels | result)
    return pd.DataFrame(rows)


class _Folder:
    """Finished rows, each in a file named by the fingerprint of all that it follows from."""

    def __init__(self, path, function, seed):
        self.path, self.function, self.seed = Path(path), function, seed
        self.path.mkdir(parents=True, exist_ok=True)
        self.read = fingerprint(function)

    def row(self, settings):
        """The row from its file, or computed and written."""
        before = fingerprint(settings)
        path = self.path / f"{fingerprint((self.read, before, self.seed))}.json"
        found = _load(path)
        if found is None:
            found = _row(self.function, settings, self.seed)
            need((fingerprint(self.function), fingerprint(settings)) == (self.read, before),
                 "the function changed what it reads", "a row may only compute, or the next ones depend on their order",
                 "copy the model inside the function, and keep counters and lists out of it")
            _save(path, found)
        return found


def _named(grid):
    """{setting: [(label, value), ...]}, checked."""
    need(isinstance(grid, Mapping) and grid, f"the grid is {grid!r}", "a grid is a dict {setting: list of values}",
         'use {"amount": [0.5, 0.9]}')
    named = {}
    for name, values in grid.items():
        need(isinstance(values, Mapping | list | tuple | range | np.ndarray | set) and len(values),
             f"{name} is {values!r}", "each setting has a list of one value or more", f'use {{"{name}": [0.5, 0.9]}}')
        pairs = list(values.items() if isinstance(values, Mapping) else [(_label(value), value) for value in values])
        labels = [label for label, _ in pairs]
        need(len(set(labels)) == len(labels), f"{name} has the values {labels}",
             "each value of a setting has its own name", f'name them: {{"{name}": {{"first": ..., "second": ...}}}}')
        named[name] = pairs
    return named


def _label(value):
    """A value as the table shows it: numbers and texts as they are, functions by their names."""
    value = _plain(value)
    return value if isinstance(value, PLAIN) else getattr(value, "__name__", str(value))


def _row(function, settings, seed):
    """{column: number or text}, computed."""
    with _seeded(seed):
        result = function(**settings)
    if dataclasses.is_dataclass(result):
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        result = {name: value for name, value in fields.items() if not isinstance(value, torch.Tensor)}
    result = result if isinstance(result, Mapping) else {"value": result}
    result = {str(name): _plain(value) for name, value in result.items()}
    for name, value in result.items():
        need(isinstance(value, PLAIN), f"{name} is a {type(value).__name__}", "a result is a number, a text or None",
             "return a dict of such values", TypeError)
    return json.loads(json.dumps(result))  # as it comes back from a file, so that a resumed sweep gives the same table


def _plain(value):
    single = isinstance(value, torch.Tensor | np.ndarray | np.generic) and len(np.shape(value)) == 0
    return value.item() if single else value


def _save(path, result):
    """Write beside the target and rename: other processes see a whole row or none."""
    text = json.dumps(result)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps({"row": result, "sha256": hashlib.sha256(text.encode()).hexdigest()}))
    part.replace(path)


def _load(path):
    """The row of a file, or None where there is none or it is damaged."""
    try:
        kept = json.loads(path.read_text())
        whole = hashlib.sha256(json.dumps(kept["row"]).encode()).hexdigest() == kept["sha256"]
        return kept["row"] if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _seeded(seed):
    """Everything drawn inside comes from the seed; afterwards the global random states are as before."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    set_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
