"""`windowshop check` on whole shops: what it counts, and what is no fault."""

from contextlib import contextmanager

import pytest
from support.checking import check, codes
from support.shops import PRODUCTS, QRELS, QUERIES, changed, image_bytes, without, write_shop

from windowshop.data.check import check_dataset
from windowshop.data.dataset import read_dataset
from windowshop.progress import SilentReporter


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
    files = {"p1.png": image_bytes(1, mode=mode, format="JPEG")}
    report = check(write_shop(tmp_path, files=files))
    assert report.findings == ()
    assert report.counts["images_usable"] == 2


def test_one_product_with_text_outside_ascii(tmp_path):
    products = [{"product_id": "č-1", "title": "Červené boty 靴 👟", "image": "boty č.png"}]
    tables = {"products": products, "queries": None, "qrels": None}
    report = check(write_shop(tmp_path, tables, {"boty č.png": image_bytes(3)}))
    assert codes(report) == {"no-queries", "no-qrels"}
    assert report.ok
    assert (report.counts["products"], report.counts["images_usable"]) == (1, 1)


def test_images_alone_make_a_shop(tmp_path):
    tables = {"products": without(PRODUCTS[:2], "title"), "qrels": QRELS[:2]}
    assert codes(check(write_shop(tmp_path, tables))) == {"unjudged-queries"}


def test_a_broken_image_beside_attributes_is_only_a_warning(tmp_path):
    products = changed(PRODUCTS, 1, title=None, image="gone.jpg", attributes={"colour": "red"})
    report = check(write_shop(tmp_path, {"products": products}))
    assert codes(report) == {"empty-title", "image-missing"}


def test_a_path_out_of_the_folder_is_never_read(tmp_path):
    (tmp_path / "outside.png").write_bytes(image_bytes(5))
    products = changed(PRODUCTS, 1, image="../outside.png")
    products = changed(products, 2, image=str(tmp_path / "outside.png"))
    report = check(write_shop(tmp_path / "shop", {"products": products}))
    (finding,) = report.findings
    assert (finding.code, finding.rows) == ("image-bad-path", (1, 2))
    assert report.counts["images_usable"] == 0
    assert report.counts["images_unusable"] == {"bad path": 2}


def test_one_text_with_different_images_is_no_leak(tmp_path):
    queries = changed(
        changed(QUERIES, 1, query="this", image="p1.png"), 2, query="this", image="p2.png"
    )
    assert check(write_shop(tmp_path, {"queries": queries})).findings == ()


def test_a_judgement_without_grade_is_positive(tmp_path):
    report = check(write_shop(tmp_path, {"qrels": without(QRELS, "grade")}))
    assert report.findings == ()
    assert report.counts["grades"] == {"1": 3}


def test_each_image_is_reported_once(tmp_path):
    seen = []

    class Counter(SilentReporter):
        @contextmanager
        def bar(self, name, total):
            yield lambda count, text: seen.append((count, total))

    queries = changed(QUERIES, 1, image="p1.png")
    check_dataset(write_shop(tmp_path, {"queries": queries}), reporter=Counter())
    assert sum(count for count, _ in seen) == 2
    assert {total for _, total in seen} == {2}
