"""Mapping file of a table: written with examples of each column, corrected by hand, read again."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from windowshop.files import write_atomic
from windowshop.imports.column_map import FURTHER_TARGETS, MAX_EXAMPLE, ColumnMap
from windowshop.imports.record import FIELDS
from windowshop.settings import load_settings


def read_map(path: Path) -> ColumnMap:
    """Read a mapping file; raises ConfigError for what it may not say."""
    found: ColumnMap = load_settings(path, ColumnMap)
    return found


def write_map(
    path: Path, found: ColumnMap, sample: Sequence[Mapping[str, Any]], source: str
) -> None:
    """Write a mapping file with examples of each column, to be corrected."""
    write_atomic(
        path, lambda aside: aside.write_text(map_text(found, sample, source), "utf-8"), "file"
    )


def map_text(found: ColumnMap, sample: Sequence[Mapping[str, Any]], source: str) -> str:
    """Return the text of a mapping file."""
    lines = [
        f"# What each column of {source} holds. Correct it, then import again with --map.",
        f"# A column may be {', '.join([*FIELDS, *FURTHER_TARGETS])},",
        "# keep (a column of its own), attribute (one of the attributes) or drop.",
        "format: table",
    ]
    for name in (
        "decimal",
        "currency",
        "cents",
        "category_separator",
        "categories_separator",
        "category_levels",
        "separator",
        "encoding",
    ):
        lines.append(f"{name}: {json.dumps(getattr(found, name), ensure_ascii=False)}")
    if found.joins is not None:
        lines.append("# Table of products, and which column names rows of which other table.")
        lines.append(f"table: {json.dumps(found.table, ensure_ascii=False)}")
        lines.append("joins:" if found.joins else "joins: {}")
        lines += [f"  {json.dumps(near, ensure_ascii=False)}: {json.dumps(far, ensure_ascii=False)}"
                  for near, far in found.joins.items()]  # fmt: skip
    lines.append("columns:")
    for name, target in found.columns.items():
        shown = _examples([row[name] for row in sample if row.get(name) not in (None, "")])
        lines.append(f"  {json.dumps(name, ensure_ascii=False)}: {target}{shown}")
    return "\n".join(lines) + "\n"


def _examples(values: Sequence[Any]) -> str:
    texts = []
    for value in values[:50]:
        text = (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        )
        text = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text)[:MAX_EXAMPLE].strip()
        if text not in texts:
            texts.append(text)
        if len(texts) == 3:
            break
    return f"  # {' | '.join(texts)}" if texts else "  # empty"
