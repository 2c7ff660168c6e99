# ruff: noqa: E501
"""Tables by names in other scripts, lists as languages print them, rows that go on."""

import json

import pytest
from support.exports import csv_text, import_text

WEB = "https://x.example/"


@pytest.mark.parametrize(
    ("encoding", "header", "price", "currency"),
    [
        ("cp932", "商品コード,商品名,価格,カテゴリ,画像URL,在庫数", '"1,980円"', "JPY"),
        ("cp1251", "Артикул;Наименование;Цена;Категория;Изображение;Остаток", "1 980,00 руб.", "RUB"),
        ("utf-8", "商品编号,商品名称,价格,分类,图片链接,库存", "1980.00 CNY", "CNY"),
        ("utf-8", "κωδικός;όνομα;τιμή;κατηγορία;εικόνα;απόθεμα", "1.980,00 €", "EUR"),
    ],
)  # fmt: skip
def test_names_in_other_scripts(tmp_path, encoding, header, price, currency):
    sign = ";" if ";" in header else ","
    title = {"cp932": "赤い帽子", "cp1251": "Красная шапка"}.get(encoding, "帽 hat")
    rows = [sign.join([f"A{i}", f"{title} {i}", price, "A > B", f"{WEB}{i}.jpg", str(i)]) for i in range(3)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", "\n".join([header, *rows]) + "\n", encoding=encoding)
    row = shop.row("A1")
    assert (row["title"], row["price"], row["currency"]) == (f"{title} 1", 1980, currency)
    assert (row["category"], row["image_url"]) == ("A > B", f"{WEB}1.jpg")
    assert shop.column("availability")["A0"] == "out_of_stock"


@pytest.mark.parametrize("form", ["python", "postgres", "json"])
def test_lists_as_they_are_printed(tmp_path, form):
    def printed(items):
        return {"python": repr(items), "postgres": "{" + ",".join(items) + "}", "json": json.dumps(items)}[form]  # fmt: skip

    rows = [{"id": str(i), "title": f"Red mug {i}", "categories": printed(["Kitchen", f"Mugs {i}"]),
             "images": printed([f"{WEB}{i}.jpg", f"{WEB}b.jpg"])} for i in range(3)]  # fmt: skip
    shop = import_text(tmp_path, "t.csv", csv_text([*rows[0]], *rows))
    row = shop.row("1")
    assert row["category_paths"] == ["Kitchen", "Mugs 1"]
    assert [row["image_url"], *row["image_urls"]] == [f"{WEB}1.jpg", f"{WEB}b.jpg"]


def test_rows_without_a_title_go_on_with_the_product_of_their_handle(tmp_path):
    """Loyverse's export: a row a variant, names of options and texts in the first alone."""
    header = ["Handle", "SKU", "Name", "Category", "Option 1 name", "Option 1 value", "Price [Shop]", "In stock [Shop]"]  # fmt: skip
    rows = [["tee", "10001", "Tee", "Clothes", "Size", "S", "19.90", "3"], ["tee", "10002", "", "", "", "M", "20.90", "0"],
            ["mug", "10003", "Mug", "Kitchen", "", "", "9.00", "5"]]  # fmt: skip
    shop = import_text(
        tmp_path, "t.csv", csv_text(header, *(dict(zip(header, r, strict=True)) for r in rows))
    )
    assert shop.column("title") == {"10001": "Tee", "10002": "Tee", "10003": "Mug"}
    assert shop.column("group_id") == {"10001": "tee", "10002": "tee", "10003": "mug"}
    assert shop.column("price") == {"10001": 19.9, "10002": 20.9, "10003": 9}
    assert json.loads(shop.row("10002")["attributes"]) == {"Size": "M"}
    assert shop.row("10002")["category"] == "Clothes"


def test_short_descriptions_are_titles_where_nothing_else_is(tmp_path):
    text = "Export of the shop,,\nDate,2024-01-01,\nSKU,Description,Price\nX1,Blue mug,9.90\nX2,Red mug,8.50\n"
    shop = import_text(tmp_path, "t.csv", text)
    assert shop.column("title") == {"X1": "Blue mug", "X2": "Red mug"}
    long = text.replace("Blue mug", "Blue mug " * 30)
    with pytest.raises(Exception, match="no column is known to hold title"):
        import_text(tmp_path, "t.csv", long)


def test_text_of_an_editor_and_objects_of_a_price(tmp_path):
    """Saleor's API: descriptions are blocks of an editor, prices lie deep."""
    blocks = json.dumps(
        {"blocks": [{"type": "paragraph", "data": {"text": "Fell <b>straight</b>"}}]}
    )
    node = {"id": "U", "name": "Juice", "description": blocks, "category": {"name": "Juices"}, "variants": [
        {"id": f"V{n}", "sku": f"S{n}", "name": f"{n}l", "pricing": {"price": {"gross": {"amount": 5 * n, "currency": "USD"}}},
         "attributes": [{"attribute": {"name": "Bottle"}, "values": [{"name": f"{n}l"}]}]} for n in (1, 2)]}  # fmt: skip
    shop = import_text(
        tmp_path, "s.json", json.dumps({"data": {"products": {"edges": [{"node": node}]}}})
    )
    assert shop.column("price") == {"S1": 5, "S2": 10}
    row = shop.row("S2")
    assert (row["currency"], row["description"], row["category"]) == (
        "USD",
        "Fell straight",
        "Juices",
    )
    assert json.loads(row["attributes"]) == {"Bottle": "2l"}


def test_names_and_values_of_options_in_other_languages(tmp_path):
    """Nuvemshop's export: a handle for the group, options in Portuguese, decimal commas."""
    text = (
        "Identificador URL;Nome;Categorias;Nome da variação 1;Valor da variação 1;Preço;Estoque;SKU\n"
        "camisa;Camisa;Roupas > Camisas;Cor;Azul;129,90;5;C-A\ncamisa;;;;Verde;139,90;0;C-V\n"
        "gorro;Gorro;Roupas > Gorros;;;39,90;1;G\n"
    )
    shop = import_text(tmp_path, "t.csv", text, encoding="cp1252")
    assert shop.column("price") == {"C-A": 129.9, "C-V": 139.9, "G": 39.9}
    assert shop.column("group_id") == {"C-A": "camisa", "C-V": "camisa", "G": "gorro"}
    assert json.loads(shop.row("C-V")["attributes"]) == {"Cor": "Verde"}


def test_a_parent_of_zero_is_none(tmp_path):
    rows = [["10", "Vee", "20", "0"], ["11", "Cap", "18", "0"]]
    header = ["id", "title", "price", "parent id"]
    shop = import_text(
        tmp_path, "t.csv", csv_text(header, *(dict(zip(header, r, strict=True)) for r in rows))
    )
    assert shop.column("group_id") == {"10": "10", "11": "11"}
