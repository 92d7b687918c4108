"""What a student's code prints, kept up to a limit."""

import io


class LimitedText(io.StringIO):
    """Text that stops growing: what is printed past the limit is dropped, with a line that says so.

    limit: characters.

    >>> text = LimitedText(4)
    >>> text.write("abcdef")
    6
    >>> text.text()
    'abcd\\n[... the output was cut here ...]\\n'
    """

    def __init__(self, limit):
        super().__init__()
        self.room = limit

    def close(self):
        """Code that closes sys.stdout closes only its own output, and nothing of it is lost."""

    def write(self, text):
        kept = text[:max(self.room, 0)]
        super().write(kept)
        if self.room >= 0 and len(kept) < len(text):
            super().write("\n[... the output was cut here ...]\n")
            self.room = -1
        else:
            self.room -= len(kept)
        return len(text)

    def text(self):
        """All that was kept; "" when the code closed the buffer for good."""
        return "" if self.closed else self.getvalue()
