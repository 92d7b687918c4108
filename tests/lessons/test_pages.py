"""The start page and the glossary: made of their sources, linked both ways, and run as a student runs them."""

import json
import re
import shutil

import nbformat
import pytest
import yaml
from lesson_notebooks import LESSONS, ROOT
from nbclient import NotebookClient

from autograder.authoring.build import BuildError, build, stale
from autograder.authoring.minutes import minutes_of, places
from autograder.authoring.rules import problems_of
from autograder.authoring.source import read_lesson
from shrinklab import checkup as module
from shrinklab.checkup import Checkup, Line, checkup

START, GLOSSARY = (ROOT / "course" / f"{name}.ipynb" for name in ("00_start_here", "glossary"))


def text(path):
    return "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The start page after Run All, beside the lessons, as in a workbook."""
    home = tmp_path_factory.mktemp("home") / "workbook"
    shutil.copytree(ROOT / "course", home)
    notebook = nbformat.read(home / START.name, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(home)}}).execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def test_the_start_page_runs_and_finds_nothing_wrong(ran):
    shown = ran["00-check"][0]["data"]["text/html"]
    assert "NOT OK" not in shown
    assert shown.count("  ok") >= 12
    assert not any(output.output_type == "error" or output.get("name") == "stderr"
                   for outputs in ran.values() for output in outputs)


def test_the_start_page_shows_what_is_done(ran):
    shown = ran["00-progress"][0]["data"]["text/html"]
    for path in LESSONS.values():
        assert path.stem.replace("_", " ") in shown


def test_the_map_and_the_syllabus_name_every_lesson():
    written = text(START)
    for path in LESSONS.values():
        assert written.count(f"({path.stem}/{path.stem}.ipynb)") == 2, path.stem
    assert "{{" not in written


@pytest.mark.parametrize("number", LESSONS)
def test_a_lesson_takes_75_minutes_at_most_and_its_short_path_eight(number):
    took = counted(number)
    assert 45 <= round(took.core) <= 75
    assert 3 <= took.short < 8.05


@pytest.mark.parametrize("number", LESSONS)
def test_the_minutes_in_the_title_are_those_that_are_counted(number):
    title, took = read_lesson(LESSONS[number]).cells[0].source, counted(number)
    said = re.search(r"\*\*Time:\*\* about (\d+) minutes: (\d+) to read, guess and play, (\d+) for the (\w+) exercises "
                     r"and the function to debug, (\d+) for quiz and reflection. .* lead to more: (\d+) minutes",
                     " ".join(title.split()))
    for told, minutes in zip(said.group(1, 2, 3, 5, 6), (took.core, took.read, took.write, took.answer, took.extra),
                             strict=True):
        assert abs(int(told) - minutes) < 2
    inside, outside = exercises(number)
    assert said[4] == {2: "two", 3: "three"}[len(inside)]
    told = re.search(r"Exercise (\d) is there, and earns points, too", " ".join(title.split()))
    assert [int(told[1])] * bool(told) == outside if told else outside == []


def test_the_course_keeps_its_exercises_in_the_core():
    assert all(len(exercises(number)[0]) >= 2 and len(exercises(number)[1]) <= 1 for number in LESSONS)


def counted(number):
    bank = LESSONS[number].with_name(f"{LESSONS[number].stem}.questions.yml")
    return minutes_of(read_lesson(LESSONS[number]), len(yaml.safe_load(bank.read_text("utf-8"))["questions"]))


def exercises(number):
    """The numbers of a lesson's exercises: in the core, and in what is extra."""
    found = {False: [], True: []}
    for cell, _, _, extra in places(read_lesson(LESSONS[number])):
        found[extra] += [int(one) for one in re.findall(r"^### (?:Extra: e|E)xercise (\d)", cell.source, re.MULTILINE)]
    return found[False], found[True]


# Counting them.

def lesson_of(tmp_path, text):
    path = tmp_path / "91_tiny.py"
    path.write_text(text)
    return read_lesson(path)


TINY = """# %% [markdown] key="title"
# # 91 · {words}

# %% [markdown] key="path"
# ## A path
# *Short path*
# {words}

# %% play=true key="play" tags=["hide-input"]
Guess("How many?", 3)

# %% [markdown] key="after"
# ### Behind it
# {words}

# %% [markdown] key="extra"
# ## Extra: more
# {words}

# %% [markdown] key="below"
# ### Below it
# {words}

# %% key="code"
first = 1
second = 2

# %% [markdown] key="core"
# ## Back in the core
""".format(words=" ".join(["word"] * 296))


def test_extra_is_counted_apart_and_the_short_path_ends_at_a_heading(tmp_path):
    took = minutes_of(lesson_of(tmp_path, TINY), questions=10)
    heads = 3 + 5 + 3 + 5  # the words of the headings, Short path and signs included
    assert took.read == pytest.approx((3 * 296 + heads) / 150 + 0.5)
    assert took.short == pytest.approx((2 * 296 + 3 + 5) / 238 + 0.5, abs=0.02)
    assert took.extra == pytest.approx((2 * 296 + 3 + 3) / 150 + 2 * 4 / 60 + 10 * 1.2)
    assert (took.write, took.answer) == (0, 0)
    assert took.core == took.read


@pytest.mark.parametrize(("cell", "what"), [
    ('graded="answer_1" points=1\ndef answer_1(draw):\n    return None', "the quiz"),
    ('[markdown] essay="why" points=1\n# Why?\n# === BEGIN MARK SCHEME ===\n# Because.\n# === END MARK SCHEME ===',
     "the reflection"),
    ('[markdown] key="b"\n# ### More\n# *Short path*', "the short path"),
])
def test_what_is_for_every_reader_may_not_be_extra(tmp_path, cell, what):
    text = TINY.replace("# %% [markdown] key=\"core\"", f"# %% {cell}\n\n# %% [markdown] key=\"core\"")
    told = [str(problem.text) for problem in problems_of(lesson_of(tmp_path, text))]
    assert any(f"{what} stands below a heading that begins with 'Extra'" in one for one in told), told
    moved = text.replace("## Extra: more", "## More").replace("### Extra: ", "### ")
    assert not any("begins with 'Extra'" in problem.text for problem in problems_of(lesson_of(tmp_path, moved)))


def test_imports_and_folded_code_are_not_read(tmp_path):
    for option in ('setup=true key="code"', 'key="code" tags=["hide-input"]'):
        took = minutes_of(lesson_of(tmp_path, TINY.replace('key="code"', option)))
        assert took.extra == pytest.approx((2 * 296 + 6) / 150)


def test_the_glossary_holds_every_term_with_links_that_lead_to_its_heading():
    written = text(GLOSSARY)
    for path in LESSONS.values():
        for entry in yaml.safe_load(path.with_name(f"{path.stem}.glossary.yml").read_text(encoding="utf-8")):
            assert f"**{entry['term'].lower()}**" in written.lower()
    links = re.findall(r"\((\d\d\w+)/\1\.ipynb#([^)]*)\)", written)
    assert len(links) >= len(LESSONS) * 5
    for name, anchor in links:
        headings = re.findall(r"^#+ (.*?)\s*$", text(ROOT / "course" / name / f"{name}.ipynb"), re.MULTILINE)
        assert anchor in {heading.replace(" ", "-") for heading in headings}, (name, anchor)


# Making them.

@pytest.fixture
def course(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "00_start_here.py").write_text('# %% [markdown] key="title"\n# # Start\n# {{syllabus}}\n')
    for number, means in (("91", "First words."), ("92", "Second words.")):
        (tmp_path / "solutions" / f"{number}_tiny.py").write_text(
            f'# %% [markdown] key="title"\n# # {number} · Tiny\n\n'
            '# %% [markdown] key="mask"\n# ## A mask here\n# Yes or no.\n')
        (tmp_path / "solutions" / f"{number}_tiny.glossary.yml").write_text(
            f"- {{term: mask, means: {means}, cell: mask}}\n")
    return tmp_path


def test_pages_are_built_kept_fresh_and_removed(course):
    build(course)
    start, glossary = course / "course" / "00_start_here.ipynb", course / "course" / "glossary.ipynb"
    assert "| [91 · Tiny](91_tiny/91_tiny.ipynb) | 0 min |" in text(start)
    assert ("**mask**: First words. (lesson [91](91_tiny/91_tiny.ipynb#A-mask-here), "
            "[92](92_tiny/92_tiny.ipynb#A-mask-here))") in text(glossary)
    assert stale(course) == []
    (course / "solutions" / "92_tiny.glossary.yml").unlink()
    assert stale(course) == ["course/glossary.ipynb"]
    (course / "solutions" / "91_tiny.glossary.yml").unlink()
    build(course)
    assert not glossary.exists()
    assert start.exists()


@pytest.mark.parametrize(("entry", "problem"), [
    ("- {term: mask, means: No cell.}", "{'term': 'mask', 'means': 'No cell.'} is no entry; each is {term: text"),
    ("- {term: mask, means: A cell., cell: gone}", "the glossary names the cell 'gone', which is not there"),
    ("term: mask", "is no entry; each is {term: text, means: text, cell: key}"),
    ("- {term: [", "this is no YAML"),
])
def test_a_glossary_that_cannot_be_read_is_refused(course, entry, problem):
    (course / "solutions" / "92_tiny.glossary.yml").write_text(entry)
    with pytest.raises(BuildError, match=re.escape(problem)):
        build(course)


def test_run_times_come_from_the_benchmark(course):
    results = course / "benchmarks" / "results"
    results.mkdir(parents=True)
    (results / "lessons.json").write_text('{"rows": [{"what": "91_tiny: run", "ours": 12.4}]}')
    build(course)
    assert "| 12 s |" in text(course / "course" / "00_start_here.ipynb")


# The check-up.

def test_what_is_wrong_is_said(monkeypatch):
    monkeypatch.setattr(module, "PACKAGES", ("torch", "nosuchpackage"))
    monkeypatch.setattr(module, "LEAST", {"lenet": 1.1, "resnet8": 0.8})

    def broken(name):
        raise OSError(f"{name} has another hash; reinstall shrinklab")

    monkeypatch.setattr(module, "load", broken)
    found = {line.what: line for line in [*map(module._package, module.PACKAGES), module._data("mnist")]}
    assert found["torch"].ok
    assert "No module named 'nosuchpackage'; run make lab again" in found["nosuchpackage"].found
    assert (found["data mnist"].ok, found["data mnist"].found) == (
        False, "OSError: mnist has another hash; reinstall shrinklab")
    assert not Checkup(tuple(found.values())).ok
    monkeypatch.undo()
    monkeypatch.setattr(module, "LEAST", {"lenet": 1.1})
    assert not module._network("lenet").ok


def test_html_in_a_message_stays_text():
    assert "&lt;b&gt;" in Checkup((Line("torch", "<b>", False),))._repr_html_()


def test_a_whole_check_up_is_right_here():
    found = checkup(0.1)
    assert found.ok, str(found)
    assert [line.what for line in found.lines[-2:]] == ["speed lenet", "speed resnet8"]
