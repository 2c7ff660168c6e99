import pytest
from support.checking import check, summary
from support.shops import (
    HUGE_PNG,
    IMAGES,
    PRODUCTS,
    QRELS,
    QUERIES,
    changed,
    image_bytes,
    without,
    write_shop,
)

from windowshop.data.findings import RULES
from windowshop.errors import DataError


def case(expected, found="", files=None, **tables):
    """A fault put into the sound shop, the finding it must bring up, a part of what it says."""
    return pytest.param(expected, found, files or {}, tables, id=expected)


def products(*changes):
    rows = PRODUCTS
    for number, fields in changes:
        rows = changed(rows, number, **fields)
    return rows


PRODUCT_IMAGE_CASES = [
    case(
        "warning image-missing: products.jsonl, rows 1, 2",
        "'p1.png', 'p2.png'",
        dict.fromkeys(IMAGES),
    ),
    case("warning image-empty-file: products.jsonl, row 1", "'p1.png'", {"p1.png": b""}),
    case(
        "warning image-truncated-or-corrupt: products.jsonl, row 2",
        "'p2.png'",
        {"p2.png": image_bytes(2)[:-200]},
    ),
    case("warning image-not-an-image: products.jsonl, row 1", "header", {"p1.png": b"some text"}),
    case("warning image-too-large: products.jsonl, row 1", "limit", {"p1.png": HUGE_PNG}),
    case(
        "warning image-too-small: products.jsonl, row 2",
        "1x1 px",
        {"p2.png": image_bytes(size=(1, 1))},
    ),
    case(
        "warning image-bad-path: products.jsonl, rows 1, 2",
        "'../a.png', '/a.png'",
        products=products((1, {"image": "../a.png"}), (2, {"image": "/a.png"})),
    ),
    case(
        "warning image-web-address: products.jsonl, row 3",
        "'https://x.example/a.jpg'",
        products=products((3, {"image": "https://x.example/a.jpg"})),
    ),
    case(
        "warning image-unreadable: products.jsonl, row 3",
        "directory",
        products=products((3, {"image": "."})),
    ),
]
BROKEN_IMAGES = {
    "missing": None,
    "empty-file": b"",
    "truncated-or-corrupt": image_bytes(1)[:-200],
    "not-an-image": b"some text",
    "too-large": HUGE_PNG,
    "too-small": image_bytes(size=(1, 1)),
}
QUERY_IMAGE_CASES = [
    case(
        f"{severity} query-image-{kind}: queries.jsonl, row 3",
        "'q3.jpg'",
        {"q3.jpg": content},
        queries=changed(QUERIES, 3, query=query, image="q3.jpg"),
    )
    for severity, query in (("warning", "green shoe"), ("error", None))
    for kind, content in BROKEN_IMAGES.items()
] + [
    case(
        f"error query-image-{kind}: queries.jsonl, row 3",
        repr(path),
        queries=changed(QUERIES, 3, query=None, image=path),
    )
    for kind, path in (
        ("bad-path", "../q3.jpg"),
        ("unreadable", "."),
        ("web-address", "//x.example/q3.jpg"),
    )
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
        "neither UTF-8 nor",
        {"queries.csv": "query_id,query\nq1,платье\n".encode("cp1251")},
        queries=None,
    ),
    case(
        "error bad-columns: columns.yaml",
        "'colour' is neither a column nor",
        {"columns.yaml": b"columns: {colour: {type: text}}"},
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
    case("warning same-photo: products.jsonl, rows 1, 2", "'p2.png'", {"p2.png": IMAGES["p1.png"]}),
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
        {"a.png": image_bytes(7), "b.png": image_bytes(7)},
        queries=changed(changed(QUERIES, 2, image="a.png"), 3, image="b.png"),
    ),
    case(
        "error leaked-photo: queries.jsonl, row 2",
        "(row 2 as row 1)",
        {"a.png": image_bytes(7), "b.png": image_bytes(7)},
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
    *PRODUCT_IMAGE_CASES,
    *QUERY_IMAGE_CASES,
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
    assert codes == set(RULES)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_folder_that_is_none(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=f"{name}: found .*, need a folder with products"):
        check(tmp_path / name)
