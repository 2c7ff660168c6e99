from contextlib import contextmanager

import pytest
from shops import HUGE_PNG, PHOTOS, PRODUCTS, QRELS, QUERIES, changed, photo, without, write_shop

from windowshop.catalog import read_dataset
from windowshop.check import check_dataset
from windowshop.findings import RULES
from windowshop.progress import SilentReporter


def check(folder):
    return check_dataset(folder, reporter=SilentReporter())


def codes(report):
    return {finding.code for finding in report.findings}


def summary(report):
    """One line a finding: severity, code, file, rows."""
    return [f"{f.severity} {f.code}: {f.where}" for f in report.findings]


def case(expected, found="", files=None, **tables):
    """A fault put into the sound shop, the finding it must bring up, a part of what it says."""
    return pytest.param(expected, found, files or {}, tables, id=expected)


def products(*changes):
    rows = PRODUCTS
    for number, fields in changes:
        rows = changed(rows, number, **fields)
    return rows


PRODUCT_PHOTO_CASES = [
    case(
        "warning image-missing: products.jsonl, rows 1, 2",
        "'p1.png', 'p2.png'",
        dict.fromkeys(PHOTOS),
    ),
    case("warning image-empty-file: products.jsonl, row 1", "'p1.png'", {"p1.png": b""}),
    case(
        "warning image-truncated-or-corrupt: products.jsonl, row 2",
        "'p2.png'",
        {"p2.png": photo(2)[:-200]},
    ),
    case("warning image-not-an-image: products.jsonl, row 1", "header", {"p1.png": b"some text"}),
    case("warning image-too-large: products.jsonl, row 1", "limit", {"p1.png": HUGE_PNG}),
    case(
        "warning image-too-small: products.jsonl, row 2", "1x1 px", {"p2.png": photo(size=(1, 1))}
    ),
    case(
        "warning image-bad-path: products.jsonl, rows 1, 2",
        "'../a.png', '/a.png'",
        products=products((1, {"image": "../a.png"}), (2, {"image": "/a.png"})),
    ),
    case(
        "warning image-unreadable: products.jsonl, row 3",
        "directory",
        products=products((3, {"image": "."})),
    ),
]
BROKEN_PHOTOS = {
    "missing": None,
    "empty-file": b"",
    "truncated-or-corrupt": photo(1)[:-200],
    "not-an-image": b"some text",
    "too-large": HUGE_PNG,
    "too-small": photo(size=(1, 1)),
}
QUERY_PHOTO_CASES = [
    case(
        f"{severity} query-image-{kind}: queries.jsonl, row 3",
        "'q3.jpg'",
        {"q3.jpg": content},
        queries=changed(QUERIES, 3, query=query, image="q3.jpg"),
    )
    for severity, query in (("warning", "green shoe"), ("error", None))
    for kind, content in BROKEN_PHOTOS.items()
] + [
    case(
        f"error query-image-{kind}: queries.jsonl, row 3",
        repr(path),
        queries=changed(QUERIES, 3, query=None, image=path),
    )
    for kind, path in (("bad-path", "../q3.jpg"), ("unreadable", "."))
]
TABLE_CASES = [
    case("error no-products: products", products=None),
    case(
        "error empty-products: products.csv",
        "",
        {"products.csv": b"product_id,title\n"},
        products=None,
    ),
    case("warning no-queries: queries", queries=None),
    case("warning no-qrels: qrels", qrels=None),
    case(
        "warning no-qrels: qrels.csv",
        "no rows",
        {"qrels.csv": b"query_id,product_id\n"},
        qrels=None,
    ),
    case(
        "error unreadable-table: queries.csv",
        "invalid utf-8",
        {"queries.csv": "query_id,query\nq1,café\n".encode("latin-1")},
        queries=None,
    ),
    case("error unreadable-table: qrels", "qrels.csv, qrels.jsonl", {"qrels.csv": b"query_id\n"}),
    case(
        "error missing-column: products.jsonl",
        "'product_id'",
        products=without(PRODUCTS, "product_id"),
    ),
    case("error missing-column: queries.jsonl", "'query_id'", queries=without(QUERIES, "query_id")),
    case("error missing-column: qrels.jsonl", "'query_id'", qrels=without(QRELS, "query_id")),
    case("error missing-column: qrels.jsonl", "'product_id'", qrels=without(QRELS, "product_id")),
    case(
        "error missing-content: products.jsonl",
        "'title' or 'image'",
        products=without(PRODUCTS, "title", "image"),
    ),
    case(
        "error missing-content: queries.jsonl",
        "'query' or 'image'",
        queries=without(QUERIES, "query"),
    ),
]
PRODUCT_CASES = [
    case(
        "error empty-product-id: products.jsonl, rows 1, 3",
        products=products((1, {"product_id": " "}), (3, {"product_id": None})),
    ),
    case(
        "error duplicate-product-id: products.jsonl, rows 1, 3",
        "'p1'",
        products=products((3, {"product_id": "p1"})),
    ),
    case(
        "error bad-price: products.jsonl, row 2",
        "12 EUR",
        products=products((1, {"price": 3}), (2, {"price": "12 EUR"})),
    ),
    case("warning empty-title: products.jsonl, row 2", products=products((2, {"title": ""}))),
    case(
        "warning bad-attributes: products.jsonl, rows 1, 2",
        "'red', '[1]'",
        products=products(
            (1, {"attributes": "red"}), (2, {"attributes": "[1]"}), (3, {"attributes": '{"a": 1}'})
        ),
    ),
    case(
        "error unfindable-product: products.jsonl, row 3",
        "'p3'",
        products=products((3, {"title": None, "attributes": '{"colour": ""}'})),
    ),
    case(
        "error unfindable-product: products.jsonl, row 2",
        "'p2'",
        {"p2.png": b""},
        products=products((2, {"title": None})),
    ),
    case("warning same-photo: products.jsonl, rows 1, 2", "'p2.png'", {"p2.png": PHOTOS["p1.png"]}),
    case(
        "info groups: products.jsonl",
        "2 groups, 1 of them with several",
        products=products((1, {"group_id": "g"}), (2, {"group_id": "g"})),
    ),
]
HAT = {"query_id": "q4", "query": "hat", "split": "test"}
QUERY_CASES = [
    case("error empty-query-id: queries.jsonl, row 2", queries=changed(QUERIES, 2, query_id=None)),
    case(
        "error duplicate-query-id: queries.jsonl, rows 1, 2",
        queries=changed(QUERIES, 2, query_id="q1"),
    ),
    case("error empty-query: queries.jsonl, row 3", queries=changed(QUERIES, 3, query="  ")),
    case(
        "error bad-split: queries.jsonl, row 2",
        "'valid'",
        queries=changed(QUERIES, 2, split="valid"),
    ),
    case("warning no-train-split: queries.jsonl", queries=QUERIES[1:]),
    case("warning no-dev-split: queries.jsonl", queries=[*QUERIES[:1], *QUERIES[2:]]),
    case("warning unjudged-queries: queries.jsonl, row 4", "test queries", queries=[*QUERIES, HAT]),
    case(
        "error leaked-text: queries.jsonl, rows 3, 4",
        "(row 3 as row 1)",
        queries=changed([*QUERIES, HAT | {"query": "RED shoe"}], 3, query=" Red\t Shoe"),
    ),
    case(
        "error leaked-text: queries.jsonl, row 2",
        "(row 2 as row 1)",
        queries=changed(changed(QUERIES, 1, query="Straße É"), 2, query="STRASSE é"),
    ),
    case(
        "warning dev-text-in-test: queries.jsonl, row 3",
        "(row 3 as row 2)",
        queries=changed(QUERIES, 3, query="blue shoe"),
    ),
    case(
        "warning dev-photo-in-test: queries.jsonl, row 3",
        "(row 3 as row 2)",
        {"a.png": photo(7), "b.png": photo(7)},
        queries=changed(changed(QUERIES, 2, image="a.png"), 3, image="b.png"),
    ),
    case(
        "error leaked-photo: queries.jsonl, row 2",
        "(row 2 as row 1)",
        {"a.png": photo(7), "b.png": photo(7)},
        queries=changed(changed(QUERIES, 1, image="a.png"), 2, image="b.png"),
    ),
]
QRELS_CASES = [
    case(
        "error unknown-product: qrels.jsonl, rows 2, 3",
        "'x', None",
        qrels=changed(changed(QRELS, 2, product_id="x"), 3, product_id=None),
    ),
    case("error unknown-query: qrels.jsonl, row 1", "'x'", qrels=changed(QRELS, 1, query_id="x")),
    case("error bad-grade: qrels.jsonl, row 1", "-1", qrels=changed(QRELS, 1, grade=-1)),
    case("error bad-grade: qrels.jsonl, row 3", "'high'", qrels=changed(QRELS, 3, grade="high")),
    case("error bad-kind: qrels.jsonl, row 3", "'clicks'", qrels=changed(QRELS, 3, kind="clicks")),
    case("error bad-weight: queries.jsonl, row 1", "-2", queries=changed(QUERIES, 1, weight=-2)),
    case("warning empty-grade: qrels.jsonl, row 2", qrels=changed(QRELS, 2, grade=None)),
    case(
        "warning repeated-qrels: qrels.jsonl, rows 2, 5, 6, 7, 8 and 3 more",
        "'q1', 'q2'",
        qrels=[QRELS[0], *QRELS, *[QRELS[1]] * 7],
    ),
    case(
        "warning conflicting-grades: qrels.jsonl, rows 1, 4",
        "'q1'",
        qrels=[*QRELS, QRELS[0] | {"grade": 1}],
    ),
]
CASES = [
    *PRODUCT_PHOTO_CASES,
    *QUERY_PHOTO_CASES,
    *TABLE_CASES,
    *PRODUCT_CASES,
    *QUERY_CASES,
    *QRELS_CASES,
]


@pytest.mark.parametrize(("expected", "found", "files", "tables"), CASES)
def test_each_fault_is_found_with_its_rows(tmp_path, expected, found, files, tables):
    report = check(write_shop(tmp_path, tables, files))
    assert expected in summary(report)
    finding = report.findings[summary(report).index(expected)]
    assert found in finding.found
    assert finding.remedy == RULES[finding.code].remedy
    assert report.ok == ("error" not in " ".join(summary(report)))


def test_every_rule_has_a_case():
    codes = {case.id.split()[1].rstrip(":") for case in CASES}
    assert codes | {"no-folder"} == set(RULES)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_folder_that_is_none(tmp_path, name):
    (tmp_path / "file").write_text("")
    report = check(tmp_path / name)
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.rows) == ("no-folder", "error", ())
    assert str(tmp_path / name) in finding.found
    assert not report.ok


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_sound_shop_has_counts_and_no_findings(tmp_path, suffix):
    report = check(write_shop(tmp_path, suffix=suffix))
    assert report.findings == ()
    assert report.ok
    assert report.counts == {
        "products": 3,
        "products_with_title": 3,
        "products_with_image": 2,
        "products_with_both": 2,
        "groups": 3,
        "images_usable": 2,
        "images_unusable": {},
        "queries": 3,
        "queries_by_split": {"train": 1, "dev": 1, "test": 1},
        "queries_with_text": 3,
        "queries_with_image": 0,
        "query_images_usable": 0,
        "query_images_unusable": {},
        "qrels": 3,
        "grades": {"1": 1, "3": 2},
        "label_sets": {"relevance": 3},
        "judged_products": 3,
        "judged_products_by_split": {"train": 1, "dev": 1, "test": 1},
        "of_them_judged_in_train": {},
        "judged_queries_by_split": {"train": 1, "dev": 1, "test": 1},
    }
    assert read_dataset(tmp_path).notes == ()


def test_products_that_training_judges_too_are_counted(tmp_path):
    variants = changed(changed(PRODUCTS, 1, group_id="g"), 2, group_id="g")
    more = [{"query_id": "q3", "product_id": name, "grade": 1} for name in ("p1", "p2", "p3")]
    qrels = [*QRELS, *more, {"query_id": "q2", "product_id": "p1", "grade": 0}]
    counts = check(write_shop(tmp_path, {"products": variants, "qrels": qrels})).counts
    # q1 (train) has p1; q2 (dev) its variant p2; q3 (test) those and p3.
    assert counts["judged_products_by_split"] == {"train": 1, "dev": 1, "test": 3}
    assert counts["of_them_judged_in_train"] == {"dev": 1, "test": 2}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_formats_bring_up_the_same(tmp_path, suffix):
    tables = {
        "products": changed(changed(PRODUCTS, 2, title="", image="gone.jpg"), 3, product_id="p1"),
        "queries": changed(QUERIES, 3, split="tset"),
        "qrels": changed(QRELS, 1, grade=-2),
    }
    report = check(write_shop(tmp_path, tables, suffix=suffix))
    assert {(f.code, f.file.removesuffix(suffix), f.rows) for f in report.findings} == {
        ("duplicate-product-id", "products", (1, 3)),
        ("empty-title", "products", (2,)),
        ("image-missing", "products", (2,)),
        ("unfindable-product", "products", (2,)),
        ("bad-split", "queries", (3,)),
        ("unknown-product", "qrels", (3,)),
        ("bad-grade", "qrels", (1,)),
        ("unjudged-queries", "queries", (1,)),
    }


def test_a_broken_table_does_not_end_the_check(tmp_path):
    tables = {"products": None, "queries": changed(QUERIES, 2, image="gone.jpg", split="no")}
    files = {"products.parquet": b"no parquet", "notes.txt": b""}
    report = check(write_shop(tmp_path, tables, files))
    assert codes(report) == {"unreadable-table", "bad-split", "no-dev-split", "query-image-missing"}


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
def test_any_colour_mode_is_usable(tmp_path, mode):
    files = {"p1.png": photo(1, mode=mode, format="JPEG")}
    report = check(write_shop(tmp_path, files=files))
    assert report.findings == ()
    assert report.counts["images_usable"] == 2


def test_one_product_with_text_outside_ascii(tmp_path):
    products = [{"product_id": "č-1", "title": "Červené boty 靴 👟", "image": "boty č.png"}]
    tables = {"products": products, "queries": None, "qrels": None}
    report = check(write_shop(tmp_path, tables, {"boty č.png": photo(3)}))
    assert codes(report) == {"no-queries", "no-qrels"}
    assert report.ok
    assert (report.counts["products"], report.counts["images_usable"]) == (1, 1)


def test_photos_alone_make_a_shop(tmp_path):
    tables = {"products": without(PRODUCTS[:2], "title"), "qrels": QRELS[:2]}
    assert codes(check(write_shop(tmp_path, tables))) == {"unjudged-queries"}


def test_a_broken_photo_beside_attributes_is_only_a_warning(tmp_path):
    products = changed(PRODUCTS, 1, title=None, image="gone.jpg", attributes={"colour": "red"})
    report = check(write_shop(tmp_path, {"products": products}))
    assert codes(report) == {"empty-title", "image-missing"}


def test_a_path_out_of_the_folder_is_never_read(tmp_path):
    (tmp_path / "outside.png").write_bytes(photo(5))
    products = changed(PRODUCTS, 1, image="../outside.png")
    products = changed(products, 2, image=str(tmp_path / "outside.png"))
    report = check(write_shop(tmp_path / "shop", {"products": products}))
    (finding,) = report.findings
    assert (finding.code, finding.rows) == ("image-bad-path", (1, 2))
    assert report.counts["images_usable"] == 0
    assert report.counts["images_unusable"] == {"bad path": 2}


def test_one_text_with_different_photos_is_no_leak(tmp_path):
    queries = changed(
        changed(QUERIES, 1, query="this", image="p1.png"), 2, query="this", image="p2.png"
    )
    assert check(write_shop(tmp_path, {"queries": queries})).findings == ()


def test_a_judgement_without_grade_is_positive(tmp_path):
    report = check(write_shop(tmp_path, {"qrels": without(QRELS, "grade")}))
    assert report.findings == ()
    assert report.counts["grades"] == {"1": 3}


def test_each_photo_is_reported_once(tmp_path):
    seen = []

    class Counter(SilentReporter):
        @contextmanager
        def bar(self, name, total):
            yield lambda count, text: seen.append((count, total))

    queries = changed(QUERIES, 1, image="p1.png")
    check_dataset(write_shop(tmp_path, {"queries": queries}), reporter=Counter())
    assert sum(count for count, _ in seen) == 2
    assert {total for _, total in seen} == {2}
