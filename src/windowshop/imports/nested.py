"""Records whose fields are nested in objects -> records of one level, names with points."""

from collections.abc import Iterable, Mapping
from typing import Any

from windowshop.imports.languages import LANGUAGE
from windowshop.imports.names import field_of
from windowshop.imports.values import plain_name

MAX_DEPTH = 4
_LEAVES = frozenset((
    "amount", "value", "cent amount", "currency", "currency code", "url", "src", "href", "bytes",
    "unit", "content url",
))  # fmt: skip
"""Keys of objects that are one value: an amount of money, an image, a quantity."""
_WHOLE = frozenset(("attributes", "specs", "specifications", "properties", "options", "features"))


def has_titles(records: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether records have a title, or linked data, or no objects at all."""
    has_objects = False
    for record in records:
        for name, value in record.items():
            if name.startswith("@"):
                return True
            if not isinstance(value, dict):
                told = field_of(name) if isinstance(value, str) else None
                if told is not None and told[0] == "title":
                    return True
            elif _is_branch(name, value):
                has_objects = True
            elif (told := field_of(name)) is not None and told[0] == "title":
                return True
    return not has_objects


def flattened(record: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a record with the fields of its objects beside its own (`info.title`)."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if depth < MAX_DEPTH and isinstance(value, dict) and _is_branch(name, value):
            inner = flattened(value, depth + 1)
            found |= {f"{name}.{key}": item for key, item in inner.items()}
        elif value not in (None, ""):
            found[name] = value
    return found


def _is_branch(name: str, value: Mapping[str, Any]) -> bool:
    """Return whether an object is a part of a record, and not a value of it."""
    keys = {plain_name(str(key)) for key in value}
    is_language = all(LANGUAGE.fullmatch(str(key)) for key in value)
    is_value = bool(keys & _LEAVES) or is_language
    return not is_value and plain_name(name) not in _WHOLE and len(keys) > 0
