"""Which of the library's functions a student's function calls: the plain ways are seen, own code is not."""

import pytest

from shrinklab.borrowed import library_calls
from shrinklab.calls import receive, request

SEEN = {
    "under its name": "from shrinklab.criteria import l1\ndef own(w): return l1(w)",
    "under another name": "from shrinklab.criteria import l1 as size\ndef own(w): return size(w)",
    "through its module": "from shrinklab import criteria\ndef own(w): return criteria.l1(w)",
    "through the package": "import shrinklab.criteria\ndef own(w): return shrinklab.criteria.l1(w)",
    "imported inside": "def own(w):\n    from shrinklab.criteria import l1\n    return l1(w)",
    "a module imported inside": "def own(w):\n    from shrinklab import criteria as c\n    return c.l1(w)",
    "in a helper": "from shrinklab.criteria import l1\ndef helper(w): return l1(w)\ndef own(w): return helper(w)",
    "in an inner function": "from shrinklab.criteria import l1\ndef own(w):\n    return (lambda x: l1(x))(w)",
    "as a default value": "from shrinklab.criteria import l1\ndef own(w, way=l1): return way(w)",
    "from around it": "from shrinklab.criteria import l1\ndef make(way):\n    def own(w): return way(w)\n"
                      "    return own\nown = make(l1)",
    "from a table": "from shrinklab.criteria import l1\nWAYS = {'size': l1, 'other': abs}\n"
                    "def own(w): return WAYS['size'](w)",
    "from a list": "from shrinklab.criteria import l1\nWAYS = [l1]\ndef own(w): return WAYS[0](w)",
    "with getattr": "from shrinklab import criteria\ndef own(w): return getattr(criteria, 'l1')(w)",
    "from a module's dict": "from shrinklab import criteria\ndef own(w): return vars(criteria)['l1'](w)",
    "from globals": "from shrinklab.criteria import l1\ndef own(w): return globals()['l1'](w)",
    "with import_module": "import importlib\nimport shrinklab.criteria\n"
                          "def own(w): return importlib.import_module('shrinklab.criteria').l1(w)",
    "with __import__": "import shrinklab.criteria\n"
                       "def own(w): return __import__('shrinklab.criteria').criteria.l1(w)",
    "as a partial": "from functools import partial\nfrom shrinklab.criteria import l1\nown = partial(l1)",
    "in a partial": "from functools import partial\nfrom shrinklab.criteria import l1\nway = partial(l1)\n"
                    "def own(w): return way(w)",
    "in a class": "from shrinklab.criteria import l1\nclass Score:\n    @staticmethod\n    def of(w): return l1(w)\n"
                  "def own(w): return Score.of(w)",
    "in an object": "from shrinklab.criteria import l1\nclass Score:\n    def __init__(self, way): self.way = way\n"
                    "    def __call__(self, w): return self.way(w)\nown = Score(l1)",
    "behind a decorator": "import functools\nfrom shrinklab.criteria import l1\ndef twice(f):\n"
                          "    @functools.wraps(f)\n    def run(w): return f(w)\n    return run\n"
                          "@twice\ndef own(w): return l1(w)",
    "behind a cache": "import functools\nfrom shrinklab.criteria import l1\n@functools.cache\ndef own(w): return l1(w)",
}
UNSEEN = {
    "the student's own": "def own(w): return w.abs()",
    "an own function of that name": "def l1(w): return w.abs()\ndef own(w): return l1(w)",
    "a method of that name": "def own(w): return w.l1()",
    "an attribute of that name beside the library's": "import types\nfrom shrinklab.criteria import l1\n"
                                                      "other = types.SimpleNamespace(l1=abs)\n"
                                                      "def own(w): return other.l1(w)",
    "itself": "def own(w): return own(w[1:]) if len(w) else 0",
    "another entry of a table": "WAYS = {'l1': abs}\ndef own(w): return WAYS['l1'](w)",
    "a text that is no look-up": "from shrinklab import criteria\ndef own(w): return ('l1', w)",
    "numbers beside it": "NUMBERS = list(range(100_000))\ndef own(w): return NUMBERS[0] * w",
    "not called in it": "from shrinklab.criteria import l1\ndef own(w): return w.abs()",
}


def made(source):
    namespace = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace["own"]


@pytest.mark.parametrize("source", SEEN.values(), ids=SEEN)
def test_a_call_of_the_library_is_seen(source):
    assert "l1" in library_calls(made(source))


def test_of_a_table_of_the_library_counts_what_is_looked_up():
    assert library_calls(made("from shrinklab.affine import OBSERVERS\n"
                              "def own(v): return OBSERVERS['percentile'](v)")) == ("percentile",)
    assert set(library_calls(made("from shrinklab import affine\n"
                                  "def own(v, way): return affine.OBSERVERS[way](v)"))) >= {"mse", "min_max", "entropy"}


@pytest.mark.parametrize("source", UNSEEN.values(), ids=UNSEEN)
def test_code_of_the_student_is_not_taken_for_the_library(source):
    assert library_calls(made(source)) == ()


@pytest.mark.parametrize("other", [3, "l1", None, print, made])
def test_what_is_no_function_of_python_borrows_nothing(other):
    assert library_calls(other) == ()


@pytest.mark.parametrize("told", [None, "l1", 5, [5], ["not a name"], {"l1": 1}])
def test_a_response_cannot_say_more_than_names(told):
    assert request("own", [1])["name"] == "own"
    assert receive({"value": 1, "arguments": [], "keywords": [], "printed": "", "borrows": told}).borrows == ()
