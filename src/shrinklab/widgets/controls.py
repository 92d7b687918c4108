"""The inputs of an explorer: a range, a choice, a switch."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import traitlets

from shrinklab.errors import need


class _Stop(traitlets.Float):
    """A number that always lies on one of a range's stops, as the slider in the browser does."""

    def __init__(self, control, **options):
        super().__init__(**options)
        self.control = control

    def validate(self, obj, value):
        return self.control.clean(super().validate(obj, value))


def _name(name):
    need(str(name).isidentifier(), f"the control is named {name!r}",
         "the name is passed on as a keyword argument", "use a Python name such as 'amount'")


@dataclass(frozen=True)
class Range:
    """A slider from low to high. Whole numbers stay whole; percent=True shows 0.5 as 50 %.

    step: distance of two stops; 1 for whole numbers, else a twentieth of the range.
    value: where it starts (default: low).

    >>> Range("amount", 0, 0.95, step=0.05, percent=True).clean(0.49)
    0.5
    >>> Range("bits", 2, 8).clean(3.0)
    3
    """

    name: str
    low: float
    high: float
    step: float | None = None
    value: float | None = None
    label: str | None = None
    unit: str = ""
    percent: bool = False

    def __post_init__(self):
        _name(self.name)
        need(self.low < self.high, f"{self.name} runs from {self.low} to {self.high}",
             "low is less than high", "swap or widen them")
        whole = isinstance(self.low, int) and isinstance(self.high, int) and not self.percent
        step = self.step if self.step is not None else (1 if whole else (self.high - self.low) / 20)
        need(0 < step <= self.high - self.low, f"the step of {self.name} is {step}",
             "a step is positive and fits into the range", f"use at most {self.high - self.low}")
        value = self.low if self.value is None else self.value
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        object.__setattr__(self, "value", self.clean(value))

    @property
    def whole(self):
        """Whether every stop is a whole number."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step))

    def clean(self, value):
        """The stop nearest to value; ValueError outside of the range."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        slack = 1e-9 * (self.high - self.low)  # 19 * 0.05 is a little more than 0.95
        need(number and self.low - slack <= value <= self.high + slack, f"{self.name} is {value!r}",
             f"{self.name} is a number from {self.low} to {self.high}", "use a number in that range")
        last = int((self.high - self.low) / self.step + 1e-9)
        stop = self.low + min(round((value - self.low) / self.step), last) * self.step
        # Ten decimals: 3 * 0.05 is 0.15, as in the browser, and not 0.15000000000000002.
        return stop if self.whole else round(float(stop), 10)

    def stops(self, points=None):
        """All stops, or about `points` of them, evenly chosen with both ends.

        >>> Range("bits", 2, 8).stops(3)
        [2, 5, 8]
        """
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        chosen = min(count, max(2, points or count))
        indexes = sorted({round(i * (count - 1) / (chosen - 1)) for i in range(chosen)})
        return [self.clean(self.low + i * self.step) for i in indexes]

    def trait(self):
        """The synchronised trait that carries the value."""
        return _Stop(self, default_value=self.value).tag(sync=True, echo_update=False)

    def spec(self):
        """What the browser needs to know."""
        return {"kind": "range", **asdict(self)}


@dataclass(frozen=True)
class Select:
    """A drop-down list. options: values, or (label, value) pairs; value: the one chosen at first.

    >>> Select("layer", options=["conv1", ("first linear", "fc1")]).stops()
    ['conv1', 'fc1']
    """

    name: str
    options: Any
    value: Any = None
    label: str | None = None

    def __post_init__(self):
        _name(self.name)
        pairs = [tuple(o) if isinstance(o, (tuple, list)) else (str(o), o) for o in self.options]
        need(pairs, f"{self.name} has no options", "a choice needs at least one", "give a list of values")
        object.__setattr__(self, "options", pairs)
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        object.__setattr__(self, "value", pairs[0][1] if self.value is None else self.clean(self.value))

    def clean(self, value):
        """The value, if it is one of the options; ValueError otherwise."""
        need(value in self.stops(), f"{self.name} is {value!r}", f"{self.name} is one of {self.stops()}",
             "use one of them")
        return value

    def stops(self, points=None):
        """All values that can be chosen."""
        return [value for _, value in self.options]

    def shortened(self):
        """The same list with three choices, the first, the last and the chosen one, if it has more than six.

        >>> Select("layer", ["a", "b", "c", "d", "e", "f", "g"], value="c").shortened().stops()
        ['a', 'c', 'g']
        """
        places = {0, self.stops().index(self.value), len(self.options) - 1}
        few = [self.options[place] for place in sorted(places)]
        return replace(self, options=few) if len(self.options) > 6 else self

    def trait(self):
        """The synchronised trait that carries the value."""
        return traitlets.Enum(self.stops(), default_value=self.value).tag(sync=True, echo_update=False)

    def spec(self):
        """What the browser needs to know."""
        return {"kind": "select", **asdict(self)}


@dataclass(frozen=True)
class Toggle:
    """A switch, off or on.

    >>> Toggle("per_layer").clean(True)
    True
    """

    name: str
    value: bool = False
    label: str | None = None

    def __post_init__(self):
        _name(self.name)
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        self.clean(self.value)

    def clean(self, value):
        """The value, if it is True or False; ValueError otherwise."""
        need(isinstance(value, bool), f"{self.name} is {value!r}", f"{self.name} is a switch",
             "use True or False")
        return value

    def stops(self, points=None):
        """Off and on."""
        return [False, True]

    def trait(self):
        """The synchronised trait that carries the value."""
        return traitlets.Bool(self.value).tag(sync=True, echo_update=False)

    def spec(self):
        """What the browser needs to know."""
        return {"kind": "toggle", **asdict(self)}
