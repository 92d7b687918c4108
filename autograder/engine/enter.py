"""The first program inside the box: gives up root, sets the limits, and becomes the student's process.

It is run as a file of its own, imports nothing of ours, and is over before a line of the student's is read:
python -I -S enter.py '{"uid": …, "limits": {…}, "given": …, "home": …, "environment": {…}, "command": […]}'
"""

import json
import os
import resource
import shutil
import sys


def main(order):
    """Become the student's process as the order says; never returns.

    uid: None where the grader is not root; limits: {name of a RLIMIT_: number}; given: folder whose files are copied
    to home; environment: all variables; command: the words to become.
    """
    if order["uid"] is not None:
        # Root is exempt from the limit on processes, and would own what it writes.
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    os.umask(0o077)
    for entry in os.scandir(order["given"]):
        copy = shutil.copytree if entry.is_dir() else shutil.copyfile
        copy(entry.path, os.path.join(order["home"], entry.name))
    os.chdir(order["home"])
    for name, number in order["limits"].items():
        resource.setrlimit(getattr(resource, name), (number, number))
    os.execve(order["command"][0], order["command"], order["environment"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
