"""Create .venv and install the project into it. Run again, it sees that nothing changed and returns at once.

usage: python tools/bootstrap.py [core | dev]

core is what the lessons need, dev adds what the tests need. TORCH_INDEX names the index of PyTorch's CPU
wheels that is asked on Linux; empty means: ask none. Needs no package: it runs before anything is installed.
"""

import hashlib
import importlib.util
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 11)
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 3


def say(line):
    print(f"[setup] {line}", flush=True)


def stop(line):
    sys.exit(f"error: {line}")


def key(settings, root):
    """What an installation depends on: the package's own settings, and the folder that it points to.

    >>> project = {"project": {"name": "shrinklab"}}
    >>> key(project, "/one") == key(project | {"tool": {"ruff": {}}}, "/one"), key(project, "/one") == key({}, "/one")
    (True, False)
    """
    parts = [settings.get("build-system"), settings.get("project"), settings.get("tool", {}).get("hatch"), str(root)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def stamp(level):
    return VENV / f".installed-{level}"


def installed(level, wanted):
    """Whether this level, or one that includes it, was installed from exactly these settings."""
    levels = ("core", "dev")[("core", "dev").index(level):]
    return PYTHON.exists() and any(stamp(s).exists() and stamp(s).read_text() == wanted for s in levels)


def moved():
    """Whether .venv was made in another folder: then its commands, such as alembic, still start the Python there."""
    lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    return any(line.startswith("command") and str(VENV) not in line for line in lines)


def make_venv():
    """Create .venv, or replace one that was moved or whose Python or pip is gone."""
    works = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import pip"], capture_output=True).returncode == 0
    if works and not moved():
        return
    say(f"creating {VENV.name} with Python {platform.python_version()} ({sys.executable})")
    if any(subprocess.run(command, cwd=ROOT).returncode for command in venv_commands()):
        shutil.rmtree(VENV, ignore_errors=True)
        stop(no_venv_message())


def venv_commands():
    """What makes .venv here; Debian's python3 has no ensurepip, but may have a pip that can fill another's place."""
    create = [sys.executable, "-m", "venv", "--clear", VENV]
    if importlib.util.find_spec("ensurepip"):
        return [create]
    return [[*create, "--without-pip"], [sys.executable, "-m", "pip", "--python", PYTHON, "install", "-q", "pip"]]


def no_venv_message():
    version = "{}.{}".format(*sys.version_info)
    return (
        f"{sys.executable} (Python {version}) can't create a virtual environment with pip; some systems "
        "package these parts of Python on their own. On Debian and Ubuntu, as root: apt-get install "
        f"python{version}-venv. Then run the same command again, or name another: PYTHON=/path/to/python3"
    )


def reason_unreachable(url):
    """None when the index answers in time, else why not. A name look-up may hang, so a thread asks."""
    answer = [f"no answer within {PROBE_SECONDS} s"]

    def ask():
        context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT") or None)
        try:
            urllib.request.urlopen(url, timeout=PROBE_SECONDS, context=context).close()
            answer[0] = None
        except (OSError, ValueError) as error:  # URLError and HTTPError are OSErrors
            answer[0] = str(getattr(error, "reason", error))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answer[0]


def torch_index():
    """The CPU index to ask, or None. Probed first: pip would try an unreachable one for every package."""
    index = os.environ.get("TORCH_INDEX", CPU_INDEX).strip().rstrip("/")
    if not index or sys.platform != "linux":
        return None
    reason = reason_unreachable(f"{index}/torch/") and reason_unreachable(f"{index}/torch/")  # one retry
    if reason is None:
        return index
    say(f"PyTorch's CPU index is unreachable ({reason}); pip's own index may send the larger CUDA build")
    return None


def torch_requirements(settings):
    """The pins of PyTorch's own packages.

    >>> torch_requirements({"project": {"dependencies": ["torch~=2.13.0", "numpy>=2.0"]}})
    ['torch~=2.13.0']
    """
    return [line for line in settings["project"]["dependencies"] if line.startswith("torch")]


def run_pip(command):
    quiet = [] if sys.stdout.isatty() else ["-qq"]  # a person wants to see it move, a log only what went wrong
    if subprocess.run([*command, "--disable-pip-version-check", "--no-input", *quiet], cwd=ROOT).returncode:
        stop(
            "pip could not install the project; its own message is above. Check the network and its "
            "settings (python3 -m pip config list), then run the same command again"
        )


def install(level, settings):
    pip = [PYTHON, "-m", "pip", "install"]
    if index := torch_index():
        say(f"PyTorch for the CPU from {index}")
        run_pip([*pip, *torch_requirements(settings), "--extra-index-url", index, "--retries", "1"])
    say(f"installing the project ({level}); the first time takes a few minutes")
    run_pip([*pip, "--editable", "." if level == "core" else f".[{level}]"])


def main(level="core"):
    if level not in ("core", "dev"):
        stop(f"the level is {level!r}; use core or dev, for example: python tools/bootstrap.py dev")
    if sys.version_info < OLDEST:
        stop(f"this is Python {platform.python_version()}; use 3.11 or newer: PYTHON=/path/to/python3.11")
    import tomllib  # new in 3.11; an older Python must get as far as the message above

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = key(settings, ROOT)
    if installed(level, wanted):
        return
    make_venv()
    install(level, settings)
    stamp(level).write_text(wanted)


if __name__ == "__main__":
    main(*sys.argv[1:2])
