"""What all pictures of an explorer have in common: a description for the browser, and checks of their data."""

from dataclasses import asdict

from shrinklab.errors import need
from shrinklab.widgets.plain import plain


class View:
    """A view's `name` is the key under which the settings function returns its data.

    `title` stands above the picture, `x` and `y` on its axes, with the unit: "file size (kB)".
    """

    needs = ()

    def __post_init__(self):
        for option in ("percent", "log"):
            chosen = getattr(self, option, "")
            if isinstance(chosen, str):
                need(set(chosen) <= set("xy"), f"{option} of view {self.name!r} is {chosen!r}",
                     'it names axes: "", "x", "y" or "xy"', "name the axes")

    def spec(self):
        """What the browser needs to know."""
        return {"kind": type(self).__name__.lower(), **asdict(self)}

    def problem(self, data):
        """Why this data cannot be shown, as a sentence; None when it can."""
        missing = [key for key in self.needs if not isinstance(data, dict) or key not in data]
        if missing:
            return (f"the data of view {self.name!r} has no {', '.join(missing)}; "
                    f"a {type(self).__name__} shows {', '.join(self.needs)}; add what is missing to the answer")
        try:
            self.check(plain(data))
        except ValueError as error:
            return f"the data of view {self.name!r} cannot be drawn: {error}"
        return None

    def check(self, data):
        """Raise ValueError unless the plain data can be drawn."""


def checked(answer, views):
    """What a settings function or a job returned, in plain Python; refused when a view could not draw its part."""
    need(isinstance(answer, dict) and isinstance(answer.get("headline"), str),
         f"the settings function returned a {type(answer).__name__}",
         "its answer is a dict with a headline (text) and the data of each view",
         'return {"headline": "…", …}')
    for view in views:
        need(view.name in answer, f"the answer has no {view.name!r}",
             "each view finds its data under its name", f"add the key {view.name!r}")
        problem = view.problem(answer[view.name])
        if problem:
            raise ValueError(problem)
    return plain(answer)


def real(value):
    """Whether a value is a number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def numbers(values, what, *, gaps=False, above=None):
    """Refuse what is no list of numbers; gaps: None (NaN) may stand for one; above: they are greater than that."""
    need(isinstance(values, list), f"{what} is {values!r}", "it is a list of numbers", "give a list or an array")
    for place, value in enumerate(values):
        need(real(value) or (gaps and value is None), f"{what}[{place}] is {value!r}",
             "each is a finite number", "look for NaN, infinity or text")
        need(above is None or value is None or value > above, f"{what}[{place}] is {value}",
             f"each is greater than {above}", "on a logarithmic axis leave out zero and below")


def as_many(values, count, what, of):
    """Refuse a list that is not as long as what it belongs to."""
    need(isinstance(values, list) and len(values) == count,
         f"{what} has {len(values) if isinstance(values, list) else 'no'} entries", f"there are {count} {of}",
         "give one entry for each")


def span(pair, what):
    """Refuse what is neither None nor two numbers, the low one first."""
    if pair is None:
        return
    numbers(pair, what)
    need(len(pair) == 2 and pair[0] <= pair[1], f"{what} is {pair}", "it is a low and a high number",
         "give [low, high]")


def number(value, what):
    """Refuse what is neither None nor a number."""
    need(value is None or real(value), f"{what} is {value!r}", "it is a number or None", "give a number")


def records(entries, what, keys):
    """Refuse what is no list of dicts with these keys."""
    need(isinstance(entries, list), f"{what} is {entries!r}", "it is a list of dicts", "give a list")
    for place, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        need(not missing, f"{what}[{place}] has no {', '.join(missing)}", f"each has {', '.join(keys)}",
             "add what is missing")
