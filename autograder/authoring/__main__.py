"""`python -m autograder.authoring build [--only 04] [--check | --term X]`: build course/ or a term from solutions/."""

import argparse
import os
import sys
from pathlib import Path

from autograder.authoring.build import BuildError, build, sources, stale
from autograder.term import find_term

ROOT = Path(__file__).resolve().parents[2]


def main(arguments=None):
    """Run the command; returns the exit code: 0 done, 1 faults (or stale files with --check)."""
    parser = argparse.ArgumentParser(prog="python -m autograder.authoring", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.add_argument("--only", action="append", metavar="04", help="build this lesson (may be repeated)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when course/ is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder with solutions/ and course/")
    parser.add_argument("--term", default="term" if os.environ.get("TERM_SECRET") else None, metavar="NAME",
                        help="write terms/NAME/ instead, with graded questions of its own; drawn from the environment "
                             "variable TERM_SECRET, the term's secret.txt, or a new secret")
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    try:
        if options.check:
            return _check(root, options.only)
        return _build(root, options.only, options.term)
    except (BuildError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _build(root, only, name):
    term = find_term(root, name, os.environ.get("TERM_SECRET", "")) if name else None
    written = build(root, only, term=term)
    for path in written:
        print(f"wrote {path}" if (root / path).exists() else f"removed {path}")
    print(f"{len(sources(root, only))} lessons built, {len(written)} files changed")
    if term:
        print(f"For students: terms/{name}/course. For you alone: the rest of terms/{name}; keep a copy of its "
              "secret.txt.")
    return 0


def _check(root, only):
    old = stale(root, only)
    for path in old:
        print(f"{path} is stale: run make build and commit it", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
