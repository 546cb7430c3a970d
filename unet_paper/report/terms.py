"""The words that a reader of a report may not know, each with one sentence, shown where the word is met."""

from markupsafe import Markup

from unet_paper.metrics.registry import METRICS

VIEWER_TERMS = {
    "threshold": "Pixels whose probability of cell is above the threshold count as cell, all others do not.",
    "split": "One true cell that the result cuts into several.",
    "merger": "Several true cells that the result joins into one.",
    "missed membrane": "A pixel of membrane that the result takes for cell.",
    "missed background": "A pixel of background that the result takes for cell.",
    "missed cell": "A pixel of cell that the result takes for something else.",
    "component": "Pixels above the threshold that hang together by their sides: one cell, as the result has it.",
    "weight": "How much a pixel counts in the loss (equation 2): most on the background between two close cells.",
    "TTA": "Test-time augmentation: the probability is the mean over turned or flipped versions of the input.",
}
BETWEEN = ("membrane", "background")  # what lies between the cells of a run
TERMS = VIEWER_TERMS | {metric.title: metric.meaning for metric in METRICS.values()}
PIXELS_OF = {"split pixels": "split", "merger pixels": "merger"}  # what a table counts


def meaning(name: str) -> str | None:
    """The sentence that explains a term, or None for what is no term."""
    return TERMS.get(PIXELS_OF.get(name, name))


def term(name: str) -> Markup:
    """A word as HTML, with its sentence as a tooltip where it is a term."""
    sentence = meaning(name)
    if sentence is None:
        return Markup("{}").format(name)
    return Markup('<span class="term" tabindex="0" data-meaning="{}">{}</span>').format(sentence, name)
