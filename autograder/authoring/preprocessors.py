"""What nbgrader's generate_assignment does with our notebooks."""

from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_solution

from autograder.authoring.markers import KINDS


class ReleaseStubs(NbGraderPreprocessor):
    """Puts what students get in the place of every solution; stands where nbgrader's ClearSolutions stood, which
    knows one stub only: after LockCells, before the first ComputeChecksums."""

    def preprocess_cell(self, cell, resources, cell_index):
        """Replace the source of a solution cell by metadata["shrinklab"]["release"], and remove that."""
        ours = cell.metadata.get("shrinklab", {})
        if is_solution(cell):
            if "release" not in ours:
                raise RuntimeError(f"the solution cell {cell.metadata.nbgrader.grade_id} does not say what students "
                                   "get; solution notebooks are made by python -m autograder.authoring build")
            cell.source = ours.pop("release")
        return cell, resources


class NothingHidden(NbGraderPreprocessor):
    """The last one: refuses a notebook in which a marker or a solution's text is left."""

    def preprocess_cell(self, cell, resources, cell_index):
        """Raise RuntimeError when the cell still has what must not reach students."""
        left = [kind for kind in KINDS if f"BEGIN {kind}" in cell.source or f"END {kind}" in cell.source]
        if left or "release" in cell.metadata.get("shrinklab", {}):
            raise RuntimeError(f"the cell {cell.id} still has its {', '.join(left) or 'solution'}")
        return cell, resources


# For c.GenerateAssignment.preprocessors. Headers and generated tests, which nbgrader also offers, are not used.
RELEASE_PREPROCESSORS = [
    "nbgrader.preprocessors.LockCells",
    "autograder.authoring.preprocessors.ReleaseStubs",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
    "autograder.authoring.preprocessors.NothingHidden",
]
