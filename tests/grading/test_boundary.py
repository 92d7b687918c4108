"""What a student's code can do to the grader's side of the process boundary: nothing but give values."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import nbformat
import pytest
import torch
from nbformat import v4

from autograder.demo import fill, sources
from autograder.engine import Stopped, Worker, channel, checks, grade_cells, run_notebook
from autograder.engine.outputs import from_student
from shrinklab import calls

RIGHT = "def scores(weight):\n    return weight.abs()"


@pytest.fixture
def worker():
    with Worker() as made:
        yield made


def run(worker, source, seconds=60):
    return worker.ask({"op": "run", "source": source}, seconds)["outputs"]


def call(worker, name, *args):
    return calls.receive(worker.ask({"op": "call", "message": calls.request(name, args)}, 60)["response"])


def grade(tiny, scores, seconds=60, **others):
    """The tiny lesson with its answer right and this source for `scores`."""
    written = {"answer_1": 'answer_1 = "b"', "scores": scores} | others
    return run_notebook(fill(tiny.released, written), pristine=tiny.solution, seconds=seconds)


def texts(graded, name):
    found = [cell for cell in graded.notebook["cells"] if cell["metadata"].get("shrinklab", {}).get("name") == name
             and cell["metadata"]["shrinklab"]["kind"] == "check"]
    return " ".join(found[0]["outputs"][0]["text"].split()), found[0]["outputs"][-1]["data"]["text/plain"]


@pytest.mark.parametrize("warm", [True, False], ids=["forked", "alone"])
def test_both_ways_to_start_give_the_same(warm):
    with Worker(warm=warm) as worker:
        run(worker, "import torch\ndef scores(weight):\n    print('scoring')\n    return weight.abs()")
        assert call(worker, "scores", torch.tensor([-3.0])).printed == "scoring\n"
        assert run(worker, "scores(torch.tensor([-2.0]))") == [
            {"output_type": "stream", "name": "stdout", "text": "scoring\n"},
            {"output_type": "execute_result", "data": {"text/plain": "tensor([2.])"}, "metadata": {}}]


def test_prints_on_every_road_do_not_reach_the_channel(worker):
    run(worker, "import os, sys, subprocess\n"
                "sys.__stdout__ and sys.__stdout__.write('x' * 100)\nos.write(1, b'y' * 100)\nos.write(2, b'z')\n"
                "subprocess.run([sys.executable, '-c', 'print(1)'])\nsys.stdout = None")
    assert run(worker, "print('still here')")[0]["text"] == "still here\n"


def test_input_ends_at_once(worker):
    assert run(worker, "input('name? ')")[-1]["output_type"] == "error"


def test_huge_output_is_cut(worker):
    outputs = run(worker, "for _ in range(100):\n    print('x' * 100_000)")
    assert len(outputs[0]["text"]) < 70_000
    assert "cut here" in outputs[0]["text"]


def test_a_closed_stdout_closes_only_its_own_output(worker):
    run(worker, "import sys\ndef shut():\n    sys.stdout.close()\n    return 3\nsys.stdout.close()")
    assert run(worker, "print('again')")[0]["text"] == "again\n"
    assert call(worker, "shut").value == 3
    assert run(worker, "1 + 1")[0]["data"]["text/plain"] == "2"


def test_a_cell_that_shows_too_much_loses_its_output_and_not_its_process(worker):
    shown = run(worker, "from IPython.display import display\nfor _ in range(40):\n"
                        "    display({'image/png': 'x' * 2 * 2**20, 'text/plain': ''}, raw=True)\nkept = 3")
    assert "too large to keep" in shown[0]["text"]
    assert call(worker, "kept").value == 3


@pytest.mark.parametrize("bomb", [b"[" + b"{}," * 5_000_000 + b"{}]", b"[" * 5_000_000])
def test_a_message_of_millions_of_parts_is_not_even_read(bomb, monkeypatch):
    monkeypatch.setattr(channel.json, "loads", lambda data: pytest.fail("the message was read"))
    with pytest.raises(channel.ChannelError, match="parts"):
        channel.receive(io.BytesIO(struct.pack(">I", len(bomb)) + bomb))


def test_a_forged_message_is_no_message(worker):
    run(worker, "def forge():\n"
                "    import gc, io\n"
                "    for one in gc.get_objects():\n"
                "        if isinstance(one, io.BufferedRWPair):\n"
                "            one.write(b'\\x00\\x00\\x00\\x02{}')\n            one.flush()\n"
                "    return 1")
    with pytest.raises(Stopped, match="does not belong"):
        call(worker, "forge")


def test_the_graders_values_are_not_in_the_students_process(tiny):
    """The hidden input 4567 and the hint of its check stay on the host; what is called is all that arrives."""
    peek = ("def scores(weight):\n    import gc, sys\n"
            "    texts = [str(o) for o in gc.get_objects() if isinstance(o, (str, dict, list, tuple))]\n"
            "    ours = [m for m in list(sys.modules.values()) if m.__name__.startswith('autograder')]\n"
            "    texts += [str(m.__dict__) for m in ours]\n"
            "    wanted = [''.join(reversed(w)) for w in ('oot seno egraL', 'ksam eht fo knihT')]\n"
            "    seen = any(w in t for w in wanted for t in texts)\n"
            "    return weight.abs() if seen else weight")
    assert {one.name: one.points for one in grade(tiny, peek).results} == {"scores": 0, "answer_1": 1}


def test_patching_the_library_in_the_students_process_earns_nothing(tiny):
    patch = ("import shrinklab.compare, shrinklab.exercise, builtins\n"
             "shrinklab.compare.difference = lambda *a, **k: None\n"
             "shrinklab.exercise.expect = lambda *a, **k: True\n"
             "class Yes:\n    def __eq__(self, other): return True\n"
             "def scores(weight):\n    return Yes()")
    assert grade(tiny, patch).points == 1


def test_a_changed_check_or_setup_cell_does_not_count(tiny):
    notebook = fill(tiny.released, {"scores": "def scores(weight):\n    return weight"})
    for cell in notebook["cells"]:
        if cell["metadata"].get("shrinklab", {}).get("kind") in ("check", "setup"):
            cell["source"] = "import os\nos.environ['TOUCHED'] = '1'\n99.0"
    assert run_notebook(notebook, pristine=tiny.solution).points == 0
    assert "TOUCHED" not in os.environ


def test_a_removed_check_earns_nothing_and_is_named(tiny):
    notebook = fill(tiny.released, sources(tiny.solution))
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "90-check-scores"]
    graded = run_notebook(notebook, pristine=tiny.solution)
    assert graded.points == 1
    assert graded.max_points == 3
    assert "missing" in graded.results[-1].message


@pytest.mark.parametrize(("source", "says"), [
    ("def scores(weight):\n    while True: pass", "longer than 3 s"),
    ("def scores(weight):\n    import os; os._exit(3)", "ended the whole Python process, so"),
    ("def scores(weight):\n    import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    ("def scores(weight):\n    raise SystemExit", "SystemExit"),
    ("def scores(weight):\n    return lambda: 1", "scores"),
    ("def scores(weight):\n    return [0] * 10**6", "scores"),
    ("def scores(weight): return weight.abs(", "scores is not there: its cell is missing or did not run to its end"),
    ("while True: pass", "scores is not there: its cell is missing or did not run to its end"),
], ids=["loop", "exit", "crash", "SystemExit", "function", "huge", "syntax", "loop-in-the-cell"])
def test_what_fails_gives_0_for_itself_with_a_sentence_and_the_rest_goes_on(tiny, source, says):
    graded = grade(tiny, source, seconds=3)
    text, score = texts(graded, "scores")
    assert score == "0.0"
    assert says in text
    assert "Traceback" not in text
    assert texts(graded, "answer_1")[1] == "1.0"


def test_what_ran_before_a_crash_is_there_after_it(tiny):
    ends = "letter = 'b'\ndef scores(weight):\n    import os; os._exit(0)"
    assert grade(tiny, ends, answer_1="answer_1 = letter").points == 1


def test_a_process_that_left_its_group_does_not_hold_the_grader_up(worker):
    code = ("import os, time\n"
            "if not os.fork():\n    os.setsid()\n    open('left', 'w').write(str(os.getpid()))\n    time.sleep(300)\n")
    run_in = worker.folder / "left"
    watch = threading.Thread(target=lambda: pytest.raises(Stopped, run, worker, code + "time.sleep(300)", 300))
    watch.start()
    while not (run_in.exists() and run_in.read_text()):
        time.sleep(0.05)
    pid = int(run_in.read_text())
    worker.close()
    watch.join(30)
    os.kill(pid, signal.SIGKILL)
    assert not watch.is_alive()


def test_everything_in_the_group_ends_with_the_worker():
    with Worker() as worker:
        outputs = run(worker, "import subprocess, sys\n"
                              "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\np.pid")
        pid = int(outputs[0]["data"]["text/plain"])
        folder = worker.folder
    assert _gone(pid)
    assert not folder.exists()


def test_workers_end_when_the_grader_is_killed(tmp_path):
    """kill -9 on the grader: the warm process notices and ends what it forked."""
    code = ("import sys, time\nfrom autograder.engine import Worker\nw = Worker()\n"
            "o = w.ask({'op': 'run', 'source': 'import os; os.getpid()'}, 60)['outputs']\n"
            "print(o[0]['data']['text/plain'], flush=True)\ntime.sleep(60)")
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with grader:
        pid = int(grader.stdout.readline())
        grader.kill()
    assert _gone(pid)


def test_play_cells_are_skipped_and_setup_runs_on_both_sides(tiny):
    graded = grade(tiny, RIGHT)
    assert graded.points == graded.max_points == 3
    plays = [cell for cell in graded.notebook["cells"] if cell["metadata"].get("shrinklab", {}).get("kind") == "play"]
    assert [cell["outputs"] for cell in plays] == [[]]


def test_an_untouched_notebook_earns_exactly_0_and_full_solutions_everything(tiny):
    assert run_notebook(tiny.released, pristine=tiny.solution).points == 0
    assert run_notebook(tiny.solution).points == 3


@pytest.mark.parametrize("last", ["", "True", "'2'", "99.0", "-1.0", "float('nan')", "1/0", "earned"])
def test_a_check_without_an_explicit_score_is_0(tiny, last):
    lesson = fill(tiny.solution, {})
    for cell in lesson["cells"]:
        if cell["id"] == "90-check-scores":
            cell["source"] = cell["source"].removesuffix("earned.points") + last
    graded = run_notebook(fill(tiny.released, sources(tiny.solution)), pristine=lesson)
    text, score = texts(graded, "scores")
    assert score == "0.0"
    assert "Please tell your instructor" in text
    assert "ZeroDivisionError" not in text


def test_hidden_inputs_and_values_are_not_in_what_the_student_reads(tiny):
    graded = grade(tiny, "def scores(weight):\n    raise ValueError(weight)")
    assert "4567" not in str([cell.get("outputs") for cell in graded.notebook["cells"]])


def shown(graded):
    return str([cell.get("outputs") for cell in graded.notebook["cells"]])


def test_a_cell_after_a_check_cannot_show_what_the_check_called_with(tiny):
    keeping = "kept = []\n" + RIGHT.replace("    return", "    kept.append(weight)\n    return")
    notebook = fill(tiny.released, {"answer_1": 'answer_1 = "b"', "scores": keeping})
    notebook["cells"].append(v4.new_code_cell("print('kept', kept)"))
    graded = run_notebook(notebook, pristine=tiny.solution)
    assert graded.points == 3
    assert "kept []" in shown(graded)
    assert "4567" not in shown(graded)


@pytest.mark.parametrize("ends", ["", "import os; os._exit(0)"], ids=["at-once", "in-a-new-process"])
def test_a_check_finds_the_names_as_they_were_at_its_place(tiny, ends):
    notebook = fill(tiny.released, {"answer_1": 'answer_1 = "b"', "scores": RIGHT})
    notebook["cells"] += [v4.new_code_cell("scores = answer_1 = torch = None"), v4.new_code_cell(ends)]
    assert run_notebook(notebook, pristine=tiny.solution).points == 3


def test_a_helper_that_is_replaced_later_counts_as_it_was(tiny):
    notebook = fill(tiny.released, {"answer_1": 'answer_1 = "b"', "scores":
                                    "def size(x):\n    return x.abs()\ndef scores(weight):\n    return size(weight)"})
    notebook["cells"].append(v4.new_code_cell("def size(x):\n    return x"))
    assert run_notebook(notebook, pristine=tiny.solution).points == 3


@pytest.mark.parametrize("leak", [
    "exec(f'def got_{value}(): raise ValueError', globals()); globals()[f'got_{value}']()",
    "exec(compile('\\n' * (value - 1) + 'raise ValueError', 'cell', 'exec'), globals())",
    "exec(f'def got_{value}(): raise NotImplementedError', globals()); globals()[f'got_{value}']()",
    "raise type(f'Got{value}', (Exception,), {})", "import os; os._exit(value % 256)",
    "import os; os.kill(os.getpid(), 1 + value % 14)"],
    ids=["name", "line", "unwritten", "type", "exit-code", "signal"])
def test_no_error_tells_what_the_check_called_with(tiny, leak):
    graded = grade(tiny, f"def scores(weight):\n    value = int(weight.abs()[0])\n    if value > 9:\n        {leak}\n"
                         "    return weight.abs()")
    text, score = texts(graded, "scores")
    assert score in ("0.0", "1.0")
    assert not set("3456789") & set(text)
    assert "got" not in text.casefold()
    assert "SIG" not in text


def test_the_total_time_is_kept(tiny):
    notebook = fill(tiny.released, {"scores": "import time\ntime.sleep(30)", "answer_1": 'answer_1 = "b"'})
    graded = run_notebook(notebook, pristine=tiny.solution, total=1)
    assert graded.points == 0
    assert any("was stopped" in remark for remark in graded.remarks)


def with_own_cells(tiny, *own, scores=RIGHT):
    """The tiny lesson, solved, with cells of the student's own before the exercises."""
    notebook = fill(tiny.released, {"scores": scores, "answer_1": 'answer_1 = "b"'})
    first = next(index for index, cell in enumerate(notebook["cells"]) if cell["id"] == "90-exercise-scores")
    notebook["cells"][first:first] = [v4.new_code_cell(source) for source in own]
    return notebook


def test_slow_cells_of_ones_own_leave_the_exercises_their_time(tiny):
    slow = ["import time\ntime.sleep(2.5)", *["time.sleep(60)"] * 4]
    graded = run_notebook(with_own_cells(tiny, *slow), pristine=tiny.solution, total=20, seconds=15)
    assert graded.points == 3
    assert any("used up their 10 s, so only the exercises" in remark for remark in graded.remarks)


def test_crashing_cells_of_ones_own_leave_the_exercises_their_process(tiny):
    graded = run_notebook(with_own_cells(tiny, *["import os; os._exit(1)"] * 6), pristine=tiny.solution)
    assert graded.points == 3
    assert sum("ended its process too often" in remark for remark in graded.remarks) >= 1


def test_a_play_cell_that_was_changed_costs_no_exercise_its_points(tiny):
    notebook = with_own_cells(tiny, *["import os; os._exit(1)"] * 4)
    for cell in notebook["cells"]:
        if cell["metadata"].get("shrinklab", {}).get("kind") == "play":
            cell["source"] = "import os; os._exit(1)"
    assert run_notebook(notebook, pristine=tiny.solution).points == 3


def test_what_a_cell_of_ones_own_defines_is_there_for_the_exercises(tiny):
    own = "def size(x):\n    return x.abs()", "import os; os._exit(1)"
    notebook = with_own_cells(tiny, *own, scores="def scores(weight):\n    return size(weight)")
    assert run_notebook(notebook, pristine=tiny.solution).points == 3


def test_a_check_that_does_not_end_is_stopped_with_a_sentence_and_the_rest_goes_on(tiny, monkeypatch):
    monkeypatch.setattr(checks, "OWN_SECONDS", 1)
    lesson = fill(tiny.solution, {})
    for cell in lesson["cells"]:
        if cell["id"] == "90-check-scores":
            cell["source"] = ("import time\nend = time.monotonic() + 20\n"
                              f"while time.monotonic() < end:\n    pass\n{cell['source']}")
    graded = run_notebook(fill(tiny.released, sources(tiny.solution)), pristine=lesson)
    text, score = texts(graded, "scores")
    assert score == "0.0"
    assert "it worked too long on what came back" in text
    assert texts(graded, "answer_1")[1] == "1.0"


def test_the_time_of_the_students_function_is_not_the_checks(tiny, monkeypatch):
    monkeypatch.setattr(checks, "OWN_SECONDS", 2)
    slow = "def scores(weight):\n    import time; time.sleep(1.2)\n    return weight.abs()"
    assert grade(tiny, slow).points == 3


def test_the_librarys_own_function_under_another_name_is_remarked(tiny):
    graded = grade(tiny, "from shrinklab.criteria import l1 as scores\ndef helper(): pass")
    assert graded.points == 3
    assert graded.remarks == ("Note: scores is the library's own function under another name.",)
    assert graded.remarks[0] in texts(graded, "scores")[0]
    assert grade(tiny, RIGHT).remarks == ()


def test_grade_cells_runs_one_exercise_only(tiny):
    assert [one.points for one in grade_cells(tiny.solution, "answer_1")] == [1]
    wrong = grade_cells(tiny.solution, "scores", replace={"scores": "def scores(weight):\n    return weight"})[0]
    assert [(one.id, one.passed) for one in wrong.expectations] == [("sign", False), ("large", False)]


@pytest.mark.parametrize("junk", [None, 7, "x", [7, None, {}], [{"output_type": "stream", "text": 5}],
                                  [{"output_type": "display_data", "data": {"text/html": "<script>"}}],
                                  [{"output_type": "error", "traceback": 5}]])
def test_whatever_a_process_sends_becomes_a_valid_output(junk):
    if junk == [{"output_type": "error", "traceback": 5}]:
        junk = [{"output_type": "error", "traceback": [5]}]
    cell = v4.new_code_cell("1", outputs=nbformat.from_dict(from_student(junk)))
    nbformat.validate(v4.new_notebook(cells=[cell]))
    assert "<script>" not in str(cell)


def _gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as status:
            if status.read().split()[2] == "Z":
                return True
        time.sleep(0.1)
    return False
