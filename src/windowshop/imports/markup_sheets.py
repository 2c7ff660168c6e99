"""Sheets in markup that calls itself a workbook: tables of HTML, and the XML of Excel 2003."""

from html.parser import HTMLParser
from pathlib import Path

from windowshop.errors import DataError, needs_extra
from windowshop.imports.encodings import open_bytes
from windowshop.imports.sound_xml import SoundXml
from windowshop.imports.tree_rows import local_name

SPREADSHEET = "urn:schemas-microsoft-com:office:spreadsheet"
MAX_SPAN = 100
Cells = list[str]
"""Texts of a row, "" where it is empty."""


class _Tables(HTMLParser):
    """Collects the rows of all tables; one within a cell is part of its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[Cells]] = []
        self._depth = 0
        self._cell: list[str] | None = None
        self._span = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self.tables.append([])
        elif self._depth == 1 and tag == "tr":
            self._end_cell()
            self.tables[-1].append([])
        elif self._depth == 1 and tag in ("td", "th"):
            self._end_cell()
            span = dict(attrs).get("colspan") or "1"
            self._span = min(int(span), MAX_SPAN) if span.isdigit() else 1
            self._cell = []
        elif tag == "img" and self._cell is not None:
            self._cell.append(dict(attrs).get("src") or "")
        elif tag in ("br", "p", "div", "li"):
            self.handle_data("\n")

    def handle_endtag(self, tag: str) -> None:
        """End a table, a row or a cell."""
        if tag == "table":
            if self._depth == 1:
                self._end_cell()
            self._depth = max(self._depth - 1, 0)
        elif self._depth == 1 and tag in ("td", "th", "tr"):
            self._end_cell()

    def handle_data(self, data: str) -> None:
        """Add to the cell."""
        if self._cell is not None:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        if not self.tables[-1]:
            self.tables[-1].append([])
        text = "\n".join(" ".join(line.split()) for line in "".join(self._cell).splitlines())
        self.tables[-1][-1] += [text.strip(), *[""] * (self._span - 1)]
        self._cell = None


def html_sheet(text: str) -> list[Cells]:
    """Return the rows of the table of a page that has most cells; none where there is none."""
    parser = _Tables()
    parser.feed(text)
    parser.close()
    return max(parser.tables, key=lambda rows: sum(map(len, rows)), default=[])


def xml_sheet(path: Path) -> list[Cells]:
    """Return the rows of the sheet with most of them; raises DataError where the XML is damaged."""
    with needs_extra("import"):
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import ParseError, iterparse
    sheets: list[list[Cells]] = [[]]
    with open_bytes(path) as file:
        try:
            for event, element in iterparse(SoundXml(file), events=("start", "end")):
                name = local_name(element.tag)
                if event == "start" and name == "Worksheet":
                    sheets.append([])
                elif event == "end" and name == "Row":
                    row: Cells = []
                    for cell in element:
                        place = cell.get(f"{{{SPREADSHEET}}}Index", "")
                        gap = int(place) - 1 - len(row) if place.isdigit() else 0
                        row += [""] * min(max(gap, 0), MAX_SPAN)
                        row.append("".join(cell.itertext()).strip())
                    sheets[-1].append(row)
                    element.clear()
        except (ParseError, DefusedXmlException) as error:
            reason = str(error) or type(error).__name__
            raise DataError(f"{path}: is no sound XML: {reason}. Export it again.") from None
    return max(sheets, key=len)
