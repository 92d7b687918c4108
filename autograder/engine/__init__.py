"""Running a notebook for grading: the student's code in its own process, the checks here."""

from autograder.engine.process import Stopped, Worker
from autograder.engine.run import Graded, grade_cells, run_notebook

__all__ = ["Graded", "Stopped", "Worker", "grade_cells", "run_notebook"]
