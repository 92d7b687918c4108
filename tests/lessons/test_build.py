"""The build: every cell option, every refusal with its line, no byte that differs between two builds, no leak."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.authoring.__main__ import main
from autograder.authoring.build import BuildError, build, stale
from autograder.authoring.untouched import run_checks

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLE = HERE / "fixtures" / "solutions" / "90_sample.py"
BANK = ROOT / "tests" / "library" / "00_sample.questions.yml"
NAME = "90_sample"


def course(root, text=None, bank=None):
    """A course folder with the sample lesson, its text or its question bank changed."""
    (root / "solutions").mkdir(parents=True)
    (root / "solutions" / f"{NAME}.py").write_text(text or SAMPLE.read_text("utf-8"), "utf-8")
    bank = bank or BANK.read_text("utf-8").replace("lesson: 00_sample", f"lesson: {NAME}")
    (root / "solutions" / f"{NAME}.questions.yml").write_text(bank, "utf-8")
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = course(tmp_path_factory.mktemp("course"))
    build(root)
    return root


def read(root, top):
    return nbformat.read(root / top / NAME / f"{NAME}.ipynb", as_version=4)


def cells(root, top="course"):
    return {cell.id.removeprefix("90-"): cell for cell in read(root, top).cells}


def files(root, *tops):
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for top in tops for path in (root / top).glob("*/*") if path.is_file()}


# What students get.

def test_an_exercise_keeps_signature_and_docstring_and_gets_a_stub(built):
    assert cells(built)["exercise-magnitude_scores"].source == '''\
def magnitude_scores(weight):
    """Score each weight: the larger, the more it matters.

    weight: any shape -> same shape. [-3.0, 1.0] -> [3.0, 1.0]
    """
    raise NotImplementedError("write magnitude_scores, then run this cell and the check below")'''


def test_each_function_of_an_exercise_gets_one_stub(built):
    source = cells(built)["two-parts"].source
    assert source.count("raise NotImplementedError") == 2
    assert "# The mean of what is left." in source


def test_a_check_is_wrapped_locked_and_loses_its_hidden_tests(built):
    released, solved = (cells(built, top)["check-magnitude_scores"] for top in ("course", "solutions"))
    assert released.source == '''\
with check("magnitude_scores", points=2, library=['l1'], graded_on=3) as earned:
    scores = student("magnitude_scores", torch.tensor([-3.0, 1.0]))
    expect(scores, [3.0, 1.0], hint="A weight of -3 matters as much as one of +3: ignore the sign.", id="sign")
earned.points'''
    assert solved.source.count("expect(") == 3
    assert released.metadata.nbgrader.items() >= {"grade": True, "solution": False, "points": 2, "locked": True}.items()
    assert released.metadata.editable is False
    assert "all_or_nothing=True, library=['keep_highest']" in cells(built)["check-split_scores"].source


def test_a_debug_cell_is_released_faulty_and_solved_without_it(built):
    assert cells(built)["debug-sparsity"].source.endswith("""
    removed = mask.sum()
    share = removed / mask.numel()
    return float(share)""")
    solved = cells(built, "solutions")["debug-sparsity"].source
    assert "removed = (~mask).sum()" in solved
    assert "mask.sum()\n" not in solved.replace("(~mask).sum()\n", "")
    assert "###" not in solved
    assert "all_or_nothing=True" in cells(built)["check-sparsity"].source


def test_answers_are_emptied_whatever_their_kind(built):
    assert cells(built)["answer-answer_1"].source == '# Write the letter.\nanswer_1 = ""'
    assert cells(built)["answer-answer_2"].source == "answer_2 = None"
    assert cells(built)["answer-answer_3"].source == "answer_3 = []"
    assert cells(built, "solutions")["answer-answer_2"].source == "answer_2 = 4_000"


def test_an_essay_is_a_task_with_an_open_cell_below_it(built):
    essay, answer = cells(built)["essay-reflect"], cells(built)["essay-reflect-answer"]
    assert essay.source.strip() == "## Reflect\nWhen would you not prune?"
    assert essay.metadata.nbgrader.items() >= {"task": True, "points": 3, "grade": False, "solution": False}.items()
    assert "small loss of recall" in cells(built, "solutions")["essay-reflect"].source
    assert answer.cell_type == "markdown"
    assert "nbgrader" not in answer.metadata


def test_setup_is_locked_and_plain_and_play_cells_are_not(built):
    by_kind = {}
    for cell in read(built, "course").cells:
        by_kind.setdefault(cell.metadata.get("shrinklab", {}).get("kind", "plain"), []).append(cell)
    assert by_kind["setup"][0].metadata.editable is False
    assert by_kind["play"][0].metadata == {"shrinklab": {"kind": "play"}, "tags": ["hide-input"],
                                            "jupyter": {"source_hidden": True}}
    assert all(not cell.metadata for cell in by_kind["plain"])
    assert by_kind["exercise"][0].metadata.shrinklab == {"kind": "exercise", "name": "magnitude_scores"}


def test_ids_come_from_keys_kinds_and_text(built):
    ids = list(cells(built))
    assert {"why", "mask", "two-parts", "again", "check-quiz"} <= set(ids)
    twins = [id for id, cell in cells(built).items() if cell.source == "weight"]
    assert len(twins) == 2
    assert twins[1] == f"{twins[0]}-2"


def test_the_notebook_has_no_output_and_its_question_bank_beside_it(built):
    notebook = read(built, "course")
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(cell.execution_count is None and cell.outputs == [] for cell in notebook.cells
               if cell.cell_type == "code")
    bank = (built / "solutions" / f"{NAME}.questions.yml").read_bytes()
    assert (built / "course" / NAME / "practice.yml").read_bytes() == bank


# The same bytes each time.

def test_a_fresh_clone_builds_the_same_bytes(built, tmp_path):
    other = course(tmp_path / "elsewhere")
    assert len(build(other)) == 4
    assert files(other, "course", "solutions") == files(built, "course", "solutions")
    assert build(other) == []
    assert stale(other) == []


def test_a_gradebook_records_the_lesson_and_changes_no_byte(built, tmp_path):
    other = course(tmp_path / "graded")
    address = f"sqlite:///{(tmp_path / 'gradebook.db').as_posix()}"
    build(other, gradebook=address)
    assert files(other, "course") == files(built, "course")
    with Gradebook(address) as gradebook:
        notebook = gradebook.find_notebook(NAME, NAME)
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        sources = {cell.name: cell.source for cell in notebook.source_cells}
        assert notebook.max_score == 2 + 1.5 + 1 + 3 + 0.5 + 3
    assert points == {"90-check-magnitude_scores": 2, "90-check-split_scores": 1.5, "90-check-sparsity": 1,
                      "90-check-quiz": 3, "90-again": 0.5}
    assert "BEGIN HIDDEN TESTS" in sources["90-check-quiz"]
    build(other, gradebook=address)
    assert files(other, "course") == files(built, "course")


def test_what_is_stale_is_told_and_mended(tmp_path, capsys):
    root = course(tmp_path / "course")
    build(root)
    released, bank = root / "course" / NAME / f"{NAME}.ipynb", root / "course" / NAME / "practice.yml"
    released.write_text(released.read_text("utf-8").replace("A sample", "An old"), "utf-8")
    bank.unlink()
    gone = root / "course" / "89_gone" / "89_gone.ipynb"
    gone.parent.mkdir()
    gone.write_text("{}")
    expected = ["course/89_gone/89_gone.ipynb", f"course/{NAME}/{NAME}.ipynb", f"course/{NAME}/practice.yml"]
    assert stale(root) == expected
    assert stale(root, only=["90"]) == expected[1:]
    assert main(["build", "--check", "--root", str(root)]) == 1
    assert f"course/{NAME}/practice.yml is stale: run make build" in capsys.readouterr().err
    assert main(["build", "--root", str(root), "--only", "90"]) == 0
    assert gone.exists()
    assert main(["build", "--root", str(root)]) == 0
    assert "removed course/89_gone/89_gone.ipynb" in capsys.readouterr().out
    assert not gone.parent.exists()
    assert main(["build", "--check", "--root", str(root)]) == 0


def test_a_checkout_with_windows_line_ends_is_not_stale(built, tmp_path):
    shutil.copytree(built, tmp_path / "windows")
    for path in (tmp_path / "windows").rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert stale(tmp_path / "windows") == []


def test_a_foreign_file_is_not_handed_to_students_and_not_deleted(tmp_path):
    root = course(tmp_path / "course")
    build(root)
    for top in ("course", "solutions"):
        notes = root / top / NAME / "notes.txt"
        notes.write_text("keep me")
        with pytest.raises(BuildError, match=f"{top}/{NAME}/notes.txt is not made by the build"):
            build(root)
        assert notes.read_text() == "keep me"
        notes.unlink()


def test_an_unknown_lesson_is_named(built, capsys):
    assert main(["build", "--root", str(built), "--only", "91"]) == 1
    assert f"there is no lesson '91'; there are {NAME}" in capsys.readouterr().err


# The local experience.

def test_untouched_notebook_runs_its_checks_and_earns_nothing(built, capsys):
    found = run_checks(read(built, "course"))
    assert {name: result.points for name, result in found.items()} == {
        "magnitude_scores": 0, "split_scores": 0, "sparsity": 0, "quiz": 0}
    out = capsys.readouterr().out
    assert "magnitude_scores is not written yet" in out
    assert "quiz: up to 3 points; what is right is told when it is graded" in out
    assert "sparsity: 1 of 2 right, 0 of 1 points (all or nothing)" in out


def test_the_solution_earns_everything(built):
    found = run_checks(read(built, "solutions"))
    assert all(result.passed for result in found.values()), found
    assert len(found["magnitude_scores"].expectations) == 3


@pytest.mark.parametrize("path", sorted((ROOT / "course").glob("*/*.ipynb")), ids=lambda path: path.stem)
def test_every_released_lesson_earns_nothing_untouched(path):
    found = run_checks(nbformat.read(path, as_version=4))
    assert found
    assert {name: result.points for name, result in found.items() if result.points} == {}


# Refusals. Each case: what is replaced in the sample, by what, the line that is blamed, and the message.

FAULTS = {
    "unknown option": ('# %% exercise="magnitude_scores"', '# %% excercise="magnitude_scores"', 0,
                       "excercise is not an option; did you mean exercise"),
    "a word for an option": ("# %% play=true tags", "# %% play tags", 0, "'play' is not an option.*play=true"),
    "false flag": ("play=true", "play=false", 0, "play=False; it is written play=true or left out"),
    "name without quotes": ('answer="answer_1"', "answer=answer_1", 0, "cannot be read; text stands in quotes"),
    "not a name": ('answer="answer_1"', 'answer="answer 1"', 0, "it names a function or variable"),
    "bad key": ('key="why"', 'key="why not"', 0, "a key has letters"),
    "bad tags": ('tags=["hide-input"]', 'tags="hide"', 0, "'hide' is not of type 'array'"),
    "two kinds": ('# %% answer="answer_2"', '# %% answer="answer_2" play=true', 0, "one of answer or play, not both"),
    "essay in code": ('# %% [markdown] essay="reflect" points=3', '# %% essay="reflect" points=3', 0,
                      r"an essay is a \[markdown\] cell"),
    "exercise in markdown": ('# %% exercise="magnitude_scores"', '# %% [markdown] exercise="magnitude_scores"', 0,
                             r"exercise is for a code cell, not for \[markdown\]"),
    "no points": ('check="quiz" points=3', 'check="quiz"', 0, "the check 'quiz' has no points; add points=2"),
    "no points for an essay": ('essay="reflect" points=3', 'essay="reflect"', 0, "essay 'reflect' has no points"),
    "zero points": ('check="quiz" points=3', 'check="quiz" points=0', 0, "points=0; points are a number above 0"),
    "text for points": ('check="quiz" points=3', 'check="quiz" points="3"', 0, "points='3'; points are a number"),
    "library as text": ('library=["keep_highest"]', 'library="keep_highest"', 0, "it lists short names of the library"),
    "library with a module": ('library=["keep_highest"]', 'library=["masks.keep_highest"]', 0, "it lists short names"),
    "library for an exercise": ('exercise="magnitude_scores"', 'exercise="magnitude_scores" library=["l1"]', 0,
                                "library is for check cells"),
    "points for an exercise": ('exercise="magnitude_scores"', 'exercise="magnitude_scores" points=2', 0,
                               "points is for check cells"),
    "duplicate key": ('key="two-parts"', 'key="why"', 0, "the id '90-why' is taken by the cell in line 20"),
    "duplicate check": (' key="again"', "", 0, "the id '90-check-sparsity' is taken"),
    "long key": ('key="why"', f'key="{"y" * 60}"', 0, "longer than 57"),
    "no title": ("# # 90 · A sample", "# # A sample", 0, "starts with a .markdown. cell '# 90 · Its title'"),
    "an unclosed region": ("    return weight.abs()\n    ### END SOLUTION", "    return weight.abs()", -1,
                           "BEGIN SOLUTION has no END SOLUTION"),
    "an end alone": ("    ### BEGIN SOLUTION\n    return weight.abs()", "    return weight.abs()", 1,
                     "END SOLUTION without its BEGIN"),
    "nested regions": ("    return weight.abs()\n", "    ### BEGIN SOLUTION\n    return weight.abs()\n", 0,
                       "regions cannot be nested"),
    "a marker misspelt": ("    ### BEGIN SOLUTION\n    return weight.abs()",
                          "    ## BEGIN SOLUTION\n    return weight.abs()", 0, "'## BEGIN SOLUTION' is not known"),
    "a marker in small letters": ("### BEGIN HIDDEN TESTS\ncall", "### begin hidden tests\ncall", 0, "is not known"),
    "a marker in the wrong cell": ("# The reader's own function", "### BEGIN HIDDEN TESTS\n#", 0,
                                   "a HIDDEN TESTS region cannot stand in this kind of cell"),
    "no solution": ("    ### BEGIN SOLUTION\n    return weight.abs()\n    ### END SOLUTION", "    return weight.abs()",
                    -6, "'magnitude_scores' has no ### BEGIN SOLUTION"),
    "no faulty version": ("    # removed = mask.sum()\n    # share = removed / mask.numel()\n"
                          "    # return float(share)\n", "", None, "'sparsity' has no ### BEGIN FAULTY"),
    "a faulty line without its sign": ("    # removed = mask.sum()", "    removed = mask.sum()", -1,
                                       "each faulty line starts with '# '"),
    "a stub outside a function": ("# The reader's own", "### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n#", 0,
                                  "SOLUTION region cannot stand"),
    "an exercise of another name": ("def magnitude_scores(weight):", "def magnitude(weight):", -1,
                                    "does not define 'magnitude_scores'"),
    "not Python": ("score = use(", "score = = use(", 0, "the cell is not Python"),
    "a faulty version that is not Python": ("    # return float(share)", "    # return float(share", 0,
                                            "the faulty version is not Python"),
    "an answer that is computed": ("answer_2 = 4_000", "answer_2 = 5_000 - 1_000 * len(weight)", 0,
                                   "an answer cell is one assignment"),
    "an empty answer": ("answer_2 = 4_000", "answer_2 = None", 0, "'answer_2' is empty in the solution"),
    "no mark scheme": ("# === BEGIN MARK SCHEME ===\n", "", 1, "END MARK SCHEME without"),
    "an exercise without a check": ('student("answer_2"), student("answer_3")]', 'student("answer_2"), 3]', -4,
                                    "the answer 'answer_3' has no check; add a cell"),
    "a check above its exercise": ('# %% check="magnitude_scores" points=2\n'
                                   'scores = student("magnitude_scores", torch.tensor([-3.0, 1.0]))',
                                   '# %% check="magnitude_scores" points=2\n'
                                   'scores = student("split_scores", torch.tensor([-3.0, 1.0]), 1)', 0,
                                   "stands before 'split_scores'; put it below"),
    "a check without an exercise": ('check="magnitude_scores" points', 'check="magnitude_score" points', 0,
                                    "belongs to no exercise; did you mean magnitude_scores"),
    "an unknown student function": ('scores = student("magnitude_scores"', 'scores = student("magnitud_scores"', 0,
                                    "no exercise 'magnitud_scores'; did you mean magnitude_scores"),
    "a student function that setup imports": ('scores = student("magnitude_scores"', 'scores = student("torch"', 0,
                                              "there is no exercise 'torch'"),
    "an unknown section": ('# %% check="magnitude_scores" points=2\n',
                           '# %% check="magnitude_scores" points=2 section="nowhere"\n', 0,
                           "there is no section with the key 'nowhere'"),
    "a section of an exercise": ('# %% exercise="magnitude_scores"\n',
                                 '# %% exercise="magnitude_scores" section="why"\n', 0,
                                 "section is for check cells and graded ones"),
    "no expectation": ('expect(given[0], "b", hint="Read the first section again.", id="aim")\n'
                       'expect(given[1], 4000, hint="80 % stay.", id="count")\n'
                       'expect(given[2], ["score", "mask", "measure"], hint="A mask needs scores.", id="order")',
                       "pass", -3, "has no expect"),
    "no hint": (', hint="Sort first."', "", 0, "expect has no hint"),
    "two expectations with one id": ('id="none"', 'id="half"', 0, "two expectations of this check have the id 'half'"),
    "a loop over the student's value": ("expect(scores, [3.0, 1.0]", "expect(sorted(scores), [1.0, 3.0]", 0,
                                        r"sorted\(\.\.\.\) goes item by item.*compare it whole"),
    "a loop over a changed argument": ("expect(call.arguments[0].sum()", "expect(sum([*call.arguments[0]])", 0,
                                       r"\* goes item by item"),
    "a for over the student's value": ("expect(call.value, torch.full((2, 3), 7.25)",
                                       "expect([abs(row) for row in call.value], torch.full((2, 3), 7.25)", 0,
                                       "for goes item by item"),
    "a walk over the arguments": ("expect(call.arguments[0].sum(), -43.5", "expect(list(call.arguments), "
                                  "[torch.full((2, 3), -7.25)]", None, None),
    "needs what is not above": ('id="none"', 'id="none", needs="later"', 0, "needs='later' is no id of an expectation"),
    "a string that indenting changes": ('low, mean = student("split_scores"', 'text = """a\nb"""\n'
                                        'low, mean = student("split_scores"', 0, "a string over several lines"),
    "a check that is all hidden": ('given = [student("answer_1"), student("answer_2"), student("answer_3")]\n'
                                   "### BEGIN HIDDEN TESTS", "### BEGIN HIDDEN TESTS\n"
                                   'given = [student("answer_1"), student("answer_2"), student("answer_3")]', -1,
                                   "leave students at least one line"),
    "shows an unknown exercise": ('shows="magnitude_scores"', 'shows="magnitude"', 0, "names no exercise"),
    "a name from a play cell": ("# The reader's own function", "ax.grid()\n#", 0,
                                "'ax' is bound only by the play cell in line 28"),
    "a name from a play cell in a function": ("    return weight.abs()", "    return weight.abs() + ax", 0,
                                              "'ax' is bound only by the play cell"),
    "a check that reads the notebook": ('scores = student("magnitude_scores", torch.tensor([-3.0, 1.0]))',
                                        'scores = student("magnitude_scores", weight)', 0,
                                        "the check cell reads 'weight', which no setup cell binds"),
    "a setup that reads the notebook": ("import torch\n", "import torch\nhalf = weight / 2\n", 1,
                                        "the setup cell reads 'weight'"),
    "a check without its import": ("import check, expect, ref", "import expect, ref", None,
                                   "reads 'check', which no setup cell binds"),
    "a name from a check": ("# The reader's own function", "scores.sum()\n#", 0,
                            "'scores' was bound by the check in line"),
    "a check that binds an exercise": ('low, mean = student("split', 'split_scores, mean = student("split', 0,
                                       "the check binds 'split_scores'"),
    "a leak into another cell": ("# The reader's own function", "# ordered = scores.flatten( ).sort().values", None,
                                 "'ordered = scores.flatten.*' is secret but stands in the released cell 90-"),
    "a hidden test in the text": ("# It uses every option once.",
                                  '# expect(call.value, torch.full((2, 3), 7.25), hint="Keep the shape.", '
                                  'id="shape")', None, "is secret but stands in the released cell"),
    "a mark scheme in the text": ("# It uses every option once.",
                                  "# 1 point for naming a use in which a small loss of recall is not acceptable.", None,
                                  "1 point for naming.*is secret"),
    "a key in the text": ("# Write the letter.", "# answer_1='b' is it", None, None),
    "a key in another cell": ("# The reader's own function", "# answer_2 = 4_000", None, "'answer_2 = 4_000' is sec"),
    "a key in a tag": ('tags=["hide-input"]', 'tags=["answer_2=4_000"]', None, "is secret but stands in"),
    "a key in a visible expectation": ("### BEGIN HIDDEN TESTS\nexpect(given[0]",
                                       'expect(given[0], "b", hint="No.")\n### BEGIN HIDDEN TESTS\nexpect(given[0]', 0,
                                       "the visible expectation tells answer_1"),
    "a worked example without shows": (' shows="magnitude_scores"', "", None, "'return weight.abs.*' is secret"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_refused_with_file_and_line(case, tmp_path):
    old, new, offset, message = FAULTS[case]
    text = SAMPLE.read_text("utf-8")
    assert text.count(old) >= 1, "the case must change the sample"
    root = course(tmp_path / "course", text.replace(old, new, 1))
    if message is None:
        build(root)
        return
    with pytest.raises(BuildError, match=message) as caught:
        build(root)
    found = str(caught.value).splitlines()
    assert all(line.startswith(f"solutions/{NAME}.py:") for line in found), found
    if offset is not None:
        line = text[:text.index(old)].count("\n") + 1 + offset
        assert any(one.startswith(f"solutions/{NAME}.py:{line}: ") for one in found), (line, found)
    assert not (root / "course").exists(), "nothing is written when something is wrong"


def test_a_check_may_call_a_function_that_a_setup_cell_defines(tmp_path):
    text = SAMPLE.read_text("utf-8").replace(
        "student_call, use\n", "student_call, use\n\ndef doubled(name, values):\n"
        "    return 2 * globals()[name](values)\n", 1).replace(
        'scores = student("magnitude_scores", torch.tensor([-3.0, 1.0]))\nexpect(scores, [3.0, 1.0]',
        'scores = student("doubled", "magnitude_scores", torch.tensor([-3.0, 1.0]))\nexpect(scores, [6.0, 2.0]', 1)
    build(course(tmp_path / "course", text))
    solved = nbformat.read(tmp_path / "course" / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    found = run_checks(solved)["magnitude_scores"]
    assert found.passed, found


def test_a_leak_through_the_question_bank(tmp_path):
    bank = BANK.read_text("utf-8").replace("00_sample", NAME) + "# ordered = scores.flatten().sort().values\n"
    with pytest.raises(BuildError, match="is secret but stands in practice.yml"):
        build(course(tmp_path / "course", bank=bank))


def test_a_faulty_question_bank_is_refused_with_its_line(tmp_path):
    bank = BANK.read_text("utf-8").replace("00_sample", NAME).replace("kind: numeric", "kind: numric", 1)
    with pytest.raises(BuildError, match=rf"solutions/{NAME}.questions.yml:\d+: .*numric"):
        build(course(tmp_path / "course", bank=bank))


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    text = SAMPLE.read_text("utf-8").replace("play=true", "plai=true").replace('check="quiz" points=3', 'check="quiz"')
    with pytest.raises(BuildError) as caught:
        build(course(tmp_path / "course", text))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(("name", "text", "message"), [
    ("04-pruning.py", "# %%\n", None), ("04_Pruning.py", "# %%\n", "named like 04_magnitude_pruning.py"),
    ("04_x.py", '# %% [markdown]\n# # 04 · X\n\n# %%\ntext = """\n# %% no cell\n"""\n', "every cell needs its '# %%'"),
    ("04_x.py", "x = 1\n# %%\ny = 2\n", "every cell needs"), ("04_x.py", "", "needs|starts with"),
    ("04_x.py", "# ---\n# jupyter:\n#   kernelspec:\n#     name: p\n# ---\n# %%\n", "jupytext cannot read it"),
])
def test_files_that_are_no_lessons(tmp_path, name, text, message):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / name).write_text(text, "utf-8")
    if message is None:
        assert build(tmp_path) == []
        return
    with pytest.raises(BuildError, match=message):
        build(tmp_path)


def test_a_solution_notebook_that_the_build_did_not_make_cannot_be_released(built, tmp_path):
    from autograder.authoring.preprocessors import NothingHidden, ReleaseStubs

    notebook = read(built, "solutions")
    for cell in notebook.cells:
        cell.metadata.get("shrinklab", {}).pop("release", None)
    with pytest.raises(RuntimeError, match="90-exercise-magnitude_scores does not say what students get"):
        ReleaseStubs().preprocess(notebook, {})
    with pytest.raises(RuntimeError, match="90-check-magnitude_scores still has its HIDDEN TESTS"):
        NothingHidden().preprocess(notebook, {})
    with pytest.raises(RuntimeError, match="still has its solution"):
        NothingHidden().preprocess(read(built, "solutions"), {})


def test_nothing_secret_is_in_the_released_files(built):
    released = b"".join(files(built, "course").values()).decode()
    text = json.dumps(json.loads((built / "course" / NAME / f"{NAME}.ipynb").read_text("utf-8")))
    for secret in ("7.25", "-43.5", "ordered[:count]", "~mask", "less work\\n\\nanswer", "recall is not", "4_000",
                   "BEGIN ", "release"):
        assert secret not in text, secret
    assert "answer_1 = \\\"b" not in released
