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
    "category": pl.String(),
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


def test_what_exports_write_for_nothing_is_null(tmp_path):
    path = tmp_path / "products.csv"
    path.write_text(
        "product_id,title,brand,weight,sleeve\n"
        "1,-,N/A,12,none\n2,N/A,-,n/a,-\n3,c,#N/A,13.5,long\n4,d,null,--,None\n"
    )
    table = read_table(path, SCHEMA)
    assert table["brand"].null_count() == 4
    assert table["weight"].to_list() == [12, None, 13.5, None]
    assert table["sleeve"].to_list() == ["none", None, "long", "None"]
    assert table["title"].to_list() == ["-", "N/A", "c", "d"]


def test_lists_beside_single_texts_are_lists(tmp_path):
    path = tmp_path / "products.jsonl"
    rows = [{"tags": ["a", 1]}, {"tags": "b"}, {"tags": []}, {"tags": None}, {"tags": 2}]
    path.write_text("\n".join(json.dumps({"product_id": str(i)} | r) for i, r in enumerate(rows)))
    table = read_table(path, SCHEMA, keep_lists=True)
    assert table["tags"].to_list() == [["a", "1"], ["b"], None, None, ["2"]]


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


@pytest.mark.parametrize("separator", [",", ";"])
def test_csv_row_with_too_many_fields_is_named(read, separator):
    content = "product_id,title\n1,x\n2,x,y\n".replace(",", separator)
    with pytest.raises(
        DataError, match=rf"t\.csv: row 2 has 3 fields, the header has 2.*'{separator}'"
    ):
        read("t.csv", content)


@pytest.mark.parametrize(
    ("content", "titles"),
    [
        ("product_id;title;price\n1;Stuhl, grau;5,50\n2;Tisch;7\n", ["Stuhl, grau", "Tisch"]),
        ("product_id\ttitle\n1\tbed, big\n", ["bed, big"]),
        ("product_id|title\n1|bed\n", ["bed"]),
        ("sep=;\nproduct_id;title\n1;bed\n", ["bed"]),
        ('"sep=\t"\nproduct_id\ttitle\n1\tbed\n', ["bed"]),
        ('product_id,"title"\n1,"a; b; c"\n', ["a; b; c"]),
        ("product_id,title\n1,Schön\n".encode("utf-16"), ["Schön"]),
        ("product_id\ttitle\n1\tSchön\n".encode("utf-16-le"), ["Schön"]),
        ("product_id,title\n1,Café\n".encode("latin-1"), ["Café"]),
        ("product_id,title\n1,5 € “x”\n".encode("cp1252"), ["5 € “x”"]),
        ('product_id,title\n1,"27"" monitor"\n2,27" monitor\n3,"a, b"\n4,32"\n',
         ['27" monitor', '27" monitor', "a, b", '32"']),
        ("product_id,title\r1,a\r2,b", ["a", "b"]),
        ('product_id,title\n1,"say \\"hi\\" now"\n2,b\n', ['say "hi" now', "b"]),
        ('product_id,title\n1,"C:\\"\n2,"b, c"\n', ["C:\\", "b, c"]),
        ('product_id,title\n1,"two\nlines"\n2,5" pot,\n', ["two\nlines", '5" pot']),
    ],
)  # fmt: skip
def test_csv_dialects_are_found(read, content, titles):
    assert read("t.csv", content)["title"].to_list() == titles


def test_decimal_commas_are_read_where_the_separator_is_none(read):
    table = read("t.csv", "product_id;title;price;weight;note\n1;a;1.234,50;2,5;1,5\n2;b;7;3;x\n")
    assert table["price"].to_list() == [1234.5, 7.0]
    assert table["weight"].to_list() == [2.5, 3.0]
    assert table["note"].to_list() == ["1,5", "x"]


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["19,95", "1.299", "1.499,5", "7"], [19.95, 1299.0, 1499.5, 7.0]),
        (["1,499.00", "899", "12.5"], [1499.0, 899.0, 12.5]),
        (["1,499", "899"], [1499.0, 899.0]),
        (["1'499.00", "1 299,50 €"], None),
        (["1 299,50", "5"], [1299.5, 5.0]),
        (["19,95 €", "1.299,00 €"], [19.95, 1299.0]),
        (["$1,499.00", "$5"], [1499.0, 5.0]),
        (["1.499", "2.5"], [1.499, 2.5]),  # as before: nothing says otherwise
        (["19,95", "1,499"], None),
        (["19,95", "12.50"], None),
    ],
)
def test_prices_may_be_written_in_one_notation_of_any_country(read, texts, numbers):
    rows = "".join(f'{i},"{text}"\n' for i, text in enumerate(texts))
    if numbers is None:
        with pytest.raises(DataError, match="must hold numbers"):
            read("t.csv", f"product_id,price\n{rows}")
    else:
        assert read("t.csv", f"product_id,price\n{rows}")["price"].to_list() == numbers


def test_a_currency_may_stand_beside_prices(read):
    assert read("t.csv", "product_id,price\n1,19.99 USD\n2,5 USD\n")["price"].to_list() == [
        19.99,
        5.0,
    ]
    with pytest.raises(DataError, match="numbers, found 2"):
        read("t.csv", "product_id,price\n1,19.99 USD\n2,5 EUR\n")


def test_codes_stay_text(read):
    table = read(
        "t.csv",
        "product_id,mpn,lot,serial,size,GTIN-13,barcodes,stock\n"
        "1,1E5,12E5,9007199254740993,nan,4006381333931,1,5\n"
        "2,10E4,77E2,9007199254740992,inf,4006381333948,2,.5\n"
        "3,7,1,9007199254740995,12,4006381333955,3,-7.25\n",
    )
    rows = [list(row) for row in table.rows()]
    assert [row[1:5] for row in rows] == [
        ["1E5", "12E5", "9007199254740993", "nan"],
        ["10E4", "77E2", "9007199254740992", "inf"],
        ["7", "1", "9007199254740995", "12"],
    ]
    assert table.dtypes[5:] == [pl.String, pl.String, pl.Float64]
    assert table["stock"].to_list() == [5.0, 0.5, -7.25]


def test_trade_item_numbers_are_codes_whatever_their_column(read, read_parquet):
    table = read("t.csv", "product_id,nr,views\n1,4006381333931,4006381333932\n")
    assert table.dtypes == [pl.String, pl.String, pl.Float64]
    assert read_parquet({"product_id": ["1"], "gtin": [12345]})["gtin"].to_list() == ["12345"]
    assert read("t.jsonl", '{"product_id": 1, "ean": 7}\n')["ean"].to_list() == ["7"]


def test_a_later_value_never_fails_for_what_the_first_thousand_were(read):
    lines = "".join(f'{{"product_id": {i}, "width": {i}}}\n' for i in range(2000))
    table = read("t.jsonl", lines + '{"product_id": "x", "width": "wide"}\n')
    assert table["width"][0] == "0"
    assert table["width"][2000] == "wide"
    rows = "".join(f"{i},{i}\n" for i in range(2000))
    assert read("t.csv", f"product_id,width\n{rows}x,wide\n")["width"][2000] == "wide"


def test_a_price_that_is_an_object_is_named(read):
    with pytest.raises(DataError, match=r"'price' must hold numbers, .*row 1: .*amount"):
        read("t.jsonl", '{"product_id": 1, "price": {"amount": 5, "currency": "USD"}}\n')


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "product_id,title\n1,красное платье\n".encode("cp1251")),
        ("t.jsonl", '{"product_id": 1, "title": "café"}\n'.encode("latin-1")),
    ],
    ids=["cp1251", "latin-1 jsonl"],
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
        ("t.csv", "product_id,title,title\n1,a,b\n"),
        ("t.jsonl", '{"product_id": 1, "title": "a", "title ": "b"}\n'),
    ],
)
def test_a_column_that_stands_twice(read, name, content):
    with pytest.raises(DataError, match="'title' stands twice"):
        read(name, content)


def test_a_comma_at_the_end_of_each_line_makes_no_column(read):
    assert read("t.csv", "product_id,title,,\n1,a,,\n2,b,,\n").columns == ["product_id", "title"]


def test_a_number_that_is_not_exact_as_one_stays_text(read):
    table = read("t.csv", "product_id,made,version\n1,9007199254740993,1.10\n2,3,1.9\n")
    assert table["made"].to_list() == ["9007199254740993", "3"]
    assert table["version"].to_list() == ["1.10", "1.9"]


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


@pytest.mark.parametrize("image", [b"\x89PNG", {"bytes": b"\x89PNG", "path": None}])
def test_images_in_a_table_are_named(tmp_path, image):
    pl.DataFrame({"product_id": ["1"], "image": [image]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="'image' holds images themselves") as caught:
        read_table(tmp_path / "t.parquet", {"product_id": pl.String(), "image": pl.String()})
    assert len(str(caught.value)) < 300


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


def test_jsonl_columns_of_several_kinds_become_text(read):
    rows = [
        {"product_id": 1, "x": True, "y": 5, "z": ["a"], "attributes": {"size": 38, "new": None}},
        {"product_id": 2, "x": 3, "y": {"a": 1}, "z": None, "attributes": {"size": [38, 39]}},
        {"product_id": 3, "x": "yes", "price": 5, "attributes": {"size": {"eu": 38}}},
    ]
    table = read("t.jsonl", "\n".join(map(json.dumps, rows)))
    assert table["product_id"].to_list() == ["1", "2", "3"]
    assert table["x"].to_list() == ["true", "3", "yes"]
    assert table["y"].to_list() == ["5", '{"a": 1}', None]
    assert table["price"].to_list() == [None, None, 5.0]
    assert [json.loads(text) for text in table["attributes"]] == [
        {"size": 38},
        {"size": [38, 39]},
        {"size": {"eu": 38}},
    ]
    with pytest.raises(DataError, match="cannot be read as jsonl"):
        read("t.jsonl", '{"product_id": 1, "x": true}\n{"product_id": 2, "x": 3}\n[1]')


def test_prices_in_several_currencies_are_named(read):
    with pytest.raises(DataError, match=r"several currencies \(EUR, USD\).*windowshop import"):
        read("t.csv", "product_id,price\n1,19.99 EUR\n2,5 USD\n")
