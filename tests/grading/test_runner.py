"""A class graded side by side: what has a result is not run again, and the command line says what it does."""

import json
import multiprocessing
import os
import re
import signal
import time

import pytest
from tiny_course import NAME, SOURCE, TinyCourse, with_sources

from autograder.__main__ import main
from autograder.course import Course
from autograder.runner import batch, pool
from autograder.runner.pool import Failed, Pool, through
from autograder.runner.store import Store
from autograder.seeds import seed_of

RIGHT = {"scores": "def scores(weight):\n    return weight.abs()", "answer_1": 'answer_1 = "b"'}
WRONG = {"scores": "def scores(weight):\n    return weight.abs() % 4000", "answer_1": 'answer_1 = "c"'}
# Right for about half of the hidden inputs of one number, so that the score tells which seed there was.
LUCK = {"scores": "def scores(weight):\n    return weight.abs() if weight.sum() > 0 or len(weight) == 2 else weight"}
FRESH = SOURCE.replace('''### END HIDDEN TESTS

# %% play''', '''from shrinklab.exercise import fresh
for_sure = [torch.randn(1, generator=fresh()) for _ in range(12)]
''' + "".join(f'expect(student("scores", for_sure[{i}]), for_sure[{i}].abs(), hint="Fresh {i}.", id="fresh{i}")\n'
              for i in range(12)) + '''### END HIDDEN TESTS

# %% play''')


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    made = TinyCourse(tmp_path_factory.mktemp("runner"), enter=False, source=FRESH)
    for student, sources in {"ann": RIGHT, "bob": WRONG, "cleo": LUCK, "dan": LUCK}.items():
        made.submit(student, with_sources(made.released, **sources))
    (made.folder("eve") / f"{NAME}.ipynb").write_text("{")
    return made


@pytest.fixture
def grade(course, capsys):
    def command(*words):
        status = main(["--root", str(course.root), "grade", "90", "--trust-students", *words])
        said = capsys.readouterr()
        return status, said.out, said.err
    return command


@pytest.fixture
def ran(monkeypatch):
    """The students whose notebooks were run."""
    students, submit = [], Pool.submit

    def seen(self, item):
        if hasattr(item, "student"):
            students.append(item.student)
        submit(self, item)

    monkeypatch.setattr(Pool, "submit", seen)
    return students


def outcome(course, student):
    return Store(batch.folder(Course(course.root), NAME)).find(student)


def snapshot(course):
    return {path: path.stat().st_mtime_ns for path in course.root.rglob("*") if path.is_file()}


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(course, grade):
    before = snapshot(course)
    status, out, _ = grade("--dry-run")
    assert status == 0
    assert "ann: is run" in out
    assert snapshot(course) == before


def test_each_is_run_once_and_again_only_when_it_changed(course, grade, ran):
    status, out, _ = grade("--jobs", "2")
    assert status == 0, out
    assert sorted(ran) == ["ann", "bob", "cleo", "dan"]
    assert course.score("ann") == (3, 3)
    assert course.score("eve") == (0, 0)
    page = course.root / "autograder" / "feedback" / "ann" / NAME / f"{NAME}.html"
    written = page.stat().st_mtime_ns
    ran.clear()
    assert grade()[0] == 0
    assert ran == []
    assert page.stat().st_mtime_ns == written
    course.submit("bob", with_sources(course.released, **WRONG | {"answer_1": 'answer_1 = "a"'}))
    assert "bob: is run" in grade("--dry-run")[1]
    before = snapshot(course)
    said = grade("--dry-run")[1]
    assert "ann: has its points" in said
    assert "eve: rejected: Your file is damaged" in said
    assert snapshot(course) == before
    assert grade()[0] == 0
    assert ran == ["bob"]


def test_a_regrade_runs_them_again_and_the_recorded_seed_gives_the_same_score(course, grade, ran):
    scores = {student: course.score(student) for student in ("ann", "bob", "cleo", "dan")}
    found = outcome(course, "cleo")
    assert 0 < sum(one["passed"] for one in found["checks"][0]["expectations"]) < 14
    status, _, _ = grade("--regrade", "--only", "cleo", "--only", "dan")
    assert status == 0
    assert sorted(ran) == ["cleo", "dan"]
    assert scores == {student: course.score(student) for student in scores}
    assert outcome(course, "cleo")["checks"] == found["checks"]
    assert outcome(course, "dan")["seed"] != found["seed"]
    assert course.graded("cleo").metadata["shrinklab"]["seed"] == found["seed"]


def test_nbgraders_own_command_gives_the_same_score(course):
    passed = [one["passed"] for one in outcome(course, "cleo")["checks"][0]["expectations"]]
    before = course.score("cleo")
    course.nbgrader("autograde", NAME, "--student", "cleo", "--force", "--ExecuteApart.trust_students=True")
    assert course.score("cleo") == before
    assert before[0] == round(2 * sum(passed) / len(passed), 2)


def test_a_gradebook_that_lost_a_score_gets_it_from_the_result(course, grade, ran):
    from nbgrader.api import Gradebook
    with Gradebook(Course(course.root).gradebook) as gradebook:
        gradebook.remove_submission(NAME, "ann")
    assert grade()[0] == 0
    assert ran == []
    assert course.score("ann") == (3, 3)


def test_only_names_a_student_who_handed_in(grade):
    status, _, err = grade("--only", "nobody")
    assert status == 1
    assert "--only names nobody" in err


def test_jobs_is_a_number_above_0(grade):
    assert "--jobs is 0" in grade("--jobs", "0")[2]


def test_the_statistics_tell_hints_and_wrong_answers_and_no_name(course, grade):
    status, out, _ = grade()
    page = (course.root / "autograder" / "statistics" / f"{NAME}.html").read_text(encoding="utf-8")
    assert f"overview: autograder/statistics/{NAME}.html" in out
    assert "<b>large</b>: Large ones too." in page
    assert "<code>'a'</code>" in page
    assert "1 could not be graded" in page
    assert not re.findall(r"\b(ann|bob|cleo|dan|eve)\b", page)


def test_the_seed_hangs_on_what_was_written_and_on_the_secret(course, tmp_path):
    notebook = with_sources(course.released, **RIGHT)
    seed = seed_of(tmp_path, "ann", NAME, notebook)
    assert seed == seed_of(tmp_path, "ann", NAME, notebook)
    others = [seed_of(tmp_path, "bob", NAME, notebook), seed_of(tmp_path / "other", "ann", NAME, notebook),
              seed_of(tmp_path, "ann", NAME, with_sources(course.released, **WRONG))]
    assert len({seed, *others}) == 4
    assert (tmp_path / "seed.txt").stat().st_mode & 0o077 == 0


def double(common, item):
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "die once" and not os.path.exists(common):
        open(common, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "sleep":
        time.sleep(600)
    return item * 2


def test_a_worker_that_dies_costs_nobody_else(tmp_path):
    items = ["a", "die", "b", "die once", "", "c"]
    with Pool(double, str(tmp_path / "died"), 2) as workers:
        answers = dict(through(workers, items))
    assert isinstance(answers.pop("die"), Failed)
    assert answers == {"a": "aa", "b": "bb", "die once": "die oncedie once", "": "", "c": "cc"}


def test_what_the_function_raises_is_told():
    with Pool(double, "", 1) as workers:
        answers = dict(through(workers, [1, None]))
    assert answers[1] == 2
    assert "TypeError" in str(answers[None])


def test_workers_end_with_the_host_also_at_work():
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    host = context.Process(target=_host, args=(theirs,))
    host.start()
    pid = ours.recv()
    os.kill(host.pid, signal.SIGKILL)
    host.join()
    for _ in range(100):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.1)
    raise AssertionError(f"the worker {pid} is still there")


def _host(pipe):
    with Pool(double, "", 1) as workers:
        workers.submit("a")
        workers.next()
        workers.submit("sleep")
        pipe.send(workers.workers[0].pid)
        workers.next()


def test_a_result_is_whole_or_not_there(tmp_path):
    store = Store(tmp_path)
    store.keep("ann", {"key": "1"})
    (tmp_path / "graded" / "bob.json").write_text('{"key": "1"')
    assert store.find("ann", "1") == {"key": "1"}
    assert store.find("ann", "2") is None
    assert store.find("bob") is None
    assert [path.name for path in (tmp_path / "graded").iterdir() if path.suffix != ".json"] == []
    assert pool.TRIES > 1
    assert json.loads((tmp_path / "graded" / "ann.json").read_text()) == {"key": "1"}
