"""Grading a class: submissions run side by side in worker processes, one host writes the gradebook.

A worker (of a pool on this computer, or of a Dask cluster) runs a submission's cells and its checks. The host keeps
what came back in `results/`, and only then lets nbgrader's own converter take it into the gradebook. What is in
`results/` is not run again, so a run that was killed goes on where it stopped.
"""
