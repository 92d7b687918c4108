"""Question banks: the sample is valid, and every way to break it is named with file and line."""

import copy
import random
from pathlib import Path

import pytest
import yaml

from shrinklab.quiz import Bank, credit, draw_placement, grade, validate, validate_file, verdict
from shrinklab.quiz.__main__ import main

SAMPLE = Path(__file__).with_name("00_sample.questions.yml")
DATA = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))


def question(bank, name):
    return next(one for one in bank["questions"] if one["id"] == name)


def broken(change):
    """The sample's data after `change(data)`, and the problems that it then has, as one text."""
    data = copy.deepcopy(DATA)
    change(data)
    return "\n".join(map(str, validate(data)))


def test_sample_is_valid_and_loads():
    assert validate_file(SAMPLE) == []
    bank = Bank.load(SAMPLE)
    assert bank.lesson == "00_sample"
    assert {one["kind"] for one in bank.questions} == {"choice", "numeric", "code", "bug", "order"}
    assert bank.question("kept-count")["answer"] == 22500
    assert [card["id"] for card in bank.cards][:1] == ["what-does-a-mask-do-to-a-weight"]
    with pytest.raises(KeyError, match="use one of what-a-mask-does"):
        bank.question("nothing")


def put(name, field, value):
    """A change that sets (or with None removes) one field of one question."""
    def change(data):
        entry = question(data, name)
        entry.pop(field) if value is None else entry.update({field: value})
    return change


def put_in(name, group, index, **fields):
    return lambda data: question(data, name)[group][index].update(fields)


def only_kinds(*kinds):
    return lambda data: data.update(questions=[one for one in data["questions"] if one["kind"] in kinds])


FAULTS = {
    "a field is missing": (put("file-size", "hint", None), "file-size: `hint` is missing"),
    "a field is misspelt": (put("file-size", "hints", "x"), "did you mean hint?"),
    "an unknown kind": (put("file-size", "kind", "essay"), "`kind` is 'essay'; it is one of choice, numeric"),
    "an unknown level": (put("file-size", "level", "tricky"), "it is easy, medium or hard"),
    "a number where text belongs": (put("file-size", "final_answer", 4), "`final_answer` is 4; it is text"),
    "one step only": (put("file-size", "steps", ["So."]), "a list of at least two texts"),
    "two lines in a quick check": (put("file-size", "quick_check", "a\nb"), "it is one line of text"),
    "text for a number": (put("kept-count", "answer", "1e-3"), "YAML reads 1e-3 as text"),
    "infinity": (put("kept-count", "answer", float("inf")), "`answer` is inf; it is a number"),
    "a negative tolerance": (put("kept-count", "tolerance", -1), "it is a number, 0 or more"),
    "an unknown section": (put("file-size", "section", "nowhere"), "use one of mask, score, cost"),
    "an option without a mistake": (lambda data: question(data, "file-size")["options"][1].pop("mistake"),
                                    "file-size: `mistake` is missing"),
    "a mistake at the correct option": (put_in("file-size", "options", 0, mistake="x"),
                                        "only wrong options have one"),
    "two correct options": (put_in("file-size", "options", 1, correct=True), "2 options are correct"),
    "no correct option": (put_in("file-size", "options", 0, correct=False), "0 options are correct"),
    "equal options": (put_in("file-size", "options", 1, text="as large as before "), "options differ"),
    "too few options": (lambda data: question(data, "file-size")["options"].__delitem__(slice(2, 4)),
                        "there are 2 options"),
    "a wrong key": (put("kept-count", "answer", 22400), "the bank says 22400 and the code gives 22500"),
    "a wrong key of a mistake": (put_in("kept-count", "mistakes", 0, value=7000), "the code gives 7500"),
    "a mistake that counts as right": (put_in("cut-value", "mistakes", 0, value=3.001, compute="3.001"),
                                       "one number means one thing"),
    "no compute": (put("kept-count", "compute", None), "the build computes the key"),
    "a compute that fails": (put("kept-count", "compute", "1 / 0"), "ZeroDivisionError: division by zero"),
    "a compute that is no Python": (put("kept-count", "compute", "1 +"), "SyntaxError"),
    "a wrong output": (put_in("read-mask", "options", 0, text="[1.0]"), "and the code gives '[0.0, -2.0"),
    "a code with two answers": (put("read-mask", "answer", 1), "there are `options` and an `answer`"),
    "a bug that changes nothing": (put("sign-bug", "fixed", question(DATA, "sign-bug")["code"]),
                                   "`code` and `fixed` both give"),
    "a mended code that fails": (put("sign-bug", "fixed", "weight = 1"), "`fixed` fails with \"NameError"),
    "a bug without its cure": (put("sign-bug", "fixed", None), "`fixed` is missing"),
    "a step without a mistake": (lambda data: question(data, "prune-in-order")["order"][1].pop("mistake"),
                                 "prune-in-order: `mistake` is missing"),
    "a first step with a mistake": (put_in("prune-in-order", "order", 0, mistake="x"), "before the one"),
    "two steps": (lambda data: question(data, "prune-in-order")["order"].__delitem__(slice(2, 4)),
                  "a question has 3 to 7"),
    "the same id": (put("file-size", "id", "mask-speed"), "`id` 'mask-speed' is used twice"),
    "nine questions": (lambda data: data["questions"].pop(0), "there are 9 questions"),
    "two hard questions": (put("mask-speed", "level", "easy"), "there are 2 hard questions"),
    "two kinds": (only_kinds("choice", "code"),
                  "there are 2 kinds of question"),
    "four cards": (lambda data: data["cards"].pop(), "there are 4 cards"),
    "the same card": (lambda data: data["cards"][0].update(front=data["cards"][1]["front"]),
                      "`front` 'Why does magnitude"),
    "an empty section": (lambda data: data["sections"].append({"id": "new", "title": "New"}),
                         "section new has no question"),
    "no questions": (lambda data: data.pop("questions"), "`questions` is missing"),
    "a list of words": (lambda data: data.update(questions=["one"]), "a list of entries with fields"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(fault):
    change, said = FAULTS[fault]
    assert said in broken(change)


def test_another_number_makes_no_new_question():
    def repeat(data):
        twin = copy.deepcopy(question(data, "kept-count"))
        twin.update(id="twin", answer=15000, compute="int(200 * 100 * 0.75)",
                    question=twin["question"].replace("300", "200"),
                    steps=[step.replace("30,000", "20,000") for step in twin["steps"]],
                    mistakes=[{"value": 5000, "mistake": "That is how many are removed."}])
        data["questions"].append(twin)

    assert broken(repeat) == ("bank: question twin: it repeats question kept-count; no two questions share "
                              "both stem and reasoning; ask for something else, or remove it.")


def test_not_run_stands_for_code_that_cannot_run_here():
    def elsewhere(data):
        entry = question(data, "read-mask")
        entry.update(code="import tensorflow\nprint(1)", not_run="TensorFlow is not installed.")

    assert broken(elsewhere) == ""


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_something_else_than_a_bank(data):
    assert "a bank has lesson, sections, questions and cards" in str(validate(data)[0])


def write(folder, text, name="00_sample.questions.yml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_problems_name_file_and_line_and_come_all_at_once(tmp_path):
    text = SAMPLE.read_text(encoding="utf-8").replace("level: medium", "level: tricky", 1)
    text = text.replace("answer: 4200", "answer: 4100")
    path = write(tmp_path, text)
    lines = text.splitlines()
    tricky = lines.index("    level: tricky") + 1
    where = f"00_sample.questions.yml:{tricky}: question sign-bug: `level`"
    assert str(validate_file(path)[1]).startswith(where)
    with pytest.raises(ValueError, match="(?s)tricky.*the bank says 4100 and the code gives 4200") as caught:
        Bank.load(path)
    assert "00_sample.questions.yml has 3 problem(s)" in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [
    ("lesson: [", "00_sample.questions.yml:1: YAML says:"),
    ("lesson: a: b", "put quotes around text with a colon"),
    ("lesson: 00_sample\nlesson: x\n", "00_sample.questions.yml:2: `lesson` stands here twice"),
    ("", "the file holds None"),
])
def test_files_that_are_no_bank(tmp_path, text, said):
    assert said in "\n".join(map(str, validate_file(write(tmp_path, text))))


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "00_sample.questions.yml"
    path.write_bytes(b"lesson: \xff")
    assert "byte 8 is not UTF-8" in str(validate_file(path)[0])


def test_a_missing_file_names_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="practice.yml is not a file"):
        validate_file(tmp_path / "practice.yml")


def test_the_lesson_beside_it_must_hold_headings_and_cells(tmp_path):
    path = write(tmp_path, SAMPLE.read_text(encoding="utf-8"))
    lesson = ('# %% [markdown] key="mask"\n# ## A mask is a tensor of yes and no\n'
              "# %% [markdown]\n# # Which weights matter least?\n")
    (tmp_path / "00_sample.py").write_text(lesson, encoding="utf-8")
    problems = validate_file(path)
    assert len(problems) == 1
    assert "'What a mask costs and saves' is no heading of the lesson" in str(problems[0])
    (tmp_path / "00_sample.py").write_text(lesson.replace("mask", "musk"), encoding="utf-8")
    assert "cell 'mask' is no key= of the lesson" in "\n".join(map(str, validate_file(path)))


def test_the_name_of_the_file_is_the_lesson(tmp_path):
    path = write(tmp_path, SAMPLE.read_text(encoding="utf-8"), "04_other.questions.yml")
    assert "write 04_other" in str(validate_file(path)[0])
    copied = write(tmp_path, SAMPLE.read_text(encoding="utf-8"), "practice.yml")
    assert validate_file(copied, run=False) == []


def test_the_command_prints_the_problems_of_all_banks(tmp_path, capsys):
    path = write(tmp_path, SAMPLE.read_text(encoding="utf-8").replace("answer: 4200", "answer: 4100"))
    assert main([SAMPLE, path, tmp_path / "none.yml"]) == 2
    out = capsys.readouterr().out
    assert "question sparse-bytes: the bank says 4100 and the code gives 4200" in out
    assert "none.yml is not a file" in out
    assert main([SAMPLE]) == 0
    assert capsys.readouterr().out == ""


def test_grading_a_number():
    entry = question(DATA, "kept-count")
    assert grade(entry, 22500).right
    assert grade(entry, 7500).mistake.startswith("That is how many are removed")
    assert grade(entry, 225).mistake.startswith("That is off by a factor of 100")
    assert grade(entry, 1) == grade(entry, -22500)
    assert grade(question(DATA, "cut-value"), 3.001).right
    assert not grade(question(DATA, "cut-value"), 3.0011).right


@pytest.mark.parametrize(("name", "answer"), [
    ("kept-count", "22500"), ("kept-count", float("nan")), ("kept-count", None), ("file-size", 4),
    ("file-size", -1), ("file-size", True), ("prune-in-order", [0, 1, 2]), ("prune-in-order", [0, 1, 2, 2]),
])
def test_an_answer_in_the_wrong_form_is_an_error(name, answer):
    with pytest.raises(ValueError, match="the answer is"):
        grade(question(DATA, name), answer)


def test_every_wrong_order_has_its_mistake():
    entry, chance = question(DATA, "prune-in-order"), random.Random(0)
    for _ in range(50):
        order = chance.sample(range(4), 4)
        result = grade(entry, order)
        assert result.right == (order == [0, 1, 2, 3])
        assert bool(result.mistake) != result.right
    assert grade(entry, [0, 2, 1, 3]).mistake.startswith("There is no mask to apply")


def test_credit_falls_with_help():
    assert credit({"right": True, "tries": 1, "hint": False}) == 1.0
    assert credit({"right": True, "tries": 1, "hint": True}) == 0.5
    assert credit({"right": True, "tries": 3}) == 0.5
    assert credit({"right": True, "tries": 2, "solution": True}) == 0.0
    assert credit({}) == 0.0


def test_verdict_per_section():
    bank = Bank.load(SAMPLE, run=False)
    right, wrong = {"right": True, "tries": 1}, {"right": False, "tries": 1}
    records = {"what-a-mask-does": right, "kept-count": right, "read-mask": right, "sign-bug": wrong,
               "hinted-only": {"tries": 0, "hint": True}}
    assert [(one.section, one.rating, one.share, one.answered) for one in verdict(bank, records)] == [
        ("mask", "strong", 1.0, 2), ("score", "shaky", 0.5, 2), ("cost", "open", 0.0, 0)]
    assert [one.rating for one in verdict(bank, {"mask-speed": wrong})] == ["open", "open", "weak"]


def test_placement_is_spread_over_sections_and_seeded():
    bank = Bank.load(SAMPLE, run=False)
    drawn = draw_placement(bank, count=6, seed=1)
    assert drawn == draw_placement(bank, count=6, seed=1)
    assert len({tuple(draw_placement(bank, count=6, seed=seed)) for seed in range(20)}) > 5
    sections = [bank.question(name)["section"] for name in drawn]
    assert [sections.count(section) for section in ("mask", "score", "cost")] == [2, 2, 2]
    levels = [bank.question(name)["level"] for name in drawn]
    assert levels == sorted(levels, key=["easy", "medium", "hard"].index)
    assert len(draw_placement(bank, count=99)) == 10
    with pytest.raises(ValueError, match="count is 2"):
        draw_placement(bank, count=2)
