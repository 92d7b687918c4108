"""The place of one submission in the warm process's box: new namespaces, in which nothing is shared with another."""

import base64
import os
import signal
import socket

from autograder.engine import enter, kernel, syscalls
from autograder.engine.channel import receive, send

SPACES = kernel.NO_SETUID | kernel.NO_DEVICES
NAMESPACES = kernel.NEW_FILES | kernel.NEW_PROCESSES | kernel.NEW_NETWORK | kernel.NEW_IPC | kernel.NEW_NAMES


def enter_namespaces():
    """Leave those of the warm process; the next child is the first process of the new ones."""
    user, group = os.geteuid(), os.getegid()
    if not user:
        kernel.unshare(NAMESPACES)
        return
    kernel.unshare(NAMESPACES | kernel.NEW_USER)
    for name, line in {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}.items():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(line)


def live(asked, order):
    """Be the first process of the new namespaces: make the place, give up every right, and guard the student's process;
    never returns.

    asked: "uid" of the process, None where the grader is not root; "covered", whether the test split is hidden;
    "handle", of the channel to the grader. order: see `engine.nested`.
    """
    _furnish(order, asked["uid"], order["covers"] if asked["covered"] else [])
    kernel.loopback_up()
    uid = asked["uid"]
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
    enter.limit(order["limits"])
    kernel.narrow_rights()
    if uid is not None:
        os.setresuid(uid, uid, uid)
    kernel.give_up_rights()
    kernel.dumpable(False)
    kernel.refuse_calls(syscalls.program())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    child = os.fork()
    if child:
        os.close(asked["handle"])
        enter.guard(child, **order["most"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    kernel.dumpable(True)
    _serve(asked["handle"], order)


def _furnish(order, uid, covers):
    """New and empty: /proc, the terminals, and each space to write. covers: [what is shown, over what]."""
    owner = "" if uid is None else f",uid={uid},gid={uid}"
    kernel.mount(None, "/", None, kernel.ALL_BELOW | kernel.PRIVATE)
    for shown, over in covers:
        kernel.mount(shown, over, None, kernel.BIND)
    for folder, size in order["spaces"].items():
        mode = 700 if folder == order["home"] else 1777
        kernel.mount("tmpfs", folder, "tmpfs", SPACES, f"size={size},nr_inodes={order['most']['files']},mode={mode}"
                     + (owner if mode == 700 else ""))
    kernel.mount("proc", "/proc", "proc", SPACES | kernel.NO_EXEC)
    kernel.mount("devpts", "/dev/pts", "devpts", kernel.NO_SETUID | kernel.NO_EXEC,
                 "newinstance,ptmxmode=0666,mode=620")


def _serve(handle, order):
    """The student's process: takes its files, says that it is there, and answers the grader."""
    from autograder.engine.worker import serve, silence
    silence()
    os.setsid()
    os.umask(0o077)
    enter.copy_files(order["given"], order["home"])
    os.chdir(order["home"])
    with socket.socket(fileno=handle) as channel, channel.makefile("rwb") as stream:
        for name, content in receive(stream)["files"].items():
            with open(os.path.basename(name), "wb") as file:
                file.write(base64.b64decode(content))
        send(stream, {"ready": True})
        try:
            serve(stream, stream)
        finally:
            os._exit(0)
