"""The capstone is graded from outside: its own budget, a clean process, the file as it is, figures that are kept."""

import json
from dataclasses import asdict

import onnx
import pytest
import torch
from tiny_course import boxes

from autograder.capstone import Capstone, Entry, Records, write_board
from autograder.capstone import service as service_module
from autograder.capstone.records import key_of
from autograder.engine import grade_cells, run_notebook
from autograder.engine.box import Box
from shrinklab import capstone
from shrinklab.data import load
from shrinklab.metrics import accuracy
from shrinklab.models import build, pretrained
from shrinklab.quantize import quantize_model
from shrinklab.wire import WireError, decode, encode

SETUP = """import torch
from shrinklab.capstone import draw_budget
from shrinklab.quantize import Scheme, correct_bias, quantize_model
from shrinklab.shipping import rounded, without_channels
"""
# 58 kB, about 2.7 points lost
GOOD = """def pipeline(model, data, budget):
    small = without_channels(model, {"block3.conv1": 0.25}, data)
    few = Scheme(weight_bits=4, weight_observer="mse")
    quantized = quantize_model(small, data.train[:128], layers={"block3.conv1": few, "block3.conv2": few})
    return correct_bias(quantized, small, data.train[:256])
"""
INT8 = "def pipeline(model, data, budget):\n    return rounded(model, data)\n"


class Watch:
    """A stop watch that reads 0.6 for integer kernels and 1.0 for floats, and counts how often it was asked."""

    def __init__(self, factor=1.0):
        self.asked, self.factor = 0, factor

    def __call__(self, runners, image):
        self.asked += 1
        kinds = [{node.op_type for node in onnx.load(runner.path).graph.node} for runner in runners]
        dense, small = (0.6 if "QuantizeLinear" in kind else 1.0 for kind in kinds)
        return [dense, small * self.factor]


@pytest.fixture
def watch(monkeypatch):
    made = Watch()
    monkeypatch.setattr(Capstone, "timer", staticmethod(made))
    monkeypatch.setattr(service_module, "TEST_IMAGES", 500)
    return made


@pytest.fixture
def same_images(monkeypatch):
    """500 images on which GOOD loses 1.6 points. On 500 drawn anew it loses 2.7 with a deviation of 0.9, so one time in
    eight it would miss the line of 4.0; on the grader's 4,000 the deviation is 0.4."""
    monkeypatch.setattr(Capstone, "seed", staticmethod(lambda: 1000))


class Asked:
    """Stands for the student's process, which is asked for nothing."""


def grader(source, entry=None, *, alias="", seconds=capstone.PIPELINE_SECONDS):
    sources = {"pipeline": source, "leaderboard_name": f"leaderboard_name = {alias!r}\nprint(1)"}
    return Capstone([SETUP], sources.get, Asked(), entry, seconds=seconds)


def met(trial):
    return {line.name: line.met for line in trial.lines}


def test_a_good_pipeline_meets_every_line(watch, same_images):
    trial = grader(GOOD)("pipeline")
    assert met(trial) == {"bytes": True, "latency": True, "accuracy": True}, str(trial)
    assert trial.measured["images"] == 500
    assert trial.measured["bytes"] < 60_000 < trial.measured["dense_bytes"]


def test_one_line_missed_leaves_the_others_and_says_why(watch):
    trial = grader(INT8)("pipeline")
    assert met(trial) == {"bytes": False, "latency": True, "accuracy": True}
    assert trial.line("bytes").sentence == f"File: {trial.measured['bytes']:,} bytes, and 60,000 are allowed."


def test_a_slow_file_loses_the_latency_line_and_a_tolerance_holds(watch, same_images):
    watch.factor = 0.98 / 0.6  # 0.98, where 0.90 is allowed and 0.99 tolerated
    assert met(grader(GOOD)("pipeline"))["latency"]
    watch.factor = 1.0 / 0.6
    trial = grader(GOOD)("pipeline")
    assert met(trial) == {"bytes": True, "latency": False, "accuracy": True}
    assert "1.00 of the dense network's, and 0.90 is allowed (0.99 with the tolerance" in trial.line("latency").sentence


def test_the_dense_network_meets_nothing_and_a_broken_one_neither(watch):
    assert not any(met(grader("def pipeline(model, data, budget):\n    return model\n")("pipeline")).values())
    broken = ("def pipeline(model, data, budget):\n"
              "    return rounded(without_channels(model, 0.5, data, mend=False), data)\n")
    trial = grader(broken)("pipeline")
    assert not any(met(trial).values())
    assert "points are lost" in trial.line("bytes").sentence


@pytest.mark.parametrize(("body", "says"), [
    ("return None", "returned None"),
    ("return {'weights': torch.zeros(3)}", "returned a dict"),
    ("return torch.zeros(10)", "returned a Tensor"),
    ("return lambda images: images", "is no number, string, list, dict, array or model"),
    ("raise ValueError('a secret')", "raised ValueError"),
    ("import os; os._exit(3)", "ended the whole Python process, so"),
    ("from shrinklab.models import build; return build('lenet')", "cannot run on one image"),
    ("from shrinklab.models import build; return build('resnet12')", "more than the dense one"),
    ("small = rounded(model, data); small.layers['fc'].weight_grid.scale.mul_(float('nan')); return small",
     "points are lost"),
    ("return [0] * 10_000_000", "too large"),
])
def test_garbage_earns_nothing_and_is_named(watch, body, says):
    trial = grader(f"def pipeline(model, data, budget):\n    {body}\n")("pipeline")
    assert not any(met(trial).values())
    text = " ".join(line.sentence for line in trial.lines)
    assert says in text
    assert "a secret" not in text


@pytest.mark.skipif(not boxes(), reason="there is no sandbox on this computer")
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "new"])
def test_in_the_sandbox_the_pipeline_does_not_see_the_test_photos(watch, warm):
    learns = "def pipeline(model, data, budget):\n    data.test\n    return rounded(model, data)\n"
    outside = grader(learns)("pipeline")
    assert met(outside)["accuracy"]
    boxed = Asked()
    boxed.box = Box(warm=warm)
    inside = {name: Capstone([SETUP], {"pipeline": source}.get, boxed)("pipeline")
              for name, source in {"learns": learns, "honest": INT8}.items()}
    assert "raised OSError" in inside["learns"].line("accuracy").sentence
    assert inside["honest"].measured["bytes"] == outside.measured["bytes"]


def test_a_cell_without_the_function_earns_nothing(watch):
    assert "pipeline is not there" in grader("something = 1")("pipeline").line("bytes").sentence
    assert not any(met(Capstone([SETUP], {}.get, Asked())("pipeline")).values())


def test_a_pipeline_that_runs_too_long_is_stopped(watch):
    trial = grader("def pipeline(model, data, budget):\n    while True: pass\n", seconds=2)("pipeline")
    assert not any(met(trial).values())
    assert "ran longer than 2 s and was stopped" in trial.line("latency").sentence
    assert watch.asked == 0


def test_a_source_with_room_for_weights_is_not_run(watch):
    fat = GOOD + f'WEIGHTS = "{"x" * capstone.SOURCE_BYTES}"\n'
    trial = grader(fat)("pipeline")
    assert not any(met(trial).values())
    assert "32,000 are allowed" in trial.line("bytes").sentence
    assert watch.asked == 0


def test_the_process_is_clean_nothing_of_other_cells_is_there(watch):
    uses_another_cell = "def pipeline(model, data, budget):\n    return helper(model, data)\n"
    assert "raised NameError" in grader(uses_another_cell)("pipeline").line("bytes").sentence


def test_the_budget_is_the_folder_s_whatever_the_notebook_says(watch, tmp_path):
    cheat = GOOD + ('budget = draw_budget("somebody else")\n'
                    "import shrinklab.capstone as ours\n"
                    "ours.draw_budget = lambda *names: ours.DeviceBudget(10**9, 99.0, 99.0)\n")
    entry = Entry("dora", "autumn", tmp_path / "capstone.json")
    trial = grader(cheat, entry)("pipeline")
    assert trial.budget == capstone.draw_budget("dora", "autumn") != capstone.draw_budget()
    told = "def pipeline(model, data, budget):\n    assert budget == BUDGET, budget\n    return rounded(model, data)\n"
    told = told.replace("BUDGET", repr(asdict(entry.budget)))
    assert grader(told, entry)("pipeline").measured, "the pipeline is told its own budget"


def test_budgets_differ_stay_and_are_within_reach():
    drawn = [capstone.draw_budget(f"student-{number}", "autumn") for number in range(40)]
    assert drawn == [capstone.draw_budget(f"student-{number}", "autumn") for number in range(40)]
    assert len({one.max_bytes for one in drawn}) > 20
    assert capstone.draw_budget("student-1", "spring") != drawn[1]
    assert all(45_000 <= one.max_bytes <= 60_000 and 4.0 <= one.max_drop_points <= 5.5 for one in drawn)


def test_a_regrade_gives_the_same_from_the_record(watch, tmp_path):
    entry = Entry("ann", "", tmp_path / "capstone.json")
    first = grader(GOOD, entry)("pipeline")
    watch.factor = 5.0  # the machine got slow meanwhile
    second = grader(GOOD, entry)("pipeline")
    assert first == second
    assert watch.asked == 1
    assert grader(GOOD + "# changed\n", entry)("pipeline").measured["ms"] > first.measured["ms"]


def test_what_went_wrong_is_kept_too(watch, tmp_path):
    entry = Entry("ann", "", tmp_path / "capstone.json")
    source = "def pipeline(model, data, budget):\n    raise ValueError\n"
    first = grader(source, entry)("pipeline")
    kept, = json.loads(entry.records.read_text())["measured"].values()
    assert "raised ValueError" in kept["why"]
    assert kept["date"]
    assert grader(source, entry)("pipeline") == first


def test_the_images_are_fresh_and_the_seed_is_kept(watch, tmp_path):
    entry = Entry("ann", "", tmp_path / "capstone.json")
    for number in range(2):
        grader(f"{INT8}# {number}\n", entry)("pipeline")
    seeds = {one["seed"] for one in json.loads(entry.records.read_text())["measured"].values()}
    assert len(seeds) == 2


def test_learning_the_test_photos_by_heart_does_not_carry_over():
    """A network that is trained on test photos until it knows them all beats the dense one on these photos, and loses
    to it by more than any budget allows as soon as they are moved and lit anew."""
    from shrinklab.train import Recipe, fit

    data, dense = load("cifar10"), pretrained("resnet8")
    photos = data.test[:128]
    torch.manual_seed(1)
    learner = build("resnet8")
    fit(learner, type("Part", (), {"train": photos, "validation": photos}),
        Recipe(epochs=40, batch_size=32, learning_rate=0.1), progress=False)
    assert accuracy(learner, photos) > 0.98 > accuracy(dense, photos)
    anew = capstone.moved_images(photos, data, 11)
    assert accuracy(learner, anew) < accuracy(dense, anew) - 0.055
    moved = capstone.moved_images(data.validation[:500], data, 11)
    assert accuracy(dense, data.validation[:500]) - accuracy(dense, moved) < 0.05


def test_moved_images_keep_labels_range_and_seed():
    data = load("cifar10")
    split = data.validation[:50]
    fresh = capstone.moved_images(split, data, 3)
    assert torch.equal(fresh.labels, split.labels)
    assert torch.equal(fresh.images, capstone.moved_images(split, data, 3).images)
    assert not torch.equal(fresh.images, capstone.moved_images(split, data, 4).images)
    pixels = fresh.images * data.std[:, None, None] + data.mean[:, None, None]
    assert pixels.min() > -1e-5
    assert pixels.max() < 1 + 1e-5
    assert all(not torch.equal(one, other) for one, other in zip(fresh.images, split.images, strict=True))


def figures(size, lost):
    return {"bytes": size, "dense_bytes": 313_422, "ms": 0.6, "dense_ms": 1.0, "right": 870 - lost, "dense_right": 870,
            "images": 1000}


@pytest.fixture
def a_class(tmp_path):
    records = Records(tmp_path / "capstone.json")
    for student, alias, size, lost in [("ann.miller", "", 58_000, 20), ("bob.smith", "<b>Ice & Co</b>", 50_000, 25),
                                       ("cleo.jones", "", 59_000, 70)]:
        budget = capstone.draw_budget(student)
        key = key_of([SETUP], student, budget)
        records.keep(key, {"budget": asdict(budget), "measured": figures(size, lost), "why": "", "seed": 1})
        records.enter(student, key, alias)
    return records


def test_the_board_shows_no_name_that_was_not_given_for_it(a_class, tmp_path):
    page = write_board(a_class.path, tmp_path / "board.html").read_text(encoding="utf-8")
    for part in ("ann", "miller", "bob", "smith", "cleo", "jones", "<b>"):
        assert part not in page.lower().replace("<body>", "")
    assert "&lt;b&gt;Ice &amp; Co&lt;/b&gt; ★" in page
    assert page.count("<td>–") == 2
    assert page.index("50,000") < page.index("58,000") < page.index("59,000"), "by figures, not by names"
    assert "http" not in page
    for student in ("ann.miller", "bob.smith", "cleo.jones"):
        assert f"{capstone.draw_budget(student).max_bytes:,}" not in page, "a budget tells whose it is"


def test_only_the_latest_submission_stands_on_the_board(a_class, tmp_path):
    budget = capstone.draw_budget("cleo.jones")
    a_class.keep("newer", {"budget": asdict(budget), "measured": figures(48_000, 10), "why": "", "seed": 1})
    a_class.enter("cleo.jones", "newer", "Cleo")
    page = write_board(a_class.path, tmp_path / "board.html").read_text(encoding="utf-8")
    assert "59,000" not in page
    assert "Cleo ★" in page


def test_without_a_measurement_there_is_no_board(tmp_path):
    assert write_board(tmp_path / "none.json", tmp_path / "board.html") is None
    records = Records(tmp_path / "capstone.json")
    records.keep("k", {"budget": {}, "measured": {}, "why": "raised ValueError", "seed": 1})
    records.enter("ann", "k", "Ann")
    assert write_board(records.path, tmp_path / "board.html") is None


@pytest.mark.parametrize(("alias", "kept"), [("Ice\x1b[31m", "Ice[31m"), (7, ""), (None, ""), ("x" * 99, "x" * 30)])
def test_a_name_for_the_board_is_text_and_short(watch, tmp_path, alias, kept):
    entry = Entry("ann", "", tmp_path / "capstone.json")
    grader("def pipeline(model, data, budget):\n    return 1\n", entry, alias=alias)("pipeline")
    assert json.loads(entry.records.read_text())["latest"]["ann"]["alias"] == kept


def test_a_quantized_network_crosses_and_a_forged_one_does_not():
    data = load("cifar10")
    small = quantize_model(pretrained("resnet8"), data.train[:32])
    message = encode(small)
    images = data.validation.images[:4]
    assert torch.equal(decode(json.loads(json.dumps(message)))(images), small(images))
    own = quantize_model(torch.nn.Linear(4, 2), torch.rand(8, 4))
    with pytest.raises(WireError, match="of its own"):
        encode(own)
    for forged in ({"$": "quantized", "file": [1, 2]}, {"$": "quantized", "file": encode(torch.zeros(4))},
                   {"$": "quantized", "file": encode(torch.zeros(9, dtype=torch.uint8).numpy())}):
        with pytest.raises(WireError):
            decode(forged)


def test_a_file_that_claims_more_weights_than_it_has_takes_no_memory(tmp_path):
    import numpy as np

    from shrinklab import files

    header = {"architecture": "resnet8", "config": {"widths": [60_000, 60_000, 60_000, 9, 9, 9, 9]}, "layers": {},
              "grids": [], "scheme": {}}
    data = files._write(tmp_path / "huge", {"a": torch.zeros(1)}, header).read_bytes()
    with pytest.raises(WireError, match="claims"):
        decode({"$": "quantized", "file": encode(np.frombuffer(data, np.uint8))})


def test_whose_submission_it_is_comes_from_the_folder_and_the_release(tmp_path):
    from autograder.preprocess import entry_of

    released = tmp_path / "10_ship_it.ipynb"
    names = {"student": "ann", "db_url": f"sqlite:///{(tmp_path / 'gradebook.db').as_posix()}"}
    for metadata, term in (({}, ""), ({"shrinklab": {"term": "autumn"}}, "autumn")):
        released.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []}))
        assert entry_of(names, released) == Entry("ann", term, tmp_path / "capstone.json")


def test_grading_a_class_writes_its_board(a_class, tmp_path, monkeypatch, capsys):
    from autograder import grade as module
    from autograder.course import Course

    monkeypatch.setattr(module, "grade_all", lambda course, name, options: ([], {}))
    monkeypatch.setattr(module, "export", lambda course: None)
    monkeypatch.setattr(module, "write_statistics", lambda course, name: tmp_path / "statistics.html")
    assert module.grade(Course(tmp_path, work=tmp_path), "10_ship_it") == 0
    assert "board:    leaderboard.html" in capsys.readouterr().out
    assert "50,000" in (tmp_path / "leaderboard.html").read_text(encoding="utf-8")


NOTEBOOK_CHECK = """call = student_call("pipeline", ref("resnet8"), ref("cifar10[:256]"), dict(vars(draw_budget())))
trial = capstone.finished("pipeline", call.value, True)
"""


def cell(kind, source, id, **nbgrader):
    shrinklab = {"kind": kind} | ({"name": "pipeline"} if kind in ("exercise", "check") else {})
    graded = {"schema_version": 3, "grade_id": id, "solution": kind == "exercise", "grade": kind == "check",
              "locked": kind != "exercise", "task": False} | nbgrader
    return {"cell_type": "code", "id": id, "source": source, "outputs": [], "execution_count": None,
            "metadata": {"shrinklab": shrinklab, "nbgrader": graded}}


def notebook(source):
    setup = SETUP + "from shrinklab import capstone\nfrom shrinklab.exercise import check, expect, ref, student_call\n"
    lines = "".join(f"    {line}\n" for line in NOTEBOOK_CHECK.splitlines())
    for name in capstone.LINES:
        lines += f'    expect(trial.line("{name}").met, hint=f"{{trial.line(\'{name}\').sentence}}", id="{name}")\n'
    check = f'with check("pipeline", points=3) as earned:\n{lines}earned.points'
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        cell("setup", setup, "setup"), cell("exercise", source, "exercise"),
        cell("check", check, "check", points=3)]}


def own(source):
    return {"cell_type": "code", "id": f"own{abs(hash(source))}", "source": source, "outputs": [],
            "execution_count": None, "metadata": {}}


def test_a_check_in_a_notebook_gives_partial_credit_with_the_sentence(watch, tmp_path):
    entry = Entry("ann", "", tmp_path / "capstone.json")
    named = notebook(INT8)
    named["cells"][1:1] = [own('leaderboard_name = "Ice"')]
    named["cells"] += [own("print(leaderboard_name)\nglobals()['leaderboard_name'] = 'hidden input'")]
    result, = run_notebook(named, entry=entry).results
    assert (result.points, result.max_points) == (2.0, 3.0)
    failed, = (one for one in result.expectations if not one.passed)
    assert failed.hint.startswith("File: ")
    # The name that stands in the notebook, not what the process says of it.
    assert json.loads(entry.records.read_text())["latest"]["ann"]["alias"] == "Ice"
    again, = run_notebook(notebook(INT8), entry=entry).results
    assert again == result
    assert watch.asked == 1


def test_the_student_s_source_counts_not_the_instructor_s(watch):
    result, = run_notebook(notebook(INT8), pristine=notebook(GOOD)).results
    assert result.points == 2.0
    result, = grade_cells(notebook(GOOD), "pipeline", replace={"pipeline": INT8})
    assert result.points == 2.0


def test_what_the_service_takes_does_not_count_as_the_check_s_own_time(monkeypatch):
    from autograder.engine import watch as module

    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def measure():
        now[0] += 100
        return 7

    watched = module.Watched(type("Backend", (), {"services": {"slow": staticmethod(measure)}})())
    now[0] += 2
    assert watched.services["slow"]() == 7
    now[0] += 3
    assert watched.own_seconds == 5
