"""The tables of a folder or of a database as one source, where they refer to each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from windowshop.imports.related.joins import find_plan, main_table, tables_of
from windowshop.imports.related.source import RelatedSource
from windowshop.imports.source import Source

MAX_TABLES = 200


def related_source(
    path: Path,
    sources: Sequence[Source],
    *,
    table: str = "",
    joins: Mapping[str, str] | None = None,
) -> RelatedSource | None:
    """Return the tables joined to that of products; None where none is joined.

    `table` and `joins` are those of a mapping; raises ConfigError where they name what is not
    there.
    """
    if len(sources) < 2 or joins == {}:
        return None
    tables = tables_of(sources[:MAX_TABLES])
    main = main_table(tables, table)
    if main is None:
        return None
    plan = find_plan(tables, main, joins)
    if not plan.joins:
        return None
    files = dict.fromkeys(path for one in plan.tables for path in one.source.paths)
    found = RelatedSource(path, plan, [*files])
    has_title = bool({"title", "images"} & {*found.hints.values()})
    return found if has_title and found.sample else None
