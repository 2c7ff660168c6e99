import io
import json

import polars as pl
from rich.console import Console

from windowshop.data.findings import (
    IMAGE_REMEDIES,
    RULES,
    Report,
    finding_of,
    render,
)
from windowshop.data.images import decode, locate, read_bytes

CONCERNED = pl.Series([False, True, True, False])


def report(root, *findings):
    counts = {"products": 1234, "queries_by_split": {"train": 2, "dev": 1}, "images_unusable": {}}
    return Report(root=root, counts=counts, findings=findings)


def shown(report, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render(report))
    return console.export_text()


def test_row_finding_counts_from_one():
    finding = finding_of("bad-grade", "qrels.csv", "grade is -1.", CONCERNED)
    assert (finding.severity, finding.rows, finding.count) == ("error", (2, 3), 2)
    assert finding.remedy == RULES["bad-grade"].remedy
    assert finding.where == "qrels.csv, rows 2, 3"


def test_row_finding_with_another_severity():
    finding = finding_of("query-image-missing", "q.csv", "", CONCERNED, "error")
    assert finding.severity == "error"


def test_examples_are_five_of_many():
    finding = finding_of("bad-grade", "qrels.csv", "", pl.Series([True] * 1234))
    assert finding.rows == (1, 2, 3, 4, 5)
    assert finding.where == "qrels.csv, rows 1, 2, 3, 4, 5 and 1,229 more"


def test_a_finding_about_a_file_names_no_row():
    finding = finding_of("no-qrels", "qrels", "")
    assert (finding.rows, finding.count, finding.where) == ((), 1, "qrels")


def test_only_errors_make_a_report_fail(tmp_path):
    warning = finding_of("no-qrels", "qrels", "")
    assert report(tmp_path, warning).ok
    assert not report(tmp_path, warning, finding_of("no-products", "products", "")).ok


def test_counts_come_first_and_the_worst_finding_next(tmp_path):
    text = shown(
        report(
            tmp_path,
            finding_of("groups", "products.csv", "2 groups."),
            finding_of("no-qrels", "qrels", "There is no such table."),
            finding_of("bad-grade", "qrels.csv", "grade is -1.", CONCERNED),
        )
    )
    parts = ["1,234", "train: 2, dev: 1", "bad-grade", "no-qrels", "groups", "1 error, 1 warning"]
    assert sorted(parts, key=text.index) == parts
    for part in ("qrels.csv, rows 2, 3", "grade is -1.", RULES["bad-grade"].remedy):
        assert part in text


def test_closing_lines(tmp_path):
    warning, error = finding_of("no-qrels", "", ""), finding_of("no-products", "", "")
    for findings, line in (
        ((), "OK: no errors, no warnings"),
        ((warning,), "OK: 1 warning"),
        ((warning, warning, error), "1 error, 2 warnings"),
    ):
        assert shown(report(tmp_path, *findings)).rstrip().endswith(line)


def test_text_of_the_shop_is_no_markup(tmp_path):
    assert "[red]x[/blue]" in shown(report(tmp_path, finding_of("no-qrels", "", "[red]x[/blue]")))


def test_a_narrow_terminal_loses_nothing(tmp_path):
    long = "image missing: " + "x" * 150
    text = shown(report(tmp_path, finding_of("no-qrels", "qrels", long)), width=40)
    assert text.count("x") >= 150


def test_report_as_json(tmp_path):
    finding = finding_of("bad-grade", "qrels.csv", "grade is -1.", CONCERNED)
    parsed = json.loads(json.dumps(report(tmp_path, finding).to_json()))
    assert parsed == {
        "root": str(tmp_path),
        "ok": False,
        "counts": {
            "products": 1234,
            "queries_by_split": {"train": 2, "dev": 1},
            "images_unusable": {},
        },
        "findings": [
            {
                "severity": "error",
                "code": "bad-grade",
                "file": "qrels.csv",
                "rows": [2, 3],
                "count": 2,
                "found": "grade is -1.",
                "remedy": RULES["bad-grade"].remedy,
            }
        ],
    }


def test_image_remedies_know_the_kinds_of_images(tmp_path):
    (tmp_path / "folder").mkdir()
    broken = [
        locate(tmp_path, "../x"),
        read_bytes(tmp_path / "gone"),
        read_bytes(tmp_path / "folder"),
        decode(b""),
        decode(b"text"),
    ]
    assert {image.kind for image in broken} < set(IMAGE_REMEDIES)
