"""Names for what is too large to send: a trained network, a split of a data set, a library function."""

import importlib
import re
from dataclasses import dataclass

from shrinklab import models
from shrinklab.errors import need

_SPLIT = re.compile(r"(?P<data>\w+)/(?P<split>train|validation|test)"
                    r"(\[(?P<start>\d{0,9}):(?P<stop>\d{0,9})\])?")
_CUT = re.compile(r"(?P<data>\w+)\[:(?P<stop>\d{1,9})\]")
_FUNCTION = re.compile(r"(?P<module>[a-z][a-z0-9_]*)\.(?P<name>[A-Za-z][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Ref:
    """A reference that crosses as a string and is resolved from the package on each side.

    name: a trained network ("lenet", "resnet8"), a data set ("mnist"), one whose splits end early ("mnist[:256]"),
    a split of one, whole or sliced ("cifar10/validation[:256]"), or a public function of the library ("criteria.l1").

    >>> Ref("criteria.l1").name
    'criteria.l1'
    """

    name: str

    def __post_init__(self):
        known = isinstance(self.name, str) and (
            self.name in models.DATA_OF or self.name in models.DATA_OF.values() or self._split()
            or self._cut() or _FUNCTION.fullmatch(self.name))
        need(known, f"the reference is {self.name!r:.80}",
             "it names a network, a data set, a split or a function of the library",
             'write for example "lenet", "mnist/validation[:256]" or "criteria.l1"')

    def _split(self):
        match = _SPLIT.fullmatch(self.name)
        return match if match and match["data"] in models.DATA_OF.values() else None

    def _cut(self):
        match = _CUT.fullmatch(self.name)
        return match if match and match["data"] in models.DATA_OF.values() else None

    def resolve(self):
        """Load what the name stands for: a model in eval mode, a Data, a Split or a function."""
        if self.name in models.DATA_OF:
            return models.pretrained(self.name)
        cut = self._cut()
        if cut:
            from shrinklab import data
            return data.load(cut["data"]).first(int(cut["stop"]))
        match = self._split()
        if match or self.name in models.DATA_OF.values():
            from shrinklab import data
            if not match:
                return data.load(self.name)
            split = getattr(data.load(match["data"]), match["split"])
            start, stop = (int(match[end]) if match[end] else None for end in ("start", "stop"))
            return split[start:stop] if match[3] else split
        return self._function()

    def _function(self):
        match = _FUNCTION.fullmatch(self.name)
        try:
            found = getattr(importlib.import_module(f"shrinklab.{match['module']}"), match["name"], None)
        except ModuleNotFoundError:
            found = None
        need(callable(found) and getattr(found, "__module__", "").startswith("shrinklab."),
             f"the reference is {self.name!r}", "module.function must be a public function of shrinklab",
             'look the name up in the library, for example "criteria.l1"')
        return found
