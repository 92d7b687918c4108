"""The check as a student meets it, and as the grader does."""

import contextlib
import sys
import textwrap

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from shrinklab import criteria, exercise, models
from shrinklab.calls import NotWritten, StudentError, clean, perform, receive, request
from shrinklab.compare import difference
from shrinklab.exercise import backend, check, expect, ref, results, student
from shrinklab.masks import sparsity


@pytest.fixture
def shell():
    """A notebook: cells as text, in a namespace of their own, with their source in linecache."""
    InteractiveShell.clear_instance()
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance()
    run(shell, "import torch\nfrom shrinklab.exercise import *\nfrom shrinklab import criteria")
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main
    exercise._notebook.results.clear()


def run(shell, cell):
    result = shell.run_cell(textwrap.dedent(cell), store_history=True)
    result.raise_error()
    return result.result


CHECK = """
with check("scores", points=2) as earned:
    found = student("scores", torch.tensor([-3.0, 1.0]))
    expect(found, [3.0, 1.0], hint="Ignore the sign.", id="sign")
    expect(student("scores", torch.zeros(2, 2)), torch.zeros(2, 2), hint="Keep the shape.", id="shape")
    expect(float(found.sum()), 4.0, hint="Sum.", id="sum")
earned.points
"""


def answer(shell, body):
    run(shell, "def scores(weight):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    "))
    return run(shell, CHECK)


def test_a_right_function_earns_all_points(shell, capsys):
    assert answer(shell, "return weight.abs()") == 2.0
    assert capsys.readouterr().out.startswith("✓ sign\n✓ shape\n✓ sum\nscores: 3 of 3 right, 2 of 2 points\n")
    assert results()["scores"].passed


def test_a_wrong_one_earns_its_share_and_sees_value_and_hint(shell, capsys):
    assert answer(shell, "return weight") == 0.67
    out = capsys.readouterr().out
    assert "✗ sign: Ignore the sign.\n    got [-3.0, 1.0], expected [3.0, 1.0] (1 of 2 values differ)" in out
    assert "✓ shape" in out
    assert "scores: 1 of 3 right, 0.67 of 2 points" in out


def test_where_hidden_expectations_are_missing_no_points_are_promised(shell, capsys):
    run(shell, 'answer_1 = "c"')
    cell = """
        with check("answer_1", points=1, all_or_nothing=True, graded_on=2) as earned:
            expect(student("answer_1") in ["a", "b", "c"], hint="One letter.", id="form")
        """
    run(shell, cell)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "answer_1: 1 of 1 right here; 1 hidden one when it is graded (all or nothing)")
    run(shell, textwrap.dedent(cell) + '    expect(student("answer_1"), "b", hint="No.", id="key")')
    assert "1 of 2 right, 0 of 1 points" in capsys.readouterr().out


ANSWER_CHECK = """
    with check("answer_1", points=1, all_or_nothing=True, graded_on=2, answer=True) as earned:
        expect(student("answer_1") in ["a", "b", "c"], hint="One letter.", id="readable")
    earned.points
    """


@pytest.mark.parametrize("empty", ['""', '"  "', "None", "[]", '["", ""]'])
def test_an_empty_answer_is_not_answered_yet_and_earns_nothing(shell, capsys, empty):
    run(shell, f"answer_1 = {empty}")
    assert run(shell, ANSWER_CHECK) == 0.0
    out = capsys.readouterr().out
    assert "… answer_1 is not answered yet. (0 points)" in out
    assert "✗" not in out


def test_an_answer_that_can_be_read_does_not_look_right(shell, capsys):
    run(shell, 'answer_1 = "c"')
    assert run(shell, ANSWER_CHECK) is None
    assert capsys.readouterr().out.splitlines()[-1] == (
        "answer_1: your answer can be read; up to 1 point; what is right is told when it is graded")
    run(shell, 'answer_1 = "z"')
    assert run(shell, ANSWER_CHECK) == 0.0
    hidden = '    expect("b", "b", hint="No.", id="key")\nearned.points'
    key = textwrap.dedent(ANSWER_CHECK).replace("earned.points", hidden)
    run(shell, 'answer_1 = "b"')
    assert run(shell, key) == 1.0, "with its hidden expectations the check gives a number"


def test_a_zero_is_an_answer(shell):
    run(shell, "answer_1 = 0")
    run(shell, 'with check("answer_1", points=1, answer=True) as earned:\n    expect(student("answer_1"), 0, hint="0")')
    assert results()["answer_1"].passed


def test_what_needs_a_failed_expectation_earns_nothing(shell, capsys):
    run(shell, "def scores(weight):\n    return weight")
    cell = """
        with check("scores", points=2) as earned:
            call = student_call("scores", torch.tensor([-1.0]))
            expect(call.value, [1.0], hint="Drop the sign.", id="sign")
            expect(call.arguments[0], [-1.0], hint="Don't change it.", id="unchanged", needs="sign")
        earned.points
        """
    assert run(shell, cell) == 0.0
    assert "… unchanged: looked at when sign holds" in capsys.readouterr().out
    run(shell, "def scores(weight):\n    return weight.abs()")
    assert run(shell, cell) == 2.0


def test_a_bare_false_adds_nothing_to_its_hint(shell, capsys):
    run(shell, 'with check("form", points=1):\n    expect(False, hint="One letter.", id="form")')
    assert "got False" not in capsys.readouterr().out


def test_a_stub_is_not_written_and_earns_nothing(shell, capsys):
    assert answer(shell, 'raise NotImplementedError("write scores")') == 0.0
    assert "scores is not written yet" in capsys.readouterr().out


def test_a_missing_function_names_the_cell_to_run(shell, capsys):
    assert run(shell, CHECK) == 0.0
    assert "scores does not exist yet. Run the cell that defines it" in capsys.readouterr().out


def test_not_implemented_by_torch_is_an_error_and_not_a_stub(shell, capsys):
    assert answer(shell, "return torch.nn.Module()(weight)") == 0.0
    out = capsys.readouterr().out
    assert "raised NotImplementedError" in out
    assert "not written" not in out


@pytest.mark.parametrize(("body", "words"), [
    ("return None", "got None: is a return missing?"),
    ("print(weight.abs())", "the function prints its result; return it instead"),
    ("return weight.abs().sum()", "the shape is (), expected (2,)"),
    ("return weight.abs()[None]", "the shape is (1, 2), expected (2,)"),
    ("return 'three'", "got a str, expected numbers"),
    ("return (w for w in weight)", "is a generator; only numbers"),
    ("return lambda: weight", "call the function, with its parentheses"),
    ("return scores", "is a function (scores)"),
    ("return 1 / 0", "scores, line 2 raised ZeroDivisionError: division by zero\n    return 1 / 0"),
    ("return weights", "raised NameError"),
    ("return scores(weight)", "raised RecursionError"),
    ("import sys; sys.exit()", "raised SystemExit"),
    ("raise KeyError", "raised KeyError"),
    ("return {1, 2}", "is a set"),
    ("return {'a': weight.abs()}", "got a dict, expected numbers"),
    ("return torch.nn.Linear(2, 2)", "only lenet, resnet8, resnet12, mobilenet are known by name"),
    ("class E(Exception):\n    __str__ = lambda self: 1 / 0\nraise E", "raised an error"),
])
def test_what_students_return_gets_a_readable_line_and_no_exception(shell, capsys, body, words):
    assert answer(shell, body) < 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("body", [
    "return weight.abs().requires_grad_()", "return torch.nn.Parameter(weight.abs()) * 1",
    "return weight.abs().numpy()", "return weight.abs().double()", "return weight.abs().to(torch.bfloat16)",
])
def test_any_kind_of_array_with_the_right_numbers_is_right(shell, body):
    assert answer(shell, body) == 2.0


def test_a_list_is_right_where_only_values_are_compared(shell):
    assert answer(shell, "return weight.abs().tolist()") == 1.33, "the sum fails: a list has none"


def test_a_name_that_is_no_function_any_more(shell, capsys):
    run(shell, "scores = 3")
    assert run(shell, CHECK) == 0.0
    assert "scores is an int, not a function" in capsys.readouterr().out


def test_an_abort_counts_every_expectation_that_was_not_reached(shell, capsys):
    assert answer(shell, "return weight.abs() if weight.dim() == 1 else weight.nothing") == 0.67
    assert "1 of 3 right" in capsys.readouterr().out


def test_an_error_shows_the_hint_of_the_expectation_it_happened_in(shell, capsys):
    points = answer(shell, "return weight.abs() if weight.ndim == 1 else 1 / 0")
    assert points == 0.67, "one of three: the second raised, the third was not reached"
    out = capsys.readouterr().out
    assert "raised ZeroDivisionError" in out
    assert "    shape: Keep the shape.\n" in out
    assert [(one.id, one.passed) for one in results()["scores"].expectations] == [("sign", True), ("shape", False)]


def test_an_error_in_handling_the_value_ends_the_check_with_a_line(shell, capsys):
    run(shell, "def parts(): return 3")
    run(shell, """
        with check("parts", points=1) as earned:
            first, second = student("parts")
            expect(first, 1, hint="First.")
        """)
    assert "The check could not use what came back (TypeError" in capsys.readouterr().out
    assert results()["parts"].points == 0
    assert "TypeError" in results()["parts"].message


def test_an_empty_loop_does_not_earn(shell):
    run(shell, "def parts(): return []")
    assert run(shell, """
        with check("parts", points=1) as earned:
            for part in student("parts"):
                expect(part > 0, hint="Positive.")
        earned.points
        """) == 0.0


def test_all_or_nothing(shell):
    run(shell, "def scores(weight): return weight")
    assert run(shell, CHECK.replace("points=2", "points=2, all_or_nothing=True")) == 0.0
    run(shell, "def scores(weight): return weight.abs()")
    assert run(shell, CHECK.replace("points=2", "points=2, all_or_nothing=True")) == 2.0


def test_an_interrupt_reaches_the_notebook_and_leaves_no_open_check(shell):
    with pytest.raises(KeyboardInterrupt):
        answer(shell, "raise KeyboardInterrupt")
    with pytest.raises(RuntimeError, match="outside a check.*indent"):
        expect(1, 1, hint="")
    assert "scores" not in results()


def test_what_a_student_prints_is_seen(shell, capsys):
    answer(shell, "print('looking at', weight.shape)\nreturn weight.abs()")
    assert "looking at torch.Size([2])" in capsys.readouterr().out


@pytest.mark.parametrize("closing", ["sys.stdout.close()", "io.StringIO.close(sys.stdout)", "sys.stdout = None"])
def test_a_function_that_closes_its_output_still_gives_its_value(shell, closing):
    function = run(shell, f"import io, sys\ndef f(x):\n    {closing}\n    return x\nf")
    assert receive(perform({"f": function}, request("f", [3]))).value == 3


def test_a_flood_of_text_is_kept_up_to_a_limit(shell):
    code = "def f(x):\n    for _ in range(99): print('x' * 10_000)\n    return len(sys.stdout.getvalue())\nf"
    call = receive(perform({"f": run(shell, "import sys\n" + code)}, request("f", [3])))
    assert call.value < 11_000
    assert "cut here" in call.printed


def test_a_function_of_the_library_under_the_students_name_is_named(shell):
    masks = run(shell, "from shrinklab.masks import keep_highest\n"
                       "def own(scores, amount): return keep_highest(scores, amount)\n"
                       "{'alias': keep_highest, 'own': own, 'answer': 3}")
    arguments = [torch.tensor([1.0, 2.0]), 0.5]
    assert receive(perform(masks, request("alias", arguments))).library == "shrinklab.masks.keep_highest"
    assert receive(perform(masks, request("own", arguments))).library == ""
    assert receive(perform(masks, request("answer"))).library == ""


def test_a_function_that_calls_the_librarys_answer_earns_nothing(shell, capsys):
    for how in ("from shrinklab.criteria import l1\ndef scores(w): return l1(w)",
                "from shrinklab.criteria import l1 as scores"):
        run(shell, f"{how}\nNone")
        earned = run(shell, "import torch\nfrom shrinklab.exercise import check, expect, student\n"
                            'with check("scores", points=2, library=["l1"], graded_on=3) as earned:\n'
                            '    expect(student("scores", torch.tensor([-1.0])), [1.0], hint="No sign.", id="sign")\n'
                            "earned")
        assert earned.points == 0
        assert [one.id for one in earned.result.expectations if not one.passed] == ["library"]
        said = capsys.readouterr().out
        assert "✗ library: scores calls the library's own l1. Here you are asked to write it yourself" in said
        assert "0 of 2 points" in said


def test_other_functions_of_the_library_may_be_called(shell):
    run(shell, "from shrinklab.criteria import l1\ndef scores(w): return l1(w)\nNone")
    earned = run(shell, "import torch\nfrom shrinklab.exercise import check, expect, student\n"
                        'with check("scores", points=2, library=["l2"]) as earned:\n'
                        '    expect(student("scores", torch.tensor([-1.0])), [1.0], hint="No sign.", id="sign")\n'
                        "earned")
    assert earned.points == 2


def test_arguments_that_grew_past_the_limit_do_not_come_back(shell):
    grow = run(shell, "def grow(*lists):\n    for one in lists: one.extend([0] * 90_000)\n    return 1\ngrow")
    assert receive(perform({"grow": grow}, request("grow", [[1], [2]]))).arguments[0][:2] == [1, 0]
    assert receive(perform({"grow": grow}, request("grow", [[1], [2], [3]]))).arguments is None


def test_answers_are_values_and_an_empty_one_is_not_given_yet(shell, capsys):
    cell = """
        with check("quiz", points=3) as earned:
            expect(student("answer_1"), "b", hint="Think of the aim.", id="aim")
            expect(student("answer_2"), 4000, hint="20 % of 5,000.", id="count")
            expect(student("answer_3"), "a", hint="Look at the table.", id="table")
        earned.points
        """
    run(shell, 'answer_1, answer_2, answer_3 = "", None, ""')
    assert run(shell, cell) == 0.0
    assert capsys.readouterr().out.count("there is no answer yet") == 2
    run(shell, 'answer_1, answer_2, answer_3 = " B", 4000, "c"')
    assert run(shell, cell) == 2.0


def test_a_model_is_a_value_without_arguments_and_called_with_some(shell):
    run(shell, "from shrinklab import models\nnet = models.build('lenet')")
    assert run(shell, "type(student('net')).__name__") == "LeNet"
    assert tuple(run(shell, "student('net', torch.zeros(1, 1, 28, 28)).shape")) == (1, 10)


def test_the_students_function_gets_a_copy_and_its_changes_can_be_seen(shell):
    run(shell, "weight = torch.ones(2)\ndef zero(w, bias=None):\n    w.zero_(); bias.append(5)")
    run(shell, "call = student_call('zero', weight, bias=[1])")
    assert run(shell, "weight.tolist()") == [1.0, 1.0]
    assert run(shell, "call.arguments[0].tolist()") == [0.0, 0.0]
    assert run(shell, "call.keywords") == {"bias": [1, 5]}


def test_arguments_that_cannot_cross_back_fail_only_where_they_are_wanted(shell):
    run(shell, "def spoil(items):\n    items.append(print)\n    return 1")
    assert run(shell, "student('spoil', [])") == 1
    with pytest.raises(StudentError, match="spoil put something into its arguments"):
        run(shell, "student_call('spoil', [])")


def test_references_are_resolved_where_the_function_runs(shell, monkeypatch):
    monkeypatch.setattr(models, "pretrained", lambda name: models.build(name).eval())
    run(shell, """
        def spoil(model, criterion):
            with torch.no_grad():
                model.fc3.weight[criterion(model.fc3.weight) >= 0] = 0
            return type(model).__name__
        """)
    call = run(shell, "student_call('spoil', ref('lenet'), ref('criteria.l1'))")
    assert call.value == "LeNet"
    assert call.arguments[0].fc3.weight.count_nonzero() == 0, "a changed model is seen"
    assert call.arguments[1] == ref("criteria.l1")
    assert sparsity(models.build("lenet")) == 0


@pytest.mark.parametrize("name", ["resnet9", "mnist/all", "mnist/test[:x]", "os.system:x", "../x", "", None, 3])
def test_a_reference_that_names_nothing_is_refused(name):
    with pytest.raises(ValueError, match="the reference is .* write for example"):
        ref(name)


@pytest.mark.parametrize("name", ["os.system", "criteria.nothing", "criteria.torch", "models.nn", "data._bundled"])
def test_only_functions_of_the_library_resolve(name):
    with pytest.raises(ValueError, match="reference is"):
        ref(name).resolve()


def test_references_resolve_to_library_objects():
    assert ref("criteria.l1").resolve() is criteria.l1
    assert type(ref("lenet").resolve()) is models.LeNet
    split = ref("mnist/validation[:16]").resolve()
    assert len(split) == 16
    assert split.name == "mnist/validation[:16]"
    assert ref("mnist").resolve().name == "mnist"


# use: the library's function until the student's own has passed.

def test_use_gives_the_library_until_the_check_passes(shell, capsys):
    picked = "use('scores', criteria.l1)"
    assert run(shell, picked) is criteria.l1
    assert "Until scores passes its check, this cell uses the library's l1." in capsys.readouterr().out
    answer(shell, "return weight")
    assert run(shell, picked) is criteria.l1
    answer(shell, "return weight.abs()")
    assert run(shell, picked) is shell.user_ns["scores"]
    assert "Using your own scores." in capsys.readouterr().out
    run(shell, "def scores(weight): return weight * 0")
    assert run(shell, picked) is criteria.l1
    assert "passes its check again" in capsys.readouterr().out
    answer(shell, "return weight.abs()")
    assert run(shell, picked) is shell.user_ns["scores"]


def test_use_never_gives_the_library_in_grading(shell, monkeypatch):
    monkeypatch.setattr(exercise, "_grading", False)
    exercise.enter_grading()
    with pytest.raises(NameError, match="scores does not exist"):
        run(shell, "use('scores', criteria.l1)")
    run(shell, "def scores(weight): return weight * 0")
    assert run(shell, "use('scores', criteria.l1)") is shell.user_ns["scores"]


# The grader's side.

class Elsewhere:
    """A student's namespace that is not the check's, as in grading."""

    def __init__(self, code):
        self.namespace = {}
        exec(textwrap.dedent(code), self.namespace)

    def call(self, name, args, kwargs):
        return receive(perform(self.namespace, request(name, args, kwargs)), name)


def secret_check():
    with check("f", points=1) as earned:
        expect(student("f", 123456), 654321, hint="Turn it round.", id="hidden")
    return earned.points


def test_the_grader_prints_no_value_and_no_message_of_the_student(capsys):
    for code in ("def f(x): return x", "def f(x): raise ValueError(f'seen {x}')", "def f(x): print(x)",
                 "def f(x): raise type(f'E{x}', (Exception,), {})", "def f(x): return {x}",
                 "def f(x):\n    def g(): raise ValueError\n    g.__name__ = f'a{x}'\n    g()"):
        with backend(Elsewhere(code)):
            assert secret_check() == 0.0
            assert not results()["f"].passed
            assert "123456" not in results()["f"].message
        out = capsys.readouterr().out
        assert "123456" not in out
        assert "654321" not in out
        assert "0 of 1 points" in out


def test_a_value_that_is_too_large_is_not_called_another_kind(capsys):
    with backend(Elsewhere("import torch\ndef f(x): return torch.zeros(3_000_000)")):
        assert secret_check() == 0.0
    assert "What f gives is too large, or" in capsys.readouterr().out


def test_the_grader_records_ids_and_hints(capsys):
    with backend(Elsewhere("def f(x): return 654321")):
        assert secret_check() == 1.0
        assert results()["f"].expectations == (exercise.Expectation("hidden", True, "Turn it round."),)
    with backend(Elsewhere("def f(x): return 1")):
        assert results() == {}
        assert secret_check() == 0.0


def test_results_of_a_backend_do_not_reach_the_notebook():
    before = results()
    with backend(Elsewhere("def f(x): return 654321")):
        secret_check()
    assert results() == before


def test_a_backend_that_fails_is_a_line_and_no_points(capsys):
    class Slow:
        def call(self, name, args, kwargs):
            raise StudentError("It took longer than 10 s.")

    with backend(Slow()):
        assert secret_check() == 0.0
    assert "✗ It took longer than 10 s." in capsys.readouterr().out


@pytest.mark.parametrize("response", [
    {}, {"value": {"$": "evil"}}, {"error": None}, {"error": {"kind": ["x"], "type": 3, "line": "1", "message": {}}},
    {"error": {"kind": "raised", "function": "<script>", "message": "\x1b[31m", "line": 10**9}},
    {"value": 1, "arguments": 3, "keywords": None}, {"value": 1, "arguments": [1], "keywords": [[[], 1]]},
    {"value": 1, "printed": 7, "arguments": None},
])
def test_a_hostile_response_is_a_call_or_a_student_error(response):
    with contextlib.suppress(StudentError):
        receive(response)


def test_a_hostile_error_is_cleaned():
    error = {"kind": "raised", "type": "Ev<il", "function": "<script>", "message": "\x1b[31mred", "source": "x\x00y"}
    with pytest.raises(StudentError) as caught:
        receive({"error": error})
    assert str(caught.value) == "your code raised an error: [31mred\n    xy"
    assert caught.value.public == "your code raised an error."
    assert clean("a" * 99, 9) == "a" * 9


@pytest.mark.parametrize("kind", ["raised", "unwritten", "missing", "crossing"])
def test_in_public_an_error_names_only_what_was_asked_for(kind):
    with pytest.raises(StudentError) as caught:
        receive({"error": {"kind": kind, "type": "KeyError", "function": "got_4567", "line": 4567}}, "scores")
    assert "4567" not in caught.value.public
    assert "scores" in caught.value.public


def test_a_stub_inside_another_function_is_named():
    there = Elsewhere("def f(x): return g(x)\ndef g(x): raise NotImplementedError('write g')")
    with pytest.raises(NotWritten, match="g is not written yet"):
        there.call("f", (1,), {})


# Comparing.

@pytest.mark.parametrize(("actual", "expected"), [
    (1, 1.0), (True, 1), (torch.tensor(True), True), (np.bool_(False), False), (float("nan"), float("nan")),
    (float("inf"), float("inf")), (torch.tensor([1, 2]), (1, 2)), ([torch.tensor(1.0), 2], [1, 2]),
    ([], torch.empty(0)), ({"a": torch.ones(2)}, {"a": [1, 1]}), ([torch.ones(2), torch.ones(3)], [[1, 1], [1, 1, 1]]),
    ("Yes ", "yes"), (None, None), (1 + 1e-7, 1), (2**62 + 1, 2**62 + 1), (["a", 1], ("A", 1)), ([], []),
    (torch.ones(2, dtype=torch.bfloat16), [1, 1]), (1 + 2j, 1 + 2j), (ref("lenet"), ref("lenet")),
])
def test_equal(actual, expected):
    assert difference(actual, expected) is None


@pytest.mark.parametrize(("actual", "expected", "words"), [
    (1.001, 1, "got 1.001, expected 1"), (2**62 + 1, 2**62, "expected"), (float("nan"), 0.0, "got nan"),
    (torch.ones(3), True, r"the shape is \(3,\), expected \(\)"), ("x", 1, "expected numbers"), ("", 3, "no answer"),
    ("", "b", "no answer"), (1, "b", "expected text"), (None, 1, "return missing"), (1, None, "expected None"),
    ({"a": 1}, {"b": 1}, "the keys are"), ({"a": 1}, {"a": 2}, "at 'a': got 1"), (3, {"a": 1}, "expected a dict"),
    (["a"], ["a", "b"], "got 1 items, expected 2"), (["a", "c"], ["a", "b"], "item 1: got 'c'"),
    (3, ["a"], "expected a list"), ([[1], [1, 2]], [[1, 2], [1, 2]], "expected numbers"), ("1", True, "numbers"),
    (1e-3, 0, "got 0.001"), (False, True, "got False"), (models.LeNet, ref("lenet"), "expected"),
    (1 + 0j, 1, "complex"), (torch.ones(2, dtype=torch.complex64), [1.0, 1.0], "got complex.*real"),
])
def test_different(actual, expected, words):
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(difference(actual, expected) or "no difference found: X")


def test_the_dtype_counts_only_when_asked():
    assert difference(torch.ones(2, dtype=torch.int8), [1, 1], dtype=torch.int8) is None
    assert difference(np.ones(2, np.int8), [1, 1], dtype="int8") is None
    assert difference(torch.ones(2), [1, 1], dtype=torch.int8) == "the dtype is float32, expected int8"
    assert difference([1, 1], [1, 1], dtype=torch.int8) == "the dtype is none, expected int8"


@pytest.mark.parametrize("points", [0, -1, "2", True, float("inf"), float("nan"), None])
def test_bad_points_are_refused(points):
    with pytest.raises(ValueError, match="points is .* points=2"):
        check("f", points=points)
