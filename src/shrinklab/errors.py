"""One way to refuse bad input: the value, the rule and the fix, in one sentence each."""


def need(condition, value, rule, fix, error=ValueError):
    """Raise `error` with "value; rule; fix." unless the condition holds.

    >>> need(0.5 <= 1, "amount is 0.5", "amount is a fraction from 0 to 1", "use 0.5 for half")
    >>> need(50 <= 1, "amount is 50", "amount is a fraction from 0 to 1", "use 0.5 for half")
    Traceback (most recent call last):
        ...
    ValueError: amount is 50; amount is a fraction from 0 to 1; use 0.5 for half.
    """
    if not condition:
        raise error(f"{value}; {rule}; {fix}.")
