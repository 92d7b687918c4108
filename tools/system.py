"""Install the two programs that some tests need and pip can't give: Chromium and bubblewrap.

usage: python tools/system.py

Asks apt-get, dnf or brew, only where that needs no password. What can't be had is named with its reason in
one line, and the tests that need it are skipped; where CI is set, that is a failure. Needs no package.
"""

import os
import shutil
import subprocess
import sys

NAMES = {
    "chromium": (
        "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ),
    "bubblewrap": ("bwrap",),
}
USED_BY = {"chromium": "the browser tests", "bubblewrap": "the sandbox tests"}
PACKAGES = {  # fonts: without them a page in a bare container shows boxes for letters
    ("apt-get", "chromium"): ["chromium", "fonts-dejavu-core", "fonts-liberation"],
    ("dnf", "chromium"): ["chromium", "dejavu-sans-fonts"],
    ("brew", "chromium"): ["--cask", "google-chrome"],
    ("apt-get", "bubblewrap"): ["bubblewrap"],
    ("dnf", "bubblewrap"): ["bubblewrap"],
}
INSTALL = {
    "apt-get": ["apt-get", "-o", "DPkg::Lock::Timeout=60", "install", "--yes", "--no-install-recommends"],
    "dnf": ["dnf", "install", "--assumeyes"],
    "brew": ["brew", "install"],
}


def find(program):
    """The path of an installed program that starts, or None. program: "chromium" or "bubblewrap"."""
    for name in NAMES[program]:
        path = shutil.which(name)
        # Ubuntu ships a chromium-browser that only says "install the snap": so it is asked for its version.
        if path and run([path, "--version"]).returncode == 0:
            return path
    return None


def run(command):
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def as_root():
    """The words before a command that needs root, or None where that would ask for a password."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if shutil.which("sudo") and run(["sudo", "-n", "true"]).returncode == 0 else None


def install(program):
    """Try to install; returns None, or the reason why not."""
    manager = next((m for m in INSTALL if shutil.which(m)), None)
    if manager is None:
        return "no apt-get, dnf or brew here"
    packages = PACKAGES.get((manager, program))
    if packages is None:
        return f"{manager} has no {program}"
    before = [] if manager == "brew" else as_root()
    if before is None:
        return f"{manager} needs root or sudo without a password"
    print(f"[setup] {manager}: installing {program}", flush=True)
    if manager == "apt-get":
        run([*before, "apt-get", "update"])
    done = run([*before, *INSTALL[manager], *packages])
    if done.returncode == 0:
        return None
    return (done.stderr.strip() or done.stdout.strip() or f"{manager} failed").splitlines()[-1]


def missing():
    """{program: reason} of what is neither installed nor installable."""
    reasons = {}
    for program in NAMES:
        if find(program):
            continue
        reason = install(program)
        if not find(program):
            reasons[program] = reason or "installed, but it does not start"
    return reasons


def main():
    if os.name == "nt":
        print("[setup] Windows: the browser and sandbox tests are skipped")
        return 0
    reasons = missing()
    in_ci = bool(os.environ.get("CI"))
    for program, reason in reasons.items():
        outcome = "must run in CI" if in_ci else "are skipped"
        print(f"[setup] no {program} ({reason}): {USED_BY[program]} {outcome}", flush=True)
    return 1 if reasons and in_ci else 0


if __name__ == "__main__":
    sys.exit(main())
