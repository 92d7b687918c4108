"""From a submitted file to the list of its cells, or a sentence on why there is none. The file is only read."""

import json
import os
import re
import stat

MOST_BYTES = 20 * 2**20
MOST_CELLS = 2000
MOST_PARTS = 1_000_000  # of the JSON: each takes some hundred bytes of our memory
# Stands in a folder without a notebook while nbgrader looks at it: an empty folder stops nbgrader.
PLACEHOLDER = "no-notebook.ipynb"
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_DAMAGED = ("Your file is damaged: it is not complete JSON, as if saving or uploading had stopped halfway. Open it in "
            "JupyterLab, save it, and hand it in again.")


class Rejected(Exception):
    """A submission that cannot be graded. The text is a sentence for the student."""


def find(path, remarks):
    """The notebook file that counts: the one of the right name, else the only one there is.

    remarks: gets a sentence for each thing that was not as it should be. Raises Rejected.
    """
    found = path.parent.glob("*.ipynb") if path.parent.is_dir() else ()
    others = sorted(other for other in found if other.name not in (PLACEHOLDER, path.name))
    if os.path.lexists(path):
        if others:
            remarks.append(f"Only {path.name} is graded; not looked at: {names(one.name for one in others)}.")
        return path
    if len(others) != 1:
        held = f"it holds {names(p.name for p in others)}" if others else "it holds no notebook"
        raise Rejected(f"There is no file {path.name} in your submission ({held}). Hand in the notebook under the "
                       "name that it was given.")
    remarks.append(f"Your file is called {safe(others[0].name)}; it was read as {path.name}.")
    return others[0]


def load(path, remarks):
    """The JSON in a file, whatever it is. Raises Rejected; follows no link, opens nothing but a plain file."""
    try:
        data = _bytes(path)
    except OSError as error:
        raise Rejected(f"{safe(path.name)} could not be read ({error.strerror}). Hand in the file itself.") from None
    if len(data) > MOST_BYTES:
        raise Rejected(f"Your notebook is larger than {MOST_BYTES // 2**20} MB. Clear its outputs "
                       "(Edit > Clear Outputs of All Cells), save, and hand it in again.")
    if not data.strip(b"\0 \t\r\n"):
        raise Rejected("Your notebook file is empty. Save the notebook and hand it in again.")
    if data.startswith(b"PK\x03\x04"):
        raise Rejected("Your file is a zip archive, not a notebook. Hand in the notebook that is in it.")
    text = _text(data, remarks)
    if sum(map(text.count, "{[,")) > MOST_PARTS:
        raise Rejected(f"Your notebook has more than {MOST_PARTS:,} parts. Clear its outputs (Edit > Clear Outputs of "
                       "All Cells), save, and hand it in again.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Rejected(_DAMAGED) from None


def cells(content, remarks):
    """The cells of a notebook's JSON, as they are. Raises Rejected."""
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise Rejected("Your file is JSON, but not a notebook.")
    found = content.get("cells")
    if content["nbformat"] == 3:
        remarks.append("Your notebook was in the old format 3; it was read as format 4.")
        found = _format_3(content)
    elif content["nbformat"] != 4:
        raise Rejected(f"Your notebook is in format {str(content['nbformat'])[:20]}; format 4 can be graded. Open it "
                       "in JupyterLab and save it again.")
    if not isinstance(found, list) or not found:
        raise Rejected("Your notebook holds no cells.")
    if len(found) > MOST_CELLS:
        raise Rejected(f"Your notebook holds {len(found):,} cells; at most {MOST_CELLS:,} can be graded.")
    return found


def names(some):
    """File names for a sentence, the first five of them."""
    shown = sorted(map(safe, some))
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def safe(name):
    """A file's name with nothing in it that markdown, HTML or a terminal would obey.

    >>> safe("a<b>.ipynb")
    'a?b?.ipynb'
    """
    return re.sub(r"[^\w .()+-]", "?", str(name))[:80]


def _bytes(path):
    wrong = Rejected(f"{safe(path.name)} is a link or a folder, not a notebook file. Hand in the file itself.")
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise wrong
    with open(os.open(path, _OPEN), "rb") as file:
        # Once more, of what was opened: the name may have come to mean another thing.
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise wrong
        return file.read(MOST_BYTES + 1)


def _text(data, remarks):
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            text = data.decode("utf-16")
            remarks.append("Your file was saved as UTF-16 text; it was read as such. JupyterLab saves UTF-8.")
            return text
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Rejected("Your file is not UTF-8 text, so it is not a notebook as JupyterLab saves it.") from None


def _format_3(content):
    sheets = content.get("worksheets")
    found = [cell for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
             for cell in sheet["cells"]] if isinstance(sheets, list) else []
    return [{**cell, "source": cell["input"]} if isinstance(cell, dict) and "input" in cell else cell
            for cell in found]
