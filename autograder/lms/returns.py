"""Feedback as zips to give back: with the names under which Moodle or Canvas gave the submissions out.

Moodle takes any file of a student's folder as a feedback file. Canvas shows what it gets under the name of the file
that the student uploaded, a notebook: so it gets a notebook, the graded one, with points and comments in it.
"""

import json
import zipfile

from nbformat import from_dict
from nbformat.v4 import new_markdown_cell
from traitlets import import_item
from traitlets.config import Config

from autograder.cells import grade_id
from autograder.course import read_notebook, shown
from autograder.lms.collect import Record
from autograder.lms.members import MOODLE
from shrinklab.errors import need

# Hidden tests and mark schemes come back with the checks when a submission is graded; students read the rest.
WITHOUT_HIDDEN = ("nbgrader.preprocessors.GetGrades", "nbgrader.preprocessors.ClearHiddenTests",
                  "nbgrader.preprocessors.ClearMarkScheme")


def make_returns(course, lesson, kind):
    """Write the zip (or, for "students", one zip each) into returns/; returns the exit status.

    Raises ValueError where no submission came from that platform.
    """
    pages = {path.parents[1].name: path for path in
             sorted((course.grading / "feedback").glob(f"*/{lesson}/{lesson}.html"))}
    need(pages, f"there is no feedback on {lesson}", "it is written by grading", f"run make grade LESSON={lesson[:2]}")
    folder = course.grading / "returns"
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "students":
        for student, page in pages.items():
            _zip(folder / lesson / f"{student}.zip", {page.name: page.read_bytes(),
                                                      f"{lesson}.ipynb": graded_notebook(course, lesson, student)})
        print(f"{shown(course, folder / lesson)}/STUDENT.zip: {len(pages)} zips")
        return 0
    record = {student: said["members"] for student, said in Record(course, lesson).students.items()
              if said["platform"] == kind and student in pages}
    need(record, f"no submission of {lesson} came from a zip of {kind}", f"a zip for {kind} has that zip's names",
         "collect first, or use --zip students")
    target = folder / f"{lesson}-{kind}.zip"
    _zip(target, dict(_member(course, lesson, student, kind, record[student]) for student in sorted(record)))
    print(f"{shown(course, target)}: feedback for {len(record)} students")
    rest = sorted(pages.keys() - record.keys())
    if rest:
        print(f"not in it, because their submission came from no zip of {kind}: {', '.join(rest)}")
    return 0


def graded_notebook(course, lesson, student):
    """The graded notebook as the student may see it, with points and comments in it: its bytes."""
    config = Config()
    course.configure(config)
    notebook = from_dict(read_notebook(course.grading / "autograded" / student / lesson / f"{lesson}.ipynb"))
    resources = {"nbgrader": {"notebook": lesson, "assignment": lesson, "student": student,
                              "db_url": course.gradebook}}
    for name in WITHOUT_HIDDEN:
        notebook, resources = import_item(name)(config=config).preprocess(notebook, resources)
    got = resources["nbgrader"]
    late = f", {got['late_penalty']:g} points off for coming late" if got["late_penalty"] else ""
    cells = [_text(f"# {got['score']:g} of {got['max_score']:g} points{late}", "total")]
    for cell in notebook.cells:
        cells.append(cell)
        said = _verdict(cell)
        cells += [_text(said, grade_id(cell))] if said else []
    notebook.cells = cells
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()


def _verdict(cell):
    ours = cell.metadata.get("nbgrader", {})
    points = f"**{ours['score']:g} of {ours['points']:g} points.**" if "score" in ours else ""
    comment = f"**Comment:** {ours['comment']}" if ours.get("comment") else ""
    return "\n\n".join(filter(None, (points, comment)))


def _text(source, name):
    return new_markdown_cell(source, id=f"feedback-{name}"[:64])


def _member(course, lesson, student, kind, members):
    """(name in the zip, bytes) of a student's feedback. members: {file: its name in the zip that it came from}."""
    # The lesson's notebook if there is one, else any notebook, else whatever was handed in.
    member = members[min(members, key=lambda name: (name != f"{lesson}.ipynb", not name.endswith(".ipynb"), name))]
    if kind == "canvas":
        return member.rsplit("/", 1)[-1], graded_notebook(course, lesson, student)
    page = (course.grading / "feedback" / student / lesson / f"{lesson}.html").read_bytes()
    parts = member.split("/")
    place = next(number for number, part in enumerate(parts) if MOODLE.fullmatch(part))
    prefix = MOODLE.fullmatch(parts[place])
    flat = len(parts) == place + 1
    start = f"{prefix['name']}_{prefix['who']}_assignsubmission_file_" if flat else f"{parts[place]}/"
    return f"{start}{lesson}.html", page


def _zip(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    with zipfile.ZipFile(half, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    half.replace(path)
