"""`python -m autograder.authoring build [--only 04] [--check]`: build course/ from solutions/."""

import argparse
import sys
from pathlib import Path

from autograder.authoring.build import BuildError, build, sources, stale

ROOT = Path(__file__).resolve().parents[2]


def main(arguments=None):
    """Run the command; returns the exit code: 0 done, 1 faults (or stale files with --check)."""
    parser = argparse.ArgumentParser(prog="python -m autograder.authoring", description=__doc__)
    parser.add_argument("command", choices=["build"])
    parser.add_argument("--only", action="append", metavar="04", help="build this lesson (may be repeated)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when course/ is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder with solutions/ and course/")
    options = parser.parse_args(arguments)
    try:
        return (_check if options.check else _build)(options.root.resolve(), options.only)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1


def _build(root, only):
    written = build(root, only)
    for path in written:
        print(f"wrote {path}" if (root / path).exists() else f"removed {path}")
    print(f"{len(sources(root, only))} lessons built, {len(written)} files changed")
    return 0


def _check(root, only):
    old = stale(root, only)
    for path in old:
        print(f"{path} is stale: run make build and commit it", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
