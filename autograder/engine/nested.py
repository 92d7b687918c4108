"""The warm process inside a box: it has torch imported, and forks a process in namespaces of its own for each
submission.

    warm ── start (namespaces; over at once) ── guard (first process of its namespace) ── student's process

The warm process never runs a student's line, and none of them reaches it: its processes are not in their /proc, its
control socket is closed in the fork, and what crosses (files, cells, calls) goes past it, straight to the fork.
"""

import contextlib
import gc
import io
import json
import os
import select
import signal
import socket
import sys
import traceback

from autograder.engine import kernel, place
from autograder.engine.channel import ChannelError, receive, send

GRACE = 0.5


def main(order):
    """Answer the grader's orders on standard input until it closes it.

    order: "spaces", {folder: bytes}, made anew for each submission; "home", one of them; "given", a folder whose files
    are copied there; "limits" and "most" as in `engine.enter`; "covers", [what, over what], for those that ask.
    """
    from autograder.engine.worker import preload, silence
    control = socket.socket(fileno=os.dup(0))
    preload()
    kernel.adopt_orphans()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy what it looks at
    why = _trial(control, order)
    control.sendall(json.dumps({"ready": not why, "why": why[-3000:]}).encode())
    silence()
    while asked := _asked(control):
        answer = _start(control, asked, order) if "uid" in asked else _end(asked["end"], asked["at_once"])
        control.sendall(str(answer).encode())


def _asked(control):
    with contextlib.suppress(OSError):
        data, handles, _, _ = socket.recv_fds(control, 8192, 1)
        return json.loads(data) | {"handle": handles[0] if handles else None} if data else None
    return None


def _trial(control, order):
    """Why no process can be started here; "" when one can. Costs one start."""
    ours, theirs = socket.socketpair()
    with ours, ours.makefile("rb") as reader:
        pid = _start(control, {"uid": order["uid"], "covered": True, "handle": theirs.detach()}, order)
        send(empty := io.BytesIO(), {"files": {}})
        try:
            with contextlib.suppress(OSError):  # it may be over already; what it said is there to read
                ours.sendall(empty.getvalue())
            return receive(reader).get("why", "")
        except ChannelError as error:
            return str(error)
        finally:
            _end(pid, True)


def _start(control, asked, order):
    """Start a submission's process; returns the id of its guard, 0 when there is none."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with _last_words(asked["handle"]):
            control.detach()
            _close_all_but(asked["handle"], writer)
            place.enter_namespaces()
            first = os.fork()
            if first:
                os.write(writer, str(first).encode())
                os._exit(0)  # the guard is the warm process's own now
            os.close(writer)
            place.live(asked, order)
    os.close(writer)
    os.close(asked["handle"])
    with open(reader, "rb") as stream:
        guard = int(stream.read() or 0)
    os.waitpid(child, 0)
    return guard


def _end(guard, at_once):
    """Wait a moment for a guard, kill all of its namespace, and return its exit code."""
    if not guard:
        return -signal.SIGKILL
    handle = os.pidfd_open(guard)
    if not at_once:
        watch = select.poll()  # select takes small descriptors only
        watch.register(handle, select.POLLIN)
        watch.poll(GRACE * 1000)
    os.close(handle)
    with contextlib.suppress(ProcessLookupError):
        os.kill(guard, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(guard, 0)[1])


@contextlib.contextmanager
def _last_words(handle):
    """Tell the grader what went wrong before a line of the student's was read. Nothing leaves this block."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception), socket.socket(fileno=handle) as channel, channel.makefile("wb") as stream:
            send(stream, {"why": traceback.format_exc()})
    finally:
        os._exit(1)


def _close_all_but(*kept):
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2 and number not in kept:
            with contextlib.suppress(OSError):
                os.close(number)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
