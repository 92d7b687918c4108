"""Run the tables, each in a process of its own: python benchmarks [NAME ...]        (all when none is named)

`make bench ARGS="channels int8"` does this. What follows a `--` goes on to each table:
python benchmarks channels -- --split validation lenet
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def tables():
    """The scripts here that end in a report; the others are parts of them, or other tools."""
    texts = {path.stem: path.read_text() for path in HERE.glob("*.py")}
    return sorted(name for name, text in texts.items()
                  if 'if __name__ == "__main__":' in text and re.search(r"^(from|import) report\b", text, re.MULTILINE))


def main(argv):
    cut = argv.index("--") if "--" in argv else len(argv)
    wanted, options = argv[:cut], argv[cut + 1 :]
    unknown = set(wanted) - set(tables())
    if unknown:
        sys.exit(f"error: the table is {', '.join(sorted(unknown))}; known are {', '.join(tables())}; use some of them")
    failed = []
    for name in wanted or tables():
        print(f"==== {name}", flush=True)
        if subprocess.run([sys.executable, HERE / f"{name}.py", *options]).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"error: {', '.join(failed)} stopped with an error, shown above; the other tables are complete")


if __name__ == "__main__":
    main(sys.argv[1:])
