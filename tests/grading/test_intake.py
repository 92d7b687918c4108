"""Every submitted file ends as accepted, repaired or rejected, with a sentence; nothing is lost or followed."""

import copy
import json
import os
import stat

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.cells import grade_id
from autograder.demo import fill, sources
from autograder.intake import judge, verdict
from autograder.repair import graft

NAME = "90_tiny"


@pytest.fixture
def hand_in(tiny, tmp_path):
    """Judge bytes, text or a notebook as a submitted file."""
    def judged(content, name=NAME):
        path = tmp_path / f"{name}.ipynb"
        content = content if isinstance(content, bytes | str) else json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        found = judge(tmp_path / f"{NAME}.ipynb", tiny.released)
        nbformat.validate(nbformat.from_dict(found.notebook))
        return found
    return judged


@pytest.fixture
def work(tiny):
    """A student's notebook with all sources right, as plain JSON values."""
    return json.loads(nbformat.writes(fill(tiny.released, sources(tiny.solution))))


def test_a_right_file_is_accepted_as_it_is(hand_in, work, tiny):
    found = hand_in(work)
    assert (found.status, found.reasons) == ("accepted", ())
    assert [c["source"] for c in found.notebook["cells"]] == [
        c["source"] for c in fill(tiny.released, sources(tiny.solution))["cells"]]


@pytest.mark.parametrize(("content", "says"), [
    ("", "empty"), ("   \n", "empty"), ('{"cells": [', "damaged"), (b"\xff\xfe\xff", "UTF-8"),
    (b"\0" * 100, "empty"), (b"\xe9{}", "UTF-8"), (b"PK\x03\x04zip", "zip archive"), ("[1, 2]", "not a notebook"),
    ("7", "not a notebook"), ('{"nbformat": 3, "worksheets": [7]}', "no cells"),
    ('{"nbformat": 2, "cells": [1]}', "format 2"), ('{"nbformat": true, "cells": [1]}', "format True"),
    ('{"nbformat": 4, "cells": []}', "no cells"), ('{"nbformat": 4, "cells": {"a": 1}}', "no cells"),
    ('{"nbformat": "4", "cells": [1]}', "not a notebook"),
    ("[" * 100_000, "damaged"), ('{"nbformat": 4, "cells": [' + "1" * 10_000 + "]}", "damaged"),
    ('{"nbformat": 4, "cells": [' + ",".join(["0"] * 2001) + "]}", "2,001 cells"),
    ('{"nbformat": 4, "cells": [' + "[]," * 500_001 + "0]}", "1,000,000 parts"),
    ('{"nbformat": 4, "nbformat": NaN, "cells": [1]}', "not a notebook"), ('{"nbformat": 1e999}', "not a notebook"),
    ("[" * 900_000 + "]" * 900_000, "damaged"),
], ids=["empty", "blank", "truncated", "utf-16", "zeros", "latin-1", "zip", "list",
        "number", "nbformat-3", "nbformat-2", "nbformat-bool",
        "no-cells", "cells-a-dict", "format-a-string", "deep", "long-number", "many-cells", "many-parts", "nan", "huge",
        "deep-and-closed"])
def test_what_cannot_be_graded_becomes_the_released_notebook_with_the_reason(hand_in, tiny, content, says):
    found = hand_in(content)
    assert found.status == "rejected"
    assert says in found.reasons[0]
    assert says in found.notebook["cells"][0]["source"]
    assert [c["source"] for c in found.notebook["cells"][1:]] == [c["source"] for c in tiny.released["cells"]]
    assert verdict(found.notebook) == ("rejected", list(found.reasons))


def test_a_file_that_is_too_large_is_rejected(hand_in):
    assert "larger than 20 MB" in hand_in(b" " * (20 * 2**20 + 1)).reasons[0]


def test_a_link_is_not_followed(tiny, tmp_path, work):
    (tmp_path / "secret.ipynb").write_text(json.dumps(work))
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path / "secret.ipynb", tmp_path / "in" / f"{NAME}.ipynb")
    found = judge(tmp_path / "in" / f"{NAME}.ipynb", tiny.released)
    assert found.status == "rejected"
    assert "link" in found.reasons[0]


def test_a_fifo_is_not_opened(tiny, tmp_path):
    os.mkfifo(tmp_path / f"{NAME}.ipynb")
    assert judge(tmp_path / f"{NAME}.ipynb", tiny.released).status == "rejected"


def test_a_folder_in_the_files_place_is_rejected(tiny, tmp_path):
    (tmp_path / f"{NAME}.ipynb").mkdir()
    assert judge(tmp_path / f"{NAME}.ipynb", tiny.released).status == "rejected"


def test_the_only_notebook_is_taken_under_another_name(hand_in, work):
    found = hand_in(work, "my<script>work (1)")
    assert found.status == "repaired"
    assert "my?script?work (1).ipynb" in found.reasons[0]


def test_two_notebooks_of_other_names_are_rejected(hand_in, work, tmp_path):
    (tmp_path / "b.ipynb").write_text("{}")
    assert "a.ipynb, b.ipynb" in hand_in(work, "a").reasons[0]


def test_a_copy_beside_the_notebook_is_named(hand_in, work, tmp_path):
    (tmp_path / f"{NAME}-Copy1.ipynb").write_text("{}")
    found = hand_in(work)
    assert found.status == "repaired"
    assert f"not looked at: {NAME}-Copy1.ipynb" in found.reasons[0]


def test_a_device_is_not_opened(tiny, tmp_path, monkeypatch):
    path = tmp_path / f"{NAME}.ipynb"
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except OSError:
        pytest.skip("only root makes devices")
    monkeypatch.setattr(os, "open", None)
    assert "not a notebook file" in judge(path, tiny.released).reasons[0]


def test_a_file_that_cannot_be_read_is_rejected_with_the_reason(hand_in, work, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "open", refuse)
    assert "could not be read (Permission denied)" in hand_in(work).reasons[0]


def test_a_file_that_was_replaced_by_a_pipe_is_not_waited_for(tiny, tmp_path, monkeypatch):
    """Between looking and opening a name may come to mean something else."""
    plain = os.lstat(__file__)
    os.mkfifo(tmp_path / f"{NAME}.ipynb")
    with monkeypatch.context() as patched:
        patched.setattr("autograder.reading.os.lstat", lambda _: plain)
        found = judge(tmp_path / f"{NAME}.ipynb", tiny.released)
    assert "link or a folder" in found.reasons[0]


def test_a_hard_link_is_read_as_the_file_that_it_is(tiny, tmp_path, work):
    """It gives nothing away: what is no notebook is not shown, and a copy of a notebook would be graded as well."""
    (tmp_path / "secret").write_text("root:x:0:0")
    os.link(tmp_path / "secret", tmp_path / f"{NAME}.ipynb")
    found = judge(tmp_path / f"{NAME}.ipynb", tiny.released)
    assert found.status == "rejected"
    assert "root:x" not in json.dumps(found.notebook)


def test_utf_16_is_read_and_remarked(hand_in, work):
    found = hand_in(json.dumps(work).encode("utf-16"))
    assert found.status == "repaired"
    assert "UTF-16" in found.reasons[0]
    assert "weight.abs()" in cell_of(found.notebook, "90-exercise-scores")["source"]


def test_format_3_is_read_as_format_4(hand_in, work):
    cells = [cell | {"input": cell["source"]} if cell["cell_type"] == "code" else cell for cell in work["cells"]]
    for cell in cells:
        if cell["cell_type"] == "code":
            cell.pop("source")
    found = hand_in({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}, None]})
    assert found.status == "repaired"
    assert "old format 3" in found.reasons[0]
    assert "weight.abs()" in cell_of(found.notebook, "90-exercise-scores")["source"]


def cell_of(notebook, key):
    return next(cell for cell in notebook["cells"] if grade_id(cell) == key)


def repaired(hand_in, notebook, says):
    found = hand_in(notebook)
    assert found.status == "repaired"
    assert any(says in reason for reason in found.reasons), found.reasons
    assert says in found.notebook["cells"][0]["source"]
    return found.notebook


def test_of_a_repeated_cell_the_last_one_counts_and_the_other_still_runs(hand_in, work):
    again = copy.deepcopy(cell_of(work, "90-exercise-scores"))
    again["source"] = "second = 2"
    work["cells"].append(again)
    made = repaired(hand_in, work, "more than once")
    assert cell_of(made, "90-exercise-scores")["source"] == "second = 2"
    assert sum("return weight.abs()" in cell["source"] for cell in made["cells"]) == 1


@pytest.mark.parametrize("key", ["90-check-scores", "90-exercise-scores", "90-essay-reflect"])
def test_a_missing_cell_is_put_back_where_it_was(hand_in, work, tiny, key):
    work["cells"] = [cell for cell in work["cells"] if grade_id(cell) != key]
    made = repaired(hand_in, work, "missing")
    ids = [cell["id"] for cell in made["cells"][1:]]
    assert ids.index(key) < ids.index("90-essay-reflect-answer")
    assert cell_of(made, key)["source"] == cell_of(tiny.released, key)["source"]


def test_a_first_cell_that_is_missing_is_put_back_at_the_start(hand_in, work):
    work["cells"] = [cell for cell in work["cells"] if cell["metadata"].get("shrinklab", {}).get("kind") != "setup"]
    made = repaired(hand_in, work, "missing")
    assert made["cells"][1]["metadata"]["shrinklab"]["kind"] == "setup"


def test_a_cell_whose_metadata_another_editor_dropped_is_known_by_its_id(hand_in, work):
    for cell in work["cells"]:
        cell["metadata"] = {}
    found = hand_in(work)
    assert found.status == "accepted"
    assert "weight.abs()" in cell_of(found.notebook, "90-exercise-scores")["source"]


@pytest.mark.parametrize(("field", "value"), [("points", 1000), ("grade", False), ("locked", False),
                                              ("schema_version", 99), ("solution", True), ("task", True)])
def test_tampered_metadata_is_as_released_again(hand_in, work, tiny, field, value):
    cell_of(work, "90-check-scores")["metadata"]["nbgrader"][field] = value
    made = hand_in(work).notebook
    assert cell_of(made, "90-check-scores")["metadata"] == cell_of(tiny.released, "90-check-scores")["metadata"]


@pytest.mark.parametrize(("field", "value"), [("points", 1000), ("locked", False), ("solution", True)])
def test_tampered_metadata_is_told(hand_in, work, field, value):
    cell_of(work, "90-check-scores")["metadata"]["nbgrader"][field] = value
    repaired(hand_in, work, f"The cell `scores` had other {field} than the released one")


def test_a_cell_that_is_too_long_is_left_out(hand_in, work):
    cell_of(work, "90-exercise-scores")["source"] = "x = 1\n" * 20_000
    made = repaired(hand_in, work, "more than 100,000 characters")
    assert "NotImplementedError" in cell_of(made, "90-exercise-scores")["source"]


def test_a_pasted_picture_stays_and_other_attachments_go(hand_in, work):
    work["cells"][-1]["attachments"] = {
        "a.png": {"image/png": "iVBORw0="}, "b.svg": {"image/svg+xml": "<svg onload=alert(1)>"},
        "c.png": {"image/png": '"><script>'}, "d\n.png": {"image/png": "iVBORw0="}, "e.png": 7,
        "f.png": {"image/png": "A" * (3 * 2**20)}}
    made = hand_in(work).notebook
    assert made["cells"][-1]["attachments"] == {"a.png": {"image/png": "iVBORw0="}}


def test_giant_metadata_is_dropped(hand_in, work):
    work["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": "x" * 10**6}}
    for cell in work["cells"]:
        cell["metadata"]["junk"] = "y" * 10**5
    assert len(json.dumps(hand_in(work).notebook)) < 10**5


def test_a_changed_locked_cell_is_as_released_again(hand_in, work, tiny):
    cell_of(work, "90-check-scores")["source"] = "2.0"
    made = repaired(hand_in, work, "was changed")
    assert cell_of(made, "90-check-scores")["source"] == cell_of(tiny.released, "90-check-scores")["source"]


def test_a_changed_cell_type_is_turned_back(hand_in, work):
    cell = cell_of(work, "90-exercise-scores")
    cell["cell_type"] = "raw"
    made = repaired(hand_in, work, "turned back")
    assert cell_of(made, "90-exercise-scores")["cell_type"] == "code"


def test_tags_outputs_and_foreign_ids_go(hand_in, work):
    for cell in work["cells"]:
        cell["metadata"]["tags"] = ["skip-execution"]
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {},
                                "execution_count": 1}]
    work["cells"].append({"cell_type": "code", "id": "x", "source": "1", "outputs": [], "execution_count": None,
                          "metadata": {"nbgrader": {"grade_id": "unknown", "grade": True, "points": 50}}})
    made = hand_in(work).notebook
    assert "skip-execution" not in json.dumps(made)
    assert "unknown" not in json.dumps(made)
    assert not any(cell.get("outputs") for cell in made["cells"])


def test_a_foreign_kernel_is_replaced(hand_in, work, tiny):
    work["metadata"]["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}
    made = repaired(hand_in, work, "kernel of another language")
    assert made["metadata"]["kernelspec"] == tiny.released["metadata"]["kernelspec"]


def test_damaged_cells_and_lone_surrogates_stop_nothing(hand_in, work):
    cell_of(work, "90-exercise-scores")["source"] = ["x = '\ud800'\n", "y = 2"]
    work["cells"] += [None, 7, {"cell_type": "video"}, {"cell_type": "code", "source": [1]}]
    made = repaired(hand_in, work, "4 damaged cells")
    assert cell_of(made, "90-exercise-scores")["source"] == "x = '?'\ny = 2"


def test_a_notice_of_an_earlier_intake_is_not_kept(hand_in, work):
    first = hand_in({"nbformat": 4, "cells": work["cells"][:-3]}).notebook
    assert first["cells"][0]["id"] == "intake-notice"
    assert hand_in(first).status == "accepted"


KEYS = st.sampled_from(["cell_type", "metadata", "source", "id", "nbgrader", "grade_id", "outputs", "shrinklab"])
TEXTS = st.sampled_from(["code", "markdown", "90-check-scores", "90-exercise-scores", "\ud800"]) | st.text(max_size=9)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=4)
                    | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12)
CELLS = JSON | st.fixed_dictionaries({"cell_type": st.sampled_from(["code", "markdown", "raw"]), "source": TEXTS,
                                      "id": TEXTS, "metadata": st.fixed_dictionaries({"nbgrader": st.fixed_dictionaries(
                                          {"grade_id": TEXTS, "points": JSON})})})


@settings(max_examples=150, deadline=None)
@given(cells=st.lists(CELLS, min_size=1, max_size=6))
def test_whatever_the_cells_are_the_result_is_a_valid_notebook(tiny, cells):
    made, _ = graft(cells, tiny.released)
    nbformat.validate(nbformat.from_dict(made))
    json.dumps(made, ensure_ascii=False).encode("utf-8")
    wanted = [grade_id(cell) for cell in tiny.released["cells"] if grade_id(cell)]
    assert sorted(grade_id(cell) for cell in made["cells"] if grade_id(cell)) == sorted(wanted)
