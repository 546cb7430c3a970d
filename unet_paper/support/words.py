"""Words of messages that depend on numbers."""


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 section, 2 sections. noun : in the singular, whose plural ends in s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
