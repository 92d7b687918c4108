"""The same on a Dask cluster of two processes on this computer, whose workers may die."""

import importlib
import os
import signal
import sys
import threading

import pytest
from tiny_course import NAME, TinyCourse, with_sources

from autograder.__main__ import main
from autograder.course import Course
from autograder.runner import batch, cluster
from autograder.runner.cluster import Cluster
from autograder.runner.pool import Failed, through
from autograder.runner.store import Store

distributed = pytest.importorskip("distributed")
RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}


@pytest.fixture(scope="module")
def address():
    """The address of a scheduler with two workers, each a process."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
                                  memory_limit=0, silence_logs=50) as local:
        yield local.scheduler_address


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = TinyCourse(tmp_path_factory.mktemp("cluster"), enter=False)
    for student in ("ann", "bob", "cleo", "dan"):
        made.submit(student, with_sources(made.released, **RIGHT))
    return made


def grade(course, *words):
    return main(["--root", str(course.root), "grade", "90", "--trust-students", *words])


def test_a_class_is_graded_and_a_worker_that_dies_loses_nobody(course, address, monkeypatch):
    keep = Store.keep
    dead = []

    def kill_one(self, student, outcome):
        keep(self, student, outcome)
        if not dead:
            with distributed.Client(address, set_as_default=False) as client:
                dead.extend(client.run(os.getpid).values())
            os.kill(dead[0], signal.SIGKILL)

    monkeypatch.setattr(Store, "keep", kill_one)
    assert grade(course, "--scheduler", address) == 0
    assert dead
    for student in ("ann", "bob", "cleo", "dan"):
        assert course.score(student) == (3, 3)
        assert Store(batch.folder(Course(course.root), NAME)).find(student)["seconds"]["all"] > 0


def work(common, item):
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "raise":
        raise RuntimeError("the sandbox could not start")
    return common + item, threading.active_count()


def test_a_worker_without_the_course_is_told_before_anything_runs(address, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def work(common, item):\n    return item\n")
    monkeypatch.syspath_prepend(tmp_path)  # the workers run already, with the path of before
    with pytest.raises(RuntimeError, match="has no module only_here .2 of 2 .*each worker imports.*install the course"):
        Cluster(importlib.import_module("only_here").work, "x", address)


def test_what_fails_on_the_cluster_is_told_and_the_others_come_back(address):
    with Cluster(work, "x", address) as workers:
        answers = dict(through(workers, ["a", "die", "raise", "b"]))
    assert isinstance(answers["die"], Failed)
    assert "the sandbox could not start" in str(answers["raise"])
    assert [answers[item][0] for item in "ab"] == ["xa", "xb"]


def test_an_address_where_nobody_answers_is_told(course, capsys, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECTING", 1)
    course.submit("ann", with_sources(course.released, **RIGHT | {"answer_1": 'answer_1 = "c"'}))
    assert grade(course, "--scheduler", "tcp://127.0.0.1:9") == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_without_dask_the_command_says_what_to_install(course, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    course.submit("ann", with_sources(course.released, **RIGHT | {"answer_1": 'answer_1 = "a"'}))
    assert grade(course, "--scheduler", "tcp://127.0.0.1:9") == 1
    assert 'pip install -e ".[cluster]"' in capsys.readouterr().err
