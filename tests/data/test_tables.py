import json

import polars as pl
import pytest
from support.registering import registered_file

from windowshop.data.folder import find_table
from windowshop.data.tables import read_table, to_numbers
from windowshop.errors import DataError
from windowshop.registry import READERS

SCHEMA = {
    "product_id": pl.String(),
    "title": pl.String(),
    "price": pl.Float64(),
    "attributes": pl.String(),
}


@pytest.fixture
def read(tmp_path):
    """Write a file and read it as a table."""

    def write_and_read(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, SCHEMA)

    return write_and_read


@pytest.fixture
def read_parquet(tmp_path):
    def write_and_read(columns):
        pl.DataFrame(columns).write_parquet(tmp_path / "t.parquet")
        return read_table(tmp_path / "t.parquet", SCHEMA)

    return write_and_read


def test_find_table(tmp_path):
    assert find_table(tmp_path, "products") is None
    (tmp_path / "products.csv").write_text("product_id\n1\n")
    assert find_table(tmp_path, "products") == tmp_path / "products.csv"
    (tmp_path / "products.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"found products\.csv, products\.jsonl"):
        find_table(tmp_path, "products")


def test_csv_ids_keep_leading_zeros(read):
    table = read("t.csv", "product_id,price\n00123,1.5\n7,\n")
    assert table.rows() == [("00123", 1.5), ("7", None)]


def test_csv_text_columns_stay_as_written(read):
    table = read("t.csv", "product_id,title\n1,2.50\n2,1.00\n")
    assert table["title"].to_list() == ["2.50", "1.00"]
    assert read("t.csv", "product_id,title\n1,True\n")["title"].to_list() == ["True"]


def test_csv_further_columns_get_a_type(read):
    table = read(
        "t.csv",
        'product_id,stock,new,code,parent_id,colour,none\n1,5,true,007,8,red,\n2,"",FALSE,12,9,,\n',
    )
    assert table.rows()[0] == ("1", 5.0, True, "007", "8", "red", None)
    assert table.rows()[1] == ("2", None, False, "12", "9", None, None)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffproduct_id,title\n1,Boty č\n",
        '\ufeff"product_id","title"\n"1","Boty č"\n',
        " product_id ,title \r\n1,Boty č\r\n",
        "product_id,title\n1,Boty č\n\n\n",
        'product_id,title\n"1","Boty č"',
    ],
    ids=["mark", "quoted mark", "spaces", "blank lines", "no last newline"],
)
def test_csv_as_spreadsheets_write_it(read, content):
    assert read("t.csv", content).rows(named=True) == [{"product_id": "1", "title": "Boty č"}]


def test_csv_quotes_and_newlines_in_a_field(read):
    table = read("t.csv", 'product_id,title\n1,"A ""big"", red\nhat"\n')
    assert table["title"].to_list() == ['A "big", red\nhat']


def test_csv_row_with_too_few_fields_ends_in_nulls(read):
    assert read("t.csv", "product_id,title,price\n1\n").rows() == [("1", None, None)]


def test_csv_row_with_too_many_fields(read):
    with pytest.raises(DataError, match=r"t\.csv: .* no row has more fields than columns"):
        read("t.csv", "product_id,title\n1,x,y\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "product_id,title\n1,café\n".encode("latin-1")),
        ("t.csv", "product_id,café\n1,x\n".encode("latin-1")),
        ("t.csv", "product_id,title\n1,x\n".encode("utf-16")),
        ("t.jsonl", '{"product_id": 1, "title": "café"}\n'.encode("latin-1")),
    ],
    ids=["latin-1", "latin-1 header", "utf-16", "latin-1 jsonl"],
)
def test_other_encodings_are_refused(read, name, content):
    with pytest.raises(DataError, match="UTF-8"):
        read(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b""),
        ("t.csv", b'product_id,title\n1,"a\n2,b\n'),
        ("t.jsonl", b'{"product_id": 1}\n{"product_id": 2, "ti'),
        ("t.jsonl", b"1\n2\n"),
        ("t.parquet", b"no parquet"),
        ("t.parquet", b"PAR1"),
    ],
)
def test_broken_files_are_named(read, name, content):
    with pytest.raises(DataError, match=name):
        read(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "product_id,title, title\n1,a,b\n"),
        ("t.jsonl", '{"product_id": 1, "title": "a", "title ": "b"}\n'),
    ],
)
def test_a_column_that_stands_twice(read, name, content):
    with pytest.raises(DataError, match="'title' stands twice"):
        read(name, content)


def test_jsonl_ids_become_text(read):
    table = read("t.jsonl", '{"product_id": 12}\n\n{"product_id": "007"}\n{"title": "x"}\n')
    assert table["product_id"].to_list() == ["12", "007", None]


def test_jsonl_with_a_byte_order_mark(read):
    assert read("t.jsonl", '\ufeff{"product_id": 1}\n')["product_id"].to_list() == ["1"]


def test_jsonl_nested_attributes_become_json(read):
    rows = [
        {"product_id": 1, "attributes": {"colour": "červená", "size": {"eu": 42}}},
        {"product_id": 2, "attributes": {"tags": ["a", "b"], "size": {"us": 9}}},
        {"product_id": 3, "attributes": None},
    ]
    table = read("t.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert "červená" in table["attributes"][0]
    parsed = [value and json.loads(value) for value in table["attributes"].to_list()]
    assert parsed == [row["attributes"] for row in rows]


def test_nested_further_columns_become_json(read_parquet):
    table = read_parquet({"product_id": ["a"], "tags": [["x", "y"]]})
    assert table["tags"].to_list() == ['["x", "y"]']


def test_parquet_ids_become_text(read_parquet):
    assert read_parquet({"product_id": [1, 2]})["product_id"].to_list() == ["1", "2"]
    assert read_parquet({"product_id": [1.0, None]})["product_id"].to_list() == ["1", None]


def test_parquet_nan_is_an_empty_field(read_parquet):
    assert read_parquet({"price": [1.5, float("nan")]})["price"].to_list() == [1.5, None]


def test_parquet_bytes_that_are_no_text(read_parquet):
    with pytest.raises(DataError, match=r"t\.parquet"):
        read_parquet({"product_id": [b"\xff\xfe"]})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'product_id,title,price\n"1","","  "\n'),
        ("t.jsonl", '{"product_id": "1", "title": "", "price": "  "}\n'),
    ],
)
def test_blank_text_is_an_empty_field(read, name, content):
    assert read(name, content).rows() == [("1", None, None)]


def test_numbers_written_as_text(read):
    table = read("t.jsonl", '{"price": "3"}\n{"price": " 4.5 "}\n{"price": 5}\n')
    assert table["price"].to_list() == [3.0, 4.5, 5.0]


def test_values_that_are_no_numbers_are_listed_with_rows(read):
    with pytest.raises(DataError, match=r"numbers, found 2 .*row 1: '1,5', row 3: 'free'"):
        read("t.csv", 'product_id,price\n1,"1,5"\n2,3\n3,free\n')


def test_absent_columns_stay_absent(read):
    assert read("t.csv", "product_id\n1\n").columns == ["product_id"]


def test_to_numbers():
    assert to_numbers(pl.Series([" 1", "x", None, "2e3"])).to_list() == [1.0, None, None, 2000.0]
    assert to_numbers(pl.Series([1, 2])).to_list() == [1.0, 2.0]


def test_a_reader_is_added_by_one_file_and_one_line(tmp_path, monkeypatch):
    code = "import polars as pl\n\ndef read(path):\n    return pl.read_csv(path, separator='\\t')\n"
    (tmp_path / "products.tsv").write_text("product_id\ttitle\np1\tRed hat\n")
    assert find_table(tmp_path, "products") is None
    with registered_file(tmp_path, monkeypatch, READERS, ".tsv", "tab_reader:read", code):
        path = find_table(tmp_path, "products")
        assert path == tmp_path / "products.tsv"
        assert read_table(path, {}).rows() == [("p1", "Red hat")]
