"""One run over the submissions of a lesson: read, run what has no result yet, record, write the feedback pages."""

import hashlib
import json
import traceback
from dataclasses import dataclass, field

from tqdm import tqdm

from autograder.capstone import Entry, Records
from autograder.course import read_notebook
from autograder.intake import judge, verdict
from autograder.lessons import beside, from_gradebook, term_of
from autograder.preprocess import ExecuteApart
from autograder.runner import work
from autograder.runner.faults import halting, reason
from autograder.runner.jobs import Job, Lesson, grader_version, key_of, plain
from autograder.runner.pages import Pages, write_page
from autograder.runner.pool import Failed, Pool, through
from autograder.runner.record import Recorder, Unreadable
from autograder.runner.scores import read_scores
from autograder.runner.store import Store
from autograder.seeds import seed_of


@dataclass(frozen=True)
class Options:
    """How a class is graded. jobs: workers on this computer; only: students, all unless given; again: run also what has
    a result; scheduler: address of a Dask cluster's, instead of workers here."""

    jobs: int = 1
    only: tuple[str, ...] = ()
    again: bool = False
    scheduler: str = ""


@dataclass
class Batch:
    """A lesson of a course and nbgrader's API for it. failed: {student: why} of those that could not be graded."""

    course: object
    name: str
    api: object
    failed: dict = field(default_factory=dict)

    def __post_init__(self):
        self.store = Store(folder(self.course, self.name))
        self.lesson = lesson_of(self.course, self.name, self.api.config)
        self.recorder = Recorder(self.api, self.name, self.store.folder / "unfinished")
        self.records = Records(self.course.grading / "capstone.json")
        self.scores, self.read = read_scores(self.course, self.name), {}
        self.api.config.ExecuteApart.results = str(self.store.folder)

    def grade(self, students, options):
        """Run and record; a student that fails stands in `failed`, and the rest goes on."""
        bar = tqdm(total=len(students), desc=f"grading {self.name}", unit="student", disable=None)
        with bar, halting(self.course):
            jobs = self._jobs(students, options.again, bar)
            first = next(jobs, None)
            if first is None:
                return
            with workers(work.grade, self.lesson, options) as spread:
                for job, outcome in through(spread, _chain(first, jobs)):
                    if isinstance(outcome, Failed):
                        self.failed[job.student] = str(outcome)
                    else:
                        self.store.forget(job.student)
                        self.store.keep(job.student, outcome)
                        self._record(job.student)
                    bar.update()

    def _jobs(self, students, again, bar):
        """What has to run; what has a result, or is rejected, is recorded on the way."""
        for student in students:
            job = self._read(student)
            if job and (again or not self.store.find(student, job.key)) and verdict(job.notebook)[0] != "rejected":
                yield job
                continue
            if job:
                self._record(student)
            bar.update()

    def _read(self, student):
        try:
            notebook = plain(self.recorder.read(student))
        except Exception as error:
            self._failed(student, error)
            return None
        self.read[student] = job = self.job(student, notebook)
        return job

    def job(self, student, notebook):
        """The `Job` of a submission. notebook: after intake."""
        budget = Entry(student, self.lesson.term).budget
        seed = seed_of(self.course.grading, student, self.name, notebook)
        return Job(student, notebook, seed, self.records.of(budget), key_of(self.lesson, student, notebook, seed))

    def _record(self, student):
        job = self.read.pop(student)
        outcome = self.store.find(student, job.key)
        if self.is_recorded(job, outcome):
            return
        self.store.forget(student)
        try:
            if outcome and outcome["records"]:
                self.records.merge(outcome["records"])
            self.recorder.record(student)
        except Exception as error:
            self._failed(student, error)
            return
        self.store.record(student, self._note(job))

    def is_recorded(self, job, outcome):
        """Whether gradebook and autograded/ hold this outcome, and nothing changed since."""
        rejected = verdict(job.notebook)[0] == "rejected"
        scores = None if rejected else (outcome or {}).get("scores", {"": None})
        return self.store.recorded(job.student) == self._note(job) and self.scores.holds(job.student, scores)

    def _note(self, job):
        home = self.course.grading
        graded = home / "autograded" / job.student / self.name / f"{self.name}.ipynb"
        handed = home / "submitted" / job.student / self.name / "timestamp.txt"
        time = handed.read_bytes().hex() if handed.is_file() and not handed.is_symlink() else ""
        content = json.dumps([job.key, job.notebook, self.scores.due(job.student), time])
        about = [graded.stat().st_size, graded.stat().st_mtime_ns] if graded.exists() else None
        return {"content": hashlib.sha256(content.encode()).hexdigest(), "graded": about}

    def _failed(self, student, error):
        """A submission that could not be graded is named at the end; what concerns all of them ends the run."""
        if isinstance(error, RuntimeError) or reason(error, self.course):
            raise error
        whole = "".join(traceback.format_exception(error))
        self.failed[student] = str(error) if isinstance(error, Unreadable) else whole


def write_pages(course, name, students, jobs, *, older=False):
    """Write feedback pages, several at a time; returns {student: why} of those that could not be written.

    older: only where the page is older than what is recorded.
    """
    pages, store, failed = Pages(course, name), Store(folder(course, name)), {}
    wanted = [one for one in students if not older or pages.made_at(one) <= store.recorded_at(one)]
    bar = tqdm(total=len(wanted), desc="feedback", unit="student", disable=None)
    with bar, halting(course), Pool(write_page, pages, min(jobs, len(wanted) or 1)) as pool:
        for student, answer in through(pool, wanted):
            if isinstance(answer, Failed):
                failed[student] = str(answer)
            bar.update()
    return failed


def plan(batch, students, again):
    """What a run would do, with nothing written: [(student, what)]."""
    return [(student, _would(batch, student, again)) for student in students]


def _would(batch, student, again):
    released = batch.course.released(batch.name)
    path = batch.course.grading / "submitted" / student / batch.name / released.name
    judged = judge(path, read_notebook(released))
    if judged.status == "rejected":
        return f"rejected: {judged.reasons[0]}"
    job = batch.job(student, plain(judged.notebook))
    if again or not batch.store.find(student, job.key):
        return "is run"
    return "has its points" if batch.store.recorded(student) else "has a result, which is recorded"


def folder(course, name):
    """Where the results of a lesson are kept."""
    return course.grading / "results" / name


def lesson_of(course, name, config):
    """The `Lesson` as the gradebook holds it. config: nbgrader's, with the limits."""
    released = course.released(name)
    names = {"assignment": name, "notebook": name, "db_url": course.gradebook, "student": ""}
    execute = ExecuteApart(config=config)
    box = execute.box(released, course.gradebook, course.root)
    files = {path.name: path.read_bytes() for path in beside(released)}
    return Lesson(name, plain(from_gradebook(names, released)), files,
                  execute.seconds, execute.total_seconds, box, term_of(read_notebook(released)) or "", grader_version())


def workers(function, common, options):
    """A pool on this computer, or the workers of a Dask cluster."""
    if options.scheduler:
        from autograder.runner.cluster import Cluster
        return Cluster(function, common, options.scheduler)
    return Pool(function, common, options.jobs)


def _chain(first, rest):
    yield first
    yield from rest
