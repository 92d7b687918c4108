"""The site's builder, part by part, without building the site."""

import json
import re
import subprocess
import sys
import types
from pathlib import Path

import ipywidgets
import nbformat
import pytest
import yaml

from builder import settings as site_settings
from builder.colab import FIRST, colab_notebook
from builder.execute import _key, _run
from builder.lesson_pages import _with_links
from builder.links import document_links, notebook_links
from builder.outputs import Assets, page_outputs, widget
from builder.page_parts import accessible
from builder.recorder import MOST_SETTINGS, recorded
from builder.settings import Settings, read_settings
from shrinklab.widgets import Explorer, Job, Range, Select, explore
from shrinklab.widgets.static import SHARED, static_parts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def assets(tmp_path):
    return Assets(tmp_path / "static")


def test_the_settings_that_ship_name_no_address():
    assert read_settings(ROOT / "site" / "settings.toml") == Settings()


def test_links_stand_on_the_page_only_when_they_are_set():
    title = "# 04 · Magnitude pruning\n\nText."
    assert "Binder" not in _with_links(title, "04_magnitude_pruning", Settings())
    configured = Settings(links={"binder": "https://example.org/{lesson}?a=1&b=2",
                                 "jupyterlab": "http://localhost/{lesson}"})
    text = _with_links(title, "04_magnitude_pruning", configured)
    assert 'href="https://example.org/04_magnitude_pruning?a=1&amp;b=2">Open on Binder' in text
    assert 'href="http://localhost/04_magnitude_pruning">Open in JupyterLab here' in text
    assert text.startswith("# 04 · Magnitude pruning\n\n<div")


@pytest.mark.parametrize(("text", "reason"), [
    ('other = "x"', "the settings are repository, jupyterlab, binder, colab"),
    ("binder = 3", "a setting is a text"),
    ('binder = "https://example.org"', "write {lesson} into it"),
    ('colab = "https://example.org/{lesson}"', "set repository too"),
])
def test_wrong_settings_are_told(tmp_path, text, reason):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason.replace("{", r"\{").replace("}", r"\}")):
        read_settings(path)
    assert site_settings.KNOWN[0] == "repository"


def test_colab_s_cell_does_nothing_elsewhere_and_installs_there(monkeypatch, tmp_path):
    released = nbformat.read(ROOT / "course" / "04_magnitude_pruning" / "04_magnitude_pruning.ipynb", as_version=4)
    made = colab_notebook(released, "https://example.org/course.git", "04_magnitude_pruning")
    nbformat.validate(made)
    assert made.cells[1:] == released.cells
    assert "nbgrader" not in made.cells[0].metadata
    run, went = [], []
    monkeypatch.setattr(subprocess, "run", lambda command, check: run.append(command))
    monkeypatch.setattr("os.chdir", went.append)
    exec(made.cells[0].source, {})
    assert (run, went) == ([], [])
    google = types.ModuleType("google")
    google.__path__, google.__spec__ = [], types.SimpleNamespace(submodule_search_locations=[])
    colab = types.ModuleType("google.colab")
    colab.__spec__ = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    exec(made.cells[0].source, {})
    assert run[0][:2] == ["git", "clone"]
    assert "https://example.org/course.git" in run[0]
    assert run[1][1:4] == ["-m", "pip", "install"]
    assert went == ["/content/shrinklab/course/04_magnitude_pruning"]
    assert "{repository}" in FIRST


def test_colab_s_cell_is_in_no_notebook_that_is_handed_in():
    for path in (ROOT / "course").glob("*/*.ipynb"):
        assert "google.colab" not in path.read_text(encoding="utf-8")


def test_environment_and_devcontainer_can_be_read():
    """What repo2docker asks of environment.yml: a dict with dependencies as texts, and pip's as one list."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert all(isinstance(one, str) or set(one) == {"pip"} for one in environment["dependencies"])
    python = [one for one in environment["dependencies"] if isinstance(one, str) and one.startswith("python")]
    assert re.fullmatch(r"python=3\.\d+", python[0]), "repo2docker takes an old Python where a range is given"
    assert not [name for name in ("Dockerfile", "binder", ".binder", "postBuild", "requirements.txt")
                if (ROOT / name).exists()], "repo2docker would read this instead"
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"\n{container['onCreateCommand'].removeprefix('make ')}:" in makefile


def test_a_box_of_sliders_is_recorded_at_every_setting_and_left_as_it_was():
    box = explore(lambda amount, kind, on: f"{amount} {kind} {on}", amount=(0, 4), kind=["a", "b"], on=False)
    box.children[0].value = 3
    state = recorded(box)[0]["state"]
    assert [control["kind"] for control in state["controls"]] == ["range", "select", "toggle"]
    assert len(state["table"]["answers"]) == 5 * 2 * 2
    assert state["table"]["answers"][-1] == {"shown": ["<output>4 b True</output>"]}
    assert (box.children[0].value, box.children[-1].value) == (3, "<output>3 a False</output>")


def test_a_wide_box_is_recorded_more_coarsely_with_its_own_setting():
    box = explore(lambda a, b: f"{a} {b}", a=(0, 1000), b=(0, 1000))
    box.children[0].value = 777
    table = recorded(box)[0]["state"]["table"]
    assert len(table["answers"]) <= MOST_SETTINGS
    assert 777 in table["axes"][0]["points"]
    assert {0, 1000} <= set(table["axes"][1]["points"])


def test_sliders_before_a_job_are_named_with_their_setting():
    slider = ipywidgets.FloatSlider(value=0.9, min=0.5, max=0.99, description="amount")
    fixed, job = recorded(ipywidgets.VBox([slider, Job("Go", lambda report: {"headline": "gone"})]))
    assert fixed["state"] == {"settings": ["amount: 0.9"]}
    assert job["state"]["stored"]["answer"] == {"headline": "gone"}


@pytest.mark.parametrize("box", [ipywidgets.VBox([ipywidgets.Text()]), ipywidgets.VBox([ipywidgets.Label("alone")])])
def test_what_would_be_dead_on_the_site_is_refused(box):
    with pytest.raises(TypeError, match="without Python"):
        recorded(box)


def test_a_long_list_keeps_three_choices_where_the_table_would_be_too_large():
    names = [f"layer {number}" for number in range(15)]
    explorer = Explorer(lambda **values: {"headline": values["layer"]},
                        [Select("layer", names, value="layer 2"), *(Range(c, 2, 8) for c in "abcd")])
    state = static_parts(explorer)["state"]
    assert [option[1] for option in state["controls"][0]["options"]] == ["layer 0", "layer 2", "layer 14"]
    assert state["controls"][0]["of"] == 15
    assert len(state["table"]["answers"]) == 3 ** 5
    assert len(explorer.controls[0]["options"]) == 15


def test_a_widget_s_state_goes_into_a_file_that_a_page_loads_later(assets):
    part = static_parts(Explorer(lambda amount: {"headline": f"{amount}"}, [Range("amount", 0, 2)]))
    text = widget(part, assets, "../")
    assert 'data-widget="Explorer"' in text
    assert "<script" not in text
    path = next((assets.folder / "widgets").iterdir())
    assert path.stem in text
    assert path.read_text().startswith(f'shrinklabData("{path.stem}",{{"kept":null,"state":')


def test_figures_become_files_with_words_and_a_size(assets):
    from matplotlib.figure import Figure

    from shrinklab.widgets.explore import as_html
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("a \"title\" > b")
    html = page_outputs([{"output_type": "display_data", "data": {"text/html": as_html(figure)}}], assets, "../")
    text = html[0]["data"]["text/html"]
    assert 'alt="a &quot;title&quot; &gt; b"' in text
    assert 'src="../_static/plots/' in text
    assert "base64" not in text
    assert len(list((assets.folder / "plots").iterdir())) == 1
    state = {"kind": "Recorded", "place": "x", "kept": None, "state": {"table": {"answers": [as_html(figure)]}}}
    widget(state, assets, "../")
    stored = next((assets.folder / "widgets").iterdir()).read_text()
    assert "@static/plots/" in stored
    assert "base64" not in stored


def test_a_lesson_s_figures_are_shown_as_html_with_their_titles(tmp_path):
    cells = [nbformat.v4.new_code_cell("import matplotlib.pyplot as plt\nplt.title('Accuracy')\nplt.show()", id="a"),
             nbformat.v4.new_code_cell("from shrinklab.widgets import Guess\nGuess('6 x 7?', 42)", id="b")]
    outputs = _run("sample", cells, "", tmp_path)
    assert 'alt="Accuracy"' in outputs["a"][0]["data"]["text/html"]
    assert outputs["b"][0]["data"][SHARED]["state"]["answer"] == {"truth": 42}


def test_a_guess_may_compare_with_what_a_later_cell_makes(tmp_path):
    early = nbformat.v4.new_code_cell("from shrinklab.widgets import Guess\nGuess('How many?', lambda: later)", id="a")
    late = nbformat.v4.new_code_cell("later = 7", id="b")
    outputs = _run("sample", [early, late], "", tmp_path)
    assert outputs["a"][0]["data"][SHARED]["state"]["answer"] == {"truth": 7}
    with pytest.raises(RuntimeError, match="'How many\\?' has no answer: NameError"):
        _run("sample", [early], "", tmp_path)


def test_a_widget_that_cannot_be_shown_stops_the_build(tmp_path):
    cell = nbformat.v4.new_code_cell("import ipywidgets\nipywidgets.VBox([ipywidgets.Text()])", id="a")
    with pytest.raises(RuntimeError, match="sample: TypeError: the site cannot show a box of"):
        _run("sample", [cell], "", tmp_path)


def test_errors_on_stderr_and_widgets_that_need_python_do_not_reach_the_page(assets):
    outputs = [{"output_type": "stream", "name": "stderr", "text": "warning"},
               {"output_type": "stream", "name": "stdout", "text": "fine"},
               {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}, SHARED: []}}]
    made = page_outputs(outputs, assets, "../")
    assert [one.get("text") or one["data"]["text/html"] for one in made] == ["fine", ""]


def test_files_that_no_page_needs_go(assets):
    assets.write("old.js", b"1")
    assets.written.clear()
    assets.write("new.js", b"2")
    assets.sweep()
    assert [path.name for path in assets.folder.iterdir()] == ["new.js"]


def test_a_lesson_runs_again_when_code_or_bank_changed_and_not_for_its_text():
    cells = [nbformat.v4.new_code_cell("1 + 1", id="a")]
    assert _key(cells, "bank") == _key([nbformat.v4.new_code_cell("1 + 1", id="a")], "bank")
    assert _key(cells, "bank") != _key(cells, "other bank")
    assert _key(cells, "bank") != _key([nbformat.v4.new_code_cell("1 + 2", id="a")], "bank")


def test_links_between_notebooks_and_documents():
    assert notebook_links("[x](../03_trust/03_trust.ipynb)") == "[x](/lessons/03_trust.ipynb)"
    pages = {"docs/grading.md": "/guide/grading.md"}
    assert document_links("[g](grading.md#Limits)", pages, folder="docs") == "[g](/guide/grading.md#Limits)"
    there = document_links("[x](../src/a.py)", pages, folder="docs", repository="https://example.org/r")
    assert there == "[x](https://example.org/r/blob/main/src/a.py)"


def test_tables_have_no_empty_header_cells():
    assert accessible("<tr><th></th><th>a</th></tr>") == "<tr><td></td><th>a</th></tr>"
    assert accessible('<th class=\\"blank\\" >&nbsp;</th>') == "<td></td>"
