"""What a graded question's template draws with: numbers, options and their order, from a secret and nothing else.

Every number comes from HMAC-SHA256 over the secret, the lesson, the question and a counter. So the same secret gives
the same release on every machine and with every version of Python, and what is released tells nothing of the secret.
"""

import hmac
import re
from dataclasses import dataclass

from shrinklab.errors import need

LETTERS = "abcdef"
# The secret of the release in course/, for people who learn by themselves. It is public, and so are its keys.
SELF_STUDY = "shrinklab-self-study"


@dataclass(frozen=True)
class Item:
    """A drawn question. stem: markdown; key: the right answer, a letter or a number; hint: for a wrong answer, shown
    when it is graded; options: texts from a on, none for a number; right: the right option's text; within: the
    smallest and the largest number that can be meant; tolerance: how far a number may be from the key."""

    stem: str
    key: str | int | float
    hint: str
    options: tuple[str, ...] = ()
    within: tuple[float, float] = (0, 0)
    tolerance: float = 0.0

    @property
    def right(self):
        return self.options[LETTERS.index(self.key)]

    @property
    def text(self):
        """The question as students read it."""
        lines = [f"- **{letter}** {option}" for letter, option in zip(LETTERS, self.options, strict=False)]
        return "\n\n".join([self.stem, *(["\n".join(lines)] if lines else [])])

    @property
    def tells(self):
        """Whether a number of the question is the key."""
        numbers = (float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*(?:\.\d+)?", self.stem))
        return not self.options and any(abs(number - self.key) <= self.tolerance for number in numbers)


class Draw:
    """Draws for one question. names: lesson, question and the number of the attempt.

    >>> draw = Draw("a secret", "04_magnitude_pruning", "answer_1")
    >>> draw.integer(100, 200, 10), draw.pick(["stem", "head"]), draw.sample("abcd", 2)
    (180, 'stem', ['c', 'd'])
    """

    def __init__(self, secret, *names):
        self._key = hmac.digest(secret.encode(), "/".join(names).encode(), "sha256")
        self._count = 0

    def integer(self, low, high, step=1):
        """One of low, low + step, ... up to high."""
        self._count += 1
        word = hmac.digest(self._key, str(self._count).encode(), "sha256")
        # 256 bits over a small range: no value is noticeably likelier than another.
        return low + step * (int.from_bytes(word, "big") % ((high - low) // step + 1))

    def pick(self, items):
        """One of the items."""
        items = list(items)
        return items[self.integer(0, len(items) - 1)]

    def sample(self, items, count):
        """`count` different ones of the items, in random order."""
        left = list(items)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(count)]

    def number(self, stem, key, *, within, tolerance, hint):
        """An `Item` that asks for a number; the tolerance is 0 for whole numbers."""
        need(within[0] <= key <= within[1], f"the key is {key} and within is {within}",
             "the right answer passes the check of its form", "widen within")
        # No more digits than anyone needs: 0.1 + 0.2 is told as 0.3.
        key = key if isinstance(key, int) else round(float(key), 9)
        return Item(stem.strip(), key, hint, within=within, tolerance=tolerance)

    def choice(self, stem, options, *, hint, never=(), shown=4):
        """An `Item` that asks for one of several options: a right one, and wrong ones.

        options: {text: whether it is right for what was drawn}; each is right in some draws and wrong in others, so
        that the source does not tell the answer. never: texts that are wrong whatever is drawn. One of the wrong
        options shown always is of the first kind: those of the second can be sorted out by reading the source.
        """
        right, twins = ([text for text in options if bool(options[text]) == truth] for truth in (True, False))
        need(right and twins, f"{len(right)} options are right and {len(twins)} wrong",
             "a draw has a right option, and a wrong one that is right in other draws", "compute them from the draw")
        chosen, first = self.pick(right), self.pick(twins)
        rest = [text for text in (*twins, *never) if text != first]
        texts = self.sample([chosen, first, *self.sample(rest, min(shown - 2, len(rest)))], min(shown, 2 + len(rest)))
        return Item(stem.strip(), LETTERS[texts.index(chosen)], hint, tuple(texts))
