"""Tables that hold images themselves, as Hugging Face datasets do; each image becomes a file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xxhash

from windowshop.imports.column_map import guess_map
from windowshop.imports.formats.format import Format, Found, Job
from windowshop.imports.formats.table import record_of
from windowshop.imports.record import Record
from windowshop.imports.source import Source

_SIGNATURES = {
    b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp", b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}  # fmt: skip


def _bytes_of(value: Any) -> bytes | None:  # noqa: ANN401
    """Return the bytes of a value: they themselves, or of an object with a path."""
    if isinstance(value, dict):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else None


def _ending(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    if content[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return f".{content[8:12].decode().replace('mif1', 'heic')}"
    return next((end for start, end in _SIGNATURES.items() if content.startswith(start)), "")


def held_columns(source: Source) -> list[str]:
    """Return the columns that hold images."""
    return [
        name for name in source.header
        if any(_bytes_of(_first(row.get(name))) is not None for row in source.sample[:50])
    ]  # fmt: skip


def _first(value: Any) -> Any:  # noqa: ANN401
    return value[0] if isinstance(value, list) and value else value


def _recognise(source: Source) -> Found | None:
    if source.kind not in ("parquet", "arrow"):
        return None
    held = held_columns(source)
    return Found(0.9, (f"images in column {', '.join(held)}",)) if held else None


def _read(source: Source, job: Job) -> Iterator[Record]:
    held = held_columns(source)
    bare = [{n: v for n, v in row.items() if n not in held} for row in source.sample]
    found, _ = guess_map([name for name in source.header if name not in held], bare)
    found.columns.update(dict.fromkeys(held, "images"))
    job.report.columns |= {name: str(target) for name, target in found.columns.items()}
    job.report.kept_columns += [n for n, target in found.columns.items() if target == "keep"]
    for number, row in source.rows(job.report):
        record = record_of(number, with_files(row, held, number, job), found)
        if not record.fields.get("title") and not record.fields.get("product_id"):
            record.fields["product_id"] = f"{source.path.stem}-{number}"
        yield record


def with_files(row: Mapping[str, Any], held: list[str], number: int, job: Job) -> dict[str, Any]:
    """Return a row with paths of files for the images in it."""
    assert job.images is not None
    plain = dict(row)
    for name in held:
        value = row.get(name)
        paths = []
        for item in value if isinstance(value, list) else [value]:
            content = _bytes_of(item)
            if content is None:
                continue
            if path := _saved(content, job.images):
                paths.append(path)
            else:
                job.report.add("bad-image", number, f"{name}: {content[:12]!r}")
        plain[name] = paths
    return plain


def _saved(content: bytes, folder: Path) -> str:
    """Write an image under the hash of its content, and return its path in the data folder."""
    ending = _ending(content)
    if not ending:
        return ""
    name = f"{xxhash.xxh3_64_hexdigest(content)}{ending}"
    place = folder / name[:2] / name
    if not place.exists() or place.read_bytes() != content:  # cut short by a kill
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return f"{folder.name}/{name[:2]}/{name}"


FORMAT = Format(title="a table with images in it", recognise=_recognise, read=_read)
