"""An export of another system -> a data folder, whole or not at all."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from windowshop._version import __version__
from windowshop.data import (
    ColumnRules,
    read_products,
    seen_rules,
    write_rules,
)
from windowshop.errors import ConfigError, DataError
from windowshop.files import content_hash, file_hash, new_folder, write_json
from windowshop.imports.archives import unpacked
from windowshop.imports.column_map import ColumnMap, map_of
from windowshop.imports.formats.format import FolderFormat, Format, Item, Job
from windowshop.imports.identities import Identities
from windowshop.imports.judged import JudgedWriter
from windowshop.imports.map_file import read_map, write_map
from windowshop.imports.normalise import Normaliser, Reading
from windowshop.imports.own_images import link_images, take_images
from windowshop.imports.parts import WORK, Parts, kept_parts
from windowshop.imports.recognise import TABLE, Recognised, data_files, recognise_source
from windowshop.imports.record import JudgedQuery, Judgement, Record
from windowshop.imports.report import ImportReport
from windowshop.imports.writing import ProductWriter
from windowshop.progress import SILENT, Reporter
from windowshop.registry import FOLDER_FORMATS, FORMATS

REPORT_FILE = "import_report.json"
MAP_FILE = "map.yaml"
SAMPLE_ROWS = 20_000
"""Products by which types and roles are declared."""
TICK_ROWS = 1000
MAX_NAMES, MAX_NAME = 40, 60
"""Columns that a message names, and the letters of each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """How an export is read, where it does not say itself."""

    format: str = ""
    """Name of the format; "" recognises it."""
    map: Path | None = None
    """Mapping file of a table."""
    currency: str = ""
    """Currency of prices without one."""
    decimal: str = ""
    """Sign before the cents."""
    separator: str = ""
    encoding: str = ""
    published_only: bool = False
    """Leave out what the shop does not show."""
    store_view: str = ""
    """Store view of a Magento export whose texts and prices are read."""
    replace: bool = False
    """Replace a data folder that no import made."""


class NothingReadError(DataError):
    """No product is in what was recognised."""


def import_shop(
    source: str | Path,
    out: str | Path,
    options: ImportOptions | None = None,
    *,
    reporter: Reporter = SILENT,
) -> ImportReport:
    """Import a file or a folder of another system into a data folder, and return the report.

    What is written is kept in a hidden folder until the import has ended, so a stopped one goes on
    where it was. Raises DataError or ConfigError; then nothing is left but, for a table whose
    columns cannot be told, a mapping file beside the source's name to correct. Raises StorageError
    where another process imports to the same folder.
    """
    source, out, options = Path(source), Path(out), options or ImportOptions()
    _require_free(out, replace_all=options.replace)
    with unpacked(source, out.resolve().parent) as path:
        report = _import_from(path, source, out, options, reporter)
    return report


def _import_from(
    path: Path, source: Path, out: Path, options: ImportOptions, reporter: Reporter
) -> ImportReport:
    """Import a path, which is the source or what it holds."""
    found_map = read_map(options.map) if options.map is not None else None
    if found_map is not None:
        options = replace(
            options,
            format=options.format or found_map.format,
            separator=options.separator or found_map.separator,
            encoding=options.encoding or found_map.encoding,
        )
    found = recognise_source(
        path, format=options.format, separator=options.separator, encoding=options.encoding,
        table=found_map.table if found_map else "", joins=found_map.joins if found_map else None,
    )  # fmt: skip
    if found.format == TABLE:
        found_map = _require_map(found, found_map, out)
    key = _key(found, source, options, found_map)
    try:
        with kept_parts(out, key, reporter) as parts, _folder(out) as made:
            return _import(found, source, made, parts, options, found_map, reporter)
    except NothingReadError:
        if options.format or found.format == TABLE or found.path.is_dir():
            raise
        as_table = replace(options, format=TABLE)
        try:
            return _import_from(path, source, out, as_table, reporter)
        except DataError:
            pass  # what it looked like says more
        raise


def _key(
    found: Recognised, source: Path, options: ImportOptions, column_map: ColumnMap | None
) -> str:
    """Return a hash of all that decides the result: files, options, mapping and version."""
    files = {path for source in found.sources for path in source.paths}
    if not files:
        whole: FolderFormat = FOLDER_FORMATS[found.format]
        files = {*data_files(found.path), *whole.files(found.path)}
    root = found.path if found.path.is_dir() else found.path.parent
    content = {
        "version": __version__,
        "source": str(source),
        "format": found.format,
        "files": [(str(path.relative_to(root)), file_hash(path)) for path in sorted(files)],
        "passed_over": [str(path.relative_to(root)) for path in found.passed_over],
        "options": asdict(replace(options, map=None, replace=False)),
        "map": column_map and [asdict(column_map), [*column_map.columns]],
    }
    return content_hash(content)


@dataclass(frozen=True, slots=True)
class TableMap:
    """Mapping of a table as it was guessed, with first rows to show."""

    columns: ColumnMap
    sample: list[dict[str, Any]]


def table_map(source: str | Path, options: ImportOptions | None = None) -> TableMap:
    """Guess what the columns of a table hold, whatever its format."""
    options = options or ImportOptions()
    with unpacked(Path(source)) as path:
        found = recognise_source(
            path, format=TABLE, separator=options.separator, encoding=options.encoding
        )
        first = found.sources[0]
        return TableMap(map_of(first)[0], first.sample)


def _require_map(found: Recognised, given: ColumnMap | None, out: Path) -> ColumnMap:
    """Return the mapping of a table; raises DataError where it lacks a needed field."""
    first = found.sources[0]
    guessed = given or map_of(first)[0]
    if given is not None:
        unknown = sorted(set(given.columns) - set(first.header))
        if unknown:
            raise ConfigError(
                f"{first.path}: has no column {unknown[0]!r}, which the mapping names; found "
                f"{_shown(first.header)}. Correct the name."
            )
    if not first.sample:
        raise DataError(f"{first.path}: has a header and no rows. Export it again.")
    if guessed.lacks == "title":
        path = out.with_name(f"{out.name}.{MAP_FILE}")
        if given is None:
            write_map(path, guessed, first.sample, first.path.name)
        told = f"It is written to {path}: name" if given is None else "Name"
        raise DataError(
            f"{first.path}: no column is known to hold {guessed.lacks}; columns: "
            f"{_shown(first.header)}. {told} what each holds, and import with --map {path}."
        )
    return guessed


def _shown(header: Sequence[str]) -> str:
    """Return the first names of columns, none longer than a line bears."""
    names = [name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…" for name in header]
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _require_free(out: Path, *, replace_all: bool) -> None:
    """Raise DataError where the folder holds what an import did not make."""
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file. Choose another folder.")
    if replace_all or not out.exists() or (out / REPORT_FILE).exists():
        return
    if all(path.name.startswith(WORK) for path in out.iterdir()):
        return
    raise DataError(
        f"{out}: holds files that no import made. Choose another folder, or use --replace."
    )


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """Yield a folder to write, which becomes `out`, or whose files take their place there.

    In a folder that is there, images and a corrected `columns.yaml` stay.
    """
    if not out.exists():
        with new_folder(out) as made:
            yield made
        return
    made = out / f"{WORK}.partial"
    shutil.rmtree(made, ignore_errors=True)
    try:
        made.mkdir(parents=True)
        yield made
        for old in ("products", "queries", "qrels"):
            for suffix in (".csv", ".jsonl", ".ndjson"):
                with suppress(FileNotFoundError):
                    (out / f"{old}{suffix}").unlink()
        for path in sorted(made.rglob("*")):
            place = out / path.relative_to(made)
            if path.is_file() and not (place.name == "columns.yaml" and place.exists()):
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _import(
    found: Recognised,
    source: Path,
    made: Path,
    parts: Parts,
    options: ImportOptions,
    column_map: ColumnMap | None,
    reporter: Reporter,
) -> ImportReport:
    report = ImportReport(source=str(source), format=found.title, reasons=[*found.found.reasons])
    report.certainty = found.found.certainty
    root = found.path if found.path.is_dir() else found.path.parent
    whole = source if source.is_dir() or source != found.path else source.parent
    report.passed_over = [str(whole / path.relative_to(root)) for path in found.passed_over]
    if found.sources:
        report.read_as = found.sources[0].read_as
        report.joins = [*found.sources[0].join_texts]
    reading = Reading(
        decimal=options.decimal,
        currency=options.currency.upper(),
        published_only=options.published_only,
        store_view=options.store_view,
    )
    job = Job(report=report, reading=reading, column_map=column_map, images=parts.images)
    products, judged = ProductWriter(parts, report), JudgedWriter(report)
    _sort_in(_with_progress(_items(found, job), found, reporter), job, parts, products, judged)
    if not products.num_rows and not judged.num_queries:
        raise NothingReadError(
            f"{found.path}: no product could be read as {found.title}. Name another --format, or "
            "correct the mapping (--map)."
        )
    priceless = report.notes.get("no-price")
    if priceless is not None and priceless.count >= products.num_rows:
        del report.notes["no-price"]  # the source has no prices
    if products.num_rows:
        products.finish(made / "products.parquet")
        link_images(parts.images, made)
        take_images(made, root, report)
    judged.write(made)
    _count(made, products.num_rows, judged, report)
    if column_map is not None:
        first = found.sources[0]
        write_map(made / MAP_FILE, column_map, first.sample, first.path.name)
    if products.num_rows:
        _declare(made, report)
    write_json(made / REPORT_FILE, report.to_json())
    return report


def _sort_in(
    items: Iterable[Item],
    job: Job,
    parts: Parts,
    products: ProductWriter,
    judged: JudgedWriter,
) -> None:
    """Give each item to its writer, products with their values read.

    Products of earlier parts are passed over; then the report is as it was after the last of them.
    """
    normaliser = Normaliser(job.reading, job.report, Identities(job.report, parts.seen()))
    last = parts.last
    num_done = last.num_items if last is not None else 0
    for number, item in enumerate(items, start=1):
        match item:
            case Record() if number > num_done:
                row = normaliser.row(item)
                if row is not None and products.add(row):
                    products.keep(normaliser.ids.seen, number)
            case Record():
                pass
            case JudgedQuery():
                judged.add_query(item)
            case Judgement():
                judged.add_judgement(item)
        if last is not None and number == num_done:
            job.report.restore(last.report)


def _items(found: Recognised, job: Job) -> Iterator[Item]:
    if not found.sources:
        whole: FolderFormat = FOLDER_FORMATS[found.format]
        yield from whole.read(found.path, job)
        return
    chosen: Format = FORMATS[found.format]
    for source in found.sources:
        yield from chosen.read(source, job)


def _with_progress(items: Iterable[Item], found: Recognised, reporter: Reporter) -> Iterator[Item]:
    """Show how many records were read; the total is not known before."""
    total = sum(source.num_rows for source in found.sources)
    done = 0
    with reporter.bar("Import", max(total, 1)) as advance:
        for number, item in enumerate(items, start=1):
            yield item
            if number % TICK_ROWS == 0:
                advance(TICK_ROWS, "")
                done += TICK_ROWS
        advance(max(total - done, 0), "")


def _count(made: Path, num_products: int, judged: JudgedWriter, report: ImportReport) -> None:
    if num_products:
        groups = pl.scan_parquet(made / "products.parquet").select(pl.col("group_id").n_unique())
        report.counts = {
            "products": num_products,
            "groups": groups.collect().item(),
            **report.counts,
        }
    if judged.num_queries:
        report.counts |= {"queries": judged.num_queries, "judgements": judged.num_judgements}


def _declare(made: Path, report: ImportReport) -> None:
    """Write `columns.yaml`: what columns are, columns of one value hidden."""
    num_rows = report.counts["products"]
    is_small = num_rows <= SAMPLE_ROWS
    rules = seen_rules(read_products(made)) if is_small else _sampled_rules(made)
    columns = dict(rules.columns)
    for name in report.constant_columns:
        if name in columns:
            columns[name] = replace(columns[name], roles=("hidden",))
    write_rules(made, ColumnRules(language=rules.language, columns=columns))


def _sampled_rules(made: Path) -> ColumnRules:
    """Declare by the first products; attributes without a type, which later ones may not have."""
    sample = made / ".sample"
    sample.mkdir()
    table = pl.scan_parquet(made / "products.parquet")
    names = table.collect_schema().names()
    table.head(SAMPLE_ROWS).sink_parquet(sample / "products.parquet")
    rules = seen_rules(read_products(sample))
    shutil.rmtree(sample)
    columns = {
        name: rule if name in names else replace(rule, type="")
        for name, rule in rules.columns.items()
    }
    return ColumnRules(language=rules.language, columns=columns)


def has_import(folder: Path) -> bool:
    """Return whether a folder was made by an import."""
    return (folder / REPORT_FILE).is_file()
