"""Any table: its columns are guessed by names and values, or mapped by hand."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from windowshop.imports.category_columns import level_names
from windowshop.imports.column_map import FURTHER_TARGETS, ColumnMap, map_of
from windowshop.imports.facts import facts_of, is_option, paired_columns, paired_values
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.names import field_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.spilled import Spilled
from windowshop.imports.values import (
    count_of,
    id_text,
    is_nothing,
    parse_availability,
    parse_boolean,
    parse_published,
    plain_name,
    slug,
    split_images,
    split_list,
)

_PARENT = re.compile(
    r"parent|child ?of|vater|eltern|haupt|padre|pai$|nadrzed|rodzic|hoofd|configurable"
)
_AGAINST = re.compile(r"\bhide|\b(?:hidden|disabled|archived|deleted)\b")
"""Names of columns that say that the shop does not show a product."""
_SOLD_OUT = re.compile(r"(?:is )?(?:out ?of ?stock|sold ?out)")
_SALE_END = re.compile(
    r"(?:.* )?(?:sale|special|specials|offer|promo|promotion|discount)(?: price)?(?: date)?"
    r" (?:end|ends|to|until|expires|end date|to date|expires date)"
)
"""Names of columns of the last day of a lower price."""
_ON_SALE = re.compile(r"(?:is )?on ?sale|sale (?:enabled|active)")
_BESIDE = frozenset(("keep", "attribute", "drop", *FURTHER_TARGETS))
_OF_KIND = re.compile(r" \((?:variant|product) attribute\)$")
"""Ending that Saleor gives the names of attributes."""
_OF_PRODUCT = ("title", "description", "brand", "category")
MAX_FAMILY = 1000
"""Rows of one product that are held for images behind them."""
MAX_BESIDE_IMAGE = 2
"""Further columns of a row of an image, such as its position and its text."""
MIN_OWN_IDS = 0.8
"""Share of different ids from which on rows of one id and another title are other products."""
Member: TypeAlias = tuple[Record, Mapping[str, Any]]
_OWN = frozenset(("product_id", "group_id", "sku", "gtin", "mpn", "availability"))
"""Fields that a variant does not take from its parent."""


def _recognise(source: Source) -> Found | None:
    if not source.header:
        return None
    if source.kind == "html" and sum(field_of(name) is not None for name in source.header) < 2:
        return None  # a table of a page, as most are
    found, certainty = map_of(source)
    if found.lacks:
        return Found(0.05, (f"no column looks like {found.lacks}",))
    shown = [f"{name} is {target}" for name, target in found.columns.items()
             if target in ("product_id", "title", "price", "images")]  # fmt: skip
    return Found(min(0.6, 0.1 + 0.5 * certainty), tuple(shown[:4]))


def _read(source: Source, job: Job) -> Iterator[Record]:
    found = job.column_map or map_of(source)[0]
    job.reading.decimal = job.reading.decimal or found.decimal
    job.reading.currency = job.reading.currency or found.currency
    job.report.columns |= {name: str(target) for name, target in found.columns.items()}
    job.report.dropped_columns += [n for n, target in found.columns.items() if target == "drop"]
    pairs = [*paired_columns(source.header).values()]
    in_pairs = {name for pair in pairs for name in pair}
    job.report.kept_columns += [
        name for name, target in found.columns.items() if target == "keep" and name not in in_pairs
    ]
    job.report.columns |= dict.fromkeys(in_pairs, "attributes")
    parents = _parents(source, found, job)
    may_share = _names_most(source, found)
    for family in _families(source, job, found, pairs):
        for record, _ in family:
            own = {id_text(record.fields.get(name)) for name in ("product_id", "sku")}
            above = id_text(record.fields.get("group_id"))
            above = "" if above == "0" else above
            if own & parents.keys() and (not above or above in own):
                job.report.add("parent-passed-on", record.row, record.fields.get("title"))
                continue
            if above in parents and above not in own:
                _inherit(record, record_of(record.row, parents[above], found))
            if above and not any(own):
                spelled = "-".join(slug(str(value)) for value in record.options.values())
                record.fields["product_id"] = f"{above}:{spelled}" if spelled else above
            record.may_share_id = may_share
            yield record


def _names_most(source: Source, found: ColumnMap) -> bool:
    """Return whether most of the first rows have an id of their own, as sales have none."""
    column = found.first("product_id") or ""
    ids = [name for row in source.sample if not is_nothing(name := id_text(row.get(column)))]
    return len({*ids}) > MIN_OWN_IDS * len(ids)


def _families(
    source: Source, job: Job, found: ColumnMap, pairs: list[tuple[str, str]]
) -> Iterator[list[Member]]:
    """Yield rows that go on with a product together with its first one, which has the title."""
    in_pairs = {name for pair in pairs for name in pair}
    by_title = found.first("group_id") is None
    head: Member | None = None
    family: list[Member] = []
    for number, row in source.rows(job.report):
        record = record_of(number, _without_pairs(row, in_pairs), found)
        above = head[1] if head is not None else {}
        for name, value in pairs:
            if row.get(value) and (told := row.get(name) or above.get(name)):
                record.options |= paired_values(str(told), str(row[value]))
        if len(family) >= MAX_FAMILY:
            yield family
            family = []
        member = (record, row)
        if head is not None and _is_joined(member, head[0], family, by_title, job):
            continue
        if family:
            yield family
        head, family = member, [member]
    if family:
        yield family


def _is_joined(
    member: Member, head: Record, family: list[Member], by_title: bool, job: Job
) -> bool:
    """Return whether a row is of the family, and add it, or its image to all of it."""
    record, _ = member
    if _goes_on(record, head):
        if _is_image_row(record):
            job.report.add("image-row", record.row, record.fields["images"][0])
            for other, _ in family:
                images = [*other.fields.get("images", ()), *record.fields["images"]]
                other.fields["images"] = images
            return True
        _go_on(record, head)
    elif by_title and _is_sibling(record, head):
        job.report.add("grouped-by-title", record.row, record.fields["title"])
        record.fields["group_id"] = head.fields.get("product_id")
        spelled = "-".join(slug(str(value)) for value in _options(record).values())
        record.fallback_id = f"{head.fields.get('product_id')}:{spelled}"
    else:
        return False
    family.append(member)
    return True


def _go_on(record: Record, head: Record) -> None:
    """Give a row without a title what its product has."""
    if record.fields.get("title") in (None, ""):
        _inherit(record, head)
        group = head.fields.get("group_id") or head.fields.get("product_id")
        record.fields.setdefault("group_id", group)


def _goes_on(record: Record, head: Record) -> bool:
    """Return whether a row is of the same product as the first row of one.

    It says so by its group, or, without a title, has only options or images of its own.
    """
    group = id_text(record.fields.get("group_id"))
    if group not in ("", "0"):
        return group in (
            id_text(head.fields.get("group_id")),
            id_text(head.fields.get("product_id")),
        )
    has_head = bool(head.fields.get("title")) and not any(record.fields.get(n) for n in _OF_PRODUCT)
    return has_head and (bool(_options(record)) or _is_image_row(record))


def _is_sibling(record: Record, head: Record) -> bool:
    """Return whether a row has the title of the first, and other options."""
    if not record.fields.get("title") or any(
        record.fields.get(name) != head.fields.get(name) for name in ("title", "brand", "category")
    ):
        return False
    own, first = _options(record), _options(head)
    return bool(own) and bool(first) and own != first and bool(head.fields.get("product_id"))


def _options(record: Record) -> dict[str, Any]:
    named = {name: value for name, value in record.columns.items() if is_option(name)}
    return named | record.options


def _is_image_row(record: Record) -> bool:
    """Return whether a row has nothing but images, beside the name of its product."""
    is_bare = not record.options and not any(
        value for name, value in record.fields.items() if name not in ("images", "group_id")
    )
    return is_bare and bool(record.fields.get("images")) and len(record.columns) <= MAX_BESIDE_IMAGE


def _without_pairs(row: Mapping[str, Any], names: set[str]) -> Mapping[str, Any]:
    return {name: value for name, value in row.items() if name not in names} if names else row


def _parents(source: Source, found: ColumnMap, job: Job) -> Spilled[dict[str, Any]]:
    """Return the rows that others name in a column of parents, by their ids."""
    group = found.first("group_id")
    parents: Spilled[dict[str, Any]] = Spilled()
    if group is None or not _PARENT.search(plain_name(group)):
        return parents
    ids = [name for target in ("product_id", "sku") if (name := found.first(target))]
    asked: set[str] = set()
    for _, row in source.rows(job.report.quiet()):
        name = id_text(row.get(group))
        if name and name not in [id_text(row.get(column)) for column in ids]:
            asked.add(name)
    for _, row in source.rows(job.report.quiet()) if asked else ():
        for column in ids:
            if (name := id_text(row.get(column))) in asked:
                parents.setdefault(name, row)
    return parents


def _inherit(record: Record, parent: Record) -> None:
    """Give a variant what its own row leaves empty."""
    has_price = record.fields.get("price") not in (None, "")
    for name, value in parent.fields.items():
        if has_price and name in ("sale_price", "list_price"):
            continue
        if name not in _OWN and record.fields.get(name) in (None, "", [], {}):
            record.fields[name] = value
    record.attributes = {**parent.attributes, **record.attributes}
    record.columns = {**parent.columns, **record.columns}


def record_of(number: int, row: Mapping[str, Any], found: ColumnMap) -> Record:
    """Return the product of a row, by a mapping."""
    record = Record(number, {}, in_cents=found.cents)
    fields = record.fields
    for name, value in row.items():
        target = found.columns.get(name, "keep")
        if target in _BESIDE:
            _beside(record, name, value, target, found)
        elif target == "images":
            fields["images"] = [*fields.get("images", ()), *split_images(value)]
        elif target == "category" and found.category_levels:
            levels = value if isinstance(value, list) else [value]
            steps = level_names(levels)
            fields["category"] = [" > ".join([*fields.get("category", ()), *steps])]
        elif target == "category":
            fields["category"] = [*fields.get("category", ()), *_categories(value, found)]
        elif target in ("description", "tags") and target in fields:
            fields[target] = [fields[target], value] if target == "description" else [
                *split_list(fields[target], ",;|"), *split_list(value, ",;|")]  # fmt: skip
        elif target == "availability" and _SOLD_OUT.fullmatch(plain_name(name)):
            said = parse_boolean(value)
            fields[target] = value if said is None else not said
        else:
            fields[target] = value
    if fields.get("sale_price"):
        _offer(record, row)
    return record


def _offer(record: Record, row: Mapping[str, Any]) -> None:
    """Take out a lower price that is not asked for, and find the last day of one that is."""
    for name, value in row.items():
        plain = plain_name(name)
        if _ON_SALE.fullmatch(plain) and parse_boolean(value) is False:
            record.fields.pop("sale_price", None)
        elif _SALE_END.fullmatch(plain):
            record.sale_ends = str(value)


def _beside(record: Record, name: str, value: Any, target: str, found: ColumnMap) -> None:  # noqa: ANN401
    """Take a value that is no field of a record: an attribute, a column, a count."""
    if target == "keep":
        facts = facts_of(name, value)
        record.attributes |= facts
        if not facts:
            record.columns[name] = value
    elif target == "attribute":
        record.attributes[_OF_KIND.sub("", name)] = value
    elif target == "stock":
        record.columns[name] = count_of(value)
        if found.first("availability") is None and parse_availability(value) is not None:
            record.fields["availability"] = count_of(value)
    elif target == "published":
        shown = parse_published(value)
        is_against = _AGAINST.search(plain_name(name)) is not None
        record.columns["published"] = not shown if is_against and shown is not None else shown


def _categories(value: Any, found: ColumnMap) -> list[Any]:  # noqa: ANN401
    if isinstance(value, list):
        return [path for item in value for path in _categories(item, found)]
    if not isinstance(value, str):
        return [value]
    texts = split_list(value, found.categories_separator) if found.categories_separator else [value]
    if found.category_separator:
        texts = [" > ".join(text.split(found.category_separator)) for text in texts]
    return [*texts]


FORMAT = Format(title="a table", recognise=_recognise, read=_read)
