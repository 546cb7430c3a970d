"""The page's words: Markdown as HTML, and names that tell runs apart."""

from pathlib import Path

from unet_paper.report.viewer.page import from_markdown
from unet_paper.runs.folder import unique_names


def test_markdown():
    text = "# A `run`\n\nsaid **so** & <so>\n\n| a | b |\n|---|---|\n| **x** | 0.5 |"
    assert from_markdown(text) == (
        "<h2>A <code>run</code></h2>\n<p>said <strong>so</strong> &amp; &lt;so&gt;</p>\n"
        '<div class="wide"><table>\n<tr><th>a</th><th>b</th></tr>\n'
        '<tr class="ours"><td><strong>x</strong></td><td class="number">0.5</td></tr>\n</table></div>'
    )


def test_names_that_tell_folders_apart():
    assert unique_names([Path("/a/x/fold-1"), Path("/a/x/fold-2")]) == ["fold-1", "fold-2"]
    assert unique_names([Path("/a/x/fold-1"), Path("/a/y/fold-1")]) == ["x/fold-1", "y/fold-1"]
