"""The Python side of a job: its states, its reports, cancel, failures, and what never gets lost."""

import threading

import pytest

from shrinklab.widgets import Bars, Cancelled, Job

BARS = Bars("bars", "Steps")


def counted(steps, bars=(1,)):
    return {"headline": f"counted to {steps}", "bars": {"labels": ["a"] * len(bars), "values": list(bars)}}


class Gate:
    """Work that stands still at each step until the test lets it go on."""

    def __init__(self, steps=3):
        self.steps, self.may_go, self.reached, self.cancelled = steps, threading.Semaphore(0), threading.Semaphore(0), 0

    def __call__(self, report):
        for step in range(self.steps):
            self.reached.release()
            assert self.may_go.acquire(timeout=30)
            try:
                report(step, self.steps, f"step {step + 1}")
            except Cancelled:
                self.cancelled += 1
                raise
        return counted(self.steps)


def messages(job):
    """Every state that the browser hears of, in order."""
    heard = []
    job.observe(lambda change: heard.append(change["new"]), "state")
    return heard


def test_the_states_of_a_job_that_ends_well():
    gate = Gate()
    job = Job("Count", gate, [BARS])
    heard = messages(job)
    assert (job.state, job.answer) == ("ready", None)
    job._handle_custom_msg({"press": "start"}, [])
    gate.may_go.release(3)
    job.wait(30)
    assert heard == ["running", "done"]
    assert job.answer == counted(3)
    assert job.progress["seconds"] >= 0


def test_a_second_press_does_not_start_it_twice():
    gate = Gate()
    job = Job("Count", gate, [BARS])
    job.start()
    gate.reached.acquire(timeout=30)
    first = job._thread
    job.start()
    assert job._thread is first
    gate.may_go.release(3)
    job.wait(30)
    assert job.state == "done"


def test_cancel_ends_it_at_the_next_report_and_keeps_the_last_answer():
    gate = Gate()
    job = Job("Count", gate, [BARS])
    job.start()
    gate.may_go.release(3)
    job.wait(30)
    gate.reached = threading.Semaphore(0)
    heard = messages(job)
    job.start()
    gate.reached.acquire(timeout=30)
    job._handle_custom_msg({"press": "cancel"}, [])
    assert job.state == "cancelling"
    gate.may_go.release()
    job.wait(30)
    assert heard == ["running", "cancelling", "cancelled"]
    assert gate.cancelled == 1
    assert job.answer == counted(3)


def test_cancel_before_and_after_the_work_does_nothing():
    job = Job("Count", lambda report: counted(0), [BARS])
    job.cancel()
    assert job.state == "ready"
    job.start()
    job.wait(30)
    job.cancel()
    assert job.state == "done"
    job.start()
    job.wait(30)
    assert job.state == "done"


@pytest.mark.parametrize(("run", "problem"), [
    (lambda report: 1 / 0, "ZeroDivisionError: division by zero"),
    (lambda report: report(5, 3), "report got done=5, total=3; done goes from 0 to total, in the same unit; "
                                  "count both in epochs, or both in steps"),
    (lambda report: {"headline": "no bars"}, "the answer has no 'bars'; each view finds its data under its name; "
                                             "add the key 'bars'"),
    (lambda report: "text", "the settings function returned a str; its answer is a dict with a headline (text) and "
                            "the data of each view; return {\"headline\": \"…\", …}"),
])
def test_a_failure_is_a_line_and_the_button_works_again(run, problem):
    runs = [run, lambda report: counted(1)]
    job = Job("Count", lambda report: runs.pop(0)(report), [BARS])
    job.start()
    job.wait(30)
    assert (job.state, job.problem.rstrip("."), job.answer) == ("failed", problem, None)
    job.start()
    job.wait(30)
    assert (job.state, job.problem, job.answer) == ("done", "", counted(1))


def progress(run):
    """What the browser hears of the work's progress."""
    job, seen = Job("Count", run), []
    job.observe(lambda change: seen.append(change["new"]), "progress")
    job._work()
    assert job.state == "done", job.problem
    return [one for one in seen if "done" in one]


def test_a_message_a_per_cent_and_one_for_each_new_text():
    def run(report):
        for step in range(1001):
            report(step, 1000, "first half" if step < 505 else "second half")
        return {"headline": "done"}

    seen = progress(run)
    assert [one["done"] for one in seen] == sorted({*range(0, 1001, 10), 505})
    assert {one["text"] for one in seen} == {"first half", "second half"}


def test_the_remaining_time_is_a_share_of_what_has_passed(monkeypatch):
    clock = iter([0.0, 10.0, 10.0])
    monkeypatch.setattr("shrinklab.widgets.job.time.monotonic", lambda: next(clock))
    assert progress(lambda report: report(1, 5, "epoch 2") or {"headline": ""}) == [
        {"done": 1, "total": 5, "text": "epoch 2", "seconds": 10.0, "left": 40.0}]


def test_the_answer_can_be_kept_for_a_page_without_python():
    job = Job("Count", lambda report: report(1, 2) or counted(2), [BARS])
    job.precompute()
    assert job.stored["answer"] == counted(2)
    assert job.state == "ready"


def test_what_is_no_function_is_refused():
    with pytest.raises(ValueError, match=r"run is 5; a job calls run\(report\); pass the function itself"):
        Job("Count", 5)
