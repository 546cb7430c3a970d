"""The page of a run, index.html: tables, curves and a viewer of the sections. It needs no network and no server.

Style, script and curves are in the file itself; the pictures lie beside it, in the runs' folders `page/`.
"""

import html
import io
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import matplotlib
from matplotlib import colormaps
from matplotlib.colors import to_hex

from unet_paper.metrics.registry import WARPING_ERROR
from unet_paper.report.colours import CIRCLES, WEIGHTS, hexadecimal
from unet_paper.report.viewer.layers import ERRORS, THRESHOLDS
from unet_paper.support.files import atomic_write

TEMPLATE = Path(__file__).parent / "template"
STEPS_OF_SCALE = 12  # colours that tell the weight map's scale
USUAL_THRESHOLD = 0.5


def write_page(path, title, tables, figures, runs, links=(), after=""):
    """Write one page, whole or not at all.

    Parameters
    ----------
    path : path
    title : str
    tables : str
        Markdown, as the reports have it: headings, paragraphs, tables.
    figures : list of (caption, matplotlib Figure)
    runs : list of dict
        What `viewed` returns, one for each run that the viewer can show; none leaves the viewer out.
    links : list of (text, relative address)
    after : str, more Markdown, which comes last
    """
    values = {
        "title": html.escape(title),
        "style": _template("page.css"),
        "script": _template("page.js"),
        "links": "".join(f'<a href="{html.escape(address)}">{html.escape(text)}</a>' for text, address in links),
        "tables": from_markdown(tables),
        "viewer": _viewer() if runs else "",
        "curves": "".join(
            f"<h2>{html.escape(caption)}</h2>\n{inline(figure, f'figure-{number}-')}"
            for number, (caption, figure) in enumerate(figures)
        ),
        "after": from_markdown(after) if after else "",
        "runs": json.dumps(runs, separators=(",", ":")).replace("<", "\\u003c"),
    }
    with atomic_write(path) as temporary:
        temporary.write_text(_filled(_template("page.html"), values), encoding="utf-8")


def viewed(described, name, folder, page_folder, sections, scores=None, pixel_size=None):
    """What the viewer is told of one run.

    described : what `section_pictures.write_pictures` returned; folder : the run's; page_folder : where the page goes;
    sections : their names; scores : the headline's Scores, or None; pixel_size : [x, y, z] nm, or None.
    """
    best = scores.best_threshold[WARPING_ERROR.key] if scores else USUAL_THRESHOLD
    relative = quote(Path(os.path.relpath(folder, page_folder)).as_posix())
    return described | {
        "name": name,
        "path": "" if relative == "." else f"{relative}/",
        "sections": sections,
        "best": min(range(len(THRESHOLDS)), key=lambda place: abs(THRESHOLDS[place] - best)),
        "pixel_size": pixel_size,
        "error_colours": {kind: hexadecimal(colour) for kind, colour in ERRORS.items()},
        "circle_colours": {kind: hexadecimal(colour) for kind, colour in CIRCLES.items()},
        "weight_colours": [to_hex(colormaps[WEIGHTS](step / (STEPS_OF_SCALE - 1))) for step in range(STEPS_OF_SCALE)],
    }


def _template(name):
    return (TEMPLATE / name).read_text(encoding="utf-8")


def _filled(template, values):
    return re.sub(r"\{\{([a-z-]+)\}\}", lambda found: values[found[1]], template)


def _viewer():
    pane = _template("pane.html")
    panes = {
        f"pane-{name}": _filled(pane, {"name": name, "hidden": hidden})
        for name, hidden in (("a", ""), ("b", " hidden"))
    }
    return _filled(_template("viewer.html"), panes)


def inline(figure, prefix):
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
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}", svg)


def from_markdown(text):
    """The Markdown that reports are written in, as HTML: headings, paragraphs, tables, bold and code."""
    parts = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines[0].startswith("#"):
            parts.append(f"<h2>{_words(lines[0].lstrip('# '))}</h2>")
        elif lines[0].startswith("|"):
            parts.append(_table(lines))
        else:
            parts.append(f"<p>{_words(' '.join(lines))}</p>")
    return "\n".join(parts)


def _table(lines):
    head, _, *rows = ([cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines)
    parts = ['<div class="wide"><table>', f"<tr>{''.join(f'<th>{_words(cell)}</th>' for cell in head)}</tr>"]
    for row in rows:
        kind = ' class="ours"' if any(cell.startswith(("**", "this run")) for cell in row) else ""
        cells = (
            f'<td class="number">{_words(cell)}</td>' if re.match(r"[*]*-?\d", cell) else f"<td>{_words(cell)}</td>"
            for cell in row
        )
        parts.append(f"<tr{kind}>{''.join(cells)}</tr>")
    return "\n".join([*parts, "</table></div>"])


def _words(text):
    text = html.escape(text, quote=False)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"!\[(.*?)\]\((.+?)\)", r'<img class="figure" src="\2" alt="\1" loading="lazy">', text)
    text = re.sub(r"\[(.+?)\]\((.+?)\)", r'<a href="\2">\1</a>', text)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)
