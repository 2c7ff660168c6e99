"""Records in JSON, XML and HTML, found wherever they are nested, as streams."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from windowshop.errors import DataError, first_line, needs_extra
from windowshop.imports.encodings import open_bytes
from windowshop.imports.languages import LANGUAGE
from windowshop.imports.report import ImportReport
from windowshop.imports.sound_json import SoundJson
from windowshop.imports.sound_xml import SoundXml

HEAD_EVENTS = 200_000
"""Events of a JSON document by which the list of records is found."""
ITEMS = frozenset((
    "item", "entry", "offer", "shopitem", "product", "artikel", "produkt", "produit", "producto",
    "prodotto", "record", "row",
))  # fmt: skip
"""Names of elements that are a record, in lower case."""
_NAMING = frozenset((
    "name", "key", "code", "attribute-id", "attribute_id", "attributeid", "currency", "unit",
    "currencycode", "lang", "domain", "nicename", "quantity", "devise", "moneda", "valuta",
    "waehrung", "waluta",
))  # fmt: skip
"""Attributes of an element with text that are told beside it; others are of no use to a search."""
_LISTING = re.compile(r"categor|kategor", re.IGNORECASE)
"""Names of elements that are the shop's categories by their ids."""
MAX_DEPTH = 12
_JSON_LD = re.compile(
    r"<script[^>]*application/ld\+json[^>]*>(.*?)</script>", re.IGNORECASE | re.DOTALL
)
Row = tuple[int, dict[str, object]]


def json_lines(path: Path, encoding: str, report: ImportReport) -> Iterator[Row]:
    """Yield the objects of a file of one a line; a line that is none is reported."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            text = line.strip().removeprefix(b"\xef\xbb\xbf").rstrip(b",")
            if not text:
                continue
            try:
                record = json.loads(text.decode(encoding, errors="replace"))
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, dict):
                yield number, unwrapped(record)
            else:
                report.add("broken-row", number, text[:80].decode(errors="replace"))


_RESOURCE = frozenset(("id", "type", "attributes", "relationships", "links", "meta", "documentId"))


def unwrapped(record: dict[str, Any]) -> dict[str, Any]:
    """Return what an API or a database wraps: GraphQL's `node`, Elasticsearch's `_source`.

    JSON:API's `attributes` are the fields. Values as MongoDB exports them
    (`{"$oid": x}`) are x.
    """
    if isinstance(record.get("attributes"), dict) and "id" in record and record.keys() <= _RESOURCE:
        return {"id": record["id"], **record["attributes"]}
    if isinstance(record.get("node"), dict) and record.keys() <= {"node", "cursor"}:
        return record["node"]  # type: ignore[no-any-return]
    if isinstance(record.get("_source"), dict) and "_id" in record:
        return {"id": record["_id"], **record["_source"]}
    if isinstance(record.get("_id"), dict):
        record = {name: _mongo(value) for name, value in record.items()}
        if "id" not in record:
            record = {"id": record.pop("_id"), **record}
    return record


def _mongo(value: Any) -> Any:  # noqa: ANN401
    while isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        value = next(iter(value.values()))
    return value


_TITLES = frozenset(("title", "name", "productName"))
_FACTS = frozenset(("price", "sku", "variants", "handle", "body_html", "gtin"))
_LISTS = frozenset(("products", "items", "data", "results", "hits", "records", "articles", "rows"))
"""Keys of an object that is no product itself."""


def json_place(path: Path) -> str:
    """Return the prefix, as ijson names it, of the longest list of objects near the beginning.

    One that ends in `*` is an object of objects by their ids; "" is the document itself. A
    product by itself, or in an object (`{"product": {}}`), comes before the lists in it.
    """
    with needs_extra("import"):
        import ijson
    found: Counter[str] = Counter()
    alone: dict[str, set[str]] = {}
    with open_bytes(path) as file:
        try:
            for place, (prefix, event, value) in enumerate(
                ijson.parse(SoundJson(file, is_mended=True))
            ):
                if event == "map_key" and not prefix and str(value).startswith("@"):
                    return ""  # linked data, which is read whole
                if event == "map_key" and prefix.rpartition(".")[2] in ("", "product"):
                    alone.setdefault(prefix, set()).add(str(value))
                if event == "start_map":
                    _count_parent(prefix, found)
                if place > HEAD_EVENTS:
                    break
        except (ijson.JSONError, UnicodeDecodeError) as error:
            if not found:
                raise _broken(path, error) from None
    for prefix, names in alone.items():
        has_facts = bool(names & _TITLES) and bool(names & _FACTS) and not names & _LISTS
        if has_facts and "item" not in prefix.split("."):
            return prefix
    best, number = max(
        found.items(), key=lambda item: (item[1], item[0][-1:] != "*"), default=("", 0)
    )
    return best if number > 1 or not best.endswith("*") else ""


def _count_parent(prefix: str, found: Counter[str]) -> None:
    """Count an object for the list, or the object of objects, that it is in."""
    parts = prefix.split(".")
    if parts.count("item") == 1 and parts[-1] == "item":
        found[prefix] += 1
    elif prefix and "item" not in parts and len(parts) <= 2:
        found[".".join([*parts[:-1], "*"])] += 1


def json_items(path: Path, prefix: str) -> Iterator[Row]:
    """Yield the objects at a place of a JSON document; one by an id gets it as `id`.

    What is no JSON is read again from there on with its usual faults mended.
    """
    with needs_extra("import"):
        import ijson
    number = 0
    for is_mended in (False, True):
        with open_bytes(path) as file:
            try:
                for place, row in _json_items(SoundJson(file, is_mended=is_mended), prefix):
                    if place > number:
                        number = place
                        yield number, row
                return
            except (ijson.JSONError, UnicodeDecodeError) as error:
                if is_mended:
                    raise _broken(path, error, number) from None


def _json_items(file: SoundJson, prefix: str) -> Iterator[Row]:
    import ijson

    if prefix.endswith("*"):
        inner = prefix.removesuffix("*").removesuffix(".")
        items = ijson.kvitems(file, inner, use_float=True)
        named = ({"id": key, **record} for key, record in items if isinstance(record, dict))
        yield from enumerate(named, start=1)
        return
    for number, record in enumerate(ijson.items(file, prefix, use_float=True), start=1):
        if isinstance(record, dict):
            yield number, unwrapped(record)


def _broken(path: Path, error: Exception, number: int = 0) -> DataError:
    reason = first_line(error)
    after = f" after record {number}" if number else ""
    return DataError(f"{path}: is no JSON{after}: {reason}. Export the file again.")


def xml_items(path: Path, tag: str = "") -> Iterator[Row]:
    """Yield the repeated elements of an XML document as records, each freed after it.

    Elements of the Google namespace win over others of the same name. Without a tag it is found,
    and ids of categories that the document names before become their paths.
    """
    with needs_extra("import"):
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import ParseError, iterparse
    with_categories = not tag
    tag = tag or xml_tag(path)
    number = 0
    parents: list[Element] = []
    categories = CategoryNames()
    with open_bytes(path) as file:
        try:
            for event, element in iterparse(SoundXml(file), events=("start", "end")):
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if local_name(element.tag) == tag and not any(
                    local_name(p.tag) == tag for p in parents
                ):
                    number += 1
                    record = element_value(element)
                    if isinstance(record, dict):
                        yield number, categories.named(record) if with_categories else record
                    element.clear()
                    if parents:
                        parents[-1].remove(element)
                elif _LISTING.search(local_name(element.tag)):
                    categories.add(element, [local_name(p.tag) for p in parents], tag)
        except (ParseError, DefusedXmlException) as error:
            after = f" after record {number}" if number else ""
            reason = str(error) or type(error).__name__
            raise DataError(
                f"{path}: is no sound XML{after}: {reason}. Export the file again."
            ) from None


def xml_tag(path: Path) -> str:
    """Return the name of the record elements: item, entry, or the outermost repeated one."""
    with needs_extra("import"):
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import ParseError, iterparse
    found: Counter[tuple[int, str]] = Counter()
    depth = 0
    children = [0]
    with open_bytes(path) as file:
        try:
            for place, (event, element) in enumerate(
                iterparse(SoundXml(file), events=("start", "end"))
            ):
                if event == "start":
                    depth += 1
                    children[-1] += 1
                    children.append(0)
                else:
                    depth -= 1
                    if children.pop() > 1:
                        found[depth, local_name(element.tag)] += 1
                if place > HEAD_EVENTS // 10:
                    break
        except (ParseError, DefusedXmlException) as error:
            if not found:
                reason = str(error) or type(error).__name__
                raise DataError(f"{path}: is no sound XML: {reason}. Export it again.") from None
    inner = {key: number for key, number in found.items() if key[0] > 0}
    named = sorted(key for key in inner if key[1].lower() in ITEMS)
    if named:
        return named[0][1]
    inner = {key: number for key, number in inner.items() if number > 1} or inner
    if not inner:
        raise DataError(f"{path}: holds no records: no element with parts below the first one.")
    return min(inner, key=lambda key: (key[0], -inner[key]))[1]


def local_name(tag: str) -> str:
    """Return the name of an element without its namespace."""
    return tag.rpartition("}")[2]


def element_value(element: Element) -> object:
    """Return an element as text, or as an object of its parts; repeated ones are a list."""
    plain: dict[str, Any] = {}
    google: dict[str, Any] = {}
    for name, given in element.attrib.items():
        plain[local_name(name)] = given
    text = (element.text or "").strip()
    if text and not len(element):
        return _told(element, plain, text)
    if (spoken := _first_language(element)) is not None:
        return spoken
    for child in element:
        into = google if "base.google.com" in child.tag else plain
        part, value = local_name(child.tag), element_value(child)
        if value in ("", None):
            continue
        if part not in into:
            into[part] = value
        elif (
            isinstance(value, dict)
            and isinstance(into[part], dict)
            and _are_texts([into[part], value])
        ):
            into[part] |= value
        elif isinstance(into[part], list):
            into[part].append(value)
        else:
            into[part] = [into[part], value]
    parts = {**plain, **google}
    if not len(element) and "href" in parts:
        return parts["href"]
    return parts or text


def _first_language(element: Element) -> str | None:
    """Return the text of the first language, where an element holds one for each (PrestaShop)."""
    parts = [
        child for child in element if local_name(child.tag) == "language" and "id" in child.attrib
    ]
    if not parts or len(parts) < len(element) or any(len(child) for child in parts):
        return None
    return next((text for child in parts if (text := (child.text or "").strip())), "")


def _told(element: Element, attributes: Mapping[str, str], text: str) -> object:
    """Return an element with text as text, or with what its attributes say of it."""
    kept = {name: given for name, given in attributes.items() if name.lower() in _NAMING}
    if "id" in attributes and _LISTING.search(element.tag):
        kept["id"] = attributes["id"]
    language = kept.pop("lang", "")
    if not kept and LANGUAGE.fullmatch(language):
        return {language: text}
    return {**kept, "value": text} if kept else text


def _are_texts(values: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether objects hold texts by languages."""
    return all(LANGUAGE.fullmatch(str(key)) for value in values for key in value)


class CategoryNames:
    """Names of categories that a document lists by id before its products, with their parents."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, str]] = {}

    def add(self, element: Element, parents: list[str], tag: str) -> None:
        """Take the name of an element that is a category and no part of a record."""
        told = {local_name(e.tag).lower(): (e.text or "").strip() for e in element}
        name = element.get("id") or element.get("category-id") or told.get("id", "")
        if not name or tag in parents:
            return
        label = next(
            ((e.text or "") for e in element if "name" in local_name(e.tag)), element.text or ""
        )
        below = next((told[n] for n in ("parent", "parentid", "parent_id") if n in told), "")
        parent = element.get("parentId") or element.get("parent_id") or below
        self._names[name] = label.strip(), parent

    def named(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record with paths of names where it has ids of categories.

        An offer of YML without a name is called by its type, vendor and model.
        """
        if "model" in record and "name" not in record:
            parts = (record.get(name) for name in ("typePrefix", "vendor", "model"))
            record["name"] = " ".join(part for part in parts if isinstance(part, str))
            if " " in str(record["model"]):  # a name, and no code
                del record["model"]
        if not self._names:
            return record
        for name, given in record.items():
            ids = [str(item).strip() for item in (given if isinstance(given, list) else [given])]
            if _LISTING.search(name) and all(item in self._names for item in ids):
                record[name] = [self.path(item) for item in ids]
        return record

    def path(self, name: str) -> str:
        """Return the path of a category."""
        steps: list[str] = []
        seen: set[str] = set()
        while name in self._names and name not in seen:
            seen.add(name)
            label, name = self._names[name]
            steps.append(label)
        return " > ".join(step for step in reversed(steps) if step)


def json_ld_blocks(text: str) -> Iterator[str]:
    """Yield the JSON-LD blocks of an HTML page."""
    for block in _JSON_LD.findall(text):
        bare = re.sub(r"^\s*(?:<!--|/\*.*?\*/|//\s*<!\[CDATA\[)|(?:-->|//\s*\]\]>)\s*$", "", block)
        yield bare.strip()


def listed(value: Any) -> list[Any]:  # noqa: ANN401
    """Return a value as a list, one alone as a list of it; none where it is empty."""
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def objects_of(value: object, depth: int = 0) -> Iterable[dict[str, Any]]:
    """Yield all objects in a JSON value, outer ones first."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from objects_of(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from objects_of(item, depth + 1)
