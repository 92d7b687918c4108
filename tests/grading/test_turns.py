"""Submissions compute side by side, a measurement alone. Each `Turns` here stands for a process of its own: their locks
belong to files that each has opened."""

import threading

import pytest

from autograder.engine.turns import Turns

pytest.importorskip("fcntl")
SHORT = 0.3  # how long something that must not happen is waited for


@pytest.fixture
def grader(tmp_path):
    return lambda: Turns(tmp_path / "one")


def started(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_submissions_are_at_work_together(grader):
    with grader().working(), grader().working():
        pass


def test_a_measurement_waits_for_submissions_at_work_and_new_ones_wait_for_it(grader):
    measuring, go_on, new = threading.Event(), threading.Event(), threading.Event()

    def measure():
        with grader().alone():
            measuring.set()
            go_on.wait(60)

    def work():
        with grader().working():
            new.set()

    with grader().working():
        threads = [started(measure)]
        assert not measuring.wait(SHORT)
        threads.append(started(work))  # at the gate: else submissions one after the other could keep it waiting
        assert not new.wait(SHORT)
    assert measuring.wait(60)
    assert not new.wait(SHORT)
    go_on.set()
    assert new.wait(60)
    for thread in threads:
        thread.join(60)


def test_two_submissions_that_both_measure_do_not_wait_for_each_other(grader):
    both, inside, most = threading.Barrier(2), [], []

    def submission():
        own = grader()
        with own.working():
            both.wait(60)
            with own.alone():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [started(submission) for _ in range(2)]
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert most == [1, 1]


def test_after_its_measurement_a_submission_is_at_work_again(grader):
    own, measuring = grader(), threading.Event()

    def measure():
        with grader().alone():
            measuring.set()

    with own.working():
        with own.alone():
            pass
        thread = started(measure)
        assert not measuring.wait(SHORT)
    assert measuring.wait(60)
    thread.join(60)


def test_work_within_work_is_the_same_work(grader):
    own = grader()
    with own.working(), own.working(), own.alone():
        pass


def test_an_error_gives_the_turn_back(grader):
    own = grader()
    with pytest.raises(ZeroDivisionError), own.working(), own.alone():
        1 / 0  # noqa: B018
    with grader().alone():
        pass
