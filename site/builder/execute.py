"""Run lessons for the site, each once per content: cells, practice bank, library, networks and data."""

import ast
import hashlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import torch
from nbclient import NotebookClient

from shrinklab.widgets.static import SHARED

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2
CELL_SECONDS = 600
MOST_ANSWERS = 400  # of an explorer
DRAWN_IN_BROWSER = (".js", ".css")  # the outputs hold a widget's state, not what draws it


def executed(lessons, cache_folder, answers=MOST_ANSWERS):
    """{name: its code cells' outputs, by cell id} of {name: (code cells, practice bank's text)}.

    answers: about how many settings of an explorer are computed.

    Raises RuntimeError with the cell and the error when one fails.
    """
    cache_folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {name: pool.submit(_outputs, name, *given, cache_folder, answers) for name, given in lessons.items()}
        return {name: job.result() for name, job in jobs.items()}


def _outputs(name, cells, bank, folder, answers):
    path = folder / f"{name}-{answers}-{_key(cells, bank, answers)}.json"
    if not path.exists():
        print(f"[site] {name}: running {len(cells)} cells", flush=True)
        found = _run(name, cells, bank, folder / "tables", answers)
        for old in folder.glob(f"{name}-{answers}-*.json"):
            old.unlink()
        path.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def _key(cells, bank, answers=MOST_ANSWERS):
    text = json.dumps([[cell.id, cell.source] for cell in cells])
    return hashlib.sha256(f"{text}{bank}{answers}{_surroundings()}".encode()).hexdigest()[:24]


@cache
def _surroundings():
    """One digest of all that a cell's output depends on, beside the cell: library, networks, data, recorder, torch."""
    digest = hashlib.sha256(torch.__version__.encode())
    here = Path(__file__).parent
    files = [here / name for name in ("kernel.py", "recorder.py", "tables.py")]
    files += sorted(path for path in (ROOT / "src" / "shrinklab").rglob("*")
                    if path.is_file() and path.suffix not in DRAWN_IN_BROWSER and "__pycache__" not in path.parts)
    for path in files:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(name, cells, bank, tables, answers=MOST_ANSWERS):
    first = v4.new_code_cell(f"from builder.kernel import prepare\nprepare({str(tables)!r}, {answers})", id="prepare")
    last = v4.new_code_cell("import json\nfrom builder.kernel import late_answers\njson.dumps(late_answers())",
                            id="last")
    notebook = v4.new_notebook(cells=[first, *map(nbformat.from_dict, cells), last])
    with tempfile.TemporaryDirectory() as folder:
        if bank:
            Path(folder, "practice.yml").write_text(bank, encoding="utf-8")
        paths = [str(ROOT / "site"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        # One thread a lesson: two lessons run at once, and a waiting thread of OpenMP would take the other's core.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HOME": folder,
                       "IPYTHONDIR": str(Path(folder, "ipython")), "OMP_NUM_THREADS": "1",
                       "OMP_WAIT_POLICY": "PASSIVE"}
        client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3",
                                resources={"metadata": {"path": folder}}, store_widget_state=False)
        try:
            client.execute(env=environment)
        except Exception as error:
            raise RuntimeError(f"{name}: {error}") from error
    answers = json.loads(ast.literal_eval(notebook.cells[-1].outputs[-1].data["text/plain"]))
    return {cell.id: [_complete(name, output, answers) for output in cell.outputs] for cell in notebook.cells[1:-1]}


def _complete(name, output, answers):
    """An output, with a guess's answer where it could be known only later. RuntimeError where there is none."""
    if output["output_type"] == "error":  # of showing a value: the cell itself went on
        raise RuntimeError(f"{name}: {output['ename']}: {output['evalue']}")
    parts = output.get("data", {}).get(SHARED, [])
    for part in parts if isinstance(parts, list) else [parts]:
        state = part["state"]
        if part["kind"] == "Guess":
            state["answer"] = answers[state["question"]]
        if "error" in (state.get("answer") or {}):
            raise RuntimeError(f"{name}: {state['question']!r} has no answer: {state['answer']['error']}")
    return output
