"""Build the site: python site. See builder/__init__.py for the steps."""

import argparse
import sys
from pathlib import Path

from builder.execute import MOST_ANSWERS
from builder.main import BUILD, build

if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python site", description="Build the site: site/_build/html")
    options.add_argument("--answers", type=int, default=MOST_ANSWERS, metavar="N",
                         help="compute at most about N settings of each explorer (default: %(default)s)")
    options.add_argument("--target", type=Path, default=BUILD, metavar="FOLDER",
                         help="the folder that gets html/ (default: site/_build)")
    given = options.parse_args()
    status = build(target=given.target.resolve(), answers=given.answers)
    if not status:
        print(f"[site] {given.target / 'html' / 'index.html'}")
    sys.exit(status)
