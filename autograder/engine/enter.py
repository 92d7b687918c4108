"""The first program inside the box: starts the student's process with its limits, and watches over it.

It is run as a file of its own and imports nothing of ours:
python -I -S enter.py '{"uid": …, "limits": {…}, "given": …, "home": …, "environment": {…}, "command": […], "most": …}'
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import sys

LOOK = 0.25  # seconds between two looks at what all processes use
GRACE = 2  # seconds to end in by itself
# How the box ends when its processes together pass a limit, and the sentence for the student.
OVER = {201: "Its processes together took more memory than they may, so they were stopped.",
        202: "It made more files than it may, so it was stopped."}


def main(order):
    """Start the student's process as the order says, and end as it does.

    uid: None where the grader is not root; limits: {name of a RLIMIT_: number}; given: folder whose files are copied
    to home; environment: all variables; command: the words to become; most: what `guard` watches, or None for a
    process that is our own; filter: of system calls, in hexadecimal, where nothing has put one before this process.
    """
    if order["most"] is None:
        become(order)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: nothing of the same user looks into this process
    child = os.fork()
    if child:
        if order["uid"] is not None:
            # May look at the student's processes, which may not reach it: its real user stays root.
            os.setegid(order["uid"])
            os.seteuid(order["uid"])
        guard(child, **order["most"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    become(order)


def become(order):
    """Be the process of an order; never returns."""
    if order["uid"] is not None:
        # Root is exempt from the limit on processes, and would own what it writes.
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    os.umask(0o077)
    copy_files(order["given"], order["home"])
    os.chdir(order["home"])
    limit(order["limits"])
    if "filter" in order:
        _kernel().refuse_calls(bytes.fromhex(order["filter"]))
    os.execve(order["command"][0], order["command"], order["environment"])


def _kernel():
    """The module beside this file: it stands alone as well."""
    from importlib.util import module_from_spec, spec_from_file_location
    found = spec_from_file_location("kernel", os.path.join(os.path.dirname(__file__), "kernel.py"))
    found.loader.exec_module(kernel := module_from_spec(found))
    return kernel


def copy_files(given, home):
    """Copy what lies in one folder to another."""
    for entry in os.scandir(given):
        copy = shutil.copytree if entry.is_dir() else shutil.copyfile
        copy(entry.path, os.path.join(home, entry.name))


def limit(limits):
    """Set the limits that hold for this process and for each that it starts."""
    for name, number in limits.items():
        resource.setrlimit(getattr(resource, name), (number, number))


def guard(child, *, memory, files, folders, hangup=False):
    """Wait for the student's process and end this one as a shell tells it; never returns.

    Ends at once, and with it all processes of the box, when they hold more than so many bytes of memory together, or
    there are more than so many files in one of the folders, each of which takes memory of the kernel. hangup: end also
    a while after the grader has closed its end of standard input, as when it was killed.
    """
    input_end, closed = select.poll(), 0
    input_end.register(0, 0)
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, LOOK)
        ended, status = os.waitpid(-1, os.WNOHANG)
        while ended:
            if ended == child:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
            ended, status = os.waitpid(-1, os.WNOHANG)
        closed += hangup and bool(input_end.poll(0))
        if closed > GRACE / LOOK:
            os._exit(129)
        if any(full.f_files - full.f_ffree > files for full in map(os.statvfs, folders)):
            os._exit(202)
        # Twice, since processes start and end while they are looked at.
        if memory_of_all(memory) > memory and memory_of_all(memory) > memory:
            os._exit(201)


def memory_of_all(enough=0):
    """Bytes that all processes seen in /proc hold. What several share counts for each of them; when that passes
    `enough`, it is shared out."""
    held = {pid: _held(pid) for pid in os.listdir("/proc") if pid.isdigit()}
    return sum(held.values()) if sum(held.values()) <= enough else sum(
        _share(pid, number) for pid, number in held.items())


def _held(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        return 1024 * sum(int(line.split()[1]) for line in file
                          if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:", "VmPTE:")))
    return 0


def _share(pid, otherwise):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            found = [int(line.split()[1]) for line in file if line.startswith(("Pss_Anon:", "Pss_Shmem:", "SwapPss:"))]
            return 1024 * sum(found) if found else otherwise
    except PermissionError:
        return otherwise  # a process can forbid this look; then all of it counts
    except OSError:
        return 0  # it ended meanwhile


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
