"""Product sheets of Icecat: XML as its `level4` repository has it, and answers of its JSON API."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from windowshop.errors import DataError
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.normalise import text_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source
from windowshop.imports.tree_rows import objects_of, xml_items

_PICTURES = ("HighPic", "Pic", "Pic500x500", "LowPic")
_TEXTS = ("LongDesc", "ShortDesc")
_SUMMARIES = ("LongSummaryDescription", "ShortSummaryDescription")
_TOLD = {
    "ID": "product_id", "Prod_id": "mpn", "Title": "title", "Supplier": "brand",
    "Category": "category", "EANCode": "gtin", "ProductDescription": "description",
    "ProductGallery": "images", "ProductFeature": "attributes",
}  # fmt: skip
Part = Mapping[str, Any]


def _recognise(source: Source) -> Found | None:
    head = source.text(1 << 12) if source.kind in ("xml", "json") else ""
    mark = {"xml": "<ICECAT-interface", "json": '"GeneralInfo"'}.get(source.kind, "")
    return Found(0.97, (mark.strip('<"'),)) if mark and mark in head else None


def _parts(value: Any) -> list[Part]:  # noqa: ANN401
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if isinstance(part, dict)]


def _named(part: Any) -> str:  # noqa: ANN401
    """Return the name of a category or a feature: its first language."""
    names = _parts(part.get("Name")) if isinstance(part, dict) else []
    return next((str(name["Value"]) for name in names if name.get("Value")), "")


def _read(source: Source, job: Job) -> Iterator[Record]:
    job.report.columns |= _TOLD
    if source.kind == "json":
        yield from _answers(source)
        return
    for number, row in xml_items(source.path, "Product"):
        if row.get("ErrorMessage"):
            job.report.add("refused-product", number, row["ErrorMessage"])
            continue
        yield _sheet(number, row)


def _sheet(number: int, row: Part) -> Record:
    """Return the product of one sheet."""
    texts = [text for part in _parts(row.get("ProductDescription")) for name in _TEXTS
             if (text := str(part.get(name) or "").replace("\\n", "\n"))]  # fmt: skip
    summaries = [text_of(part.get(name)) for part in _parts(row.get("SummaryDescription"))
                 for name in _SUMMARIES]  # fmt: skip
    gallery = [part for box in _parts(row.get("ProductGallery"))
               for part in _parts(box.get("ProductPicture"))]  # fmt: skip
    supplier = next(iter(_parts(row.get("Supplier"))), {})
    codes = [str(part["EAN"]) for part in _parts(row.get("EANCode")) if part.get("EAN")]
    record = Record(number, {})
    record.fields = {
        "product_id": row.get("ID"),
        "title": row.get("Title") or f"{supplier.get('Name', '')} {row.get('Name', '')}".strip(),
        "description": texts[:1] or [text for text in summaries if text][:1],
        "brand": supplier.get("Name"),
        "category": [_named(part) for part in _parts(row.get("Category"))],
        "images": [image for part in (row, *gallery) if (image := _picture(part))],
        "gtin": codes[0] if codes else "",
        "mpn": row.get("Prod_id"),
    }
    for part in _parts(row.get("ProductFeature")):
        name = _named(part.get("Feature"))
        value = part.get("Presentation_Value") or part.get("Value")
        if name and value:
            record.attributes[name] = _said(value)
    return record


def _answers(source: Source) -> Iterator[Record]:
    """Yield the products of an answer of the JSON API, which is small."""
    try:
        parsed = json.loads(source.text())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source.path}: is no JSON: {error}. Fetch it again.") from None
    found = (item for item in objects_of(parsed) if isinstance(item.get("GeneralInfo"), dict))
    for number, item in enumerate(found, start=1):
        yield _answer(number, item, item["GeneralInfo"])


def _answer(number: int, item: Part, told: Part) -> Record:
    """Return the product of one answer."""
    codes = told.get("GTIN") or [""]
    said, summary = told.get("Description") or {}, told.get("SummaryDescription") or {}
    title = told.get("Title") or f"{told.get('Brand', '')} {told.get('ProductName', '')}".strip()
    record = Record(number, {})
    record.fields = {
        "product_id": told.get("IcecatId"),
        "title": title,
        "description": said.get("LongDesc") or summary.get("LongSummaryDescription"),
        "brand": told.get("Brand"),
        "category": [_named(part) for part in _parts(told.get("Category"))],
        "images": [image for part in (*_parts(item.get("Image")), *_parts(item.get("Gallery")))
                   if (image := _picture(part))],
        "gtin": codes[0] if isinstance(codes, list) else codes,
        "mpn": told.get("BrandPartCode"),
    }  # fmt: skip
    for group in _parts(item.get("FeaturesGroups")):
        for part in _parts(group.get("Features")):
            if name := _named(part.get("Feature")):
                record.attributes[name] = _said(part.get("PresentationValue") or part.get("Value"))
    return record


def _said(value: Any) -> Any:  # noqa: ANN401
    """Return Y and N, as Icecat writes yes and no, as such."""
    return value == "Y" if value in ("Y", "N") else value


def _picture(part: Part) -> str:
    return next((str(part[name]) for name in _PICTURES if part.get(name)), "")


FORMAT = Format(title="Icecat product sheets", recognise=_recognise, read=_read)
