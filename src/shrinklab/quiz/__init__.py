"""Question banks: load them, refuse faulty ones, grade an answer, and give a verdict per section.

A bank is a YAML file beside a lesson's source, `NN_name.questions.yml`:

    lesson: 04_magnitude_pruning
    sections:  [{id, title, cell?}]
    questions: [{id, kind, level, section, question, hint, steps, final_answer, quick_check, common_mistakes,
                 ... what the kind asks for ...}]
    cards:     [{front, back, section, id?}]

    kind      needs                                                         the answer is
    choice    options: [{text, correct: true} or {text, mistake}]           the option's number, from 0
    numeric   answer, tolerance, unit?, compute,                            a number
              mistakes: [{value, mistake, compute?}]
    code      code, setup?, compute?, and options (output?) or answer ...   as for choice or numeric
    bug       code, fixed, setup?, compute?, options                        as for choice
    order     order: [{text, mistake?}] in the right order                  a list of step numbers, from 0

`docs/questions.md` explains each field with an example. The widgets grade in the browser, so that quizzes
work on a static page too; `grade`, `credit` and `verdict` are the reference that the tests hold them to.
"""

from shrinklab.quiz.bank import Bank, validate_file
from shrinklab.quiz.grading import Grade, SectionVerdict, credit, draw_placement, grade, verdict
from shrinklab.quiz.rules import validate
from shrinklab.quiz.source import Problem

__all__ = [
    "Bank",
    "Grade",
    "Problem",
    "SectionVerdict",
    "credit",
    "draw_placement",
    "grade",
    "validate",
    "validate_file",
    "verdict",
]
