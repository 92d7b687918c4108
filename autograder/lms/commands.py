"""The commands of a term's life, beside those of `autograder.__main__`: roster, collect, export, and more words."""

from pathlib import Path

KINDS = ("moodle", "canvas", "students")


def add(commands):
    """Add roster, collect and export to the parser's commands."""
    roster = commands.add_parser("roster", help="take a class list from Moodle or Canvas into the gradebook")
    roster.add_argument("file", type=Path, help="participants or grading worksheet of Moodle, gradebook of Canvas: CSV")
    roster.add_argument("--id", metavar="COLUMN", help="the column that names a student (default: user name, e-mail "
                        "address or login)")
    collect = commands.add_parser("collect", help="take the submissions of Moodle's or Canvas' zip")
    collect.add_argument("lesson", help="the lesson's number or name, for example 04")
    collect.add_argument("--from", dest="zip", type=Path, required=True, metavar="ZIP", help="the platform's zip")
    collect.add_argument("--worksheet", type=Path, metavar="CSV", help="Moodle's grading worksheet of this assignment: "
                         "who each number is, and when they handed in")
    export = commands.add_parser("export", help="write grades into a file that Moodle or Canvas exported")
    export.add_argument("lesson", help="the lesson's number or name, for example 04")
    export.add_argument("--into", type=Path, required=True, metavar="CSV", help="Moodle's grading worksheet of this "
                        "assignment, or Canvas' gradebook; a copy is written")
    export.add_argument("--column", help="Canvas' column, where its name does not say the lesson")
    export.add_argument("--scale", action="store_true", help="give the share of the file's maximum")
    export.add_argument("--unmarked", action="store_true", help="also where a text still waits for its mark")


def add_zip(feedback):
    """The words of feedback that make zips to give back."""
    feedback.add_argument("--zip", choices=KINDS, help="also make a zip to give back: as Moodle or Canvas takes it, or "
                          "one for each student")


def run(course, options):
    """Run one of the commands; returns its exit status."""
    if options.command == "roster":
        from autograder.lms.roster import import_roster
        return import_roster(course, options.file, column=options.id)
    name = course.lesson(options.lesson)
    if options.command == "collect":
        from autograder.lms.collect import collect
        return collect(course, name, options.zip, worksheet=options.worksheet)
    from autograder.lms.grades import export_grades
    return export_grades(course, name, options.into, column=options.column, scale=options.scale,
                         unmarked=options.unmarked)
