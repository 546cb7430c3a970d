"""Words of messages that depend on numbers, and names of files as text."""

import os


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 section, 2 sections. noun : in the singular, whose plural ends in s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def as_text(name: str) -> str:
    """A file's name as it can be shown and written: bytes that are no UTF-8, as on old drives, become other marks."""
    return os.fsencode(name).decode("utf-8", "replace")
