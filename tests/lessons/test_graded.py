"""Graded questions: drawn from a secret, told by nothing that students get, and worth nothing in another term."""

import base64
import hashlib
import itertools
import json
import re
import shutil
import stat
import subprocess

import nbformat
import pytest
from lesson_notebooks import LESSONS, ROOT, run_cells
from nbgrader.utils import compute_checksum

from autograder.authoring.__main__ import main
from autograder.authoring.build import BuildError, build, stale
from autograder.authoring.draw import LETTERS, SELF_STUDY, Draw
from autograder.authoring.expand import expand
from autograder.authoring.graded import draw_item, drawn
from autograder.authoring.problems import LessonError
from autograder.authoring.source import read_lesson
from autograder.term import find_term
from shrinklab import exercise

NAME, SECRET = "91_terms", "correct-horse-battery-91"
SOURCE = '''# %% [markdown]
# # 91 · Terms

# %% setup=true
from shrinklab.exercise import check, expect, student

# %% [markdown] key="mask"
# ## A mask is a tensor of yes and no

# %% [markdown]
# ## Which weights matter least?
# ## What a mask costs and saves

# %% graded="answer_1" points=1
def answer_1(draw):
    total, share = draw.integer(1000, 9000, 100), draw.integer(10, 90, 10)
    return draw.number(f"Of {total:,} weights {share} % are removed. How many stay?", total * (100 - share) // 100,
                       within=(0, total), tolerance=0, hint="Count what stays.")

# %% graded="answer_2" points=2
def answer_2(draw):
    kept = draw.pick(["first", "second", "third"])
    return draw.choice(f"A mask keeps the {kept} of three layers of {draw.integer(100, 999)} weights. Which one?",
                       {f"The {one}": one == kept for one in ("first", "second", "third")},
                       never=["None", "All"], hint="Read again.")
'''
ONE, TWO = SOURCE.split("# %% graded")[1:]


def course(root, text=SOURCE):
    (root / "solutions").mkdir(parents=True)
    (root / "solutions" / f"{NAME}.py").write_text(text, "utf-8")
    bank = (ROOT / "tests" / "library" / "00_sample.questions.yml").read_text("utf-8")
    (root / "solutions" / f"{NAME}.questions.yml").write_text(bank.replace("00_sample", NAME), "utf-8")
    return root


def cells(path):
    return {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}


@pytest.fixture(scope="module")
def two_releases(tmp_path_factory):
    """A course folder with its public release and the release of a term."""
    root = course(tmp_path_factory.mktemp("course"))
    build(root)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    build(root, term=find_term(root, "autumn", SECRET))
    assert {path: path.read_bytes() for path in before} == before, "a term changes nothing of the public release"
    return root


# From a template to three cells.

def test_a_template_becomes_question_answer_and_check(two_releases):
    released = cells(two_releases / "course" / NAME / f"{NAME}.ipynb")
    ids = [f"91-{kind}-answer_{number}" for number in (1, 2) for kind in ("question", "answer", "check")]
    assert [id for id in released if "answer_" in id] == ids
    asked = released["91-question-answer_1"]
    assert re.fullmatch(r"\*\*Question 1\.\*\* Of \d,\d00 weights \d0 % are removed\. How many stay\?", asked.source)
    assert asked.cell_type == "markdown"
    assert asked.metadata.editable is False
    assert released["91-answer-answer_1"].source == "answer_1 = None"
    assert released["91-answer-answer_2"].source == 'answer_2 = ""'
    options = re.findall(r"^- \*\*(\w)\*\* (.*)$", released["91-question-answer_2"].source, re.MULTILINE)
    assert [letter for letter, _ in options] == ["a", "b", "c", "d"]
    assert len({text for _, text in options}) == 4
    assert [released[f"91-check-answer_{n}"].metadata.nbgrader.points for n in (1, 2)] == [1, 2]
    text = json.dumps(released)
    assert not any(word in text for word in ("draw.", "HIDDEN", "Read again", "Count what stays"))


def test_the_template_computes_the_key(two_releases):
    for folder in (two_releases, two_releases / "terms" / "autumn"):
        solved = cells(folder / "solutions" / NAME / f"{NAME}.ipynb")
        total, share = re.search(r"([\d,]+) weights (\d+) %", solved["91-question-answer_1"].source).groups()
        stays = int(total.replace(",", "")) * (100 - int(share)) // 100
        assert solved["91-answer-answer_1"].source == f"answer_1 = {stays}"
        kept = re.search(r"keeps the (\w+)", solved["91-question-answer_2"].source).group(1)
        letter = re.search(rf"\*\*(\w)\*\* The {kept}", solved["91-question-answer_2"].source).group(1)
        assert solved["91-answer-answer_2"].source == f'answer_2 = "{letter}"'


def test_another_secret_asks_something_else_and_the_same_one_the_same(two_releases, tmp_path):
    public, term = (cells(two_releases / top / "course" / NAME / f"{NAME}.ipynb") for top in (".", "terms/autumn"))
    assert public["91-question-answer_1"].source != term["91-question-answer_1"].source
    assert public["91-mask"].source == term["91-mask"].source
    again = course(tmp_path / "again")
    build(again, term=find_term(again, "autumn", SECRET))
    files = [path.relative_to(again) for path in (again / "terms").rglob("*") if path.is_file()]
    assert {path: (again / path).read_bytes() for path in files} == {
        path: (two_releases / path).read_bytes() for path in files}
    assert len(files) == 5


def test_draws_are_even_and_stay_in_their_range():
    draw = Draw("any secret", "lesson", "item")
    numbers = [draw.integer(3, 9, 2) for _ in range(4000)]
    assert {number: round(numbers.count(number) / 1000, 1) for number in set(numbers)} == {3: 1, 5: 1, 7: 1, 9: 1}
    orders = ["".join(draw.sample("abc", 3)) for _ in range(3000)]
    assert {order: round(orders.count(order) / 500, 0) for order in set(orders)} == {
        "".join(order): 1 for order in itertools.permutations("abc")}
    assert Draw("any secret", "item").integer(0, 10**12) != Draw("another", "item").integer(0, 10**12)


def test_options_that_are_never_right_leave_more_than_one_to_choose_from():
    """Who sorts out by the source what is wrong in every draw still has to read the question."""
    for number in range(60):
        up = bool(number % 2)
        item = Draw("a secret", str(number)).choice("?", {"up": up, "down": not up}, never=["a", "b", "c"], hint=".")
        assert {"up", "down"} < set(item.options)
        assert item.right == ("up" if up else "down")
        assert len(item.options) == 4


# Templates that are refused.

CONSTANT = '''="answer_1" points=1
def answer_1(draw):
    n = draw.integer(1, 10**6)
    return draw.number(f"Run {n}. How many layers has LeNet?", 5, within=(0, 9), tolerance=0, hint="Count.")
'''
TELLING = '''="answer_1" points=1
def answer_1(draw):
    up = draw.pick([True, False])
    return draw.choice(f"Run {draw.integer(1, 10**6)}: {up}", {"It rises.": up, "It grows.": up, "It falls.": not up,
                       "Always": True}, hint="Look.")
'''
FAULTS = {
    "always one answer": (CONSTANT, 0, r"'answer_1' has the answer 5 in 48 of 48 draws"),
    "an option that is only shown where it is right": (TELLING, 0, r"shows the option 'Always' only where it is right"),
    "one question": (ONE.replace("draw.integer(1000, 9000, 100)", "4000"), 0, "gives . different questions in 48"),
    "the function has another name": (ONE.replace("def answer_1", "def answer"), 1, r"one function: def answer_1"),
    "no Python": (ONE.replace("def answer_1(draw):", "def answer_1(draw:"), 1, "SyntaxError"),
    "an error inside": (ONE.replace("draw.integer(10, 90, 10)", "draw.integer(10, 90, 0)"), 2, "ZeroDivisionError"),
    "no item": (ONE.replace("return draw.number(", "return print("), None, "TypeError"),
    "a text for an item": (ONE.replace("    return draw", '    return "b"\n    return draw'), 1,
                           r"a template returns draw\.choice"),
    "never content": (ONE.replace("    return draw", "    return None\n    return draw"), 1, "none of 200 draws"),
    "the key is in the question": (ONE.replace("How many stay?", "Of {total * (100 - share) // 100:,} one goes."), 1,
                                   "none of 200 draws"),
    "the key does not pass its own form": (ONE.replace("within=(0, total)", "within=(0, 1)"), 3, "within is"),
    "nothing wrong to choose": (TWO.replace("one == kept for", "True for").replace("answer_2", "answer_1"), 3,
                                "3 options are right and 0 wrong"),
    "no points": (ONE.replace(" points=1", ""), 0, "'answer_1' has no points"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_template_that_tells_or_fails_is_refused_with_its_line(case, tmp_path):
    new, offset, message = FAULTS[case]
    assert new != ONE
    text = SOURCE.replace(ONE, new)
    with pytest.raises(BuildError, match=message) as caught:
        build(course(tmp_path / "course", text))
    if offset is not None:
        line = text[:text.index(new)].count("\n") + 1 + offset
        assert str(caught.value).startswith(f"solutions/{NAME}.py:{line}: "), caught.value
    assert not (tmp_path / "course" / "course").exists()


def test_a_template_that_asks_what_practice_asks_is_refused(tmp_path):
    root = course(tmp_path / "course")
    bank = root / "solutions" / f"{NAME}.questions.yml"
    text = bank.read_text("utf-8")
    stem = re.search(r"^    question: (?!\|)(.*)$", text, re.MULTILINE).group(1)
    bank.write_text(text.replace(stem, "Of 5,000 weights 20 % are removed. How many stay?", 1), "utf-8")
    with pytest.raises(BuildError, match="'answer_1' asks what the practice question '.*' asks"):
        build(root)


def test_the_templates_of_the_documentation_can_be_built(tmp_path):
    text = (ROOT / "docs" / "authoring.md").read_text("utf-8")
    templates = re.findall(r'^# %% graded="answer_\d" points=1\n.*?(?=\n\n|\n```)', text, re.MULTILINE | re.DOTALL)
    assert len(templates) == 2
    assert build(course(tmp_path / "course", SOURCE[:SOURCE.index("# %% graded")] + "\n\n".join(templates) + "\n"))


# The lessons' own questions.

LESSON = [pytest.param(read_lesson(path), id=number) for number, path in LESSONS.items()]
GRADED = [pytest.param(lesson.values[0], cell, id=f"{lesson.id}-{cell.name}")
          for lesson in LESSON for cell in lesson.values[0].of("graded")]


@pytest.mark.parametrize("lesson", LESSON)
def test_a_lesson_has_three_to_five_and_both_kinds(lesson):
    items = [draw_item(lesson, cell, SELF_STUDY) for cell in lesson.of("graded")]
    assert 3 <= len(items) <= 5
    assert {bool(item.options) for item in items} == {True, False}
    assert len(lesson.of("answer")) == 0, "graded questions are templates"


@pytest.mark.parametrize(("lesson", "cell"), GRADED)
def test_the_answers_of_one_release_are_a_guess_in_another(lesson, cell):
    """An answer sheet of the public release, by text and by letter, is right in another term no more than by luck."""
    public, terms = (draw_item(lesson, cell, SELF_STUDY), [draw_item(lesson, cell, f"term {n}") for n in range(100)])
    if public.options:
        assert sum(item.key == public.key for item in terms) < 45
        assert sum(item.right == public.right for item in terms) < 60
    else:
        assert sum(abs(item.key - public.key) <= item.tolerance for item in terms) <= 15
    assert len({item.text for item in terms}) > 40


@pytest.mark.parametrize(("lesson", "cell"), GRADED)
def test_every_draw_reads_well(lesson, cell):
    for item in (draw_item(lesson, cell, f"draw {n}") for n in range(60)):
        assert len(set(item.options)) == len(item.options)
        assert item.options == () or (len(item.options) == 4 and item.key in LETTERS[:4])
        assert "  " not in item.text.replace("\n    ", "")
        assert item.options or not re.search(rf"\b{item.key:g}\b", item.hint)
        assert item.hint.endswith((".", "?"))
        assert not re.search(r"\b1 (weights|objects|images)\b|\d\.\d{4,}", item.text)


@pytest.mark.parametrize("lesson", LESSON)
def test_keys_of_any_draw_earn_all_points_and_other_answers_none(lesson):
    for secret in ("one", "two", "three"):
        notebook = {"cells": [cell for cell in expand(lesson, secret) if cell.id.split("-")[1] in ("answer", "check")]}
        notebook["cells"] = [cell for cell in notebook["cells"] if "answer_" in cell.id]
        with exercise.backend(None):
            namespace = {"check": exercise.check, "expect": exercise.expect, "student": exercise.student}
            for cell in notebook["cells"]:
                exec(compile(cell.source, f"<{secret} {cell.id}>", "exec"), namespace)
            assert all(one.passed for one in exercise.results().values())
            for cell in notebook["cells"]:
                if "-check-" in cell.id:
                    name, key = cell.id.split("-")[-1], namespace[cell.id.split("-")[-1]]
                    wrong = set("abcd") - {key} if isinstance(key, str) else {key + 0.02, key - 0.02, 0}
                    for given in wrong:
                        exec(cell.source, namespace | {name: given})
                        assert exercise.results()[name].points == 0


# What the release tells: nothing.

def _hashes(text):
    """Every form in which a text is likely to be hidden: digests, cut as our cell ids are, in hex and base64."""
    for make in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b):
        digest = make(text.encode()).digest()
        yield digest.hex()[:10]
        yield base64.b64encode(digest).decode()[:12]
    yield base64.b64encode(text.encode()).decode().rstrip("=")


def _candidates(key):
    if isinstance(key, str):
        return list("abcdef")
    return sorted({f"{key}", f"{key:.2f}", f"{key:.3f}", f"{key:.4f}", f"{key:g}", f"{key + 1}", f"{key * 2:g}"})


def told(released, solved):
    """What of the answers, tried one by one in every form, stands in the released text: a list of words.

    released: text of all files; solved: the solution notebook's cells by id.
    """
    found = []
    for id, cell in solved.items():
        if "-answer-" not in id:
            continue
        name, key = cell.source.split(" = ", 1)
        check = solved[id.replace("-answer-", "-check-")]
        for given in _candidates(json.loads(key)):
            written = f'"{given}"' if given.isalpha() else given
            source = f"{name} = {written}"
            whole = check.source.replace(f"{key}, id=", f"{written}, id=").replace(f"{key}, rtol", f"{written}, rtol")
            forms = "|".join(map(re.escape, {source, source.replace('"', '\\"')}))
            if re.search(rf"\b({forms})(?![\w.])", released):
                found.append(source)
            sums = [compute_checksum(nbformat.from_dict(one | {"source": text}))
                    for one, text in ((cell, source), (check, whole))]
            texts = [f"{salt}{text}" for text in (given, written, source, whole) if len(text) > 1
                     for salt in ("", name, id, f"{id}:", "91")]
            texts += [f"{salt}{given}" for salt in (name, id, f"{id}:", f"{name}:", f"{name}=")]
            found += [f"a hash of {source}" for hashed in (*sums, *itertools.chain(*map(_hashes, texts)))
                      if len(hashed) >= 8 and hashed in released]
    return found


def _text_of(folder):
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.fixture(scope="module")
def term_of_lessons(tmp_path_factory):
    """The course's own lessons, released for a term."""
    root = tmp_path_factory.mktemp("lessons")
    (root / "solutions").mkdir()
    for path in LESSONS.values():
        shutil.copy(path, root / "solutions")
        shutil.copy(path.with_name(f"{path.stem}.questions.yml"), root / "solutions")
    build(root, term=find_term(root, "autumn", SECRET))
    return root / "terms" / "autumn"


@pytest.mark.parametrize("number", LESSONS)
def test_no_answer_of_a_term_is_told_by_its_release_in_any_form(number, term_of_lessons):
    name = LESSONS[number].stem
    solved = cells(term_of_lessons / "solutions" / name / f"{name}.ipynb")
    released = _text_of(term_of_lessons / "course" / name)
    assert told(released, solved) == []
    assert SECRET not in released
    assert not any(one in released for one in _hashes(SECRET))
    assert json.loads((term_of_lessons / "course" / name / f"{name}.ipynb").read_text("utf-8"))[
        "metadata"]["shrinklab"] == {"lesson": name, "term": "autumn"}


@pytest.mark.parametrize("number", LESSONS)
def test_no_answer_of_the_public_release_is_told_by_it_in_any_form(number):
    name = LESSONS[number].stem
    solved = {cell.id: cell for cell in expand(read_lesson(LESSONS[number]))}
    assert told(_text_of(ROOT / "course" / name), solved) == []


@pytest.mark.parametrize("planted", ["the source", "a checksum", "a hash of the answer", "base64"])
def test_an_answer_that_is_told_is_noticed(planted, two_releases):
    solved = cells(two_releases / "solutions" / NAME / f"{NAME}.ipynb")
    released, answer = _text_of(two_releases / "course"), solved["91-answer-answer_2"]
    letter = answer.source[-2]
    assert told(released, solved) == []
    text = {"the source": answer.source, "a checksum": compute_checksum(solved["91-check-answer_2"]),
            "a hash of the answer": hashlib.sha256(f"answer_2{letter}".encode()).hexdigest(),
            "base64": base64.b64encode(answer.source.encode()).decode()}[planted]
    assert told(released + text, solved)


@pytest.mark.parametrize("number", LESSONS)
def test_in_the_notebook_every_answer_gets_the_same_words(number, term_of_lessons, capsys):
    name = LESSONS[number].stem
    solved, released = (cells(term_of_lessons / top / name / f"{name}.ipynb") for top in ("solutions", "course"))
    setup, said = run_cells(number), {}
    for id in [id for id in solved if "-answer-" in id]:
        variable, key = solved[id].source.split(" = ", 1)
        right = json.loads(key)
        high = 1 if isinstance(right, float) else 10**6
        for given in "abcd" if isinstance(right, str) else (right, min(right + 1, high), right / 2, 0, high):
            exec(released[id.replace("-answer-", "-check-")].source, setup | {variable: given})
            said.setdefault(id, set()).add(capsys.readouterr().out)
    assert said
    assert {id: len(texts) for id, texts in said.items() if len(texts) != 1} == {}
    assert all("can be read" in text for texts in said.values() for text in texts)


# A term's secret.

def test_a_terms_secret_is_kept_beside_its_release_and_nowhere_in_it(two_releases):
    path = two_releases / "terms" / "autumn" / "secret.txt"
    assert path.read_text("utf-8").strip() == SECRET
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in _text_of(two_releases / "terms" / "autumn" / "course")
    assert stale(two_releases) == []


def test_git_ignores_all_of_a_term():
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    done = subprocess.run(["git", "check-ignore", "terms/autumn/secret.txt", "terms/autumn/course/x.ipynb"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 2


def test_the_command_builds_a_term_from_the_environment_or_draws_its_secret(tmp_path, monkeypatch, capsys):
    root = course(tmp_path / "course")
    monkeypatch.setenv("TERM_SECRET", SECRET)
    assert main(["build", "--root", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"wrote terms/term/course/{NAME}/{NAME}.ipynb" in out
    assert "For students: terms/term/course" in out
    assert SECRET not in out
    assert not (root / "course").exists()
    assert main(["build", "--root", str(root), "--check"]) == 1, "the check is about the public release"
    assert main(["build", "--root", str(root), "--term", "spring"]) == 0
    monkeypatch.setenv("TERM_SECRET", f"{SECRET}-else")
    assert main(["build", "--root", str(root), "--term", "spring"]) == 1
    assert "TERM_SECRET is not the secret of the term spring" in capsys.readouterr().err
    monkeypatch.delenv("TERM_SECRET")
    assert main(["build", "--root", str(root), "--term", "spring"]) == 0
    assert "0 files changed" in capsys.readouterr().out
    assert main(["build", "--root", str(root), "--term", "summer"]) == 0
    drawn_secret = (root / "terms" / "summer" / "secret.txt").read_text("utf-8").strip()
    assert len(drawn_secret) >= 32


@pytest.mark.parametrize("secret", ["short", "aaaaaaaaaaaaaaaaaaaaaa", f" {SECRET}", f"{SECRET}\n", SELF_STUDY])
def test_a_secret_that_can_be_guessed_is_refused(secret, tmp_path):
    with pytest.raises(ValueError, match=r"TERM_SECRET has \d+ characters; a secret has 16 or more.*one is drawn"):
        find_term(tmp_path, "autumn", secret)


@pytest.mark.parametrize("name", ["../x", "Autumn", "", ".", "a b", "x" * 41])
def test_a_terms_name_is_no_path(name, tmp_path):
    with pytest.raises(ValueError, match="small letters, digits and -"):
        find_term(tmp_path, name)


# What the lessons' keys claim, measured.

def test_lesson_04s_files_are_as_its_first_question_says(tmp_path):
    import gzip

    import torch
    from torch.nn.utils import prune

    def size(removed, packed, share):
        layer = torch.nn.Linear(300, 300, bias=False)
        if share:
            prune.l1_unstructured(layer, "weight", amount=share)
            if removed:
                prune.remove(layer, "weight")
        torch.save(layer.state_dict(), tmp_path / "file.pt")
        data = (tmp_path / "file.pt").read_bytes()
        return len(gzip.compress(data) if packed else data)

    for share in (0.5, 0.9):
        assert size(True, False, share) / size(True, False, 0) == pytest.approx(1, abs=0.02)
        assert size(False, False, share) / size(True, False, 0) == pytest.approx(2, abs=0.05)
        assert size(True, True, share) / size(True, True, 0) < 0.7


def test_an_undrawn_template_never_reaches_a_notebook():
    lesson = read_lesson(LESSONS["04"])
    assert lesson.of("graded")
    assert not drawn(lesson).of("graded")
    assert drawn(drawn(lesson)) == drawn(lesson)
    assert not any("draw." in cell.source for cell in expand(lesson))
    with pytest.raises(LessonError):
        draw_item(lesson, lesson.cells[0], SELF_STUDY)
