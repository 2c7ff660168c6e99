"""Records of tables whose quotes are sloppy: read as they were meant, and reported."""

import csv

import pytest
from support.exports import import_text

from windowshop.imports.csv_records import CsvSigns, csv_records


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'a,"32" monitor, black",5\nb,"x",6\n',
            [["a", '32" monitor, black', "5"], ["b", "x", "6"]],
        ),
        ('a,"A "big" one",5\nb,27" m,6\n', [["a", 'A "big" one', "5"], ["b", '27" m', "6"]]),
        ('a,"Monitor 27"",9\nb,Mouse,9\n', [["a", 'Monitor 27"', "9"], ["b", "Mouse", "9"]]),
        (
            'a,"27"",9\nb,Mouse,9\nc,"Key 12"",5\n',
            [["a", '27"', "9"], ["b", "Mouse", "9"], ["c", 'Key 12"', "5"]],
        ),
        (
            'a,"Big" mug,5\nb,"Quoted, fully",6\n',
            [["a", '"Big" mug', "5"], ["b", "Quoted, fully", "6"]],
        ),
        ('a,"27", black",5\nb,c,6\n', [["a", '27", black', "5"], ["b", "c", "6"]]),
        ('a,"two\nlines "q" x",5\nb,c,6\n', [["a", 'two\nlines "q" x', "5"], ["b", "c", "6"]]),
        ('a,"open,5\nb,c,6\n', [["a", '"open', "5"], ["b", "c", "6"]]),
        ('a,"x "y" z"\nb,c,d\n', [["a", 'x "y" z'], ["b", "c", "d"]]),
        ('"a","27"" m" ,"5"\r\n', [["a", '27" m', "5"]]),
        ('a, "b, c", d\n', [["a", "b, c", " d"]]),
        ('a,"",""\n\n"x","27"","9"\n', [["a", "", ""], [], ["x", '27"', "9"]]),
        ('a,"say ""27"" x",5\nb,"",6\n', [["a", 'say "27" x', "5"], ["b", "", "6"]]),
    ],
)
def test_quotes_are_read_as_they_were_meant(text, expected):
    lines = iter(text.splitlines(keepends=True))
    assert [one.fields for one in csv_records(lines, CsvSigns(separator=","), 3)] == expected


def test_a_quote_that_nothing_closes_is_refused():
    with pytest.raises(csv.Error, match="not closed"):
        [*csv_records(iter(['a,"open\n', "b,c,d\n"]), CsvSigns(separator=","), 3)]


def test_sloppy_rows_are_reported_and_their_neighbours_kept(tmp_path):
    text = 'sku,name,price\nA,"Monitor 27"",199.00\nB,"24" screen, white",99.00\nC,Mouse,9.00\n'
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("title") == {"A": 'Monitor 27"', "B": '24" screen, white', "C": "Mouse"}
    assert shop.column("price") == {"A": 199, "B": 99, "C": 9}
    assert shop.report.notes["mended-quotes"].rows == [1, 2]


def test_apostrophes_and_blanks_around_fields(tmp_path):
    text = "'sku','name','price'\n'A','Women''s coat, long','1,299.00'\n'B','Hat','19.00'\n"
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("title") == {"A": "Women's coat, long", "B": "Hat"}
    assert shop.column("price") == {"A": 1299, "B": 19}
    shop = import_text(tmp_path, "a.csv", 'sku, name, price\nA, "Coat, long", 5\nB, "Hat", 6\n')
    assert shop.column("title") == {"A": "Coat, long", "B": "Hat"}


def test_fields_that_a_separator_divides_are_joined_by_what_columns_hold(tmp_path):
    text = (
        "sku,name,price,category\nA1,Mug,12,90,Kitchen\nA2,Cup,8.50,Kitchen\n"
        "A3,Plate, blue,5.00,Kitchen\nA4,Bowl,7.25,Kitchen\nA5,Pan,9.25\nA6,1,2,3,4,5,6,7,8,9\n"
    )
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("price") == {"A1": 12.9, "A2": 8.5, "A3": 5, "A4": 7.25, "A5": 9.25}
    assert shop.column("title")["A3"] == "Plate, blue"
    assert shop.report.notes["joined-fields"].rows == [1, 3]
    assert shop.report.notes["too-many-fields"].rows == [6]
