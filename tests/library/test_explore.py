"""`explore`: ipywidgets sliders around any function, and what they show of its result."""

import threading
from dataclasses import dataclass

import ipywidgets
import matplotlib
import pandas as pd
import pytest
import torch

from shrinklab.widgets import explore
from shrinklab.widgets.explore import as_html

matplotlib.use("agg")


def shown(function, **controls):
    return explore(function, **controls).children[-1].value


def test_each_kind_of_control():
    box = explore(lambda **values: str(values), amount=(0, 0.95), bits=[2, 4, 8], width=(1, 9), step=(0.0, 1.0, 0.25),
                  flag=True, own=ipywidgets.IntText(3))
    kinds = [type(child).__name__ for child in box.children]
    assert kinds == ["FloatSlider", "Dropdown", "IntSlider", "FloatSlider", "Checkbox", "IntText", "HTML"]
    assert box.children[3].step == 0.25
    assert "&#x27;amount&#x27;: 0.0, &#x27;bits&#x27;: 2, &#x27;width&#x27;: 1" in box.children[-1].value


def test_a_move_calls_the_function_again():
    box = explore(lambda amount, layer: f"{layer}: {amount}", amount=(0, 1.0), layer=["conv1", "fc1"])
    box.children[0].value = 0.5
    assert "conv1: 0.5" in box.children[-1].value
    box.children[1].value = "fc1"
    assert "fc1: 0.5" in box.children[-1].value


def test_an_error_is_a_readable_line_and_the_next_move_works():
    def stub(amount):
        if amount < 0.5:
            raise NotImplementedError("write f, then run this cell")
        return amount

    box = explore(stub, amount=(0, 1.0))
    assert "This setting failed:</strong> Not written yet: write f" in box.children[-1].value
    box.children[0].value = 0.75
    assert box.children[-1].value == "<output>0.75</output>"
    assert "division by zero" in shown(lambda n: 1 / n, n=(0, 3))


@dataclass
class Measured:
    """Stands for a Measurement: anything that knows its own HTML."""

    accuracy: float

    def _repr_html_(self):
        return f"<b>{self.accuracy:.1%}</b>"


def test_results_of_every_kind():
    assert as_html(torch.tensor(0.98125)) == "<output>0.9812</output>"
    assert as_html(61706) == "<output>61706</output>"
    assert as_html({"layer": "<fc1>"}) == '<table><tr><th scope="row">layer</th><td>&lt;fc1&gt;</td></tr></table>'
    assert "<td>0.5</td>" in as_html(pd.DataFrame({"amount": [0.5]}))
    assert shown(lambda n: Measured(0.5), n=(0, 3)) == "<b>50.0%</b>"
    assert shown(lambda n: None, n=(0, 3)) == ""


def test_figures_returned_or_only_drawn_are_shown_once_and_closed():
    from matplotlib import pyplot

    def returned(n):
        figure, axes = pyplot.subplots()
        axes.set_title("Weights & cut")
        axes.plot([0, n])
        return figure

    def axes_only(n):
        return returned(n).axes[0]

    def drawn(n):
        returned(n)

    pyplot.close("all")  # another test of this process may have left one open
    for function in (returned, axes_only, drawn):
        page = shown(function, n=(1, 3))
        assert page.count("<img ") == 1
        assert 'alt="Weights &amp; cut"' in page
    assert pyplot.get_fignums() == []


def test_what_the_function_prints_is_shown_and_other_threads_keep_their_lines(capsys):
    def chatty(n):
        print("pruned <fc1>")
        other = threading.Thread(target=lambda: print("epoch 1"))
        other.start()
        other.join()
        return n

    assert shown(chatty, n=(2, 3)) == "<pre>pruned &lt;fc1&gt;\n</pre><output>2</output>"
    assert capsys.readouterr().out == "epoch 1\n"


@pytest.mark.parametrize("choice", [(1, 0), (1,), [], "abc", 3, ("a", "b")])
def test_wrong_controls_are_refused_with_the_forms(choice):
    with pytest.raises(ValueError, match="amount is "):
        explore(lambda amount: 0, amount=choice)
