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
}
UNSEEN = {
    "the student's own": "def own(w): return w.abs()",
    "an own function of that name": "def l1(w): return w.abs()\ndef own(w): return l1(w)",
    "a method of that name": "def own(w): return w.l1()",
    "an attribute of that name beside the library's": "import types\nfrom shrinklab.criteria import l1\n"
                                                      "other = types.SimpleNamespace(l1=abs)\n"
                                                      "def own(w): return other.l1(w)",
    "itself": "def own(w): return own(w[1:]) if len(w) else 0",
    "not called in it": "from shrinklab.criteria import l1\ndef own(w): return w.abs()",
}


def made(source):
    namespace = {"__name__": "__main__"}
    exec(source, namespace)
    return namespace["own"]


@pytest.mark.parametrize("source", SEEN.values(), ids=SEEN)
def test_a_call_of_the_library_is_seen(source):
    assert "l1" in library_calls(made(source))


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
