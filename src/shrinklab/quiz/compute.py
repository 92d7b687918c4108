"""Run the code of a question bank and hold its keys against the results, so that no wrong key is released."""

from shrinklab.quiz.fields import name
from shrinklab.quiz.source import as_number, run_code


def check(report, place, question):
    """Report every key of one sound question that its own code contradicts."""
    if "not_run" in question or question["kind"] in ("choice", "order"):
        return
    if question["kind"] == "bug":
        _check_bug(report, place, question)
        return
    given = run_code(*(question[field] for field in ("setup", "code", "compute") if field in question))
    if "options" in question:
        _check_text(report, place, question, given)
    else:
        _check_number(report, place, question["answer"], question["tolerance"], given)
        for index, wrong in enumerate(question["mistakes"]):
            if "compute" in wrong:
                _check_number(
                    report,
                    (*place, "mistakes", index),
                    wrong["value"],
                    question["tolerance"],
                    run_code(*_before(question), wrong["compute"]),
                )


def _before(question):
    """What runs before a mistake's own `compute`."""
    return (question[field] for field in ("setup", "code") if field in question)


def _check_number(report, place, key, tolerance, given):
    number = as_number(given)
    if number is None:
        report.add(place, f"the code gives {name(given)}", "its result is a number", "mend the code")
    elif abs(number - key) > tolerance + 1e-9 * max(1.0, abs(key)):
        report.add(
            place,
            f"the bank says {key} and the code gives {number:.6g}",
            f"they agree within the tolerance {tolerance}",
            "mend the key or the code",
        )


def _check_text(report, place, question, given):
    """The code's result is the correct option's text, or `output` where the options are sentences."""
    right = next(option["text"] for option in question["options"] if option.get("correct"))
    key = question.get("output", right)
    if str(given).strip() != key.strip().strip("`"):
        report.add(
            place,
            f"the bank says {name(key)} and the code gives {name(str(given))}",
            "they are the same",
            "mend the key or the code, or put what the code gives in output",
        )


def _check_bug(report, place, question):
    """The faulty and the mended code must give different results, and the mended one must run."""
    setup, last = question.get("setup", ""), [question["compute"]] if "compute" in question else []
    faulty, mended = run_code(setup, question["code"], *last), run_code(setup, question["fixed"], *last)
    if str(faulty) == str(mended):
        report.add(
            place,
            f"`code` and `fixed` both give {name(mended)}",
            "the bug changes the result",
            "add compute: with a line that shows the difference",
        )
    if isinstance(mended, str) and ("Error: " in mended or "Exception: " in mended):
        report.add((*place, "fixed"), f"`fixed` fails with {name(mended)}", "the mended code runs", "mend it")
