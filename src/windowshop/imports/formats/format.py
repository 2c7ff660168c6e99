"""Interface of a format: how it is recognised, and how its records are read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from windowshop.imports.column_map import ColumnMap
from windowshop.imports.languages import without_language
from windowshop.imports.normalise import Reading
from windowshop.imports.record import JudgedQuery, Judgement, Record
from windowshop.imports.report import ImportReport
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.tree_rows import Row
from windowshop.imports.values import hash_of, plain_name

Item: TypeAlias = Record | JudgedQuery | Judgement


@dataclass(frozen=True, slots=True)
class Found:
    """How sure it is that a source is of a format, from 0 to 1, and by what."""

    certainty: float
    reasons: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class Job:
    """One import: what is known about the source, and the report to tell."""

    report: ImportReport
    reading: Reading
    column_map: ColumnMap | None = None
    """Mapping that a person gave."""
    images: Path | None = None
    """Folder for images that stand in the source themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """Format of one file."""

    title: str
    recognise: Callable[[Source], Found | None]
    read: Callable[[Source, Job], Iterator[Item]]


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderFormat:
    """Format of several files that belong together."""

    title: str
    recognise: Callable[[Path], Found | None]
    read: Callable[[Path, Job], Iterator[Item]]
    files: Callable[[Path], list[Path]] = field(default=lambda folder: [])
    """Files that are read."""


def by_anchors(
    header: Iterable[str], anchors: Iterable[str], *, needed: Iterable[str] = (), least: int = 3
) -> Found | None:
    """Recognise a table by names of columns; `needed` ones must be there.

    The certainty grows with the share of anchors found.
    """
    names = {plain_name(name) for name in header}
    wanted = list(anchors)
    if not {plain_name(name) for name in needed} <= names:
        return None
    hits = [name for name in wanted if plain_name(name) in names]
    if len(hits) < least:
        return None
    share = len(hits) / len(wanted)
    return Found(min(0.99, 0.5 + share), (f"columns {', '.join(hits[:4])}",))


class Names:
    """Columns of a table by a format's own names, old and new, in several languages."""

    def __init__(self, header: Iterable[str], aliases: Mapping[str, str]) -> None:
        columns = list(header)
        found = {plain_name(without_language(name)): name for name in reversed(columns)}
        found |= {plain_name(name): name for name in reversed(columns)}
        self.column: dict[str, str] = {}
        """Column of the source by the format's own name."""
        for own, names in aliases.items():
            plain = (plain_name(name) for name in names.split("|"))
            hit = next((found[name] for name in plain if name in found), None)
            if hit is not None:
                self.column[own] = hit
        self.used = set(self.column.values())
        self.pictures: list[str] = []
        """Further columns of images."""

    def get(self, record: Mapping[str, Any], own: str) -> Any:  # noqa: ANN401
        """Return a value by the format's own name, "" where there is none."""
        column = self.column.get(own)
        return "" if column is None else record.get(column, "")


def tell_columns(report: ImportReport, names: Names, fields: Mapping[str, str]) -> None:
    """Tell the report what columns became, by the format's own names."""
    for own, column in names.column.items():
        if own in fields:
            report.columns[column] = fields[own]


class HasRows(Protocol):
    """Records that can be read more than once."""

    def rows(self, report: ImportReport) -> Iterator[Row]:
        """Yield each record with its number."""
        ...


def grouped(
    source: HasRows, report: ImportReport, key: Callable[[Mapping[str, Any]], str]
) -> Iterator[list[Row]]:
    """Yield rows of one key together, those that stand apart at the end.

    The source is read twice: first to find the keys whose rows are apart, which alone are kept,
    on disk where they are many.
    """
    seen: set[int] = set()
    apart: set[int] = set()
    last: int | None = None
    for _, record in source.rows(report.quiet()):
        digest = hash_of(key(record))
        if digest != last and digest in seen:
            apart.add(digest)
        seen.add(digest)
        last = digest
    held: Spilled[list[Row]] = Spilled()
    group: list[Row] = []
    last = None
    for row in source.rows(report):
        digest = hash_of(key(row[1]))
        if digest in apart:
            held.setdefault(str(digest), []).append(row)
            continue
        if digest != last and group:
            yield group
            group = []
        group.append(row)
        last = digest
    if group:
        yield group
    yield from held.values()
