"""The benchmarks run, on a few images; what they find is their own business and no test's."""

import importlib.util
import json
import re
from pathlib import Path

import ipywidgets
import pandas as pd
import pytest
import torch

from shrinklab.widgets import Explorer, Range, Select, Toggle

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)  # the tables set it


def row(report, **changed):
    return report.Row(**{"what": "pruning | cutting", "ours": 0.91, "peer": 0.7, "against": "them", "unit": "%",
                         "target": "at least equal", "met": True, "more": {"p": "0.03"}} | changed)


# ---- the report

def test_a_whole_run_is_printed_and_written(bench, tmp_path, capsys):
    report = bench("report")
    given = report.arguments("", argv=["--results", str(tmp_path / "new")])
    assert given.whole
    rows = [row(report), row(report, what="time", ours=torch.tensor(3.14159), peer=None, unit="ms", met=None, more={})]
    table = report.publish("some", "A title", rows, given, packages=("pandas",), notes=["A note."],
                           details={"More": pd.DataFrame({"a": [1]})})
    assert table.columns.tolist() == ["what", "ours", "peer", "against", "ratio", "target", "met", "p"]
    text = (tmp_path / "new" / "some.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    lines = text.splitlines()
    assert lines[0] == "# A title"
    cells = [[cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] for line in lines[2:6]]
    assert cells[2] == ["pruning / cutting", "91.00 %", "70.00 %", "them", "1.300", "at least equal", "yes", "0.03"]
    assert cells[3] == ["time", "3.142 ms", "", "them", "", "at least equal", "–", ""]
    stored = json.loads((tmp_path / "new" / "some.json").read_text())
    assert stored["rows"][0]["ratio"] == pytest.approx(1.3)
    assert stored["rows"][1]["ours"] == pytest.approx(3.14159)
    assert stored["details"] == {"More": [{"a": 1}]}
    facts = stored["conditions"]
    assert facts["threads"] == 1
    assert facts["versions"].keys() == {"python", "torch", "numpy", "pandas"}
    assert all(word in text for word in (facts["date"], facts["processor"], "pandas " + pd.__version__, "A note."))


def test_earlier_runs_are_kept(bench, tmp_path):
    report = bench("report")
    given = report.arguments("", argv=["--results", str(tmp_path)])
    for ours in (0.1, 0.2, 0.3):
        report.publish("some", "A title", [row(report, ours=ours, met=ours > 0.2)], given)
    stored = json.loads((tmp_path / "some.json").read_text())
    assert [run["rows"][0]["ours"] for run in stored["earlier"]] == [0.1, 0.2]
    assert [run["rows"][0]["met"] for run in stored["earlier"]] == [False, False]
    assert stored["rows"][0]["ours"] == 0.3


@pytest.mark.parametrize("argv", [["--split", "validation"], ["--images", "5"], ["lenet"]])
def test_a_part_of_a_run_is_not_written(bench, tmp_path, argv, capsys):
    report = bench("report")
    given = report.arguments("", argv=[*argv, "--results", str(tmp_path)])
    report.publish("some", "A title", [row(report, met=False)], given)
    assert "| NO " in (out := capsys.readouterr().out)
    assert "Not written: this is not the whole run on the test split." in out
    assert list(tmp_path.iterdir()) == []
    split = report.judged("lenet", given)
    assert len(split) == {"--images": 5, "--split": 4000}.get(argv[0], 10_000)
    assert split.name.startswith("mnist/validation" if "validation" in argv else "mnist/test")


def test_an_unknown_network_is_refused(bench, capsys):
    with pytest.raises(SystemExit):
        bench("report").arguments("", networks=("lenet",), argv=["resnet8"])
    assert "the network is 'resnet8'; this table knows lenet; use some of them" in capsys.readouterr().err


def test_figures_as_text(bench):
    shown = bench("report").shown
    assert [shown(0.9123, "%"), shown(-0.0042, "points"), shown(12345, "bytes"), shown(6.04, "times"),
            shown(0.5, "")] == ["91.23 %", "-0.42", "12,345 bytes", "6.0 times", "0.5"]


# ---- all tables by name

def test_tables_are_found_and_an_unknown_one_is_refused():
    chosen = importlib.util.spec_from_file_location("run", BENCHMARKS / "__main__.py")
    runner = importlib.util.module_from_spec(chosen)
    chosen.loader.exec_module(runner)
    assert {"masks", "channels", "slider", "slider_step"} <= set(runner.tables())
    assert not {"report", "channel_settings", "baselines", "__main__"} & set(runner.tables())
    with pytest.raises(SystemExit, match=r"the table is tables; known are .*channels.*; use some of them"):
        runner.main(["tables"])


# ---- each table, on a few images

def small_run(bench, name, networks, images, folder):
    """The cells of a table's rows."""
    module, report = bench(name), bench("report")
    seen = []

    def kept(name, title, rows, given, **more):
        seen.extend(rows)
        return report.publish(name, title, rows, given, **more)

    module.publish = kept
    module.main(report.arguments("", argv=[*networks, "--images", str(images), "--results", str(folder)]))
    assert list(folder.iterdir()) == []
    return {row.what: row for row in seen}


def test_masks(bench, tmp_path):
    rows = small_run(bench, "masks", ["lenet"], 40, tmp_path)
    assert len(rows) == 12  # three amounts, two ways, masks and times
    assert all(row.ours == 0 and row.met for what, row in rows.items() if "differ" in what)
    assert all(row.met is None for what, row in rows.items() if "time" in what)


def few_settings(module, monkeypatch):
    monkeypatch.setattr(module, "OURS", module.OURS[:2])
    monkeypatch.setattr(module, "THEIRS", module.THEIRS[:2])
    return module


def test_channels(bench, tmp_path, monkeypatch):
    module = few_settings(bench("channels"), monkeypatch)
    rows = small_run(bench, "channels", ["lenet"], 40, tmp_path)
    assert sorted(rows) == sorted(f"{stage}: {way}, lenet" for way in ("ours", *module.WAYS) for stage in module.STAGES)
    assert all(0 <= row.ours <= 1 and 0 <= row.peer <= 1 for row in rows.values())
    for stage in module.STAGES:  # one way has the target: one of the three, as a whole
        mine = rows[f"{stage}: ours, lenet"]
        assert mine.target == "at least equal in the mean"
        assert mine.met == (mine.ours >= mine.peer)
        assert mine.ours in [rows[f"{stage}: {way}, lenet"].ours for way in module.WAYS]
    both = [module.theirs(module.THEIRS[0], *pair(module)), module.ours(module.OURS[0], *pair(module))]
    for small in both:
        assert 0.4 < module.count_macs(small, pair(module)[1]) / module.count_macs(*pair(module)) <= 0.5


def test_the_way_of_a_stage_is_the_one_that_validation_prefers(bench):
    module = bench("channels")
    seen = {(way, stage): [0.5, 0.5] for way in module.WAYS for stage in module.STAGES}
    seen["regression", "one-shot"], seen["sensitivity", "fine-tuned"] = [0.4, 0.7], [0.6, 0.5]
    assert module.best_ways(seen) == {"one-shot": "regression", "fine-tuned": "sensitivity"}


def test_channel_times(bench, tmp_path, monkeypatch):
    few_settings(bench("channel_times"), monkeypatch)
    rows = small_run(bench, "channel_times", ["lenet"], 40, tmp_path)
    assert list(rows) == ["time, to half the MACs: lenet", "time, one step at a known amount: lenet"]
    assert all(row.ours > 0 and row.peer > 0 for row in rows.values())


def pair(module):
    return module.pretrained("lenet"), module.load("mnist").example


def test_slider_step(bench, tmp_path):
    rows = small_run(bench, "slider_step", ["lenet"], 200, tmp_path)
    assert len(rows) == 2
    assert rows["lenet, float32: largest difference in accuracy"].met


def test_slider_rows(bench):
    module = bench("slider")
    found = {"explorer": [50.0] * 29 + [90.0], "known": [8.0] * 30, "interact": [210.0] * 30, "computation": 30.0,
             "burst": 120.0, "in order": True}
    assert [row.met for row in module.rows("lenet", found)] == [True, True, True]
    assert [row.met for row in module.rows("resnet8", found)] == [True, True, False]
    assert [row.met for row in module.rows("lenet", found | {"in order": False, "interact": [190.0]})] == [
        False, True, False]
    assert module.p95(list(range(100))) == 94


def test_lessons(bench, monkeypatch, tmp_path, capsys):
    module = bench("lessons")
    monkeypatch.setattr(module, "run", lambda path: (61.0, 5) if path.stem.startswith("04") else (1.0, 3_000_000_000))
    module.main(module.arguments("", tuple(module.LESSONS), ["04", "01", "--results", str(tmp_path)]))
    told = capsys.readouterr().out
    wanted = {"04.*: run": "NO", "04.*: memory": "yes", "01.*: run": "yes", "01.*: memory": "NO", "all lessons": "yes"}
    assert {what: re.search(rf"{what}.*\| (yes|NO) +\|", told)[1] for what in wanted} == wanted


# ---- the moves of the lessons' sliders

def test_every_control_is_moved_under_every_choice_of_the_others(bench):
    module, asked = bench("timed_moves"), []

    def settings(amount, layer, signed):
        asked.append((amount, layer, signed))
        return {"headline": ""}

    moves = module.explorer_moves(Explorer(settings, [Range("amount", 0, 8), Select("layer", ["a", "b"]),
                                                      Toggle("signed", label="with sign")]))
    # Four other amounts, each also with the other layer and with the sign, and so on.
    assert {label: len(times) for label, times in moves.items()} == {"amount": 12, "layer": 2, "with sign": 2}
    assert asked[0] == (0, "a", False)
    assert {(8, "a", False), (8, "b", False), (8, "a", True), (0, "b", True)} <= set(asked)


def test_a_box_is_moved_from_end_to_end_and_put_back(bench):
    module, seen = bench("timed_moves"), []
    slider, label = ipywidgets.IntSlider(3, 0, 4, description="bits"), ipywidgets.Label()
    slider.observe(lambda change: seen.append(change["new"]), "value")
    moves = module.box_moves(ipywidgets.VBox([slider, label]))
    assert {name: len(times) for name, times in moves.items()} == {"bits": 6}
    assert seen == [0, 1, 2, 3, 4, 3]
    assert module.box_moves(ipywidgets.VBox([slider])) == {}  # a job's: nothing follows it


def test_one_slow_move_is_told(bench):
    module = bench("explorer_moves")
    found = [{"where": "Cut", "kind": "explorer", "moves": {"amount": [10.0] * 29 + [301.0], "layer": [300.0]}}]
    rows = list(module.rows("04", found))
    assert [(row.what, row.ours, row.met) for row in rows] == [
        ("04 explorer, Cut: amount", 10.0, False), ("04 explorer, Cut: layer", 300.0, True)]
    assert rows[0].more == {"p95": "10 ms", "max": "301 ms", "moves": "30"}
