"""Lesson 10's explorer shows what the library measures, for the networks and images that it is given."""

import inspect
import json
from pathlib import Path

import pytest
import torch

from shrinklab.capstone import onnx_bytes
from shrinklab.data import load
from shrinklab.deploy import export, figures
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.pareto import pareto_front
from shrinklab.quantize import fold_batch_norm
from shrinklab.shipping import STORED, STORED_ON, Bench, best_way, on_the_grid, rounded, without_channels
from shrinklab.widgets import pareto_explorer

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
MNIST = load("mnist")
IMAGES = MNIST.validation[:120]
LOOSE = {"share": 1.0, "latency": 1.5, "drop": 15.0}


@pytest.fixture(scope="module")
def explorer():
    return pareto_explorer({"lenet": pretrained("lenet")}, {"lenet": IMAGES}, rounds=2)


@pytest.mark.parametrize("amount", [0.0, 0.25, 0.375])
@pytest.mark.parametrize("bits", ["32", "8", "4"])
def test_your_way_is_what_the_library_makes(explorer, tmp_path, amount, bits):
    answer = explorer.compute(network="lenet", amount=amount, bits=bits, **LOOSE)
    model = pretrained("lenet")
    small = without_channels(model, amount, MNIST, round_to=1) if amount else model
    small = small if bits == "32" else rounded(small, MNIST, int(bits))
    file = export(small, "onnx", tmp_path / "small.onnx", example=MNIST.example)
    shown = {name: number["value"] for name, number in answer["numbers"].items()}
    assert shown["your file"] == file.file_bytes
    assert shown["your accuracy"] == accuracy(file, IMAGES)
    assert shown["your drop"] == pytest.approx(100 * (accuracy(model, IMAGES) - accuracy(file, IMAGES)))
    assert shown["your latency"] > 0
    assert answer["ways"]["now"] == {"label": "yours", "x": file.file_bytes / 1000, "y": shown["your drop"]}


def test_each_limit_counts(explorer):
    rows = explorer.compute(network="lenet", **LOOSE)["table"]["rows"]
    dense = int(rows[0][1].replace(",", ""))
    answer = explorer.compute(network="lenet", share=0.3, latency=1.5, drop=15.0)
    fits = {row[0]: row[4] for row in answer["table"]["rows"]}
    assert {name for name, size in ((row[0], int(row[1].replace(",", ""))) for row in rows) if size > 0.3 * dense} <= {
        name for name, fit in fits.items() if fit == "no"}
    assert answer["numbers"]["file allowed"]["value"] == pytest.approx(0.3 * dense)
    assert answer["ways"]["budget"] == {"x": pytest.approx(0.3 * dense / 1000), "y": 15.0}
    nothing = explorer.compute(network="lenet", share=0.05, latency=0.1, drop=0.0)
    assert nothing["headline"].startswith("Nothing here fits")
    assert nothing["numbers"]["ways that fit"]["value"] == 0


@pytest.mark.parametrize(("share", "latency", "drop"), [
    (1.0, 1.5, 15.0), (0.6, 1.5, 15.0), (1.0, 1.2, 15.0), (1.0, 1.5, 0.0), (0.3, 1.5, 1.0), (0.05, 0.1, 0.0)])
def test_a_way_fits_when_it_keeps_within_all_three(explorer, share, latency, drop):
    answer = explorer.compute(network="lenet", share=share, latency=latency, drop=drop)
    rows, points = answer["table"]["rows"], answer["ways"]["points"]
    allowed = answer["numbers"]["file allowed"]["value"]
    for row, point in zip(rows, points, strict=True):
        fast = float(row[2]) <= latency
        assert row[4] == ("yes" if 1000 * point["x"] <= allowed and fast and point["y"] <= drop else "no"), row
        assert point["group"] == ("fast enough" if fast else "too slow or not timed")
    assert answer["numbers"]["ways that fit"]["value"] == sum(row[4] == "yes" for row in rows)


def test_the_best_is_the_library_s_choice_and_the_front_its_front(explorer):
    answer = explorer.compute(network="resnet12", share=0.5, latency=1.0, drop=5.0)
    ways = STORED["resnet12"]
    limits = {"bytes": 0.5 * ways[0].file_bytes, "latency": 1.0, "drop": 5.0}
    assert best_way([way.plain() for way in ways], limits) == "cut, distilled, int8"
    assert "cut, distilled, int8" in answer["headline"]
    assert answer["ways"]["front"] == pareto_front([way.file_bytes for way in ways], [way.drop_points for way in ways],
                                                   better=("less", "less"))
    assert answer["ways"]["now"] is None
    assert all(row[5] == STORED_ON for row in answer["table"]["rows"])


def test_another_checkpoint_changes_every_number(explorer):
    torch.manual_seed(1)
    other = pareto_explorer({"lenet": build("lenet", channels=[3, 8], hidden=[60, 42])}, {"lenet": IMAGES}, rounds=2)
    for amount, bits in ((0.0, "8"), (0.25, "32")):
        first, second = (one.compute(network="lenet", amount=amount, bits=bits, share=0.5, latency=1.5, drop=5.0)
                         for one in (explorer, other))
        for name in ("file allowed", "your file", "your accuracy", "your latency"):
            assert first["numbers"][name]["value"] != second["numbers"][name]["value"], name
        assert first["ways"]["points"] != second["ways"]["points"]
        assert first["table"] != second["table"]


def test_a_move_leaves_the_network_as_it_was():
    model = pretrained("lenet")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pareto_explorer({"lenet": model}, {"lenet": IMAGES[:20]}, rounds=1).compute(amount=0.375, bits="4")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_it_opens_loose_and_its_function_is_short(explorer):
    assert (explorer.share, explorer.amount, explorer.bits) == (1.0, 0.0, "32")
    assert len(inspect.getsource(explorer._settings).splitlines()) <= 40


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="holds 0 images"):
        pareto_explorer({"lenet": pretrained("lenet")}, {"lenet": IMAGES[:0]})


def test_stored_ways_are_those_of_the_benchmarks():
    def rows(name):
        return {row["what"]: row for row in json.loads((RESULTS / f"{name}.json").read_text())["rows"]}

    low, road, codebook = rows("low_bits"), rows("road"), json.loads((RESULTS / "codebook.json").read_text())["rows"]
    ways = {name: {way.label: way for way in some} for name, some in STORED.items()}
    for network, label, row in [
            ("resnet8", "4 bits throughout",
             "resnet8, 4-bit weights and activations, first and last layer 8, rounded to nearest"),
            ("resnet8", "4 bits throughout, QAT",
             "resnet8, 4-bit weights and activations, first and last layer 8, after QAT"),
            ("resnet12", "4-bit weights, AdaRound",
             "resnet12, 4-bit weights, 8-bit activations, no training, AdaRound")]:
        way = ways[network][label]
        assert (way.accuracy, f"{way.file_bytes:,} bytes") == (low[row]["ours"], low[row]["more"]["file"])
        assert way.drop_points == pytest.approx(100 * (low[row]["peer"] - low[row]["ours"]), abs=0.006)
        assert way.latency_ratio is None
    whole = ways["resnet12"]["cut, distilled, int8"]
    assert (whole.file_bytes, whole.accuracy) == (road["file"]["ours"], road["accuracy"]["ours"])
    assert whole.latency_ratio == pytest.approx(road["p50 latency, batch 1"]["ratio"], abs=0.0005)
    assert ways["resnet12"]["dense"].file_bytes == road["file"]["peer"]
    tuned = ways["resnet12"]["4-bit codebooks, tuned"]
    assert tuned.file_bytes in {row["ours"] for row in codebook if row["what"] == "resnet12, file"}
    assert f"{tuned.accuracy:.2%}" in {row["more"].get("accuracy") for row in codebook}


def test_on_the_grid_rounds_the_folded_weights_and_nothing_else():
    model = pretrained("resnet8")
    folded, grid = fold_batch_norm(model), on_the_grid(model, 4)
    for name, weight in grid.named_parameters():
        whole = dict(folded.named_parameters())[name]
        if name.endswith("weight"):
            assert all(len(row.unique()) <= 15 for row in weight.flatten(1))
            assert (weight - whole).abs().max() < whole.abs().max() / 10
        else:
            assert torch.equal(weight, whole)


def test_a_bench_compares_with_its_own_dense_network():
    times = iter([[2.0, 1.0]])
    bench = Bench(pretrained("lenet"), MNIST, IMAGES, timer=lambda runners, image: next(times))
    found = bench.measure("int8", rounded(pretrained("lenet"), MNIST))
    assert found.latency_ratio == 0.5
    assert found.file_bytes < bench.file_bytes / 3
    assert bench.cut(0) is bench.model
    assert bench.cut(0.5) is bench.cut(0.5)


def test_stored_figures_of_the_runtimes_are_dated_and_agree_with_a_run():
    stored = figures.stored()
    assert stored["date"] == "2026-11-25"
    assert [row["target"] for row in stored["rows"]] == list(figures.NAMES)
    assert len({row["int8_right"] for row in stored["rows"]}) == 1
    onnx = stored["rows"][0]
    assert abs(onnx["float_bytes"] - onnx_bytes(pretrained("resnet8"))) < 2000


def test_a_runtime_that_is_missing_is_said_to_be(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(figures, "import_module", missing)
    assert not figures.is_installed("litert")
    with pytest.raises(ValueError, match="target is 'tflite'"):
        figures.is_installed("tflite")
