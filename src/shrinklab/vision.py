"""torchvision, importable beside a CPU build of PyTorch: `from shrinklab.vision import torchvision`.

torchvision's wheel from the default package index is built for CUDA. Beside a CPU build of PyTorch its import fails
with "operator torchvision::nms does not exist", because the library that declares two operators can't be loaded.
Declaring them is enough for data sets, transforms and models; calling them still fails, and nothing here does.
"""

import importlib.machinery
import importlib.util
import sys

import torch

_KEEP = []  # a Library's declarations vanish when it is collected


def _declared(operator):
    try:
        torch._C._dispatch_find_schema_or_throw(f"torchvision::{operator}", "")
    except RuntimeError:
        return False
    return True


def _compiled_operators_load():
    """Whether torchvision's own library of operators can be loaded beside this torch."""
    spec = importlib.util.find_spec("torchvision")
    folder = spec.submodule_search_locations[0]
    found = importlib.machinery.PathFinder.find_spec("_C", [folder])
    if found is None:
        return False
    try:
        torch.ops.load_library(found.origin)
    except OSError:
        return False
    return True


def declare_missing_operators():
    """Declare torchvision::nms and torchvision::qnms unless torchvision's own library provides them."""
    if "torchvision" in sys.modules or _compiled_operators_load():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    _KEEP.append(library)
    for name in ("nms", "qnms"):
        if not _declared(name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


declare_missing_operators()

import torchvision  # noqa: E402, F401  (only now can it be imported)
