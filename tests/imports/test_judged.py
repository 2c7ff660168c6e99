# ruff: noqa: E501
"""Judged sources and tables with images in them."""

import json

import polars as pl
import pytest
from support.exports import csv_text, import_path, import_text, real_export
from support.shops import image_bytes

from windowshop.data import check_dataset, read_dataset


def qrels(folder):
    frame = pl.read_parquet(folder / "qrels.parquet")
    return {(query, product): grade for query, product, grade in frame.iter_rows()}


def queries(folder, column="query"):
    return dict(pl.read_parquet(folder / "queries.parquet").select("query_id", column).iter_rows())


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(folder / name)
        else:
            (folder / name).write_text(content)
    return folder


def test_real_judgements_of_esci(tmp_path):
    shop = import_path(real_export("esci/esci_us_judgments.json"), tmp_path / "shop")
    assert shop.report.counts == {"queries": 150, "judgements": 6678}
    grades = pl.read_parquet(shop.folder / "qrels.parquet")["grade"].value_counts()
    assert set(grades["grade"]) == {0, 1, 2, 3}
    first = next(i for i, text in queries(shop.folder).items() if text == "t towels kitchen")
    found = qrels(shop.folder)
    assert found[first, "B07NCQWCQS"] == 3
    assert found[first, "B07QLRTGVQ"] == 2
    assert found[first, "B0825VCHDG"] == 1
    assert found[first, "B08JZ36B5B"] == 0


def test_esci(tmp_path):
    products = pl.DataFrame({
        "product_id": ["B1", "B2"], "product_title": ["Red towel", "Blue towel"],
        "product_description": ["<p>Soft</p>", None], "product_bullet_point": ["Big", "Small"],
        "product_brand": ["Acme", None], "product_color": ["Red", None],
        "product_locale": ["us", "us"],
    })  # fmt: skip
    examples = pl.DataFrame({
        "example_id": [0, 1, 2], "query": ["red towel", "red towel", "mug"], "query_id": [7, 7, 8],
        "product_id": ["B1", "B2", "B9"], "product_locale": ["us"] * 3, "esci_label": ["E", "S", "I"],
        "small_version": [1, 1, 1], "split": ["train", "train", "test"],
    })  # fmt: skip
    source = write(tmp_path / "esci", {
        "shopping_queries_dataset_products.parquet": products,
        "shopping_queries_dataset_examples.parquet": examples,
    })  # fmt: skip
    shop = import_path(source, tmp_path / "shop")
    assert shop.report.format == "ESCI"
    assert qrels(shop.folder) == {("7", "B1"): 3, ("7", "B2"): 2, ("8", "B9"): 0}
    assert queries(shop.folder, "split") == {"7": "train", "8": "test"}
    assert shop.row("B1")["description"] == "Big\nSoft"
    assert json.loads(shop.row("B1")["attributes"]) == {"color": "Red"}
    dataset = read_dataset(shop.folder)
    assert len(dataset.qrels) == 2


def test_wands(tmp_path):
    source = write(tmp_path / "wands", {
        "product.csv": "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\t"
                       "product_features\trating_count\n"
                       "0\tSolid bed\tBeds\tFurniture / Bedroom / Beds\tGood\tmaterial : wood|color: red|"
                       "color: blue\t15.0\n1\tLamp\tLamps\t\tBright\t\t2.0\n",
        "query.csv": "query_id\tquery\tquery_class\n0\twooden bed\tBeds\n1\tlamp\tLamps\n",
        "label.csv": "id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n1\t0\t1\tIrrelevant\n"
                     "2\t1\t1\tPartial\n3\t1\t0\tPerhaps\n",
        "readme.txt": "About this set.",
    })  # fmt: skip
    shop = import_path(source, tmp_path / "shop")
    assert shop.report.format == "WANDS"
    assert qrels(shop.folder) == {("0", "0"): 3, ("0", "1"): 0, ("1", "1"): 1}
    bed = shop.row("0")
    assert bed["category"] == "Furniture > Bedroom > Beds"
    assert json.loads(bed["attributes"]) == {"material": "wood", "color": ["red", "blue"]}
    assert bed["rating_count"] == 15
    assert shop.notes["bad-grade"] == 1
    assert [path.rpartition("/")[2] for path in shop.report.passed_over] == ["readme.txt"]


def test_beir(tmp_path):
    source = write(tmp_path / "beir", {
        "corpus.jsonl": '{"_id": "d1", "title": "Red mug", "text": "A mug.", "metadata": {"size": 3}}\n'
                        '{"_id": "d2", "title": "", "text": "A blue mug."}\n',
        "queries.jsonl": '{"_id": "q1", "text": "red mug"}\n{"_id": "q2", "text": "blue mug"}\n'
                         '{"_id": "q3", "text": "never judged"}\n',
        "qrels/train.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\n",
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq2\td2\t1\nq2\td1\t0\n",
    })  # fmt: skip
    shop = import_path(source, tmp_path / "shop")
    assert shop.report.format == "BEIR"
    assert queries(shop.folder, "split") == {"q1": "train", "q2": "test"}
    assert qrels(shop.folder) == {("q1", "d1"): 2, ("q2", "d2"): 1, ("q2", "d1"): 0}
    assert shop.column("title") == {"d1": "Red mug", "d2": "A blue mug."}


@pytest.mark.parametrize(
    ("name", "topics"),
    [
        ("topics.txt", "<top>\n<num> Number: 1\n<title> red mug\n</top>\n<top><num>2</num><title>hat</title></top>"),
        ("queries.tsv", "1\tred mug\n2\that\n"),
        ("queries.jsonl", '{"id": "1", "query": "red mug"}\n{"id": "2", "query": "hat"}\n'),
    ],
)  # fmt: skip
def test_trec(tmp_path, name, topics):
    source = write(tmp_path / "trec", {
        name: topics,
        "qrels.txt": "1 0 d1 2\n1 0 d2 0\n2 Q0 d3 1\n",
        "docs.jsonl": '{"id": "d1", "title": "Red mug"}\n{"id": "d2", "title": "Blue mug"}\n',
    })  # fmt: skip
    shop = import_path(source, tmp_path / "shop")
    assert shop.report.format == "TREC"
    assert queries(shop.folder) == {"1": "red mug", "2": "hat"}
    assert qrels(shop.folder) == {("1", "d1"): 2, ("1", "d2"): 0, ("2", "d3"): 1}
    assert len(shop.products) == 2


def test_marqo_gs(tmp_path):
    header = "query_id,query,product_id,position,title,pair_id,score_linear,score_reciprocal\n"
    rows = "q1,red mug,p1,1,Red mug,a,100,1.0\nq1,red mug,p2,50,Mug,b,50,0.02\nq2,hat,p1,100,Red mug,c,1,0.01\n"
    shop = import_text(tmp_path, "gs.csv", header + rows)
    assert shop.report.format == "judged queries"
    assert qrels(shop.folder) == {("q1", "p1"): 3, ("q1", "p2"): 2, ("q2", "p1"): 0}
    assert shop.column("title") == {"p1": "Red mug", "p2": "Mug"}
    assert shop.notes == {}


def test_tables_of_contests(tmp_path):
    """Pairs with products by a number of their own, beside their texts, or by their titles alone."""
    folder = tmp_path / "contest"
    folder.mkdir()
    (folder / "train.csv").write_text(
        '"id","product_uid","product_title","search_term","relevance"\n'
        '2,100001,"Angle, 12 gauge","angle bracket",3\n3,100001,"Angle, 12 gauge","l bracket",2.6\n'
        '9,100002,"Deck paint 1 gal.","deck over",1\n17,100001,"Angle, 12 gauge","deck over",1.33\n'
    )
    (folder / "descriptions.csv").write_text(
        '"product_uid","product_description"\n100001,"Angles make joints stronger"\n100002,"Paint"\n'
    )
    shop = import_path(folder, tmp_path / "shop")
    assert shop.report.format == "judged queries"
    assert shop.column("title") == {"100001": "Angle, 12 gauge", "100002": "Deck paint 1 gal."}
    assert (shop.report.counts["queries"], shop.report.counts["judgements"]) == (3, 4)
    grades = pl.read_parquet(shop.folder / "qrels.parquet")["grade"].to_list()
    assert grades == [3, 3, 1, 1]
    text = (
        "id,query,product_title,median_relevance\n1,lamp,Red lamp,4\n2,lamp,Sofa,1\n3,sofa,Sofa,4\n"
    )
    shop = import_text(tmp_path, "pairs.csv", text)
    assert sorted(shop.products["title"]) == ["Red lamp", "Sofa"]
    assert shop.report.counts["judgements"] == 3
    text = "sku,name,price,keyword,rating\nA,Red lamp,5.00,lamp,4.5\nB,Sofa,6.00,sofa,3.9\n"
    assert import_text(tmp_path, "shop.csv", text).report.format == "a table"


def test_a_collection_without_a_header(tmp_path):
    folder = tmp_path / "trec"
    folder.mkdir()
    (folder / "collection.tsv").write_text("0\tRed mug with handle\n1\tBlue cup for tea\n")
    (folder / "queries.dev.tsv").write_text("10\tmug\n11\tcup\n")
    (folder / "qrels.dev.tsv").write_text("10\t0\t0\t1\n11\t0\t1\t1\n")
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("title") == {"0": "Red mug with handle", "1": "Blue cup for tea"}


def test_a_table_of_queries_products_and_labels(tmp_path):
    text = (
        "search_query,product_id,relevance\nred mug,p1,exact\nred mug,p2,irrelevant\nhat,p3,huh\n"
    )
    shop = import_text(tmp_path, "labels.csv", text)
    assert set(qrels(shop.folder).values()) == {3, 0}
    assert set(queries(shop.folder).values()) == {"red mug"}
    assert shop.notes == {"bad-grade": 1}


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_images_in_a_table_become_files(tmp_path, form):
    images = [image_bytes(1), image_bytes(2, format="JPEG"), b"no image", image_bytes(1)]
    frame = pl.DataFrame({
        "image": [{"bytes": content, "path": f"{i}.png"} for i, content in enumerate(images)],
        "productDisplayName": ["Red shoe", "Blue shoe", "Grey shoe", "Red shoe again"],
        "id": [11, 12, 13, 14],
        "articleType": ["Shoes"] * 4,
    })  # fmt: skip
    path = tmp_path / f"data.{form}"
    frame.write_parquet(path) if form == "parquet" else frame.write_ipc_stream(path)
    shop = import_path(path, tmp_path / "shop")
    assert shop.report.format == "a table with images in it"
    found = shop.column("image")
    assert found["11"] == found["14"]
    assert (shop.folder / found["11"]).read_bytes() == images[0]
    assert (shop.folder / found["12"]).suffix == ".jpg"
    assert found["13"] is None
    assert shop.notes["bad-image"] == 1
    report = check_dataset(shop.folder)
    assert report.ok
    assert report.counts["images_usable"] == 3


@pytest.mark.parametrize(
    "judged", [{"p1": {"gain": 3}, "p2": {"gain": 1}}, {"3": ["p1"], "1": ["p2"]}]
)
def test_judgements_of_rre(tmp_path, judged):
    texts = [
        {"template": "q.json", "placeholders": {"$query": text}}
        for text in ("red chair", "chair red")
    ]
    group = {"name": "chairs", "queries": texts, "relevant_documents": judged}
    told = {
        "index": "shop",
        "id_field": "id",
        "topics": [{"description": "seats", "query_groups": [group]}],
    }
    shop = import_text(tmp_path, "ratings.json", json.dumps(told))
    assert shop.report.counts == {"queries": 2, "judgements": 4}
    asked = pl.read_parquet(shop.folder / "queries.parquet")
    assert set(asked["query"]) == {"red chair", "chair red"}
    assert qrels(shop.folder) == {
        (q, p): g for q in asked["query_id"] for p, g in (("p1", 3), ("p2", 1))
    }


def test_judgements_of_quepid_with_their_case(tmp_path):
    rows = [
        {"Team Name": "T", "Case Name": "C", "Case ID": "1", "Query Text": text, "Doc ID": doc,
         "Doc Position": "1", "Title": f"The {doc}", "Rating": rating}
        for text, doc, rating in (("red chair", "p1", "3"), ("oak table", "p2", "2"))
    ]  # fmt: skip
    shop = import_text(tmp_path, "case.csv", csv_text([*rows[0]], *rows))
    assert shop.report.counts["judgements"] == 2
    assert {p: g for (_, p), g in qrels(shop.folder).items()} == {"p1": 3, "p2": 2}
    assert shop.row("p1")["title"] == "The p1"
    assert "Case Name" not in shop.row("p1")
