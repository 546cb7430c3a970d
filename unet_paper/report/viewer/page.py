"""The page of a run, index.html: a viewer of the sections, tables and curves. It needs no network and no server.

Style, script and curves are in the file itself; the pictures lie beside it, in the runs' folders `page/`.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from unet_paper.metrics.registry import Metric
from unet_paper.report.document import Block, Document, words
from unet_paper.report.figures import Caption
from unet_paper.report.table import Table
from unet_paper.report.terms import BETWEEN, TERMS, VIEWER_TERMS, term
from unet_paper.support.files import atomic_write

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Page:
    """What a page shows, from its top to its end."""

    title: str
    document: Document
    links: Sequence[str] = ()  # files beside the page
    banner: str | None = None  # what must be known before anything is read
    note: str = ""  # what the viewer does not show, and why
    viewed: Sequence[dict[str, Any]] = ()  # what `run_page.viewed_run` returns; without any there is no viewer
    curves: Sequence[tuple[str, Figure]] = ()  # with their captions
    figures: Sequence[Caption] = ()  # which lie as PNG and SVG in `figure_folder`, beside the page
    figure_folder: str = "figures"

    @property
    def opening(self) -> Sequence[Block]:
        """The document's first table, and below it the paragraphs that come before it; the rest is folded."""
        first = self._first_table
        return *self.document.blocks[first : first + 1], *self.document.blocks[:first]

    @property
    def folded(self) -> Sequence[Block]:
        """What of the document is opened by a click."""
        return self.document.blocks[self._first_table + 1 :]

    @property
    def _first_table(self) -> int:
        blocks = self.document.blocks
        return next((number for number, block in enumerate(blocks) if isinstance(block, Table)), len(blocks))

    @property
    def terms(self) -> dict[str, str]:
        """What the page explains: the viewer's words for its runs, and the metrics in its tables."""
        between = {run["background"] for run in self.viewed}
        unused = {f"missed {name}" for name in BETWEEN if self.viewed and name not in between}
        tables = [block for block in self.document.blocks if isinstance(block, Table)]
        metrics = {column.title for table in tables for column in table.columns if isinstance(column, Metric)}
        shown = (VIEWER_TERMS.keys() - unused) | metrics
        return {name: sentence for name, sentence in TERMS.items() if name in shown}

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all."""
        curves = [
            (caption, inline(figure, f"figure-{number}-")) for number, (caption, figure) in enumerate(self.curves)
        ]
        text = _environment().get_template("page.html").render(page=self, curves=curves)
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _environment() -> jinja2.Environment:
    """The templates; texts are escaped in all of them, but for style and script, which are included as they are."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = words
    environment.globals |= {"term": term, "terms": VIEWER_TERMS}
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def inline(figure: Figure, prefix: str) -> Markup:
    """A figure as SVG to stand in a page: letters are outlines, black takes the page's own colour, no ground.

    prefix : of all ids in it, which must not be another figure's.
    """
    figure.patch.set_alpha(0)
    for axis in figure.axes:
        axis.patch.set_alpha(0)
    for legend in (*figure.legends, *(axis.get_legend() for axis in figure.axes)):
        if legend:
            legend.get_frame().set_alpha(0)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "unet_paper"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace("#000000", "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    return Markup(re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", svg))
