"""Check question banks: `python -m shrinklab.quiz FILE...` prints every problem; status 1 if any."""

import sys

from shrinklab.quiz import validate_file

problems = [problem for path in sys.argv[1:] for problem in validate_file(path)]
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
