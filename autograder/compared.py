"""The similarity report of a lesson: a table, and a page with the groups side by side."""

from autograder.course import read_notebook, shown
from autograder.feedback import code, template
from autograder.intake import judge
from autograder.lessons import instructors
from autograder.similarity import exercises, groups
from shrinklab.errors import need

CAUTION = ("Sameness is no proof: short tasks have few forms, people learn together, and lessons and helpers hand out "
           "examples. Talk to the students before you conclude anything.")


def similarity(course, lesson):
    """Print which submissions are the same after renaming, and write similarity/LESSON.html; returns 0."""
    students = course.submissions(lesson)
    need(students, f"there is no submission of {lesson}", "the report compares submissions",
         f"put them into {shown(course, course.grading / 'submitted')}", FileNotFoundError)
    released = read_notebook(course.released(lesson))
    folder = course.grading / "submitted"
    submitted = {one: judge(folder / one / lesson / f"{lesson}.ipynb", released).notebook for one in students}
    found = groups(released, instructors(course, lesson), submitted)
    path = course.grading / "similarity" / f"{lesson}.html"
    path.parent.mkdir(exist_ok=True)
    path.write_text(page(lesson, found, exercises(released)), encoding="utf-8")
    print(table(found))
    print(f"\n{CAUTION}\nside by side: {shown(course, path)}")
    return 0


def table(found):
    """The groups as text.

    >>> from autograder.similarity import Group
    >>> print(table([Group("scores", ("ann", "bob"), ("", ""), "")]))
    exercise  students  says
    scores    ann, bob  look at it
    """
    lines = [("exercise", "students", "says")] + [
        (one.exercise, ", ".join(one.students[:6]) + (" …" if len(one.students) > 6 else ""),
         f"little: {one.telling}" if one.telling else "look at it") for one in found]
    if len(lines) == 1:
        return "No two submissions of an exercise are the same."
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    return "\n".join("  ".join([*(word.ljust(width) for word, width in zip(line, widths, strict=False)), line[2]])
                     for line in lines)


def page(lesson, found, names):
    """The HTML page. names: of all exercises that were compared."""
    return template("similarity.html.j2").render(
        lesson=lesson, telling=[one for one in found if not one.telling], others=[one for one in found if one.telling],
        caution=CAUTION, names=names, code=code)
