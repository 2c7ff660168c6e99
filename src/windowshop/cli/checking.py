"""The command that checks data folders, and what was made of them."""

from pathlib import Path
from typing import Annotated

import typer

from windowshop.cli.options import JsonFlag, out, print_json, print_line, reporter
from windowshop.data import require_folder
from windowshop.files import EXPORT, MANIFEST_FILE, MODEL, PRODUCTS, FolderCheck, check_folder


def check(
    folder: Annotated[Path, typer.Argument(help="Data folder, index, model or export.")],
    json_output: JsonFlag = False,
    write_columns: Annotated[
        bool,
        typer.Option(
            "--write-columns",
            help="Write columns.yaml of a data folder, with types and roles as they look.",
        ),
    ] = False,
) -> None:
    """Check a data folder, or every file of an index, a model or an export; exit 1 on errors.

    Of a file of another system, say what it is and how to import it.
    """
    if folder.is_file():
        _print_recognised(folder, json_output)
        raise typer.Exit(1)
    require_folder(folder)
    checks = _check_made(folder)
    if checks is None:
        if write_columns:
            _write_columns(folder)
        is_whole = _check_data(folder, json_output)
    else:
        is_whole = not any(found.damage for found in checks)
        _print_checks(checks, json_output)
    raise typer.Exit(0 if is_whole else 1)


def _print_checks(checks: list[FolderCheck], json_output: bool) -> None:
    if json_output:
        content = [
            {"folder": str(found.folder), "files": found.num_files, "damage": list(found.damage)}
            for found in checks
        ]
        print_json({"ok": not any(found.damage for found in checks), "folders": content})
        return
    for found in checks:
        for damage in found.damage:
            print_line(f"error: {damage}")
        num_whole = found.num_files - len(found.damage)
        print_line(f"{found.folder}: {num_whole} of {found.num_files} files are whole")


def _check_made(folder: Path) -> list[FolderCheck] | None:
    """Check what windowshop made; None where the folder is nothing of that kind."""
    if (folder / EXPORT.file).is_file():
        return [check_folder(folder, EXPORT)]
    if (folder / PRODUCTS.file).is_file():
        return [check_folder(folder, PRODUCTS)]
    if (folder / "generations").is_dir():
        from windowshop.index import check_generations

        return check_generations(folder)
    if (folder / MANIFEST_FILE).is_file() or (folder / "encoders").is_dir():
        checks = [check_folder(folder, MODEL)]
        if (folder / "export").is_dir():
            checks.append(check_folder(folder / "export", EXPORT))
        return checks
    return None


def _print_recognised(path: Path, json_output: bool) -> None:
    """Say what a file of another system is, and show the mapping of a table."""
    from windowshop.data import Report, render
    from windowshop.imports import (
        import_finding,
        map_of,
        map_text,
        recognise_source,
        unpacked,
    )

    with unpacked(path) as inside:
        found = recognise_source(inside)
        report = Report(root=path, counts={}, findings=(import_finding(found, path),))
        if json_output:
            print_json({**report.to_json(), "ok": False})
            return
        out.print(render(report))
        if found.format == "table":
            source = found.sources[0]
            columns, _ = map_of(source)
            print_line(map_text(columns, source.sample, path.name))


def _write_columns(folder: Path) -> None:
    """Write what columns look like, for a person to correct."""
    from windowshop.data import read_products, seen_rules, write_rules

    path = write_rules(folder, seen_rules(read_products(folder)))
    reporter.note(f"Wrote {path}. Correct what is wrong in it, then train and index.")


def _check_data(folder: Path, json_output: bool) -> bool:
    """Check a data folder, print the report, and return whether it has no error."""
    from windowshop.data import check_dataset, render
    from windowshop.imports import advise

    report = advise(check_dataset(folder, reporter=reporter))
    if json_output:
        print_json(report.to_json())
    else:
        out.print(render(report))
    return report.ok
