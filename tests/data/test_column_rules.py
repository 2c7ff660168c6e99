import json
from datetime import datetime

import pytest

from windowshop.data import attribute_columns, check_dataset, fill_attributes
from windowshop.data.column_rules import read_rules, seen_rules, write_rules
from windowshop.data.dataset import read_dataset, read_products
from windowshop.errors import ConfigError, DataError

CSV = (
    "product_id,title,size,mpn,new,made,tags,cost,picture,stock\n"
    "1,Stuhl,036,12,1,2024-03-01,a,3.5,1.jpg,5\n"
    "2,Tisch,37,13,0,2024-03-02T10:30,b,4.5,2.jpg,6\n"
)
RULES = """\
language: de
columns:
  stock: {type: text}
  size: {type: number, roles: [filter, sort]}
  mpn: {roles: [identifier]}
  new: {type: boolean}
  made: {type: date}
  tags: {type: texts}
  cost: {roles: [hidden]}
  picture: {roles: [image]}
"""


def write(folder, rules=None, products=CSV):
    (folder / "products.csv").write_text(products)
    if rules is not None:
        (folder / "columns.yaml").write_text(rules)
    return folder


def test_columns_have_the_types_and_roles_that_are_declared(tmp_path):
    dataset = read_dataset(write(tmp_path, RULES))
    row = dataset.products.to_dicts()[1]
    assert dataset.language == "de"
    assert (row["stock"], row["size"], row["mpn"], row["new"]) == ("6", 37.0, "13", False)
    assert (row["made"], row["tags"]) == (datetime(2024, 3, 2, 10, 30), ["b"])
    assert row["image"] == "2.jpg"
    assert "cost" not in row


def test_nothing_is_declared_without_a_file(tmp_path):
    products = read_products(write(tmp_path))
    assert products["size"].to_list() == ["036", "37"]
    assert products["stock"].to_list() == [5.0, 6.0]
    assert read_dataset(tmp_path).language == ""


@pytest.mark.parametrize(
    ("rules", "error", "match"),
    [
        (
            "columns: {colour: {type: text}}",
            DataError,
            "columns.yaml: 'colour' is neither a column nor an attribute in prod",
        ),
        (
            "columns: {made: {type: number}}",
            DataError,
            "'made' must hold numbers.*row 1: '2024-",
        ),
        ("columns: {title: {type: date}}", DataError, "declared as date in columns.yaml, row 1"),
        ("columns: {title: {type: boolean}}", DataError, "declared as boolean.*'Stuhl'"),
        ("columns: {size: {type: integer}}", ConfigError, "'integer', need one of"),
        ("columns: {size: {roles: [facets]}}", ConfigError, "'facets', need one of"),
        ("language: klingon", ConfigError, "language='klingon' is unknown"),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path, rules, error, match):
    write(tmp_path, rules)
    with pytest.raises(error, match=match):
        read_dataset(tmp_path)


def test_the_check_finds_a_wrong_declaration(tmp_path):
    report = check_dataset(write(tmp_path, "columns: {colour: {type: text}}"))
    assert "bad-columns" in {finding.code for finding in report.findings}


def test_what_is_seen_is_written_and_read_back_to_the_same_table(tmp_path):
    rows = [
        {"product_id": str(i), "title": f"Chair {i}", "price": i, "mpn": f"0{i}", "new": True,
         "tags": ["a", "b"], "widths": [1, 2], "material": "oak", "category": "Home > Chairs",
         "attributes": {"kg": i, "legs": "4"}}
        for i in range(6)
    ]  # fmt: skip
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, rows)))
    before = read_products(tmp_path)
    path = write_rules(tmp_path, seen_rules(before))
    rules = read_rules(tmp_path)
    assert rules.language == "en"
    assert rules.columns["mpn"].roles == ("identifier", "filter", "shown")
    assert rules.columns["material"].roles == ("filter", "facet", "shown")
    assert rules.columns["tags"].type == "texts"
    assert rules.columns["kg"].roles == ("filter", "facet", "sort", "shown")
    assert rules.columns["legs"].roles == ("filter", "facet", "shown")
    assert (rules.columns["kg"].type, rules.columns["legs"].type) == ("number", "text")
    assert read_products(tmp_path).equals(before)
    with pytest.raises(DataError, match="is there already"):
        write_rules(path.parent, rules)


ATTRIBUTES = [
    {
        "weight_kg": "9",
        "lock": "yes",
        "code": 12,
        "sizes": [38, "39"],
        "cost": 3,
        "made": "2024-01-02",
    },
    {"weight_kg": 20.5, "lock": False, "code": "012", "sizes": ["40"]},
    {"weight_kg": None},
]


def test_attributes_have_the_types_that_are_declared(tmp_path):
    rows = [
        {"product_id": str(i), "title": "Case", "attributes": attributes}
        for i, attributes in enumerate(ATTRIBUTES)
    ]
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "columns.yaml").write_text(
        "columns: {weight_kg: {type: number}, lock: {type: boolean}, code: {roles: [identifier]},"
        " sizes: {type: texts}, cost: {roles: [hidden]}, made: {type: date}}"
    )
    products = read_products(tmp_path)
    columns = attribute_columns(products)
    table = fill_attributes(products, columns)
    assert table["weight_kg"].to_list() == [9.0, 20.5, None]
    assert table["lock"].to_list() == [True, False, None]
    assert table["code"].to_list() == ["12", "012", None]
    assert table["sizes"].to_list() == [["38", "39"], ["40"], None]
    assert "cost" not in table.columns
    assert "cost" not in products["attributes"][0]
    (tmp_path / "columns.yaml").write_text("columns: {lock: {type: number}}")
    with pytest.raises(DataError, match="row 1: attribute 'lock' is declared as number.*'yes'"):
        read_products(tmp_path)
