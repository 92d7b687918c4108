"""A JupyterLab server with a home of its own, for tests and benchmarks."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat

import lab


class Lab:
    """A running server: `url`, the folder `files` that it shows, and the environment it runs in."""

    def __init__(self, home):
        self.files = home / "workbook"
        self.files.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"HOME": home, "USERPROFILE": home, "IPYTHONDIR": home / "ipython", "MPLCONFIGDIR": home / "matplotlib",
               "JUPYTER_CONFIG_DIR": home / "config", "JUPYTER_DATA_DIR": home / "data",
               "JUPYTER_RUNTIME_DIR": home / "runtime", "JUPYTERLAB_SETTINGS_DIR": home / "settings",
               "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces"}
        base = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTEST"))}
        self.environment = lab.environment({**base, **{name: str(path) for name, path in own.items()},
                                            "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"})
        self.log = home / "lab.log"

    def start(self):
        # expose_app_in_browser: tests ask Lab itself whether all cells have run, instead of guessing from the page.
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={self.port}",
                   "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={self.files}",
                   "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        for _ in range(360):
            assert self.process.poll() is None, f"JupyterLab ended at once:\n{self.log.read_text()[-3000:]}"
            try:
                with urllib.request.urlopen(f"{self.url}/api", timeout=2):
                    return self
            except OSError:
                time.sleep(0.5)
        raise AssertionError(f"JupyterLab did not start in 3 minutes:\n{self.log.read_text()[-3000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def write(self, name, *sources):
        """A notebook of these code cells, as `name` in the folder."""
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        for i, cell in enumerate(cells):
            cell["id"] = f"cell-{i}"
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
        nbformat.write(notebook, self.files / name)
        return name
