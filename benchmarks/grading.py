"""Grading beside stock nbgrader: throughput and scores on the same submissions, overhead on each lesson, a long run.

usage: python benchmarks/grading.py [throughput] [overhead] [long] [--submissions 24] [--many 1000] [--jobs 2]

throughput: a made class hands in the light lesson (benchmarks/light/, which imports torch); `nbgrader autograde` with
nbgrader's own preprocessors grades it serially, then our runner does, each student's code in the sandbox. overhead:
each lesson's solution; what grading takes beyond the student's own cells, in the second and third of three submissions.
long: so many submissions of the light lesson, in one run. Without a sandbox on this computer the students are trusted,
and the table says so.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
from grading_class import LIGHT, ROOT, differences, hand_in, made_course, nbgrader, quiet, stock_course, timed, watched
from report import RESULTS, Row, publish

from autograder import grade as grading
from autograder.course import Course, read_notebook
from autograder.demo import fill, sources
from autograder.engine.box import need_box
from autograder.lessons import solution_path
from autograder.runner.record import Recorder
from autograder.runner.store import Store

PARTS = "throughput", "overhead", "long"
TIMES, SECONDS, GROWTH = 8, 0.5, 1.1

def main(given):
    rows, details, notes = [], {}, []
    trusted = without_sandbox()
    if trusted:
        notes.append(f"No sandbox on this computer ({trusted}): the students' code ran without one.")
    if "throughput" in given.parts:
        rows += throughput(given, bool(trusted))
    if "overhead" in given.parts:
        more, table = overhead(bool(trusted))
        rows.append(more)
        details["Each lesson's solution: seconds, the median of two"] = table
    if "long" in given.parts:
        more, table = long(given, bool(trusted))
        rows += more
        details[f"{given.many} submissions, a tenth of the run each"] = table
    publish("grading", "Grading a class, beside stock nbgrader", rows, given, packages=["nbgrader"], details=details,
            notes=notes)


def throughput(given, trusted):
    """Rows: seconds a submission of both, and on how many automatic scores they differ."""
    with made_course(given.submissions, trusted) as course, tempfile.TemporaryDirectory() as folder:
        peer = stock_course(course, Path(folder).resolve())
        stock = timed(nbgrader, peer.root, "autograde", LIGHT) / given.submissions
        ours = timed(quiet, grading.grade_all, course, LIGHT, grading.Options(given.jobs),
                     without_pages=True) / given.submissions
        pages = timed(quiet, grading.feedback, course, LIGHT) / given.submissions
        stock_pages = timed(nbgrader, peer.root, "generate_feedback", LIGHT) / given.submissions
        differing, compared = differences(course, peer)
    against = "nbgrader autograde"
    return [Row(f"one of {given.submissions} submissions of {LIGHT}, graded", ours, stock, against, "s",
                f"at most 1/{TIMES}", ours <= stock / TIMES),
            Row("the same with its feedback page", ours + pages, stock + stock_pages,
                "autograde, generate_feedback", "s"),
            Row(f"of {compared} automatic scores differ", differing, 0, against, "", "none", differing == 0)]


def overhead(trusted):
    """A row with the largest overhead of a lesson, and a table of all."""
    lines = []
    for name in graded_lessons():
        with tempfile.TemporaryDirectory() as folder:
            course = Course(ROOT, Path(folder), trust_students=trusted)
            solution = fill(read_notebook(course.released(name)), sources(
                read_notebook(solution_path(course, name))), essay="A surprise.")
            for student in ("first", "second", "third"):
                hand_in(course, name, student, solution)
            with watched(Recorder, "record", "read") as host:
                quiet(grading.grade_all, course, name, grading.Options(1), without_pages=True)
            seconds = [Store(grading.folder(course, name)).find(one)["seconds"] for one in ("second", "third")]
            both = [sum(calls[1:]) / 2 for calls in host.values()]
            cells = statistics.mean(one["cells"] for one in seconds)
            beyond = statistics.mean(one["all"] for one in seconds) - cells
            lines.append({"lesson": name, "their cells and calls": cells, "setup and checks": beyond,
                          "nbgrader": sum(both), "overhead": beyond + sum(both)})
    table = pd.DataFrame(lines)
    most = table.loc[table["overhead"].idxmax()]
    row = Row(f"overhead of a submission, most of all lessons ({most['lesson']})", most["overhead"], unit="s",
              target=f"at most {SECONDS} s", met=bool(most["overhead"] <= SECONDS))
    return row, table.round(3)


def graded_lessons():
    """The lessons that are handed in: not the start page, which has no folder."""
    course = Course(ROOT)
    return [name for name in course.lessons() if course.released(name).is_file()]


def long(given, trusted):
    """Rows on how time and memory grow over many submissions, and a table of its tenths."""
    seen, keep, here = [], Store.keep, psutil.Process()

    def look(self, student, outcome):
        keep(self, student, outcome)
        everyone = [here, *here.children(recursive=True)]
        seen.append((time.monotonic(), here.memory_info().rss, sum(map(memory, everyone))))

    Store.keep = look
    try:
        with made_course(given.many, trusted) as course:
            quiet(grading.grade_all, course, LIGHT, grading.Options(given.jobs), without_pages=True)
    finally:
        Store.keep = keep
    size = len(seen) // 10
    parts = [seen[number * size:(number + 1) * size + 1] for number in range(10)]
    table = pd.DataFrame([{"submissions": f"{number * size + 1} to {(number + 1) * size}",
                           "seconds each": round((part[-1][0] - part[0][0]) / (len(part) - 1), 3),
                           "host MB": round(part[-1][1] / 1e6), "all processes MB": round(part[-1][2] / 1e6)}
                          for number, part in enumerate(parts)])
    # The first tenth holds the workers' start; a third of the run against another is less of an accident than tenths.
    first, last = table.iloc[1:4], table.iloc[7:10]
    rows = []
    for what, unit in {"seconds each": "s", "all processes MB": "MB", "host MB": "MB"}.items():
        before, after = first[what].mean(), last[what].mean()
        rows.append(Row(f"{what}: submissions {7 * size + 1} to {10 * size}", after, before,
                        f"{size + 1} to {4 * size}", unit, f"at most {GROWTH} times", bool(after <= GROWTH * before)))
    return rows, table


def memory(process):
    with contextlib.suppress(psutil.Error):
        return process.memory_info().rss
    return 0


def without_sandbox():
    """Why this computer has no sandbox, or ""."""
    try:
        need_box()
    except RuntimeError as error:
        return str(error)
    return ""


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all unless named")
    parser.add_argument("--submissions", type=int, default=24, metavar="N", help="size of the class")
    parser.add_argument("--many", type=int, default=1000, metavar="N", help="size of the class of the long run")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="submissions at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the table goes")
    given = parser.parse_args(argv)
    if wrong := set(given.parts) - set(PARTS):
        parser.error(f"the part is {wrong.pop()!r}; this table knows {', '.join(PARTS)}; use some of them")
    given.parts = given.parts or PARTS
    given.whole = set(given.parts) == set(PARTS) and given.submissions >= 24 and given.many >= 1000
    given.start = time.monotonic()
    return given


if __name__ == "__main__":
    main(arguments())
