"""The int8 tables run from end to end on a few images; their figures are no test's business."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from shrinklab.data import load
from shrinklab.models import LeNet, MobileNet, build, pretrained
from shrinklab.quantize import quantize_model
from shrinklab.train import Recipe

ORT_MS = {"ort entropy": 20.0, "ort entropy, singly": 30.0}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_onnx_runtime_quantizes_the_same_network_on_as_many_threads_as_asked(bench, tmp_path):
    from onnxruntime.quantization.calibrate import CalibraterBase

    peers, model, data = bench("int8_peers"), pretrained("lenet"), load("mnist")
    before = CalibraterBase.create_inference_session
    prepared = peers.ort_prepared(model, data.train.images[:2], tmp_path / "prepared.onnx")
    path = peers.ort_quantized(prepared, data.train.images[:32], "min_max", tmp_path / "int8.onnx")
    assert CalibraterBase.create_inference_session is before
    int8, part = bench("int8"), data.validation[:100]
    theirs = int8.right(int8.load_runner(path), part)
    assert theirs.double().mean() > 0.95
    assert path.stat().st_size < prepared.stat().st_size / 2


def test_torchao_quantizes_the_same_network(bench):
    pytest.importorskip("torchao")
    peers, model, data = bench("int8_peers"), pretrained("lenet"), load("mnist")
    images = data.train.images[:32]
    small = peers.torchao_quantized(peers.torchao_prepared(model, images), images)
    part = data.validation.images[:100]
    with torch.no_grad():
        same = small(part).argmax(1) == model(part).argmax(1)
        assert not torch.equal(small(part), model(part))
    assert same.double().mean() > 0.95


def test_our_file_is_what_we_simulate_and_the_best_is_nearest_to_fp32(bench, tmp_path):
    int8, data, model = bench("int8"), load("mnist"), pretrained("lenet")
    small = int8.ours(model, data.train.images[:32], "min_max", tmp_path / "ours.onnx")
    runner, part = int8.load_runner(tmp_path / "ours.onnx"), data.validation[:100]
    assert torch.equal(runner(part.images).argmax(1), int8.predict(small, part.images).argmax(1))
    wanted = int8.predict(model, part.images)
    halved = {"half": lambda images: model(images) / 2, "small": runner}  # the same predictions, less sure
    chosen, found = int8.best(halved, part, wanted)
    assert chosen == "small"
    assert found["half"][1] == found["small"][1]


def found(right, **changed):
    """What `measured` gives, made up: right maps a tool to its count among 1,000."""
    flags = {tool: torch.arange(1000) < count for tool, count in right.items()}
    return {"name": "lenet", "observer": "mse", "method": "entropy", "same": 1.0, "right": flags,
            "validation": {"ours mse": (0.1, 0.9), "ort entropy": (0.2, 0.9)},
            "ms": {"ours mse": 10.0} | ORT_MS} | changed


def test_the_int8_rows_say_whether_each_target_is_met(bench):
    int8 = bench("int8")
    right = {"fp32": 992, "ours": 990, "ONNX Runtime": 991, "torchao": 992}
    met = {(row.what, row.against.split(",")[0]): row.met for row in int8.rows(found(right))}
    assert met == {("lenet: accuracy", "ONNX Runtime"): True, ("lenet: accuracy", "torchao"): False,
                   ("lenet: drop", "fp32"): True,
                   ("lenet: same prediction simulated and deployed", "our simulation"): True,
                   ("lenet: calibrate and convert", "ONNX Runtime"): True}
    late = int8.rows(found(right | {"ours": 989}, same=0.998, ms={"ours mse": 11.0} | ORT_MS))
    assert [row.met for row in late] == [False, False, False, False, True, False]
    assert [row.met for row in int8.means([found(right), found(right | {"ours": 992})])] == [True, False]
    assert int8.details([found(right)]).chosen.tolist() == ["yes", "yes"]


def test_the_depthwise_table_runs(bench):
    depthwise = bench("depthwise")
    torch.manual_seed(0)
    model = MobileNet(widths=(4, 4, 4, 4, 4, 4, 4)).eval()
    data = load("cifar10")
    table = list(depthwise.rows(model, data.validation[:20], data.train.images[:16], steps=2))
    assert [row.what for row in table] == [f"mobilenet, {way}" for way in (
        "per tensor", *depthwise.WAYS, "per tensor, equalized, AdaRound, bias corrected")]
    assert [row.met is None for row in table] == [True, False, False, False, True]
    assert depthwise.fewer_bits(model, data.validation[:20], data.train.images[:16], [8, 2]).bits.tolist() == [8, 2]
    assert depthwise.spread(model).kind.tolist() == ["dense", *["depthwise", "dense"] * 6, "dense"]


def test_equalizing_narrows_what_the_table_of_ranges_shows(bench):
    model = LeNet().eval()
    model.conv1.weight.data[0] *= 50
    table = bench("depthwise").spread(model).set_index("layer")
    assert float(table.loc["conv1", "as trained"]) > 5 * float(table.loc["conv1", "equalized"])


def test_onnx_runtimes_histograms_get_batches_of_one_size(bench):
    peers = bench("int8_peers")
    for size in ((1, 28, 28), (3, 32, 32)):
        assert len({len(batch) for batch in peers.batches(torch.zeros(256, *size))}) == 1


def small_part():
    data = load("cifar10")
    return SimpleNamespace(name="cifar10", train=data.train[:48], validation=data.validation[:24],
                           test=data.test[:24], example=data.example)


def run(module, monkeypatch, tmp_path, network):
    """A module's table as `make bench` makes it, on a small untrained network and few images: the file written."""
    part = small_part()
    monkeypatch.setattr(module, "load", lambda *name, **options: part)
    monkeypatch.setattr(module, "judged", lambda name, given: part.test)
    monkeypatch.setattr(module, "pretrained", lambda name: network)
    given = module.arguments("", argv=["--results", str(tmp_path)], networks=("resnet12",))
    module.main(given)
    return json.loads(next(tmp_path.glob("*.json")).read_text())["rows"]


def test_the_codebook_table_runs(bench, monkeypatch, tmp_path):
    rows = run(bench("codebook"), monkeypatch, tmp_path, build("resnet12", widths=(4,) * 11).eval())
    assert [row["met"] for row in rows[:2]] == [None, rows[1]["ours"] <= 0.0025]
    assert rows[2]["ours"] < rows[2]["peer"]  # the file, beside the dense one


def test_the_road_runs_and_is_short_enough_to_read(bench, monkeypatch, tmp_path):
    module = bench("road")
    assert len(Path(module.__file__).read_text().splitlines()) <= 60
    one = Recipe(epochs=1, learning_rate=0.01)
    monkeypatch.setattr(module, "road", functools.partial(module.road, recipe=one))
    monkeypatch.setattr(module, "adaround", functools.partial(module.adaround, steps=2))
    monkeypatch.setattr(module, "mixed_precision", lambda model, images, budget, bits: quantize_model(model, images))
    file, latency, accuracy = run(module, monkeypatch, tmp_path, build("resnet12", widths=(64,) * 11).eval())
    assert file["met"] == (file["peer"] >= 12 * file["ours"])
    assert latency["met"] == (latency["peer"] >= 6 * latency["ours"])
    assert accuracy["met"] == (accuracy["peer"] - accuracy["ours"] <= 0.005)


def test_the_low_bit_tables_run(bench, monkeypatch):
    module, part = bench("low_bits"), small_part()
    monkeypatch.setattr(module, "load", lambda name, full=False: part)
    monkeypatch.setattr(module, "adaround", functools.partial(module.adaround, steps=2))
    monkeypatch.setattr(module, "qat", lambda small, model, data, recipe, **options: small)
    for name, ways in (("resnet12", 3), ("resnet8", 2)):
        network = build(name, widths=(4,) * (11 if name == "resnet12" else 7)).eval()
        monkeypatch.setattr(module, "pretrained", lambda name, network=network: network)
        rows = list(module.rows(name, part.test))
        assert [row.met is None for row in rows] == [True] * (ways - 1) + [False]
        assert rows[-1].met == (rows[-1].peer - rows[-1].ours <= 0.01 + 1e-9)
