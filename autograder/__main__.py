"""The grader's commands: python -m autograder {grade,feedback,similarity,formgrader,grade-demo,check,submit}."""

import argparse
import os
import sys
from pathlib import Path

from autograder.course import Course
from autograder.lms import commands as lms
from autograder.term import FOLDER
from shrinklab.errors import need


def main(words=None):
    """Run one command; returns the exit status. Faults that a person can mend end with one clear line."""
    options, rest = _parser().parse_known_args(words)
    if rest and options.command != "formgrader":
        _parser().error(f"unknown: {' '.join(rest)}")
    course = Course(Path(options.root).resolve(), term=options.term,
                    trust_students=getattr(options, "trust_students", False))
    try:
        _need_term(course)
        return _run(course, options, rest)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run the same command again, and it goes on from here", file=sys.stderr)
        return 130


def _run(course, options, rest):
    # Each command imports only what it needs: torch takes seconds.
    if options.command == "formgrader":
        from autograder.formgrader import serve
        return serve(course, rest)
    if options.command == "grade-demo":
        from autograder.demo import grade_demo
        return grade_demo(course, course.lesson(options.lesson))
    if options.command in ("roster", "collect", "export"):
        return lms.run(course, options)
    name = course.lesson(options.lesson)
    if options.command == "grade" and isinstance(options.regrade, str):
        from autograder.again import grade_again
        return grade_again(course, name, options.regrade, sure=options.yes)
    if options.command == "grade":
        return _grade(course, name, options)
    if options.command == "feedback":
        from autograder.grade import feedback
        return feedback(course, name, kind=options.zip)
    if options.command == "similarity":
        from autograder.compared import similarity
        return similarity(course, name)
    if options.command == "check":
        from autograder.check import check
        return check(course, name)
    from autograder.submit import submit
    return submit(course, name, student=options.student)


def _grade(course, name, options):
    from autograder.grade import default_jobs, dry_run, grade
    from autograder.runner.batch import Options
    need(options.jobs is None or options.jobs > 0, f"--jobs is {options.jobs}",
         "at least one submission is graded at a time", "use 1 or more")
    how = Options(options.jobs or default_jobs(), tuple(options.only), options.regrade, options.scheduler)
    return dry_run(course, name, how) if options.dry_run else grade(course, name, how)


def _need_term(course):
    there = sorted(folder.name for folder in (course.root / FOLDER).glob("*/"))
    need(not course.term or course.home.is_dir(), f"the term is {course.term!r}", "a term has a folder in terms/",
         f"use one of {', '.join(there) or '(there is none yet)'}, or run make build TERM_NAME={course.term}")


def _how_to_grade(command):
    command.add_argument("--jobs", type=int, metavar="N", help="so many submissions at a time (default: one a core)")
    command.add_argument("--only", action="append", default=[], metavar="STUDENT", help="this student; may be repeated")
    command.add_argument("--regrade", nargs="?", const=True, default=False, metavar="EXERCISE",
                         help="run also what has a result; with a name, this exercise alone, for everyone")
    command.add_argument("--yes", action="store_true", help="write what --regrade EXERCISE found without asking")
    command.add_argument("--dry-run", action="store_true", help="say what would be done; write nothing")
    command.add_argument("--scheduler", default="", metavar="ADDRESS",
                         help="run them on a Dask cluster: tcp://host:port of its scheduler (pip extra: cluster)")


def _trust(command):
    command.add_argument("--trust-students", action="store_true",
                         help="run their code without the sandbox; every feedback page says so")


def _parser():
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(prog="python -m autograder", description="Grade lessons with nbgrader.")
    parser.add_argument("--root", default=root, help="the course folder (default: this repository)")
    parser.add_argument("--term", default=os.environ.get("SHRINKLAB_TERM") or None, metavar="NAME",
                        help="work with the release and the submissions in terms/NAME (default: $SHRINKLAB_TERM)")
    commands = parser.add_subparsers(dest="command", required=True)
    for word, what in {"grade": "grade the submissions of a class", "feedback": "write the feedback pages again",
                       "similarity": "which submissions are the same after renaming",
                       "check": "grade your own workbook, with nothing written",
                       "submit": "make the file to hand in"}.items():
        command = commands.add_parser(word, help=what, description=f"{what.capitalize()}.")
        command.add_argument("lesson", help="the lesson's number or name, for example 04")
        if word == "grade":
            _trust(command)
            _how_to_grade(command)
        if word == "feedback":
            lms.add_zip(command)
        if word == "submit":
            command.add_argument("--student", help="also hand it in on this computer, under this name")
    lms.add(commands)
    demo = commands.add_parser("grade-demo", help="grade a made class of four and compare")
    demo.add_argument("lesson", nargs="?", default="04", help="the lesson's number or name (default: 04)")
    _trust(demo)
    commands.add_parser("formgrader", help="open nbgrader's formgrader; further words go to jupyter lab")
    return parser


if __name__ == "__main__":
    sys.exit(main())
