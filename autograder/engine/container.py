"""The box where there is no bubblewrap: a container of docker or podman, with the same view and the same limits.

Its image is empty. The system, Python, the library and the engine are mounted read-only from this computer, as
bubblewrap does it, so that both give the same results and nothing is downloaded.
"""

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path

from autograder.engine import syscalls, view
from autograder.engine.boxed import Boxed

IMAGE = "localhost/shrinklab-sandbox:1"
ENGINES = ("podman", "docker")
FOLDERS = ("sandbox/home", "sandbox/given", "sandbox/library/autograder", "tmp", "dev", "proc", "sys", "etc", "run")


def find():
    """The path of podman's or docker's program, rather of one that works, or None."""
    paths = [path for name in ENGINES if (path := shutil.which(name))]
    return next((path for path in paths if not why_not(path)), paths[0] if paths else None)


@functools.cache
def why_not(engine):
    """Why this engine starts no container here; "" when it does. It is tried once, with an image that it is given."""
    if sys.platform != "linux" or not engine:
        return "there is neither docker nor podman"
    if _run(engine, "image", "inspect", IMAGE).returncode:
        made = _run(engine, "import", "-", IMAGE, data=_image())
        if made.returncode:
            return f"{Path(engine).name} takes no image ({_last(made.stderr)})"
    tried = _run(engine, "run", "--rm", *_closed(engine), "--pids-limit", "16", "--memory", "256m",
                 *_mounts([(path, path) for path in view.system() if not Path(path).is_symlink()]), IMAGE,
                 "/usr/bin/env", "true")
    return f"{Path(engine).name} starts no container ({_last(tried.stderr)})" if tried.returncode else ""


class Contained(Boxed):
    """A process in a container of its own, with a new Python."""

    def _start(self, box, folder):
        self._engine, self._name = find(), f"shrinklab-{uuid.uuid4().hex[:12]}"
        return subprocess.Popen(
            command(box, self._engine, folder, name=self._name, uid=self._claim.number), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, env=_environment())

    def kill(self):
        """End the container; its program here would leave it running."""
        _run(self._engine, "kill", self._name)
        super().kill()

    def end(self):
        code = super().end()
        _run(self._engine, "rm", "--force", self._name)
        return code


def command(box, engine, folder, *, name, uid=None):
    """The words that start the student's process in a container.

    box: an `engine.box.Box`; folder: given to the student; uid: of the process where the grader is root, otherwise it
    has the grader's own, as in a box of bubblewrap.
    """
    order = box.order(None, hangup=True) | {"filter": syscalls.program().hex()}
    # The kernel counts a user's processes over all containers; the engine counts those of one.
    order["limits"].pop("RLIMIT_NPROC")
    user, group = (uid, uid) if uid is not None else (os.getuid(), os.getgid())
    same = ["--userns", "keep-id"] if uid is None and Path(engine).name == "podman" else []
    shown = [*_seen(), (str(folder), view.GIVEN), *view.library(), *([] if box.shows_test else view.covers())]
    limits = ["--memory", str(box.memory), "--memory-swap", str(box.memory), "--pids-limit", str(box.processes),
              "--shm-size", str(view.SHARED_MEMORY)]
    spaces = [*_hidden(box), *_space("/tmp", box.disk), *_space(view.HOME, box.disk)]
    return [engine, "run", "--rm", "--interactive", "--name", name, *_closed(engine), "--user", f"{user}:{group}",
            *same, *limits, *_mounts(shown), *spaces, "--workdir", view.HOME, IMAGE, sys.executable, "-I", "-S",
            f"{view.LIBRARY}/autograder/engine/enter.py", json.dumps(order)]


def _closed(engine):
    """No network, nothing to write, no rights; and none of the spaces that podman adds by itself."""
    words = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
             "--ipc", "private", "--hostname", "box", "--log-driver", "none", "--ulimit", "nofile=512:512",
             "--ulimit", "nproc=4096:4096"]
    return words + (["--read-only-tmpfs=false"] if Path(engine).name == "podman" else [])


def _seen():
    """Folders and files of the computer, each at its own place; what is a link there is one in the image."""
    settings = [f"/etc/{name}" for name in view.SETTINGS]
    places = [*view.system(), *map(str, view.python()), *(path for path in settings if os.path.exists(path))]
    return [(os.path.realpath(path), path) for path in places if path not in view.SYSTEM or not os.path.islink(path)]


def _hidden(box):
    return [word for path in view.hidden_places(box.hidden) for word in ("--tmpfs", f"{path}:ro,size=4k")]


def _space(path, size):
    return ["--tmpfs", f"{path}:rw,exec,nosuid,nodev,size={size},mode=1777"]


def _mounts(pairs):
    return [word for path, place in pairs for word in ("--volume", f"{path}:{place}:ro")]


def _image():
    """An image as a tar file: the folders that mounts need, and the system's links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for path in view.SYSTEM:
            if os.path.islink(path):
                link = tarfile.TarInfo(path.lstrip("/"))
                link.type, link.linkname = tarfile.SYMTYPE, os.readlink(path)
                tar.addfile(link)
    return buffer.getvalue()


def _run(engine, *words, data=None):
    return subprocess.run([engine, *words], input=data, capture_output=True, check=False, env=_environment(),
                          **({} if data is not None else {"stdin": subprocess.DEVNULL}))


def _environment():
    """The engine's program finds its own settings by these; nothing of it reaches the container."""
    return {name: value for name, value in os.environ.items()
            if name in ("PATH", "HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
            or name.startswith(("DOCKER_", "CONTAINER"))}


def _last(text):
    return (text.decode(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
