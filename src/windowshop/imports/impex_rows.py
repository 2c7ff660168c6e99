"""Rows of an ImpEx script, SAP Commerce's format of several tables with headers in between.

$lang=en
INSERT_UPDATE Product;code[unique=true];name[lang=$lang];supercategories(code)
;1934793;PowerShot A480;576,577
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from windowshop.errors import DataError
from windowshop.imports.csv_rows import MAX_FIELD, OPEN_QUOTE_LINES
from windowshop.imports.encodings import open_text
from windowshop.imports.report import ImportReport

HEADER = re.compile(r"\s*(?P<mode>INSERT_UPDATE|INSERT|UPDATE|REMOVE)\s+(?P<type>\w+)[^;]*;")
_SCRIPT = re.compile(
    r"\ufeff?(?:[ \t]*(?:#.*|\$[^\n]*|\"#%.*)?\r?\n)*[ \t]*(?:INSERT_UPDATE|INSERT|UPDATE|REMOVE)"
    r"\s+\w+(?:\[[^\]]*\])?\s*;"
)
_MACRO = re.compile(r"(\$[\w-]+)\s*=(.*)", re.DOTALL)
_NAMED = re.compile(r"\$[\w-]+")
_COLUMN = re.compile(r"\s*(?P<name>@[^\[(]+|[\w.]+)\s*(?P<rest>.*)", re.DOTALL)
_MODIFIER = re.compile(r"(?P<name>[\w-]+)\s*=\s*(?P<value>'[^']*'|[^,\]]*)")
MAX_MACROS = 20
"""Macros within macros, one after the other."""


def is_script(head: str) -> bool:
    """Return whether a text begins as a script, after comments and macros."""
    return _SCRIPT.match(head) is not None


@dataclass(frozen=True, slots=True)
class ImpexColumn:
    """One column of a header."""

    name: str
    """Name of the attribute, in lower case; of classification, with "@" before it, as it is."""
    language: str
    default: str
    separator: str
    """Sign between the items of a collection."""


@dataclass(frozen=True, slots=True)
class ImpexRow:
    """One line of values, by the header above it."""

    number: int
    mode: str
    type: str
    values: tuple[tuple[ImpexColumn, str], ...]

    def get(self, *names: str) -> str:
        """Return the first value of columns by their names, "" where there is none."""
        return next((v for name in names for c, v in self.values if c.name == name and v), "")


def impex_rows(path: Path, encoding: str, report: ImportReport) -> Iterator[ImpexRow]:
    """Yield the rows of a script; those without a header, or that are too long, are reported."""
    csv.field_size_limit(MAX_FIELD)
    macros: dict[str, str] = {}
    columns: list[ImpexColumn] = []
    mode = kind = ""
    number = 0
    for text in _statements(path, encoding):
        if text.startswith("$") and (macro := _MACRO.match(text)) is not None:
            macros[macro[1]] = _expanded(macro[2].strip(), macros)
            continue
        if (header := HEADER.match(text)) is not None:
            mode, kind = header["mode"], header["type"]
            columns = [_column(part) for part in _cut(_expanded(text[header.end() :], macros))]
            continue
        number += 1
        fields = next(csv.reader([_expanded(text, macros)], delimiter=";"), [])
        fields = [field.strip() for field in fields]
        if not columns or (len(fields) > len(columns) + 1 and any(fields[len(columns) + 1 :])):
            report.add("too-many-fields" if columns else "broken-row", number, text[:80])
            continue
        fields += [""] * (len(columns) + 1 - len(fields))
        pairs = tuple((column, value or column.default)
                      for column, value in zip(columns, fields[1:], strict=False))  # fmt: skip
        yield ImpexRow(number, mode, fields[0] or kind, pairs)


def _statements(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a script, those that a quote or a backslash goes on with as one."""
    held: list[str] = []
    with open_text(path, encoding) as file:
        for line in file:
            bare = line.strip("\ufeff \t\r\n")
            if not held and (not bare or bare.startswith(("#", '"#%'))):
                continue
            held.append(line.rstrip("\r\n").lstrip("\ufeff"))
            is_open = sum(part.count('"') for part in held) % 2 == 1
            if is_open and len(held) > OPEN_QUOTE_LINES * 10:
                raise DataError(
                    f"{path}: a quote in {held[0][:60]!r} is not closed. Double the quotes in a "
                    'field ("27"" monitor"), and close every quote.'
                )
            if is_open:
                continue
            if held[-1].endswith("\\"):
                held[-1] = held[-1][:-1]
                continue
            yield "\n".join(held) if '"' in held[0] else "".join(held)
            held = []
    if held:
        yield "\n".join(held)


def _expanded(text: str, macros: dict[str, str]) -> str:
    """Return a text with what its macros stand for; the longest name counts."""
    for _ in range(MAX_MACROS if "$" in text and macros else 0):
        changed = _NAMED.sub(lambda hit: _value(hit[0], macros), text)
        if changed == text:
            break
        text = changed
    return text


def _value(name: str, macros: dict[str, str]) -> str:
    known = max((m for m in macros if name.startswith(m)), key=len, default="")
    return macros[known] + name[len(known) :] if known else name


def _cut(header: str) -> list[str]:
    """Cut a header at semicolons that stand in no brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for char in header:
        quoted ^= char == "'"
        depth += (char in "[(") - (char in "])")
        if char == ";" and depth <= 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return parts if parts[-1].strip() else parts[:-1]


def _column(text: str) -> ImpexColumn:
    found = _COLUMN.match(text)
    name, rest = (found["name"].strip(), found["rest"]) if found is not None else (text.strip(), "")
    own = rest[rest.rfind(")") + 1 :]  # modifiers inside the brackets are of the reference
    said = {hit["name"].lower(): hit["value"].strip("' ") for hit in _MODIFIER.finditer(own)}
    return ImpexColumn(
        name if name.startswith("@") else name.lower(),
        said.get("lang", ""),
        said.get("default", ""),
        said.get("collection-delimiter", ","),
    )
