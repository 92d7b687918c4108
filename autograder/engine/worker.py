"""The student's process: runs cells and calls functions on request, and holds nothing of the grader's.

It is started on its own (`python -m autograder.engine.worker`, messages over what were stdin and stdout; with
`--boxed` the first one says that it is there) or forked from a warm parent (`--warm`), which has imported torch and
the library and has run no tensor operation: OpenMP's threads do not survive a fork. A fork takes 33 ms where a
fresh start takes 2 s. In a box, `engine.nested` forks it.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys

from autograder.engine.channel import ChannelError, TooLarge, receive, send

HEAD_START = ("torch", "pandas", "matplotlib.pyplot", "ipywidgets", "IPython.core.interactiveshell")


def preload():
    """Import what every notebook needs. Runs no tensor operation."""
    import shrinklab
    modules = [module.name for module in pkgutil.walk_packages(shrinklab.__path__, "shrinklab.")]
    for name in (*HEAD_START, *modules):
        # Only a head start: a module that cannot be imported says so in the cell that needs it.
        if not name.endswith("__main__"):
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def serve(reader, writer):
    """Answer requests until the grader closes the channel."""
    from autograder.engine.shell import StudentShell
    shell = StudentShell()
    while True:
        try:
            request = receive(reader)
            answer = {"id": request["id"]} | shell.answer(request)
            try:
                send(writer, answer)
            except TooLarge:
                send(writer, {"id": request["id"]} | shell.too_large(request))
        except ChannelError:
            return


def _alone(*, boxed=False):
    """Serve over private copies of stdin and stdout, so that a print never reaches the channel."""
    reader, writer = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    if boxed:
        preload()  # with stderr open, for the words of what fails
        send(writer, {"ready": True})
    silence()
    preload()
    serve(reader, writer)


def silence():
    """Nothing that is printed past Python's own streams arrives anywhere, and nothing can be read."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _warm():
    """Fork a worker for each socket that the grader passes; keep its process id taken until it is released."""
    control = socket.socket(fileno=os.dup(0))
    preload()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy what it looks at
    control.sendall(b"ready")
    children = set()
    while order := _order(control):
        if "fork" in order:
            child = os.fork()
            if not child:
                _child(control, order["handle"], order["fork"])
            os.close(order["handle"])
            children.add(child)
            answer = child
        else:
            _, status = os.waitpid(order["reap"], 0)
            children.discard(order["reap"])
            answer = os.waitstatus_to_exitcode(status)
        control.sendall(str(answer).encode())
    # The grader is gone, perhaps killed: nothing that it started stays behind.
    for child in children:
        with contextlib.suppress(OSError):
            os.killpg(child, signal.SIGKILL)


def _order(control):
    data, handles, _, _ = socket.recv_fds(control, 8192, 1)
    return json.loads(data) | {"handle": handles[0] if handles else None} if data else None


def _child(control, handle, folder):
    try:
        os.setsid()
        control.close()
        silence()
        os.chdir(folder)
        os.environ["HOME"] = folder
        with socket.socket(fileno=handle) as channel, channel.makefile("rwb") as stream:
            serve(stream, stream)
    finally:
        os._exit(0)


if __name__ == "__main__":
    _warm() if "--warm" in sys.argv else _alone(boxed="--boxed" in sys.argv)
