"""The words of lessons, banks and guides: short sentences, no words that belittle, right spelling, terms explained."""

import json
import re
import subprocess
import sys

import pytest
import yaml
from lesson_notebooks import LESSONS, ROOT, released

LONGEST = 35
BELITTLING = re.compile(r"\b(simply|obviously|of course|trivial(ly)?)\b", re.IGNORECASE)
CODE = re.compile(r"```.*?```|`[^`]*`|\$[^$]*\$", re.DOTALL)
QUOTED = re.compile(r'"[^"]*"|“[^”]*”')
END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n|\n\s*(?:[-*|>#]|\d+\.)\s*")
WORD = re.compile(r"[^\W\d_][\w’'-]*")
SHOWN = ("question", "hint", "steps", "final_answer", "quick_check", "common_mistakes", "text", "mistake", "front",
         "back")


def sentences(text):
    """The sentences of a text, without code, quotes, tables' rows and list marks."""
    text = QUOTED.sub("“ ”", CODE.sub("`code`", text))
    text = re.sub(r"^\s*\|.*$", "", text, flags=re.MULTILINE)
    return [part.strip() for part in END.split(text) if part and part.strip()]


def texts_of_bank(value):
    """Every text of a bank that a reader sees."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in
                ([item] if key in SHOWN and isinstance(item, str) else texts_of_bank(item))]
    if isinstance(value, list):
        return [text for item in value for text in ([item] if isinstance(item, str) else texts_of_bank(item))]
    return []


def texts(number):
    """{where: text} of everything that a lesson says: its markdown cells and its bank."""
    cells = {cell.id: cell.source for cell in released(number).cells if cell.cell_type == "markdown"}
    bank = yaml.safe_load(bank_path(number).read_text(encoding="utf-8"))
    return cells | {one.get("id", one.get("front")): "\n\n".join(texts_of_bank(one))
                    for one in (*bank["questions"], *bank["cards"])}


def bank_path(number):
    return LESSONS[number].with_name(f"{LESSONS[number].stem}.questions.yml")


def glossary_path(number):
    return LESSONS[number].with_name(f"{LESSONS[number].stem}.glossary.yml")


@pytest.mark.parametrize("number", LESSONS)
def test_no_sentence_is_too_long(number):
    # Sources name authors and titles: that is no sentence to read.
    long = {where: one for where, text in texts(number).items() if not where.endswith("-sources")
            for one in sentences(text) if len(WORD.findall(one)) > LONGEST}
    assert long == {}


def test_no_sentence_of_the_pages_is_too_long():
    for name in ("00_start_here", "glossary"):
        cells = json.loads((ROOT / "course" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        found = [one for cell in cells if cell["cell_type"] == "markdown" for one in sentences("".join(cell["source"]))]
        assert [one for one in found if len(WORD.findall(one)) > LONGEST] == []
        assert found


@pytest.mark.parametrize("number", LESSONS)
def test_no_word_belittles(number):
    found = {where: BELITTLING.findall(CODE.sub("", text)) for where, text in texts(number).items()}
    assert {where: words for where, words in found.items() if words} == {}


@pytest.mark.parametrize("number", LESSONS)
def test_the_glossary_s_terms_stand_where_it_says(number):
    entries = yaml.safe_load(glossary_path(number).read_text(encoding="utf-8"))
    cells = {cell.id.removeprefix(f"{number}-"): cell.source for cell in released(number).cells}
    assert len(entries) >= 5
    for entry in entries:
        assert set(entry) == {"term", "means", "cell"}, entry
        assert entry["cell"] in cells, f"{entry['term']}: there is no cell {entry['cell']!r}"
        assert stem(entry["term"]) in stem(cells[entry["cell"]]), f"{entry['term']} is not in {entry['cell']}"
        assert len(WORD.findall(entry["means"])) <= 30, entry["term"]
        assert entry["means"].endswith("."), entry["term"]


def stem(text):
    """The text in small letters, without signs and without what may stand behind a term's first word."""
    return re.sub(r"[\W_]+", " ", text.removesuffix(" pruning")).lower()


def test_spelling():
    """codespell knows common misspellings; names and words that only look like one stand in pyproject.toml."""
    tracked = subprocess.run(["git", "ls-files", "-z", "*.py", "*.md", "*.yml", "*.js", "*.toml"], cwd=ROOT, check=True,
                             capture_output=True).stdout.decode().split("\0")
    files = [name for name in tracked if name and (ROOT / name).exists() and not name.startswith("course/")]
    assert len(files) > 100
    found = subprocess.run([sys.executable, "-m", "codespell_lib", *files], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == ""
    assert found.returncode == 0, found.stderr


LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_links_between_lessons_lead_somewhere():
    external = []
    for path in sorted((ROOT / "course").rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            for target in LINK.findall(CODE.sub("", "".join(cell["source"]))):
                if target.startswith(("http://", "https://")):
                    external.append(target)
                elif not target.startswith("#"):
                    assert (path.parent / target.split("#")[0]).exists(), f"{path.name}: {target}"
    # Listed, not fetched: CI has no network to rely on.
    print("\n".join(sorted(set(external))))


@pytest.mark.parametrize(("text", "count"), [
    ("One. Two! Three?", 3), ("Say \"one. two\" at once.", 1), ("- first\n- second", 2), ("`a. b` is code.", 1),
    ("| a. b | c |\n\nText.", 1),
])
def test_sentences_are_told_apart(text, count):
    assert len(sentences(text)) == count


def test_a_long_sentence_is_found():
    assert max(len(WORD.findall(one)) for one in sentences(" ".join(["word"] * 36) + ".")) > LONGEST
