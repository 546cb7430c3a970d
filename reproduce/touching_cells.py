"""The README's picture: drawn cells that touch, the mask that separates them, and their weight map (figure 3).

python -m reproduce.touching_cells OUT.png
"""

import sys

from unet_paper.cli.parser import Parser
from unet_paper.cli.values import path
from unet_paper.config import PAPER
from unet_paper.report.figures import touching_cells
from unet_paper.report.panels import save_figure
from unet_paper.support.errors import BadInput

if __name__ == "__main__":
    parser = Parser(prog="python -m reproduce.touching_cells", description=__doc__)
    parser.add_argument("out", type=path, metavar="OUT.png")
    out = parser.parse_args().out
    _, figure = touching_cells(PAPER)
    try:
        save_figure(figure, out)
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
