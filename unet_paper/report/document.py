"""A short text with tables as a value: written as Markdown, or shown on the page of a run."""

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from unet_paper.report.table import Table

Block = str | Table  # a paragraph, whose words may be **bold** or `code`, or a table


@dataclass(frozen=True)
class Document:
    """A title, and paragraphs and tables below it."""

    title: str
    blocks: tuple[Block, ...]

    def to_markdown(self) -> str:
        """The whole as Markdown."""
        shown = (block.to_markdown() if isinstance(block, Table) else block for block in self.blocks)
        return "\n\n".join((f"# {self.title}", *shown)) + "\n"


def words(text: str) -> Markup:
    """A paragraph's words as HTML: **bold** and `code`; all else is text."""
    shown = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", shown))
