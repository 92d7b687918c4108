"""The benchmark of grading runs, on a few submissions; how fast they are is its own business."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("grading")
    for name in ("grading", "grading_class", "report"):
        sys.modules.pop(name, None)


def test_our_scores_are_stock_nbgraders_and_what_was_a_part_is_not_written(bench, tmp_path, capsys):
    bench.main(bench.arguments(["throughput", "--submissions", "3", "--results", str(tmp_path)]))
    line = next(line for line in capsys.readouterr().out.splitlines() if "automatic scores differ" in line)
    assert "of 9 automatic scores differ" in line
    assert line.split("|")[-2].strip() == "yes"
    assert not list(tmp_path.iterdir())


def test_a_long_run_is_looked_at_in_tenths(bench):
    rows, table = bench.long(bench.arguments(["long", "--many", "20"]), True)
    assert len(table) == 10
    assert [row.unit for row in rows] == ["s", "MB", "MB"]


def test_overhead_is_asked_of_the_ten_lessons(bench):
    assert [name[:2] for name in bench.graded_lessons()] == [f"{number:02}" for number in range(1, 11)]


def test_an_unknown_part_is_refused(bench, capsys):
    with pytest.raises(SystemExit):
        bench.arguments(["speed"])
    assert "the part is 'speed'" in capsys.readouterr().err
