"""Lesson 02: its pitfall shows both figures, its sentences hold for the shipped networks, its challenge can be met.

No test asserts a timing: where a cell measures time, the clock is replaced, and what is shown must be what it said.
"""

import copy
import json
import re

import pytest
import torch
from lesson_notebooks import LESSONS, released, run_cells, solution

from autograder.authoring.graded import draw_item
from autograder.authoring.source import read_lesson
from autograder.engine import grade_cells
from shrinklab.channels import recalibrate_batch_norm, shrink_channels
from shrinklab.files import file_bytes
from shrinklab.measure import count_macs, flip_rate, peak_memory
from shrinklab.metrics import accuracy
from shrinklab.profiling import profile
from shrinklab.timing import Latency

NARROW = "ResNet8, half of the channels"
STORED = {("ResNet8", "target"): 0.2, ("ResNet8", "desktop"): 0.3, (NARROW, "target"): 0.1, (NARROW, "desktop"): 0.06,
          ("MobileNet", "target"): 0.1, ("MobileNet", "desktop"): 0.5}  # milliseconds, given


def source(key):
    return next(cell.source for cell in solution("02").cells if cell.id == f"02-{key}")


def run(key, namespace):
    exec(compile(source(key), f"<02-{key}>", "exec"), namespace)
    return namespace


@pytest.fixture(scope="module")
def lesson():
    return run_cells("02", "load", "half", "bytes", "machine", "pitfall-target", "choose", "camera")


@pytest.fixture(scope="module")
def shipped(lesson):
    namespace = run("target-measure", dict(lesson))
    yield namespace
    namespace["folder"].cleanup()


def test_the_desktop_s_figure_stands_beside_the_target_s(lesson):
    lesson["timed"] = STORED
    assert lesson["speed_up"](NARROW, measured_on_the_desktop=True) == {
        "on the target": "2.00 times as fast as ResNet8", "as advertised": "5.00 times as fast as ResNet8"}
    assert lesson["speed_up"]("MobileNet", measured_on_the_desktop=True) == {
        "on the target": "2.00 times as fast as ResNet8", "as advertised": "0.60 times as fast as ResNet8"}
    assert list(lesson["speed_up"](NARROW, measured_on_the_desktop=False)) == ["on the target"]


def test_the_cell_stores_what_the_clock_said_about_the_right_network_batch_and_runtime(lesson):
    """A clock that goes by what the network gives, which tells networks and batches apart."""
    asked = []

    def clock(run, *, warm_up, repeats, batch=1):
        asked.append((warm_up, repeats, batch))
        with torch.inference_mode():
            return Latency(run().double().abs().sum().item(), 0.0, repeats, 1, batch)

    found = run("target-measure", dict(lesson) | {"latency": clock})
    found["folder"].cleanup()
    for name, network in found["three_networks"].items():
        with torch.inference_mode():
            many, one = (network(lesson["photos"].images[:count]).double().abs().sum().item() for count in (64, 1))
        assert found["timed"][name, "desktop"] == pytest.approx(many / 64, rel=1e-6)
        assert found["timed"][name, "target"] == pytest.approx(one, rel=1e-3)
        assert found["shipped"][name].target == "onnx"
    assert all(warm_up >= 2 and repeats >= 5 for warm_up, repeats, _ in asked)
    assert [batch for *_, batch in asked] == [64, 1] * 3


def test_the_reading_says_what_the_table_holds(lesson, capsys):
    networks = {"ResNet8": lesson["resnet"], NARROW: lesson["half"], "MobileNet": lesson["mobilenet"]}
    capsys.readouterr()
    run("target-reading", dict(lesson) | {"timed": STORED, "three_networks": networks})
    assert capsys.readouterr().out.splitlines() == [
        f"{NARROW}: 3.9 times fewer MACs", "    5.00 times as fast on the desktop, 2.00 times on the target",
        "    the desktop's figure is 2.50 times the target's",
        "    for each MAC it takes 1.93 times as long as ResNet8 on the target",
        "MobileNet: 2.2 times fewer MACs", "    0.60 times as fast on the desktop, 2.00 times on the target",
        "    the desktop's figure is 0.30 times the target's",
        "    for each MAC it takes 1.09 times as long as ResNet8 on the target"]


def test_the_switch_starts_off():
    assert "measured_on_the_desktop=False)" in source("pitfall-target")


def test_the_sentences_about_work_hold(lesson):
    resnet, photo = lesson["resnet"], lesson["photo"]
    macs = {name: count_macs(network, photo) for name, network in lesson["networks"].items()}
    assert "12.5 million" in source("title")
    assert round(macs["ResNet8"] / 1e6, 1) == 12.5
    assert macs["MobileNet"] < macs["ResNet8"] / 2
    first, last = resnet.conv.weight.numel(), resnet.block3.conv2.weight.numel()
    assert (round(last / first), 32 * 32 / 8 / 8) == (85, 16)
    half = lesson["half"]
    assert 0.2 < count_macs(half, photo) / macs["ResNet8"] < 0.3, "about a quarter"
    for cost in (file_bytes, lambda network: count_macs(network, photo), lambda network: peak_memory(network, photo),
                 lambda network: sum(one.numel() for one in network.parameters())):
        assert cost(half) < cost(resnet)
    masked = lesson["masked"]
    assert count_macs(masked, photo) == macs["ResNet8"]
    assert file_bytes(masked) == file_bytes(resnet)
    for width in (16, 8):
        narrow = shrink_channels(resnet, 1 - width / 16, example=photo)
        assert 300 <= narrow.fc.weight.numel() <= 700, "the library counts a few hundred more"


def test_the_sentences_about_memory_and_bytes_hold(lesson):
    resnet, mobilenet, images = lesson["resnet"], lesson["mobilenet"], lesson["photos"].images
    assert file_bytes(mobilenet) < file_bytes(resnet)
    for batch in (1, 8, 32):
        assert peak_memory(mobilenet, images[:batch]) > peak_memory(resnet, images[:batch])
    found = {name: profile(network, images[:1], repeats=1) for name, network in lesson["networks"].items()}
    assert found["MobileNet"].moved_bytes() > found["ResNet8"].moved_bytes()
    assert len(found["MobileNet"].layers) > len(found["ResNet8"].layers)
    depthwise = [one for one in found["MobileNet"].layers if one.name.endswith("depthwise")]
    others = [one for one in found["MobileNet"].layers if one.macs and one not in depthwise and one.kind == "Conv2d"]
    assert depthwise
    busiest, laziest = (chosen(one.macs / one.moved_bytes(1) for one in layers)
                        for chosen, layers in ((max, depthwise), (min, others)))
    assert busiest < laziest
    kinds = {one.kind for one in found["ResNet8"].layers if one.macs}
    assert kinds == {"Conv2d", "Linear"}, "blind to all rows but two"


def test_the_sentences_about_accuracy_hold(lesson):
    drops = lesson["drops"]
    assert lesson["chosen"] == "MobileNet"
    assert drops["MobileNet"] < 0
    assert min(drops["an eighth of the channels less"], drops[NARROW.split(", ")[1]]) > 5, "costs too much"
    photos = lesson["photos"]
    assert abs(accuracy(lesson["resnet"], photos) - accuracy(lesson["mobilenet"], photos)) < 0.03, "about as accurate"


def test_the_verdict_reads_as_the_text_says(lesson, shipped):
    """Accuracy and files are the same everywhere; what the latency says is left open."""
    found = run("measure-run", shipped)
    before, after = found["before"], found["after"]
    assert after.accuracy < before.accuracy
    assert after.accuracy_high > before.accuracy_low, "the intervals overlap"
    assert 10 < 100 * (1 - after.file_bytes / before.file_bytes) < 50
    assert flip_rate(before.predictions, after.predictions) > 0.1, "the rule that is set aside"
    assert before.split == "cifar10/test[:2000]"
    assert (before.batch, before.threads, before.runtime) == (1, 1, "ONNX Runtime")


def test_the_test_images_are_used_once():
    cells = [cell.id for cell in solution("02").cells if cell.cell_type == "code" and ").test" in cell.source]
    assert cells == ["02-measure-run"]


def test_the_stopwatch_that_starts_early_counts_the_preparing_in(lesson):
    log = lesson["record"](lesson["resnet"], calls=3)
    assert log.shape == (3, 3)
    assert bool((log.diff(dim=1) > 0).all())
    mended = run_cells("02", "debug-model_times")["model_times"](log, 1)
    released_source = next(cell.source for cell in released("02").cells if cell.id == "02-debug-model_times")
    faulty = {}
    exec(released_source, faulty)
    assert torch.allclose(faulty["model_times"](log, 1) - mended, 1000 * (log[1:, 1] - log[1:, 0]))


def test_the_students_functions_and_the_librarys_agree(lesson):
    names = run_cells("02", "exercise-conv_cost", "exercise-latency_summary", "exercise-layer_bound")
    for layer in profile(lesson["resnet"], lesson["photo"], repeats=1).layers:
        if layer.kind == "Conv2d":
            shapes = layer.weight_shape, layer.output_shape
            assert names["conv_cost"](*shapes, True) == names["roofline"].conv_cost(*shapes, True)
    times = torch.rand(30).tolist()
    assert names["latency_summary"](times, 4) == names["timing"].summary(times, 4)
    for rates in ((4e9, 1e9), (1e9, 4e9)):
        assert names["layer_bound"](2e6, 1e6, *rates) == names["roofline"].roofline(2e6, 1e6, *rates)


def test_no_text_quotes_a_time_of_one_machine():
    """Milliseconds in the text are given on paper or by a paper; a measured one comes from a variable."""
    for cell in solution("02").cells:
        if cell.cell_type == "markdown":
            told = re.findall(r"[\d.]+ ms\b", cell.source)
            assert not told or cell.id == "02-target" or "question" in cell.id, (cell.id, told)


def test_no_guess_shows_its_truth():
    guesses = [cell for cell in released("02").cells if "Guess(" in cell.source and "import" not in cell.source]
    assert len(guesses) >= 6
    assert [cell.id for cell in guesses if not cell.metadata.get("jupyter", {}).get("source_hidden")] == []
    # JupyterLab shows the first line of a hidden input.
    assert [cell.id for cell in guesses if "lambda" in cell.source.split("\n")[0]] == []


def test_what_comes_before_a_guess_does_not_tell_it():
    keys = [cell.id[3:] for cell in solution("02").cells]
    for guess, reveal in (("predict-sooner", "roofline-reading"), ("predict-batch", "batch-run"),
                          ("predict-rest", "layers-kinds"), ("predict-memory", "memory-run"),
                          ("predict-sooner", "half")):
        assert keys.index(guess) < keys.index(reveal)


def test_the_table_before_the_last_guess_shows_no_shares_that_add_up_to_its_answer():
    assert "total_ms" not in source("layers-table")


def test_no_cell_in_sight_holds_the_line_that_mends_the_stopwatch():
    cells = {cell.id: cell.source.replace(" ", "") for cell in released("02").cells if cell.cell_type == "code"}
    assert [key for key, text in cells.items() if re.search(r"2\]-log\[[^]]*,1\]", text)] == []


def test_the_first_call_that_counts_in_question_3_does_not_look_like_warm_up():
    lesson = read_lesson(LESSONS["02"])
    [template] = [one for one in lesson.of("graded") if one.name == "answer_3"]
    for number in range(30):
        question = draw_item(lesson, template, f"a-secret-that-is-long-{number}").stem
        times, warm_up = re.search(r"row: ([\d, ]+) ms\. The first (\d)", question).groups()
        assert int(times.split(", ")[int(warm_up)]) < 30, question


def test_the_papers_figures_stand_in_the_text_and_ours_beside_them(lesson, capsys):
    text = source("target")
    assert round(183 / 564 / (113 / 575), 2) == 1.65
    figures = "575 million", "113 ms", "564 million", "183 ms", "1.65 times"
    assert [figure for figure in figures if figure not in " ".join(text.split())] == []
    for figure in ("17.6 billion FLOPs", "15 billion bytes", f"about {17.6 / 15:.1f} FLOPs a byte"):
        assert figure in " ".join(source("roofline").split())
    capsys.readouterr()
    machine = run("machine", dict(lesson))["machine"]
    told = capsys.readouterr().out
    assert f"{machine.ridge:.1f} MACs for each byte" in told
    assert f"{2 * machine.ridge:.1f} FLOPs" in told


def test_an_answer_is_told_neither_right_nor_wrong_before_it_is_graded(capsys):
    checks = {cell.metadata["shrinklab"]["name"]: cell.source for cell in released("02").cells
              if cell.metadata.get("shrinklab", {}).get("kind") == "check"}
    for given in ('"a"', '"b"'):
        namespace = run_cells("02") | {"answer_2": json.loads(given)}
        exec(checks["answer_2"].replace("\nearned.points", "\nshown = earned.points"), namespace)
        assert namespace["shown"] is None
        assert "your answer can be read" in capsys.readouterr().out


NOTHING = {
    "conv_cost": ["def conv_cost(weight_shape, output_shape, bias):\n    pass",
                  "def conv_cost(weight_shape, output_shape, bias):\n    return weight_shape"],
    "latency_summary": ["def latency_summary(times, warm_up):\n    pass",
                        "def latency_summary(times, warm_up):\n    return times"],
    "layer_bound": ["def layer_bound(macs, moved_bytes, macs_per_second, bytes_per_second):\n    pass",
                    "def layer_bound(macs, moved_bytes, macs_per_second, bytes_per_second):\n    return macs"],
}
LITTLE = {
    "conv_cost": "def conv_cost(weight_shape, output_shape, bias):\n    return 0, 0",
    "latency_summary": "def latency_summary(times, warm_up):\n    return 0.0, 0.0",
    "layer_bound": "def layer_bound(macs, moved_bytes, macs_per_second, bytes_per_second):\n    return 0.0, 'memory'",
}


@pytest.mark.parametrize(("name", "text"), [(name, one) for name, ways in NOTHING.items() for one in ways])
def test_a_function_that_does_nothing_earns_nothing(name, text):
    result = grade_cells(solution("02"), name, replace={name: text})[0]
    assert result.points == 0, [one.id for one in result.expectations if one.passed]


@pytest.mark.parametrize(("name", "text"), LITTLE.items())
def test_the_right_form_with_nothing_in_it_earns_next_to_nothing(name, text):
    result = grade_cells(solution("02"), name, replace={name: text})[0]
    assert result.points <= 0.2 * result.max_points, [one.id for one in result.expectations if one.passed]


def test_the_challenge_can_be_met_and_is_not_met_as_it_stands(lesson):
    resnet, photo, calibration = lesson["resnet"], lesson["photo"], lesson["data"].train.images[:500]

    def result_of(amounts):
        network = recalibrate_batch_norm(shrink_channels(resnet, amounts, example=photo), calibration)
        return 1 - count_macs(network, photo) / count_macs(resnet, photo), accuracy(network, lesson["thousand"])

    groups = "conv", "block1.conv1", "block2.conv1", "block2.conv2", "block3.conv1", "block3.conv2"
    even = dict.fromkeys(groups, 0.125)
    bar, mine = result_of(1 / 8), result_of({"block1.conv1": 0.5, "block2.conv1": 0.1875})
    assert result_of(even) == bar, "the shares that stand there are the even cut, which does not beat itself"
    assert all(f'"{name}"' in source("challenge-try") for name in even)
    assert mine[0] >= bar[0]
    assert mine[1] > bar[1] + 0.02


def test_cutting_leaves_the_whole_networks_whole(lesson):
    before = copy.deepcopy(lesson["resnet"].state_dict())
    found = run("target-measure", dict(lesson) | {"latency": lambda run, **options: Latency(1.0, 1.0, 1, 1, 1)})
    found["folder"].cleanup()
    assert all(torch.equal(tensor, before[name]) for name, tensor in lesson["resnet"].state_dict().items())
