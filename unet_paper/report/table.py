"""Tables as values, with a renderer for Markdown and one for HTML."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from unet_paper.metrics.registry import Metric
from unet_paper.report.terms import term

Cell = str | int | float | None  # None: there is no value


@dataclass(frozen=True)
class Table:
    """Columns and rows.

    A column is a title, or a metric, which then formats the column's numbers. Texts stand as they are, also in a
    metric's column ("0.05 ± 0.01"). Emphasised rows and cells are bold; rows and columns count from 0.
    """

    columns: Sequence[str | Metric]
    rows: Sequence[Sequence[Cell]]
    emphasised_rows: Collection[int] = ()
    emphasised_cells: Collection[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row}")

    def to_markdown(self) -> str:
        """A Markdown table; no line break at its end."""
        marks = ("---:" if self._is_numeric(number) else "---" for number in range(len(self.columns)))
        lines = [_line(_escaped(_title(column)) for column in self.columns), f"|{'|'.join(marks)}|"]
        for number, row in enumerate(self.rows):
            texts = [_escaped(text) for text in self._texts(row)]
            lines.append(
                _line(
                    f"**{text}**" if self._is_bold(number, column) and text else text
                    for column, text in enumerate(texts)
                )
            )
        return "\n".join(lines)

    def to_html(self) -> Markup:
        """An HTML table in a block that scrolls sideways; what a term means is its tooltip."""
        head = Markup().join(
            Markup("<th{}>{}</th>").format(
                Markup(' class="number"') if self._is_numeric(number) else "", term(_title(column))
            )
            for number, column in enumerate(self.columns)
        )
        body = Markup("\n").join(self._html_row(number, row) for number, row in enumerate(self.rows))
        return Markup('<div class="wide"><table>\n<tr>{}</tr>\n{}\n</table></div>').format(head, body)

    def _html_row(self, number: int, row: Sequence[Cell]) -> Markup:
        cells = []
        for column, text in enumerate(self._texts(row)):
            kind = Markup(' class="number"') if self._is_numeric(column) else ""
            shown = Markup("<strong>{}</strong>").format(text) if self._is_bold(number, column) and text else text
            cells.append(Markup("<td{}>{}</td>").format(kind, shown))
        kind = Markup(' class="emphasised"') if number in self.emphasised_rows else ""
        return Markup("<tr{}>{}</tr>").format(kind, Markup().join(cells))

    def _texts(self, row: Sequence[Cell]) -> list[str]:
        return [_text(column, cell) for column, cell in zip(self.columns, row, strict=True)]

    def _is_bold(self, row: int, column: int) -> bool:
        return row in self.emphasised_rows or (row, column) in self.emphasised_cells

    def _is_numeric(self, column: int) -> bool:
        """Whether a column is set flush right."""
        cells = [row[column] for row in self.rows if row[column] is not None]
        return isinstance(self.columns[column], Metric) or (
            bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)
        )


def _title(column: str | Metric) -> str:
    return column.title if isinstance(column, Metric) else column


def _text(column: str | Metric, cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    if isinstance(column, Metric):
        return column.formatted(cell)
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:g}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
