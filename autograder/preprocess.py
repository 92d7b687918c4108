"""nbgrader's Execute, replaced: the student's cells run apart, the instructor's checks run here."""

from dataclasses import asdict
from pathlib import Path

from nbformat import from_dict
from nbformat.v4 import new_markdown_cell
from nbgrader.preprocessors import Execute
from traitlets import Bool, Integer, Unicode

from autograder.capstone import Entry
from autograder.cells import is_check
from autograder.course import TOTAL_SECONDS, read_notebook
from autograder.engine import outputs, run_notebook
from autograder.engine.box import MIB, Box, need_box
from autograder.engine.checks import Checked
from autograder.intake import verdict
from autograder.lessons import beside, from_gradebook, term_of
from autograder.runner.replay import replay
from autograder.runner.store import Store
from autograder.seeds import seed_of

TRUSTED = ("This class was graded without the sandbox (--trust-students): the submissions' code could read and change "
           "what the grader can.")


class ExecuteApart(Execute):
    """Set through `c.Autograde.autograde_preprocessors`, so that nbgrader's command line, formgrader's button and
    our own commands grade alike. `timeout` holds for one cell or one call of a check."""

    total_seconds = Integer(TOTAL_SECONDS, help="Seconds for all of one notebook's code.").tag(config=True)
    memory_mib = Integer(Box.memory // MIB, help="MiB of address space of one process, and of memory of all "
                         "together.").tag(config=True)
    processes = Integer(Box.processes, help="Processes and threads of one submission.").tag(config=True)
    file_mib = Integer(Box.file // MIB, help="MiB of one file.").tag(config=True)
    disk_mib = Integer(Box.disk // MIB, help="MiB of the home folder, and as much of /tmp.").tag(config=True)
    warm = Bool(True, help="Fork each submission's process from one that has torch imported; otherwise each starts a "
                "new Python, which takes seconds.").tag(config=True)
    trust_students = Bool(False, help="Run the students' code without the sandbox: it can read and change everything "
                          "that you can. Every feedback page says so.").tag(config=True)
    results = Unicode("", help="A folder with results of the runner's workers, which are taken instead of running a "
                      "submission here: results/LESSON beside the gradebook.").tag(config=True)

    @property
    def seconds(self):
        """Seconds for one cell or one call."""
        return self.timeout or TOTAL_SECONDS

    def __call__(self, nb, resources):
        """Run also under nbgrader's --no-execute: intake keeps no outputs, and a check without one earns all points."""
        if not self.enabled:
            self.log.warning("--no-execute has no effect: only checks that ran here give points")
        return self.preprocess(nb, resources)

    def preprocess(self, nb, resources, km=None):
        """Run a submission; every check cell ends with an explicit score. resources: nbgrader's, after intake.

        Raises RuntimeError where there is no sandbox, unless the students are trusted: nothing is scored then.
        """
        course = getattr(getattr(self.parent, "coursedir", None), "root", "")
        released, names = Path(resources["shrinklab"]["released"]), resources["nbgrader"]
        box = self.box(released, names["db_url"], course)
        if box is None:
            self.log.warning(TRUSTED)
            nb.cells.insert(0, new_markdown_cell(f"**Note:** {TRUSTED}", metadata={"shrinklab": {"kind": "intake"}}))
        status, reasons = verdict(nb)
        if status == "rejected":
            self._refuse(nb, reasons)
            return nb, resources
        seed = seed_of(gradebook_of(names).parent, names["student"], names["assignment"], nb)
        graded = self._stored(nb, names["student"], seed) or run_notebook(
            nb, pristine=from_gradebook(names, released), files=beside(released), seconds=self.seconds,
            total=self.total_seconds, entry=entry_of(names, released), box=box, seed=seed)
        for remark in graded.remarks:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], remark)
        nb.cells = from_dict(graded.notebook["cells"])
        nb.metadata["shrinklab"] = from_dict(nb.metadata.get("shrinklab", {}) | {
            "remarks": list(graded.remarks), "results": [asdict(result) for result in graded.results],
            "seed": seed})
        return nb, resources

    def box(self, released, db_url, course):
        """The sandbox for a course's submissions, None where students are trusted. released: path of a released
        notebook; course: the course's folder, "" where it is not known."""
        if self.trust_students:
            return None
        need_box()
        hidden = {Path(path).resolve().parent for path in (released, db_url.removeprefix("sqlite:///"))}
        return Box(memory=self.memory_mib * MIB, processes=self.processes, file=self.file_mib * MIB,
                   disk=self.disk_mib * MIB, cpu=self.total_seconds + 60, warm=self.warm,
                   hidden=tuple(sorted(hidden | ({Path(course)} if course else set()))))

    def _stored(self, nb, student, seed):
        """What a worker of the runner gave for this very work, if it did."""
        outcome = Store(self.results).find(student) if self.results else None
        return replay(outcome, nb, seed) if outcome else None

    def _refuse(self, nb, reasons):
        for cell in nb.cells:
            if is_check(cell):
                cell.outputs = from_dict(outputs.of_check(Checked(0.0, f"Not graded. {reasons[0]}\n", None)))


def entry_of(names, released):
    """Whose submission it is, by the name of its folder. names: nbgrader's resources; released: the notebook's path."""
    records = gradebook_of(names).with_name("capstone.json")
    return Entry(names["student"], term_of(read_notebook(released)) or "", records)


def gradebook_of(names):
    """The gradebook's file. names: nbgrader's resources."""
    return Path(names["db_url"].removeprefix("sqlite:///"))
