"""A CSV file in which single fields are changed and every other byte stays as the platform wrote it."""

import re

from shrinklab.errors import need

MOST_BYTES = 50 * 2**20
BOM = "\ufeff"


class Sheet:
    """A table with a header line. Fields are kept as they are written, quotes included.

    data: the file's bytes; name: what errors call it. Raises ValueError for what is no table.

    >>> sheet = Sheet(b'Name,Grade\\r\\n"Lee, Ann",\\r\\n', "a.csv")
    >>> sheet.value(1, "Name")
    'Lee, Ann'
    >>> sheet.set(1, "Grade", "7.5")
    >>> sheet.data()
    b'Name,Grade\\r\\n"Lee, Ann",7.5\\r\\n'
    """

    def __init__(self, data, name):
        need(len(data) <= MOST_BYTES, f"{name} has {len(data):,} bytes", f"a table of grades has at most "
             f"{MOST_BYTES:,}", "export it again, or give the right file")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name} is not UTF-8 (byte {error.start}); the platforms write UTF-8; download it again "
                             "and do not save it with a spreadsheet program") from None
        self.name, self._start = name, BOM if text.startswith(BOM) else ""
        text = text.removeprefix(BOM)
        first = text.splitlines()[0] if text.strip() else ""
        self.separator = max(",;\t", key=first.count)
        self._rows, self._ends = _split(text, self.separator, name)
        self.header = [_plain(field).strip() for field in self._rows[0]] if self._rows else []
        need(len(self.header) > 1, f"the first line of {name} is {first[:60]!r}", "it names the columns, with "
             "commas or semicolons between", "give the file as the platform exported it")
        for number, row in enumerate(self._rows):
            need(row == [""] or len(row) == len(self.header), f"line {number + 1} of {name} has {len(row)} fields",
                 f"each has {len(self.header)}, as the header has", "download it again")

    def __len__(self):
        """The number of rows, the header counted."""
        return len(self._rows)

    def rows(self):
        """The numbers of the rows below the header that are not empty."""
        return [number for number in range(1, len(self)) if any(field.strip() for field in self._rows[number])]

    def has(self, *columns):
        """Whether all these columns are there."""
        return set(columns) <= set(self.header)

    def value(self, row, column):
        """The field of a row in a named column, without quotes; "" where the table has no such column."""
        return _plain(self._rows[row][self._place(column)]).strip() if column in self.header else ""

    def set(self, row, column, value):
        """Write a field. It is quoted where it was quoted before, or has to be."""
        place = self._place(column)
        quoted = self._rows[row][place].startswith('"') or re.search(rf'["\r\n{self.separator}]', value)
        self._rows[row][place] = '"' + value.replace('"', '""') + '"' if quoted else value

    def data(self):
        """The file's bytes."""
        lines = (self.separator.join(row) + end for row, end in zip(self._rows, self._ends, strict=True))
        return (self._start + "".join(lines)).encode("utf-8")

    def _place(self, column):
        need(self.header.count(column) == 1, f"{self.name} has {self.header.count(column)} columns {column!r}",
             "it has one", "export it again")
        return self.header.index(column)


def _split(text, separator, name):
    """(rows of fields as written, the line end of each row)."""
    field = re.compile(rf'"(?:[^"]|"")*"(?=[{separator}\r\n]|$)|[^{separator}\r\n]*')
    end, rows, ends, row, at = re.compile(r"\r\n|\n|\r"), [], [], [], 0
    while at < len(text) or row:
        found = field.match(text, at)
        row.append(found[0])
        need(not (found[0].startswith('"') and (len(found[0]) < 2 or not found[0].endswith('"'))),
             f"line {len(rows) + 1} of {name} has a quote that does not close", "quotes come in pairs",
             "download it again")
        at = found.end()
        if text[at:at + 1] == separator:
            at += 1
            continue
        line = end.match(text, at)
        rows.append(row)
        ends.append(line[0] if line else "")
        row, at = [], line.end() if line else at
    return rows, ends


def _plain(field):
    quoted = len(field) > 1 and field.startswith('"') and field.endswith('"')
    return field[1:-1].replace('""', '"') if quoted else field
