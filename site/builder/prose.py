"""Plain prose, as docstrings and hints hold it, made safe for MyST: `code` stays, everything else is literal."""

import re


def escaped(text):
    r"""Text in which only `code` between backticks has a meaning.

    >>> escaped("use `a[0]`, not *args or a_b")
    'use `a[0]`, not \\*args or a\\_b'
    """
    parts = re.split(r"(`+[^`]+`+)", " ".join(text.split()))
    return "".join(part if place % 2 else re.sub(r"([\\*_{}\[\]<>#$|~`])", r"\\\1", part)
                   for place, part in enumerate(parts))
