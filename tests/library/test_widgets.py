"""The Python side of the explorers: settings, cache, errors, controls, tables. No browser needed."""

import json
import threading

import ipywidgets
import numpy as np
import pytest
import torch
import traitlets

from shrinklab.widgets import Ask, Bars, Confusion, Explorer, Guess, Histogram, Lines, Range, Select, Table, Toggle
from shrinklab.widgets.static import static_html


class Comm:
    """What a browser would receive from a widget."""

    def __init__(self, widget):
        self.sent = []
        widget.send = lambda content, buffers=None: self.sent.append(content)
        self.widget = widget

    def ask(self, moved=None, **values):
        values = {**self.widget.values, **values}
        message = {"ask": len(self.sent) + 1, "view": "v", "values": values, "moved": moved or {}}
        self.widget._handle_custom_msg(message, [])
        return self.sent[-1]["answer"]


def square(side, **_):
    return {"headline": f"area {side**2}"}


def make(settings=square, **options):
    return Explorer(settings, [Range("side", 1, 9, value=3)], **options)


def test_a_question_is_answered_with_the_settings_function():
    comm = Comm(make())
    assert comm.ask(side=4) == {"headline": "area 16"}
    assert comm.sent == [{"answer": {"headline": "area 16"}, "ask": 1, "view": "v"}]


def test_equal_settings_are_computed_once_and_errors_again():
    calls = []

    def settings(side):
        calls.append(side)
        if side == 5 and calls.count(5) == 1:
            raise RuntimeError("out of\nmemory")
        return square(side)

    comm = Comm(make(settings))
    assert calls == [3]  # the first answer travels with the widget
    assert comm.ask(side=3) == comm.widget.first["answer"] == {"headline": "area 9"}
    assert comm.ask(side=5) == {"error": "RuntimeError: out of memory"}
    assert comm.ask(side=5) == comm.ask(side=5.0) == {"headline": "area 25"}
    assert calls == [3, 5, 5]


def test_the_cache_has_an_end(monkeypatch):
    monkeypatch.setattr("shrinklab.widgets.explorer.CACHE_SIZE", 2)
    comm = Comm(make())
    for side in (1, 2, 4):
        comm.ask(side=side)
    assert len(comm.widget._cache) == 2


def test_an_interrupted_computation_is_an_error_line_and_not_a_silence():
    def interrupted(side):
        if side == 4:
            raise KeyboardInterrupt
        return square(side)

    assert Comm(make(interrupted)).ask(side=4) == {"error": "KeyboardInterrupt"}


def test_what_the_browser_sends_is_checked_like_everything_else():
    comm = Comm(make())
    assert "side is a number from 1 to 9" in comm.ask(side=50)["error"]
    assert "side is 'x'" in comm.ask(side="x")["error"]
    assert comm.widget.side == 3


def test_a_move_reaches_the_trait_and_its_observers():
    comm = Comm(make())
    seen = []
    comm.widget.observe(lambda change: seen.append(change.new), "side")
    slider = ipywidgets.IntSlider(min=1, max=9)
    ipywidgets.link((comm.widget, "side"), (slider, "value"))
    comm.ask({"side": 7}, side=7)
    assert seen == [7]
    assert slider.value == 7
    slider.value = 2
    assert comm.widget.side == 2
    comm.widget._handle_custom_msg({"moved": {"side": 5}}, [])  # its answer was known to the browser
    assert comm.widget.side == 5
    assert len(comm.sent) == 1


def test_compute_fills_in_present_values_and_raises_what_the_function_raises():
    explorer = Explorer(lambda side, up: {"headline": f"{side} {up}"}, [Range("side", 1, 9), Toggle("up")])
    explorer.side = 8
    assert explorer.compute(up=True) == {"headline": "8 True"}
    with pytest.raises(ValueError, match="there is no control 'down'; this explorer has side, up"):
        explorer.compute(down=1)
    with pytest.raises(ZeroDivisionError):
        make(lambda side: 1 / 0).compute(side=1)


def test_answers_hold_no_arrays_and_no_nan():
    explorer = make(lambda side: {"headline": "h", "a": np.arange(2), "t": torch.tensor([[1.5]]), "n": np.float32(0.5),
                                  "bad": [float("nan"), float("inf")], "flag": np.bool_(True)})
    answer = explorer.compute()
    assert json.dumps(answer, allow_nan=False)
    assert answer == {"headline": "h", "a": [0, 1], "t": [[1.5]], "n": 0.5, "bad": [None, None], "flag": True}
    assert "holds a set" in make(lambda side: {"headline": "h", "x": {1}}).first["answer"]["error"]


@pytest.mark.parametrize(("view", "data", "missing"), [
    (Histogram("v"), {"edges": [0, 1]}, "counts"), (Lines("v"), {}, "series"),
    (Confusion("v"), {"counts": []}, "labels"), (Bars("v"), [1, 2], "labels"), (Table("v"), [1], "columns")])
def test_data_that_a_view_cannot_draw_is_named(view, data, missing):
    with pytest.raises(ValueError, match=f"view 'v'.*{missing}"):
        make(lambda side: {"headline": "", "v": data}, views=[view]).compute()


def test_answers_of_the_wrong_form_are_explained():
    assert "returned a float" in make(lambda side: 1.0).first["answer"]["error"]
    assert "no 'curve'" in make(square, views=[Lines("curve")]).first["answer"]["error"]


def test_a_table_holds_every_answer_of_its_grid():
    explorer = Explorer(lambda amount, layer, on: {"headline": f"{amount} {layer} {on}"},
                        [Range("amount", 0, 0.95, step=0.05), Select("layer", options=["conv1", "fc1"]), Toggle("on")])
    table = explorer.tabulate(points=3)
    assert [axis["points"] for axis in table["axes"]] == [[0.0, 0.5, 0.95], ["conv1", "fc1"], [False, True]]
    assert len(table["answers"]) == 12
    assert table["answers"][-2] == explorer.compute(amount=0.95, layer="fc1", on=False)
    explorer.table = table
    assert json.dumps(explorer.table)


def test_ranges_have_the_stops_of_the_slider():
    amount = Range("amount", 0, 0.95, step=0.05, percent=True)
    assert amount.stops() == [round(i * 0.05, 10) for i in range(20)]
    assert [type(stop) for stop in Range("bits", 2, 8).stops(3)] == [int] * 3
    assert Range("x", 0, 1, step=0.3).clean(1) == 0.9  # as a native slider: the last stop within the range
    explorer = Explorer(lambda amount: {"headline": ""}, [amount])
    explorer.amount = 0.333
    assert explorer.amount == 0.35
    with pytest.raises(ValueError, match="amount is a number from 0 to 0.95"):
        explorer.amount = 1.0


@pytest.mark.parametrize(("broken", "says"), [
    (lambda: Range("two words", 0, 1), "Python name"), (lambda: Range("x", 1, 0), "swap"),
    (lambda: Range("x", 0, 1, step=2), "step"), (lambda: Range("x", 0, 1, value=3), "from 0 to 1"),
    (lambda: Select("x", options=[]), "no options"), (lambda: Select("x", options=["a"], value="b"), "one of"),
    (lambda: Toggle("x", 1), "True or False"), (lambda: make(views=[Table("side")]), "used 2 times"),
    (lambda: make("square"), "pass the function itself"),
    (lambda: Explorer(square, [Range("layout", 1, 2)]), "attribute of every widget")])
def test_wrong_descriptions_are_refused_with_the_fix(broken, says):
    with pytest.raises(ValueError, match=says):
        broken()


def test_a_select_takes_labels_and_refuses_the_rest():
    explorer = Explorer(lambda layer: {"headline": layer}, [Select("layer", options=[("first", "conv1"), "fc1"])])
    assert explorer.layer == "conv1"
    with pytest.raises(traitlets.TraitError):
        explorer.layer = "first"


def test_two_threads_may_ask_at_once():
    """JupyterLab answers widgets in a thread of their own, beside the cells."""
    explorer = make()
    answers = []
    threads = [threading.Thread(target=lambda: answers.extend(explorer._answer({"side": s}) for s in range(1, 9)))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a["headline"] for a in answers) == sorted([f"area {s**2}" for s in range(1, 9)] * 4)


def test_predict_first_is_told_to_the_browser():
    assert make(guess=Ask("accuracy", "How much?")).guess == {"number": "accuracy", "question": "How much?"}
    assert make().guess is None


def test_a_guess_computes_its_truth_once_and_after_the_guess():
    calls = []

    def truth():
        calls.append(1)
        if len(calls) == 1:
            raise OSError("disk full")
        return np.float64(0.5)

    comm = Comm(Guess("How much?", truth, unit="%"))
    ask = {"ask": 1, "view": "v", "values": {}, "moved": {"guess": 40}}
    assert calls == []
    for expected in ({"error": "OSError: disk full"}, {"truth": 0.5}, {"truth": 0.5}):
        comm.widget._handle_custom_msg(ask, [])
        assert comm.sent[-1]["answer"] == expected
    assert len(calls) == 2
    assert comm.widget.guess == 40
    with pytest.raises(ValueError, match="text of the right choice"):
        Guess("Which?", "c", choices=["a", "b"])


# On a page without Python.

def test_a_notebook_stays_small_unless_the_site_asks(monkeypatch):
    guess = Guess("6 x 7?", 42)
    assert "text/html" not in guess._repr_mimebundle_()
    monkeypatch.setenv("SHRINKLAB_STATIC", "1")
    shown = guess._repr_mimebundle_()
    assert set(shown) == {"text/html", "text/plain"}
    assert '"answer": {"truth": 42}' in shown["text/html"]


def test_the_page_carries_the_table_of_an_explorer():
    state = make().static_state()
    assert [answer["headline"] for answer in state["table"]["answers"]][:2] == ["area 1", "area 4"]


def test_only_our_widgets_can_be_static():
    with pytest.raises(ValueError, match="the widget is a FloatSlider; only widgets of shrinklab carry their state"):
        static_html(ipywidgets.FloatSlider())
