"""What a check asks for in grading: run the student's pipeline in a clean process, measure what it gives, keep it.

The process gets the lesson's setup cells and the one cell with the pipeline, nothing else of the notebook: weights
cannot come along in another cell, and a cell that changed the library has changed it elsewhere. Where the student's
process is in a sandbox, so is this one, and the test photos and labels are not there.
"""

import ast
import secrets
from dataclasses import asdict

from autograder.capstone.entry import Entry
from autograder.capstone.records import Records, key_of
from autograder.cells import ALIAS
from autograder.engine.process import Stopped
from autograder.engine.turns import TURNS
from shrinklab import capstone
from shrinklab.calls import StudentError
from shrinklab.data import load
from shrinklab.refs import Ref

TEST_IMAGES = 4_000
STARTING_SECONDS = 60
ALIAS_LENGTH = 30


class Capstone:
    """The service "capstone" of a check: `(name, ready) -> Trial`.

    setup: sources of the lesson's setup cells; source: function, name of an exercise, or ALIAS -> the source of the
    student's cell or None; student: their process, whose box the clean one gets; entry: whose work it is. timer, seed:
    for tests.
    """

    timer = staticmethod(capstone.interleaved)
    seed = staticmethod(lambda: secrets.randbits(31))

    def __init__(self, setup, source, student, entry=None, *, seconds=capstone.PIPELINE_SECONDS):
        self.setup, self.source, self.student, self.entry = list(setup), source, student, entry or Entry()
        self.seconds, self.records = seconds, Records(self.entry.records)

    def __call__(self, name, ready=True):
        """Measure the exercise `name`, or find its record. ready: whether a look at a few images went well."""
        budget, source = self.entry.budget, self.source(name) or ""
        if not ready:
            return capstone.failed("The pipeline gave no smaller network on a few images.", budget)
        key = key_of(self.setup, source, budget)
        entry = self.records.find(key)
        if entry is None:
            entry = self._measured(name, source, budget)
            self.records.keep(key, entry)
        if self.entry.student:
            self.records.enter(self.entry.student, key, self._alias())
        if entry["measured"]:
            return capstone.judge(entry["measured"], budget)
        return capstone.failed(entry["why"], budget)

    def _measured(self, name, source, budget):
        entry = {"budget": asdict(budget), "measured": {}, "why": "", "seed": self.seed()}
        size = len(source.encode("utf-8", "replace"))
        if size > capstone.SOURCE_BYTES:
            return entry | {"why": f"The cell of the pipeline has {size:,} bytes; {capstone.SOURCE_BYTES:,} are "
                                   "allowed."}
        try:
            model = self._run(name, source, budget)
        except (StudentError, Stopped) as error:
            return entry | {"why": getattr(error, "public", str(error))}
        return entry | measured(model, entry["seed"], self.timer)

    def _run(self, name, source, budget):
        from autograder.engine.student import Student  # here: the engine makes this service

        box = getattr(self.student, "box", None)
        with Student(seconds=self.seconds, total=self.seconds + STARTING_SECONDS,
                     box=box.without_test() if box else None) as clean:
            for cell in [*self.setup, source]:
                clean.run(cell)
            return clean.call(name, (Ref(capstone.NETWORK), Ref(capstone.DATA), asdict(budget)), {}).value

    def _alias(self):
        """The name that the student wrote down for the board; "" shows none. Their process is not asked: it has seen
        hidden inputs by now, and the board is public."""
        alias = written_down(ALIAS, self.source(ALIAS) or "")
        return "".join(c for c in alias if c.isprintable()).strip()[:ALIAS_LENGTH] if isinstance(alias, str) else ""


def written_down(name, source):
    """The literal that a cell last gives to a name, None where there is none.

    >>> written_down("leaderboard_name", 'leaderboard_name = "Ice"')
    'Ice'
    >>> written_down("leaderboard_name", "leaderboard_name = str(kept)")
    """
    try:
        values = [node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)
                  for target in node.targets if isinstance(target, ast.Name) and target.id == name]
        return ast.literal_eval(values[-1])
    except (ValueError, TypeError, SyntaxError, IndexError, MemoryError, RecursionError):
        return None


def measured(model, seed, timer):
    """Measure a pipeline's result on test images that nobody has seen: {"measured": figures, "why": sentence}.

    seed: chooses the images, and how each is moved and lit. Raises nothing for what a student may return.
    """
    data = load(capstone.DATA)
    why = capstone.why_not(model, data.example)
    if why:
        return {"why": why}
    start = seed % (len(data.test) - TEST_IMAGES + 1)
    images = capstone.moved_images(data.test[start:start + TEST_IMAGES], data, seed)
    try:
        with TURNS.alone():
            return {"measured": capstone.measure_pair(model, images, timer=timer), "why": ""}
    except Exception as error:
        return {"why": f"The network could not be exported and run ({type(error).__name__})."}
