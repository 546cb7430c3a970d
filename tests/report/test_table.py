"""Tables: the same cells as Markdown and as HTML."""

import pytest

from unet_paper.metrics.registry import PIXEL_ERROR, WARPING_ERROR
from unet_paper.report.table import Table


def test_markdown():
    table = Table(
        ("run", "steps", WARPING_ERROR, PIXEL_ERROR),
        [("a|b", 2500, 0.0012, 0.05), ("c", 30000, None, "0.05 ± 0.01")],
        emphasised_rows=[1],
        emphasised_cells=[(0, 3)],
    )
    assert table.to_markdown() == (
        "| run | steps | warping error | pixel error |\n|---|---:|---:|---:|\n"
        "| a\\|b | 2,500 | 0.001200 | **0.0500** |\n| **c** | **30,000** | **-** | **0.05 ± 0.01** |"
    )


def test_html():
    table = Table(("<run>", PIXEL_ERROR), [("a & b", 0.05), ("", 1)], emphasised_rows=[0])
    assert table.to_html() == (
        '<div class="wide"><table>\n<tr><th>&lt;run&gt;</th>'
        '<th class="number"><span class="term" tabindex="0" '
        f'data-meaning="{PIXEL_ERROR.meaning}">pixel error</span></th></tr>\n'
        '<tr class="emphasised"><td><strong>a &amp; b</strong></td><td class="number"><strong>0.0500</strong></td></tr>'
        '\n<tr><td></td><td class="number">1.0000</td></tr>\n</table></div>'
    )


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        Table(("a", "b"), [("x",)])
