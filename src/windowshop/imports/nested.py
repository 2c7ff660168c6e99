"""Records whose fields are nested in objects -> records of one level, names with points."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from windowshop.imports.languages import LANGUAGE, of_language, translation
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
            if isinstance(value, list):
                has_objects = has_objects or translation(value) is not None
            elif not isinstance(value, dict):
                told = field_of(name) if isinstance(value, str) else None
                if told is not None and told[0] == "title":
                    return True
            elif _is_branch(name, value):
                has_objects = True
            elif (told := field_of(name)) is not None and told[0] == "title":
                return True
    return not has_objects


def sort_key(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the key that says of what kind records are, where some are products and others not."""
    for name in ("_type", "__typename", "entity_type", "doc_type"):
        kinds = {record[name] for record in records if isinstance(record.get(name), str)}
        found = {is_of_products(kind) for kind in kinds}
        if found == {True, False} and all(name in record for record in records):
            return name
    return ""


def is_of_products(kind: object) -> bool:
    """Return whether a kind of records is that of products or their variants."""
    plain = plain_name(str(kind))
    return "product" in plain or "variant" in plain


def page_place(records: Sequence[Mapping[str, Any]]) -> str:
    """Return where records that are no products hold a list of them, with points; "" for none.

    Such a record has neither a title nor an id nor a query of its own (`{"page": 1, "items": []}`).
    """
    found: Counter[str] = Counter()
    for record in records:
        told = {(field_of(name) or ("",))[0] for name, value in record.items()
                if isinstance(value, str | int | dict)}  # fmt: skip
        has_own = told & {"title", "product_id"} or any(name[:1] == "@" for name in record)
        if has_own or any("query" in plain_name(name) for name in record):
            return ""
        found.update(place for place in _lists(record) if has_titles(items_of(record, place)))
    place, number = max(found.items(), key=lambda item: item[1], default=("", 0))
    return place if 2 * number > len(records) else ""


def _lists(record: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the places of lists of objects, in objects too."""
    for name, value in record.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            if any((field_of(key) or ("",))[0] == "title" for key in value[0]):
                yield name
        elif isinstance(value, dict) and depth < MAX_DEPTH:
            yield from (f"{name}.{inner}" for inner in _lists(value, depth + 1))


def items_of(record: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """Return the objects of a list at a place; none where it has no such list."""
    value: Any = record
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def flattened(record: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return a record with the fields of its objects beside its own (`info.title`)."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, list) and of_language(value) is None:
            value = translation(value) or value
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
