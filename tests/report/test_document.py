"""Documents: the same words as Markdown and as HTML."""

from unet_paper.report.document import Document, words
from unet_paper.report.table import Table


def test_markdown():
    document = Document("A `run`", ("said **so**", Table(("a",), [("x",)])))
    assert document.to_markdown() == "# A `run`\n\nsaid **so**\n\n| a |\n|---|\n| x |\n"


def test_words_are_escaped_but_for_bold_and_code():
    assert words("a `run` said **so** & <so>") == ("a <code>run</code> said <strong>so</strong> &amp; &lt;so&gt;")
