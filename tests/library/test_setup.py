"""The set-up: pinned versions, make targets, and the student's workbook."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from traitlets.utils.importstring import import_item

import bootstrap
import lab
import reset
import system
import workbook

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = {
    "lab", "check", "submit", "reset", "progress", "grade", "grade-demo", "formgrader", "feedback", "test", "lint",
    "build", "screenshots", "site", "baselines", "bench", "bench-grading", "help",
    "roster", "collect", "regrade", "export", "similarity",
}


# Versions -----------------------------------------------------------------------------------------------------


def conda():
    """The python pin and the pip lines of environment.yml."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python = next(line for line in listed if isinstance(line, str) and line.startswith("python"))
    return python, next(line["pip"] for line in listed if isinstance(line, dict))


def test_conda_and_pip_install_the_same_versions():
    _, pip = conda()
    assert [line for line in pip if not line.startswith("-")] == PROJECT["dependencies"]


def test_conda_asks_the_same_index_for_pytorch_and_installs_this_project():
    _, pip = conda()
    assert [line for line in pip if line.startswith("-")] == [f"--extra-index-url {bootstrap.CPU_INDEX}", "-e ."]


def test_one_range_of_python_everywhere():
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["classifiers"]))]
    low, high = min(minors), max(minors)
    assert PROJECT["requires-python"] == f">=3.{low}"
    assert (3, low) == bootstrap.OLDEST
    assert low <= int(re.fullmatch(r"python=3\.(\d+)", conda()[0])[1]) <= high
    assert f"(3, {low}) <= sys.version_info[:2] <= (3, {high})" in (ROOT / "Makefile").read_text()
    assert f"Python 3.{low} to 3.{high}" in (ROOT / "README.md").read_text()


def test_the_accuracies_in_the_readme_are_those_of_the_model_cards():
    readme = (ROOT / "README.md").read_text()
    for path in (ROOT / "src/shrinklab/weights").glob("*.json"):
        card = json.loads(path.read_text())
        low, high = (f"{100 * bound:.1f}" for bound in card["test"]["interval_95"])
        row = f"{card['parameters']:,} | {100 * card['test']['accuracy']:.1f} % ({low}–{high})"
        assert row in readme, f"the README's table of networks lacks {path.stem}: {row}"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "LICENSE-lessons.md"])
def test_every_link_to_a_file_of_ours_leads_to_one(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / document).read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_example_of_the_library_runs(tmp_path):
    section = (ROOT / "README.md").read_text().split("## The library by itself")[1]
    code = re.search(r"```python\n(.*?)```", section, re.S).group(1)
    # Less of everything, so that it takes seconds: a part of the images, and one short epoch.
    code = code.replace('load("cifar10")', "PART").replace("epochs=6", "epochs=1")
    head = ("from types import SimpleNamespace\nfrom shrinklab.data import load\ndata = load('cifar10')\n"
            "PART = SimpleNamespace(train=data.train[:256], validation=data.validation[:200],\n"
            "                       example=data.example)\n")
    done = subprocess.run([sys.executable, "-c", head + code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] in ("good", "borderline", "bad")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after.onnx", "before.onnx"]


# Makefile -----------------------------------------------------------------------------------------------------

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(*arguments):
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True)


@needs_make
def test_plain_make_lists_every_target():
    listed = set(re.findall(r"^  make ([a-z-]+)", make().stdout, flags=re.M))
    assert listed == TARGETS
    assert make("help").stdout == make().stdout


@needs_make
def test_every_target_calls_something_that_exists():
    given = "LESSON=04", "FROM=class.csv", "INTO=grades.csv", "EXERCISE=scores"
    commands = make("--dry-run", *sorted(TARGETS), *given).stdout
    scripts = set(re.findall(r"(?:tools|benchmarks)/\w+\.py", commands))
    assert {"tools/bootstrap.py", "tools/lab.py", "tools/reset.py", "benchmarks/baselines.py"} <= scripts
    assert [script for script in sorted(scripts) if not (ROOT / script).exists()] == []


@needs_make
def test_a_missing_python_is_named_with_the_rule_and_the_fix():
    outcome = make("lab", "PYTHON=")
    assert outcome.returncode == 2
    assert "no Python 3.11 to 3.14 found" in outcome.stderr
    assert "PYTHON=/path/to/python3" in outcome.stderr


@needs_make
def test_the_readme_names_every_target_and_no_other():
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"make ([a-z-]+)(?=[ `\n])", readme[readme.index("## All targets"):])) >= TARGETS - {"help"}
    assert set(re.findall(r"^make ([a-z-]+)", readme, flags=re.M)) <= TARGETS


def test_ci_runs_what_the_readme_tells_everyone_to_run():
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"


def test_no_test_takes_something_from_a_conftest():
    """All folders' conftests have one name: a process started by a test of one folder finds another folder's."""
    for path in (ROOT / "tests").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) conftest\b", path.read_text(encoding="utf-8"), re.MULTILINE), path.name


def test_a_students_workbook_changes_nothing_for_ruff(tmp_path):
    """ruff takes a folder beside the code for a package: an import of tools/workbook.py would change its place."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "workbook").mkdir()
    (tmp_path / "tests").mkdir()
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copy(__file__, tmp_path / "tests")
    outcome = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "tests"], cwd=tmp_path,
                             capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout


# bootstrap.py -------------------------------------------------------------------------------------------------


@pytest.fixture
def venv(tmp_path, monkeypatch):
    """A .venv that looks installed, and a log of the pip commands that are run instead of pip."""
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.touch()
    commands = []
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "PYTHON", python)
    monkeypatch.setattr(bootstrap, "make_venv", lambda: None)
    monkeypatch.setattr(bootstrap, "run_pip", lambda command: commands.append([str(word) for word in command]))
    monkeypatch.setattr(bootstrap, "reason_unreachable", lambda url: "no network")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("TORCH_INDEX", raising=False)
    return commands


def test_a_second_run_installs_nothing(venv):
    bootstrap.main("core")
    assert len(venv) == 1
    bootstrap.main("core")
    assert len(venv) == 1


def test_the_tests_need_more_than_the_lessons_and_include_them(venv):
    bootstrap.main("core")
    bootstrap.main("dev")
    assert [command[-1] for command in venv] == [".", ".[dev]"]
    bootstrap.stamp("core").unlink()
    bootstrap.main("core")
    assert len(venv) == 2


def test_changed_settings_are_installed_again(venv, monkeypatch):
    bootstrap.main("core")
    monkeypatch.setattr(bootstrap, "key", lambda settings, root: "other")
    bootstrap.main("core")
    assert len(venv) == 2


def test_a_failed_install_is_tried_again_next_time(venv, monkeypatch):
    def fail(command):
        raise SystemExit("error")

    works = bootstrap.run_pip
    monkeypatch.setattr(bootstrap, "run_pip", fail)
    with pytest.raises(SystemExit):
        bootstrap.main("core")
    monkeypatch.setattr(bootstrap, "run_pip", works)
    bootstrap.main("core")
    assert len(venv) == 1


def test_pytorch_alone_comes_from_its_cpu_index(venv, monkeypatch):
    monkeypatch.setattr(bootstrap, "reason_unreachable", lambda url: None)
    bootstrap.main("core")
    torch, project = venv
    assert "--extra-index-url" in torch
    assert bootstrap.CPU_INDEX in torch
    assert [word for word in torch if "~=" in word] == [d for d in PROJECT["dependencies"] if d.startswith("torch")]
    assert "--extra-index-url" not in project


@pytest.mark.parametrize(("platform", "index"), [("linux", ""), ("darwin", "https://example.org"), ("win32", "x")])
def test_no_index_is_asked(monkeypatch, platform, index):
    monkeypatch.setenv("TORCH_INDEX", index)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(bootstrap, "reason_unreachable", lambda url: pytest.fail(f"asked {url}"))
    assert bootstrap.torch_index() is None


def test_an_unreachable_index_is_asked_twice_and_named(venv, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(bootstrap, "reason_unreachable", lambda url: asked.append(url) or "refused")
    assert bootstrap.torch_index() is None
    assert asked == [f"{bootstrap.CPU_INDEX}/torch/"] * 2
    assert "unreachable (refused)" in capsys.readouterr().out


def test_a_closed_port_is_a_reason():
    assert "refused" in bootstrap.reason_unreachable("http://127.0.0.1:9/").lower()


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_venv_is_kept_where_it_was_made_and_replaced_where_it_was_moved_to(tmp_path, monkeypatch, place):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "here")
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    replaced = []
    monkeypatch.setattr(bootstrap, "venv_commands", lambda: replaced.append(1) or [])
    (tmp_path / "here").mkdir()
    made = f"home = /usr/bin\ncommand = /usr/bin/python3 -m venv {tmp_path / place}\n"
    (tmp_path / "here/pyvenv.cfg").write_text(made)
    bootstrap.make_venv()
    assert replaced == ([] if place == "here" else [1])


def test_a_python_that_can_make_no_venv_leaves_none_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / "venv/bin/python")
    half = f"import pathlib, sys; pathlib.Path({str(tmp_path / 'venv')!r}).mkdir(); sys.exit(1)"
    monkeypatch.setattr(bootstrap, "venv_commands", lambda: [[sys.executable, "-c", half]])
    with pytest.raises(SystemExit, match="can't create a virtual environment"):
        bootstrap.make_venv()
    assert not (tmp_path / "venv").exists()


def test_an_unknown_level_and_a_missing_venv_are_explained(monkeypatch):
    with pytest.raises(SystemExit, match="level is 'all'; use core or dev"):
        bootstrap.main("all")
    assert re.search(r"apt-get install python3\.\d+-venv", bootstrap.no_venv_message())


# system.py ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ci", "status", "words"), [("", 0, "are skipped"), ("true", 1, "must run in CI")])
def test_a_missing_program_is_one_line_here_and_a_failure_in_ci(monkeypatch, capsys, ci, status, words):
    monkeypatch.setattr(system, "missing", lambda: {"chromium": "no apt-get, dnf or brew here"})
    monkeypatch.setenv("CI", ci)
    assert system.main() == status
    line, = capsys.readouterr().out.splitlines()
    assert line.endswith(f"no chromium (no apt-get, dnf or brew here): the browser tests {words}")


def test_nothing_is_installed_where_that_would_ask_for_a_password(monkeypatch):
    calls = []
    monkeypatch.setattr(system, "find", lambda program: None)
    monkeypatch.setattr(system, "as_root", lambda: None)
    monkeypatch.setattr(system, "run", calls.append)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    assert system.missing() == dict.fromkeys(system.NAMES, "apt-get needs root or sudo without a password")
    assert calls == []


def test_a_program_that_does_not_start_is_not_found(monkeypatch, tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system.find("bubblewrap") is None
    broken.write_text("#!/bin/sh\nexit 0\n")
    assert system.find("bubblewrap") == str(broken)


# workbook.py, reset.py, lab.py --------------------------------------------------------------------------------


def cell(kind, name, source, **marks):
    cell_id = f"04-{kind}-{name}"
    ours = {"nbgrader": {"grade_id": cell_id, **marks}, "shrinklab": {"kind": kind, "name": name}}
    return {"cell_type": "code", "id": cell_id, "source": source, "outputs": [], "execution_count": None,
            "metadata": ours}


def release(course, *, body="write f"):
    """Release a lesson with two exercises and a check."""
    cells = [
        cell("exercise", "f", body, solution=True),
        cell("check", "f", "earned.points", solution=False, grade=True),
        cell("exercise", "g", "write g", solution=True),
    ]
    folder = course / "04_pruning"
    folder.mkdir(parents=True, exist_ok=True)
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "04_pruning.ipynb").write_text(json.dumps(notebook, indent=1) + "\n")
    (folder / "practice.yml").write_text("questions: []\n")


@pytest.fixture
def book(tmp_path):
    release(tmp_path / "course")
    return workbook.Workbook(tmp_path / "course", tmp_path / "workbook")


NOTEBOOK, PRACTICE = "04_pruning/04_pruning.ipynb", "04_pruning/practice.yml"


def nothing(**changes):
    return {"added": [], "refreshed": [], "kept": []} | changes


def sources(book):
    return [c["source"] for c in json.loads((book.home / NOTEBOOK).read_text())["cells"]]


def write_solution(book, place, source):
    """What a student does to a cell."""
    notebook = json.loads((book.home / NOTEBOOK).read_text())
    notebook["cells"][place] |= {"source": source, "execution_count": 3}
    (book.home / NOTEBOOK).write_text(json.dumps(notebook))


def test_lessons_are_copied_once_and_new_files_are_added(book):
    assert book.sync() == nothing(added=[NOTEBOOK, PRACTICE])
    assert book.sync() == nothing()
    (book.course / "04_pruning/picture.svg").write_text("<svg/>")
    (book.course / "04_pruning/.ipynb_checkpoints").mkdir()
    (book.course / "04_pruning/.ipynb_checkpoints/x.ipynb").write_text("{}")
    assert book.sync() == nothing(added=["04_pruning/picture.svg"])


def test_a_students_file_is_never_overwritten(book):
    book.sync()
    write_solution(book, 0, "mine")
    assert book.sync() == nothing()
    release(book.course, body="a newer release")
    assert book.sync() == nothing(kept=[NOTEBOOK])
    assert book.sync() == nothing(kept=[NOTEBOOK])
    assert sources(book)[0] == "mine"


def test_an_untouched_file_takes_the_newer_release(book):
    book.sync()
    release(book.course, body="a newer release")
    assert book.sync() == nothing(refreshed=[NOTEBOOK])
    assert sources(book)[0] == "a newer release"
    release(book.course, body="the newest release")
    assert book.sync() == nothing(refreshed=[NOTEBOOK])


@pytest.mark.parametrize("damage", ["", "[1]", "{"])
def test_without_its_manifest_every_changed_file_is_the_students(book, damage):
    book.sync()
    write_solution(book, 0, "mine")
    (book.home / workbook.MANIFEST).write_text(damage)
    assert book.sync() == nothing(kept=[NOTEBOOK])
    assert sources(book)[0] == "mine"


def test_a_folder_in_the_way_and_a_missing_course_are_explained(book, tmp_path):
    (book.home / NOTEBOOK).mkdir(parents=True)
    with pytest.raises(workbook.Mistake, match="stands in the way of a lesson's file; rename it"):
        book.sync()
    with pytest.raises(workbook.Mistake, match="holds no lessons; bring them back with: git checkout -- course"):
        workbook.Workbook(tmp_path / "nowhere", book.home).sync()


@pytest.mark.parametrize("name", ["4", "04", "04_pruning"])
def test_reset_of_a_lesson_keeps_a_backup(book, name):
    book.sync()
    write_solution(book, 0, "mine")
    folder, backup = reset.reset_lesson(book, name)
    assert folder == "04_pruning"
    assert sources(book)[0] == "write f"
    assert "mine" in (backup / "04_pruning.ipynb").read_text()
    assert backup.parent == book.home / "backups"
    assert reset.reset_lesson(book, name)[1] != backup
    release(book.course, body="a newer release")
    assert book.sync() == nothing(refreshed=[NOTEBOOK])


@pytest.mark.parametrize("name", ["f", "04-exercise-f"])
def test_reset_of_an_exercise_leaves_the_others(book, name):
    book.sync()
    write_solution(book, 0, "mine")
    write_solution(book, 2, "my g")
    cell_id, backup = reset.reset_exercise(book, "04", name)
    assert cell_id == "04-exercise-f"
    assert sources(book) == ["write f", "earned.points", "my g"]
    assert "mine" in (backup / "04_pruning.ipynb").read_text()


@pytest.mark.parametrize(("deleted", "left"), [(0, ["earned.points", "write g"]), (2, ["write f", "earned.points"])])
def test_reset_brings_a_deleted_exercise_back_to_its_place(book, deleted, left):
    book.sync()
    notebook = json.loads((book.home / NOTEBOOK).read_text())
    del notebook["cells"][deleted]
    (book.home / NOTEBOOK).write_text(json.dumps(notebook))
    assert sources(book) == left
    reset.reset_exercise(book, "04", "fg"[deleted // 2])
    assert sources(book) == ["write f", "earned.points", "write g"]


def test_unknown_names_list_the_known_ones(book):
    book.sync()
    for wanted in ("9", "../04_pruning", ""):
        with pytest.raises(workbook.Mistake, match=re.escape(f"LESSON is {wanted!r}; use one of 04")):
            reset.reset_lesson(book, wanted)
    with pytest.raises(workbook.Mistake, match="EXERCISE is 'h'; use one of: f, g"):
        reset.reset_exercise(book, "04", "h")
    assert not (book.home / "backups").exists()


def test_an_exercise_without_its_lesson_asks_for_the_lesson(book, monkeypatch):
    monkeypatch.setattr(reset, "Workbook", lambda: book)
    with pytest.raises(workbook.Mistake, match="LESSON is missing"):
        reset.main(["", "f"])
    with pytest.raises(workbook.Mistake, match="LESSON is missing"):
        reset.main(["", ""])


def test_a_free_text_answer_can_be_reset_and_its_question_cannot():
    ours = {"shrinklab": {"kind": "essay", "name": "reflect"}}
    question = {"id": "04-essay-reflect", "metadata": ours | {"nbgrader": {"task": True, "solution": False}}}
    answer = {"id": "04-essay-reflect-answer", "metadata": {"shrinklab": {"kind": "text", "name": "reflect"}}}
    assert reset.find_exercise([question, answer], "reflect") is answer
    with pytest.raises(workbook.Mistake, match="use one of: reflect"):
        reset.find_exercise([question, answer], "04-essay-reflect")


def test_a_name_that_two_cells_have_is_asked_back():
    cells = [cell("exercise", "f", "", solution=True), cell("debug", "f", "", solution=True)]
    with pytest.raises(workbook.Mistake, match="several cells are called so, use one of: 04-exercise-f, 04-debug-f"):
        reset.find_exercise(cells, "f")
    assert reset.find_exercise(cells, "04-debug-f") is cells[1]


@pytest.mark.parametrize("text", ["not json", "[]", '{"cells": 3}', '{"cells": [3]}', '{"metadata": {}}'])
def test_a_damaged_notebook_is_left_alone(book, text):
    book.sync()
    (book.home / NOTEBOOK).write_text(text)
    with pytest.raises(workbook.Mistake, match="is not a notebook; put the whole file back with: make reset LESSON=04"):
        reset.reset_exercise(book, "04", "f")
    assert (book.home / NOTEBOOK).read_text() == text


def test_a_page_is_reset_like_a_lesson(book):
    for name in ("00_start_here.ipynb", "glossary.ipynb"):
        (book.course / name).write_text("released")
    book.sync()
    for name, wanted in (("00_start_here.ipynb", "00"), ("00_start_here.ipynb", "0"), ("glossary.ipynb", "glossary")):
        (book.home / name).write_text("ran")
        (book.course / name).write_text("newer")
        take = f"make reset LESSON={wanted if wanted != '0' else '00'})"
        assert any(line.endswith(take) for line in workbook.lines(book.sync()))
        folder, backup = reset.reset_lesson(book, wanted)
        assert (folder, (book.home / name).read_text(), (backup / name).read_text()) == (name, "newer", "ran")
        (book.course / name).write_text("released")
        book.sync()
    with pytest.raises(workbook.Mistake, match=r"00_start_here.ipynb has no exercises; leave EXERCISE out"):
        reset.reset_exercise(book, "00", "f")


def test_the_reset_command_reports_a_mistake_and_no_traceback():
    outcome = subprocess.run([sys.executable, ROOT / "tools/reset.py", "99"], capture_output=True, text=True)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: ")
    assert "Traceback" not in outcome.stderr


def test_lab_is_rooted_in_the_workbook_and_passes_arguments_on(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0, raising=False)
    line = lab.command(["--no-browser", "--port", "9999"])
    assert line[-4:] == ["--allow-root", "--no-browser", "--port", "9999"]
    assert f"--ServerApp.root_dir={ROOT / 'workbook'}" in line
    assert f"--LabApp.default_url=/lab/tree/{lab.START}" in line
    assert (ROOT / "course" / lab.START).exists()
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)
    assert "--allow-root" not in lab.command([])


def test_the_students_lab_has_no_nbgrader_panels(monkeypatch):
    """Asks JupyterLab itself, because a misspelt extension name is silently ignored."""
    from jupyterlab.labapp import LabApp
    from jupyterlab_server.config import get_page_config

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", lab.environment({})["JUPYTER_CONFIG_PATH"])
    app = LabApp()
    assert "@jupyter/nbgrader" in get_page_config(app.labextensions_path)["disabledExtensions"]


def test_no_two_test_files_have_one_name():
    """pytest imports them by their names alone: a second one of a name cannot be collected."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_a_conftest_above_others_is_not_searched_for_doctests():
    """By the time it would be, one of those below has its module's name, and no test at all would be collected."""
    found = sorted((ROOT / "tests").rglob("conftest.py"))
    above = [path for path in found if any(path.parent in other.parents for other in found if other != path)]
    assert [path for path in above if 'collect_ignore = ["conftest.py"]' not in path.read_text()] == []


# JupyterLab ---------------------------------------------------------------------------------------------------


def test_jupyterlabs_answers_go_out_at_once(monkeypatch):
    """The server of `make lab` sends with TCP_NODELAY; otherwise a quick answer waits 40 ms for the browser."""
    config, asked = json.loads((lab.CONFIG / "jupyter_server_config.json").read_text()), []
    connection = import_item(config["ServerApp"]["kernel_websocket_connection_class"])

    class Handler:
        def set_nodelay(self, value):
            asked.append(value)

    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda self: asked.append("connected"))
    monkeypatch.setattr(connection, "websocket_handler", Handler())
    connection.connect(connection.__new__(connection))
    assert issubclass(connection, ZMQChannelsWebsocketConnection)
    assert asked == [True, "connected"]
