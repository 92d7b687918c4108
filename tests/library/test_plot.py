import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from shrinklab import plot


@pytest.fixture
def ax():
    return Figure().subplots()  # a figure of its own: nothing global, no display


def named(ax):
    return all((ax.get_title(), ax.get_xlabel(), ax.get_ylabel()))


def test_the_histogram_holds_every_weight_and_marks_the_cut(ax):
    weights = torch.nn.Parameter(torch.linspace(-1, 2, 3_000).reshape(30, 100))
    plot.weight_histogram(ax, weights, cut=0.25)
    bars, cut = ax.patches[:80], ax.patches[80]
    assert sum(bar.get_height() for bar in bars) == 3_000
    assert (cut.get_x(), cut.get_x() + cut.get_width()) == (-0.25, 0.25)
    assert ax.get_title() == "3,000 weights"
    assert named(ax)
    assert ax.get_legend().get_texts()[0].get_text() == "removed: -0.25 to 0.25"


def test_a_cut_may_be_a_pair_or_absent(ax):
    plot.weight_histogram(ax, np.ones(5), cut=(-0.1, 0.3))
    assert ax.patches[80].get_x() == -0.1
    bare = Figure().subplots()
    plot.weight_histogram(bare, np.ones(5))
    assert len(bare.patches) == 80
    assert bare.get_legend() is None


def test_a_confusion_matrix_shows_each_count_in_its_place(ax):
    plot.confusion(ax, torch.tensor([[9_500, 10], [5, 90]]), ("kept", "fraud"))
    shown = {text.get_position(): text.get_text() for text in ax.texts}  # position is (column, row)
    assert shown == {(0, 0): "9,500", (1, 0): "10", (0, 1): "5", (1, 1): "90"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["kept", "fraud"]
    assert "9,605" in ax.get_title()
    assert [text.get_color() for text in ax.texts] == ["white", "black", "black", "black"]


def test_lines_draws_a_line_for_each_group_sorted_and_told_apart(ax):
    frame = pd.DataFrame({"layer": ["b", "b", "a", "a"], "amount": [0.9, 0.1, 0.1, 0.9],
                          "accuracy": [0.5, 1.0, 0.99, 0.2]})
    plot.lines(ax, frame, "amount", "accuracy", "layer")
    assert [line.get_label() for line in ax.lines] == ["b", "a"]
    assert ax.lines[0].get_xydata().tolist() == [[0.1, 1.0], [0.9, 0.5]]
    assert len({line.get_color() for line in ax.lines}) == len({line.get_marker() for line in ax.lines}) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("share of weights removed (%)", "accuracy (%)")
    assert ax.xaxis.get_major_formatter()(0.5) == "50"
    assert ax.get_title() == "Accuracy by share of weights removed"


def test_lines_without_groups_and_with_a_column_of_your_own(ax):
    plot.lines(ax, pd.DataFrame({"bits": [8, 4], "macs": [10, 5]}), "bits", "macs")
    assert ax.lines[0].get_xydata().tolist() == [[4, 5], [8, 10]]
    assert ax.get_title() == "MACs an image by bits"
    assert ax.get_legend() is None


def test_many_groups_keep_different_pairs_of_colour_and_marker(ax):
    frame = pd.DataFrame({"x": [1] * 20, "y": range(20), "by": range(20)})
    plot.lines(ax, frame, "x", "y", "by")
    assert len({(line.get_color(), line.get_marker()) for line in ax.lines}) == 20


@pytest.mark.parametrize("channels", [1, 3])
def test_images_shows_the_pixels_and_clears_the_axes_left_over(channels):
    axes = Figure().subplots(2, 2)
    pixels = np.arange(3 * 4 * 5 * channels, dtype=np.uint8).reshape(3, 4, 5, channels)
    plot.images(axes, pixels, ["one", "two", "three"])
    flat = axes.ravel()
    assert [ax.get_title() for ax in flat] == ["one", "two", "three", ""]
    assert (np.asarray(flat[1].images[0].get_array()).reshape(4, 5, channels) == pixels[1]).all()
    assert not flat[3].images
    assert not any(ax.axison for ax in flat)


def test_one_image_on_one_ax(ax):
    plot.images(ax, np.zeros((1, 8, 8, 1), np.uint8))
    assert len(ax.images) == 1


def test_nothing_drawn_changes_its_input(ax):
    frame = pd.DataFrame({"x": [2, 1], "y": [1, 2]})
    before, weights = frame.copy(), torch.randn(10)
    kept = weights.clone()
    plot.lines(ax, frame, "x", "y")
    plot.weight_histogram(Figure().subplots(), weights, cut=0.1)
    pd.testing.assert_frame_equal(frame, before)
    assert torch.equal(weights, kept)


def test_messages_show_value_rule_and_fix(ax):
    frame = pd.DataFrame({"x": [1], "y": [2]})
    cases = [
        (lambda: plot.weight_histogram(ax, torch.tensor([1.0, float("nan")])), "are 2 weights, 1 finite; .*; check"),
        (lambda: plot.weight_histogram(ax, torch.zeros(0)), "there are 0 weights"),
        (lambda: plot.confusion(ax, torch.zeros(2, 2), "abc"), r"shape \(2, 2\); with 3 classes it is 3 x 3; pass"),
        (lambda: plot.lines(ax, frame, "x", "accuracy"), "column is 'accuracy'; this table has x, y; use one of"),
        (lambda: plot.lines(ax, frame, "x", "y", "layer"), "column is 'layer'"),
        (lambda: plot.images(ax, np.zeros((1, 1, 8, 8))), r"shape \(1, 1, 8, 8\); .*; use data.to_pixels"),
        (lambda: plot.images(ax, np.zeros((2, 8, 8, 1))), "there are 2 images, 2 titles and 1 axes; each image has"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
