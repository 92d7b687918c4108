"""Check question banks: `python -m shrinklab.quiz FILE...` prints every problem; status 1 if any."""

import sys

from shrinklab.quiz import validate_file


def main(paths):
    """Print every problem of these banks; the number of banks that have one."""
    faulty = 0
    for path in paths:
        try:
            problems = validate_file(path)
        except FileNotFoundError as error:
            problems = [error]
        faulty += bool(problems)
        for problem in problems:
            print(problem)
    return faulty


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
