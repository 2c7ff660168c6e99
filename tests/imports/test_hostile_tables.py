# ruff: noqa: E501
"""Tables as other countries and spreadsheets write them; what is right was worked out by hand."""

import datetime
import json

import pytest
from support.exports import WEB, facts, images, import_text

HEADS = ("title", "price", "currency", "availability", "category", "brand")


def row_of(shop, name):
    row = shop.row(name)
    return tuple(row.get(column) for column in HEADS)


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("cp1251", "Артикул;Наименование;Цена;Валюта;Категория;Наличие;Производитель;Ссылка на фото\n"
         f"1-А;Пальто женское;12 990,00;RUB;Одежда/Пальто;в наличии;Альфа;{WEB}1.jpg\n"
         f"2-Б;Шапка;990,50;RUB;Одежда/Шапки;нет в наличии;Бета;{WEB}2.jpg\n3-В;Шарф;1 200;RUB;Одежда/Шарфы;под заказ;Бета;\n",
         {"1-А": ("Пальто женское", 12990, "RUB", "in_stock", "Одежда > Пальто", "Альфа"),
          "2-Б": ("Шапка", 990.5, "RUB", "out_of_stock", "Одежда > Шапки", "Бета"),
          "3-В": ("Шарф", 1200, "RUB", "backorder", "Одежда > Шарфы", "Бета")}),
        ("shift_jis", "商品コード,商品名,商品説明,販売価格,在庫数,カテゴリ,画像URL,ブランド名\n"
         f'0001,コットンシャツ,やわらかい綿,"3,980円",12,服>シャツ,{WEB}1.jpg,山田\n0002,コート,暖かい,"￥19,800",0,服>コート,{WEB}2.jpg,田中\n',
         {"0001": ("コットンシャツ", 3980, "JPY", "in_stock", "服 > シャツ", "山田"),
          "0002": ("コート", 19800, "JPY", "out_of_stock", "服 > コート", "田中")}),
        ("gbk", "商品编号,商品名称,价格,库存,商品分类,商品图片,品牌\n"
         f"S1,纯棉T恤,￥59.00,100,服装/上衣,{WEB}1.jpg;{WEB}1b.jpg,蓝天\nS2,羊毛大衣,￥1299.00,0,服装/外套,{WEB}2.jpg,白云\n",
         {"S1": ("纯棉T恤", 59, "CNY", "in_stock", "服装 > 上衣", "蓝天"),
          "S2": ("羊毛大衣", 1299, "CNY", "out_of_stock", "服装 > 外套", "白云")}),
        ("big5", "商品編號,商品名稱,商品說明,售價,庫存,分類,圖片網址\n"
         f'T1,棉質上衣,柔軟,NT$590,3,服飾>上衣,{WEB}1.jpg\nT2,外套,保暖,"NT$2,990",0,服飾>外套,{WEB}2.jpg\n',
         {"T1": ("棉質上衣", 590, "TWD", "in_stock", "服飾 > 上衣", None),
          "T2": ("外套", 2990, "TWD", "out_of_stock", "服飾 > 外套", None)}),
        ("cp949", "상품코드,상품명,판매가,재고수량,카테고리,대표이미지,브랜드\n"
         f'K1,면 티셔츠,"29,000원",10,의류>티셔츠,{WEB}1.jpg,한국\nK2,코트,"199,000원",0,의류>코트,{WEB}2.jpg,한국\n',
         {"K1": ("면 티셔츠", 29000, "KRW", "in_stock", "의류 > 티셔츠", "한국"),
          "K2": ("코트", 199000, "KRW", "out_of_stock", "의류 > 코트", "한국")}),
        ("cp1255", 'מק"ט,שם מוצר,תיאור,מחיר,קטגוריה,במלאי,תמונה\n'
         f'H1,חולצה,רכה,49.90 ₪,ביגוד,כן,{WEB}1.jpg\nH2,מעיל,חם,"1,249.90 ₪",ביגוד,לא,{WEB}2.jpg\n',
         {"H1": ("חולצה", 49.9, "ILS", "in_stock", "ביגוד", None),
          "H2": ("מעיל", 1249.9, "ILS", "out_of_stock", "ביגוד", None)}),
        ("utf-8", "رمز المنتج,اسم المنتج,الوصف,السعر,العملة,الفئة,متوفر,صورة\n"
         f'A1,قميص قطني,ناعم,"١٢٫٥٠",SAR,ملابس,نعم,{WEB}1.jpg\nA2,معطف,دافئ,"٢٠٠٫٠٠",SAR,ملابس,لا,{WEB}2.jpg\n',
         {"A1": ("قميص قطني", 12.5, "SAR", "in_stock", "ملابس", None),
          "A2": ("معطف", 200, "SAR", "out_of_stock", "ملابس", None)}),
        ("iso8859-7", "Κωδικός;Όνομα;Τιμή;Κατηγορία;Διαθεσιμότητα;Εικόνα\n"
         f"G1;Καφετιέρα;49,90 €;Κουζίνα;Διαθέσιμο;{WEB}1.jpg\nG2;Κούπα;5,90 €;Κουζίνα;Μη διαθέσιμο;{WEB}2.jpg\n",
         {"G1": ("Καφετιέρα", 49.9, "EUR", "in_stock", "Κουζίνα", None),
          "G2": ("Κούπα", 5.9, "EUR", "out_of_stock", "Κουζίνα", None)}),
        ("cp1254", "Stok Kodu;Ürün Adı;Açıklama;Satış Fiyatı;Kategori;Marka;Stok;Resim 1\n"
         f"T1;Pamuklu Gömlek;Yumuşak;1.249,90 TL;Giyim > Gömlek;İpek;5;{WEB}1.jpg\nT2;Şapka;;99,90 TL;Giyim > Şapka;Işık;0;{WEB}2.jpg\n",
         {"T1": ("Pamuklu Gömlek", 1249.9, "TRY", "in_stock", "Giyim > Gömlek", "İpek"),
          "T2": ("Şapka", 99.9, "TRY", "out_of_stock", "Giyim > Şapka", "Işık")}),
        ("cp1250", "Cikkszám;Terméknév;Bruttó ár (Ft);Kategória;Készlet;Kép\n"
         f"H1;Teáskanna;12 990 Ft;Konyha > Kannák;van raktáron;{WEB}1.jpg\nH2;Bögre;1 990 Ft;Konyha > Bögrék;nincs raktáron;{WEB}2.jpg\n",
         {"H1": ("Teáskanna", 12990, "HUF", "in_stock", "Konyha > Kannák", None),
          "H2": ("Bögre", 1990, "HUF", "out_of_stock", "Konyha > Bögrék", None)}),
    ],
    ids=["russian", "japanese", "chinese", "taiwanese", "korean", "hebrew", "arabic", "greek", "turkish", "hungarian"],
)  # fmt: skip
def test_other_countries(tmp_path, encoding, text, expected):
    shop = import_text(tmp_path, "products.csv", text, encoding=encoding)
    assert {name: row_of(shop, name) for name in expected} == expected
    assert "bad-availability" not in shop.notes


def test_entities_in_prices_and_paths_as_addresses(tmp_path):
    """`&#8364;12.00` is twelve euros; `a%20b.jpg` is the file `a b.jpg`."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "tom & jerry.jpg").write_bytes(b"jpg")
    text = """ID,Name,Price,Image
1,Tom &amp; Jerry&#39;s mug,5.00 EUR,images/tom%20%26%20jerry.jpg
2,Caf&eacute; set,&#8364;12.00,images/cafe.jpg
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("title") == {"1": "Tom & Jerry's mug", "2": "Café set"}
    assert shop.column("price") == {"1": 5, "2": 12}
    assert (shop.folder / "images" / "tom & jerry.jpg").read_bytes() == b"jpg"
    assert shop.notes["missing-image"] == 1


def test_numbers_of_a_spreadsheet(tmp_path):
    """A GTIN without all its digits is none; days are counted from 1899-12-30 on."""
    text = """Item,Item Description,EAN,Launch,MSRP,Price
A-1,Blue lamp,4.00638E+12,45292,19.99,14.99
A-2,Red lamp,4006381333931,45293,29.99,29.99
A-3,Green lamp,4.006381333931E+12,45294.5,,9.99
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("gtin") == {"A-1": None, "A-2": "4006381333931", "A-3": "4006381333931"}
    assert shop.column("Launch") == {
        "A-1": datetime.date(2024, 1, 1), "A-2": datetime.date(2024, 1, 2), "A-3": datetime.date(2024, 1, 3),
    }  # fmt: skip
    assert shop.notes["shortened-code"] == 1


def test_variants_of_one_id_keep_their_options(tmp_path):
    text = "id,title,price,color\n5,Sock,3,red\n5,Sock,3,blue\n5,Sock,3,red\n6,Hat,4,\n,Glove,5,\n"
    shop = import_text(tmp_path, "a.csv", text)
    assert [*shop.column("color").items()][:3] == [("5", "red"), ("5:blue", "blue"), ("6", None)]
    assert shop.column("group_id")["5:blue"] == "5"
    assert {name: shop.notes[name] for name in ("renamed-variant", "repeated-row", "no-id")} == {
        "renamed-variant": 1, "repeated-row": 1, "no-id": 1,
    }  # fmt: skip


def test_a_header_of_two_rows(tmp_path):
    """Groups of columns, whose cells were merged, stand above their names."""
    text = 'Product,,Pricing,,Stock\nSKU,Name,Net,Gross,Qty\nX1,Bolt M8,"0,10","0,12",1000\nX2,Nut M8,"0,08","0,10",0\n'
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("title") == {"X1": "Bolt M8", "X2": "Nut M8"}
    assert shop.column("price") == {"X1": 0.12, "X2": 0.1}
    assert shop.column("availability") == {"X1": "in_stock", "X2": "out_of_stock"}
    one = import_text(tmp_path, "b.csv", "sku,name,,price\nA,Lamp,red,cheap\nB,Chair,blue,9.00\n")
    assert one.column("title") == {"A": "Lamp", "B": "Chair"}  # one name alone is missing


def test_levels_of_a_merchant_and_a_cost_that_is_no_price(tmp_path):
    text = "item_id|item_title|dept|class|subclass|cost|unit_retail\n9|Garden hose|Garden|Watering|Hoses|3.20|9.99\n10|Rake|Garden|Tools|Rakes|4|12.49\n"
    shop = import_text(tmp_path, "a.txt", text)
    assert shop.column("price") == {"9": 9.99, "10": 12.49}
    assert shop.column("category") == {
        "9": "Garden > Watering > Hoses",
        "10": "Garden > Tools > Rakes",
    }


def test_hidden_products_offers_that_are_off_and_states_with_a_count(tmp_path):
    text = """id,name,price,saleprice,onsale,stock_status,hide,category1,category2
S1,Widget,10.00,8.00,1,In stock (3 left),0,Home -> Widgets,Sale
S2,Gadget,20.00,15.00,0,Backordered,1,Gadgets,
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("sale_price") == {"S1": 8, "S2": None}
    assert shop.column("published") == {"S1": True, "S2": False}
    assert shop.column("availability") == {"S1": "in_stock", "S2": "backorder"}
    assert shop.row("S1")["category_paths"] == ["Home > Widgets", "Sale"]


def test_addresses_glued_by_any_sign(tmp_path):
    text = f"""Ref,Designation,Prix TTC,Photos
R1,Robe,"49,90","{WEB}a,b.jpg || {WEB}c.jpg"
R2,Jupe,"29,90","{WEB}d.jpg#{WEB}e.jpg"
R3,Veste,"129,90","{WEB}f%20g.jpg;{WEB}h.jpg?w=1,2"
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert [images(shop, name) for name in ("R1", "R2", "R3")] == [
        [f"{WEB}a,b.jpg", f"{WEB}c.jpg"], [f"{WEB}d.jpg", f"{WEB}e.jpg"],
        [f"{WEB}f%20g.jpg", f"{WEB}h.jpg?w=1,2"],
    ]  # fmt: skip


def test_apis_of_vendure_and_ecwid(tmp_path):
    """Vendure counts cents; Ecwid's combinations are variants."""
    vendure = [
        {"productId": "p1", "productName": "Shoe", "productAsset": {"preview": f"{WEB}s.jpg"},
         "priceWithTax": {"min": 12900, "max": 15900}, "currencyCode": "USD"},
        {"productId": "p2", "productName": "Bag", "priceWithTax": {"value": 9950}, "currencyCode": "USD"},
    ]  # fmt: skip
    shop = import_text(tmp_path, "search.json", json.dumps(vendure))
    assert shop.column("price") == {"p1": 129, "p2": 99.5}
    assert shop.notes["cents"] == 2
    assert shop.row("p1")["image_url"] == f"{WEB}s.jpg"
    ecwid = {"total": 2, "items": [
        {"id": 1, "sku": "E1", "name": "Apple", "price": 2.5, "compareToPrice": 3, "enabled": True, "quantity": 4,
         "imageUrl": f"{WEB}a.jpg", "combinations": []},
        {"id": 2, "sku": "E2", "name": "Pear", "price": 3, "enabled": False, "imageUrl": f"{WEB}p.jpg",
         "combinations": [{"id": 11, "sku": "E2-S", "price": 3, "options": [{"name": "Size", "value": "S"}], "quantity": 0},
                          {"id": 12, "sku": "E2-L", "price": 4, "options": [{"name": "Size", "value": "L"}], "quantity": 2}]},
    ]}  # fmt: skip
    shop = import_text(tmp_path, "products.json", json.dumps(ecwid))
    assert shop.column("price") == {"E1": 2.5, "E2-S": 3, "E2-L": 4}
    assert shop.column("list_price")["E1"] == 3
    assert facts(shop, "E2-L") == {"Size": "L"}
    assert shop.column("availability") == {
        "E1": "in_stock",
        "E2-S": "out_of_stock",
        "E2-L": "in_stock",
    }


def test_prices_in_cents_are_named_so_or_by_the_mapping(tmp_path):
    text = "sku,name,{}\nA,Mug,1250\nB,Cup,800\n"
    for name in ("price_cents", "price_in_cents", "unit_amount"):
        shop = import_text(tmp_path, "a.csv", text.format(name))
        assert (shop.column("price"), shop.notes["cents"]) == ({"A": 12.5, "B": 8}, 2)
    for name in ("price", "Price with tax"):
        shop = import_text(tmp_path, "a.csv", text.format(name))
        assert (shop.column("price"), "cents" in shop.notes) == ({"A": 1250, "B": 800}, False)
    path = tmp_path / "map.yaml"
    path.write_text((shop.folder / "map.yaml").read_text().replace("cents: false", "cents: true"))
    shop = import_text(tmp_path, "a.csv", text.format(name), map=path)
    assert shop.column("price") == {"A": 12.5, "B": 8}


def test_objects_and_elements_in_other_languages(tmp_path):
    shop = import_text(tmp_path, "a.json", json.dumps({
        "W1": {"titel": "Wandlampe", "preis": {"betrag": "49,90", "waehrung": "EUR"}, "verfuegbar": "ja"},
        "W2": {"titel": "Stehlampe", "preis": {"betrag": "1.149,00", "waehrung": "EUR"}, "verfuegbar": "nein"},
    }))  # fmt: skip
    assert shop.column("price") == {"W1": 49.9, "W2": 1149}
    assert shop.column("availability") == {"W1": "in_stock", "W2": "out_of_stock"}
    text = f"""<?xml version="1.0" encoding="windows-1252"?><catalogue><items>
<article code="A1"><names><name lang="fr">Chaise</name><name lang="en">Chair</name></names><tarif devise="EUR">49,90</tarif><visuels><visuel>{WEB}1.jpg</visuel><visuel>{WEB}2.jpg</visuel></visuels></article>
<article code="A2"><names><name lang="fr">Café à emporter</name></names><tarif devise="EUR">1 049,90</tarif><visuels/></article></items></catalogue>"""
    shop = import_text(tmp_path, "a.xml", text, encoding="cp1252")
    assert shop.column("title") == {"A1": "Chair", "A2": "Café à emporter"}
    assert shop.column("price") == {"A1": 49.9, "A2": 1049.9}
    assert (shop.column("currency")["A2"], images(shop, "A1")) == (
        "EUR",
        [f"{WEB}1.jpg", f"{WEB}2.jpg"],
    )


def test_columns_of_older_shop_systems(tmp_path):
    """Paths divided by @, products that are hidden, and whether there is a parent beside which."""
    text = """sku,name,price,categories,hide,upc_code
A,Bike @ home,500,Sport/Bikes@Sale,0,012345678905
B,Helmet,50,Sport/Helmets,1,
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.row("A")["category_paths"] == ["Sport > Bikes", "Sale"]
    assert shop.row("A")["gtin"] == "012345678905"
    assert shop.column("published") == {"A": True, "B": False}
    text = """Artikelnummer;Artikelname;Brutto-VK;Vaterartikel;Identifizierungsspalte Vaterartikel
H;Hose;49,90;Y;
H-32;Hose 32;49,90;N;H
S;Socken;9,90;N;
"""
    shop = import_text(tmp_path, "b.csv", text)
    assert shop.column("group_id") == {"H-32": "H", "S": "S"}
    text = """Item No.,Item Name,Item Group,Our Price,RRP
1,Lamp,Home / Light,POA,POA
2,Rug,Home / Rugs,£39.99,"£1,049.00"
3,Vase,Home / Light,,£20.00
"""
    shop = import_text(tmp_path, "d.csv", text)
    assert shop.column("price") == {"1": None, "2": 39.99, "3": None}
    assert shop.column("list_price") == {"1": None, "2": 1049, "3": 20}
    assert shop.column("category") == {"1": "Home > Light", "2": "Home > Rugs", "3": "Home > Light"}
    assert shop.column("group_id") == {"1": "1", "2": "2", "3": "3"}
    text = "sku;titel;preis\rA1;Größe L;12,90\rA2;Zweite;8,5\r"
    shop = import_text(tmp_path, "e.csv", text, encoding="mac_roman")
    assert shop.column("title") == {"A1": "Größe L", "A2": "Zweite"}
    text = "Réf.;Désignation;PU HT;PU TTC\nA-1;Chaise;1 000,00;1 200,00\nA-2;Table;83,25;99,90\n"
    shop = import_text(tmp_path, "c.csv", text)
    assert shop.column("price") == {"A-1": 1200, "A-2": 99.9}


def test_what_dealers_pay_styles_and_norms_of_ids(tmp_path):
    text = """Line,Style,SKU,Description,Colour,Size,WSP,RRP
1,ST100,ST100-RED-S,Polo shirt,Red,S,10.00,25.00
2,ST100,ST100-RED-M,Polo shirt,Red,M,10.00,25.00
3,ST200,ST200-BLU,Scarf,Blue,,5.00,15.00
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert set(shop.column("price").values()) == {25, 15}
    assert shop.column("group_id")["ST100-RED-M"] == "ST100"
    text = "sku;product-id;product-id-type;title;price\nA1;4006381333931;EAN;Pen;19.90\n"
    shop = import_text(tmp_path, "b.csv", text)
    assert shop.row("A1")["gtin"] == "4006381333931"
    text = "Cikkszám;Terméknév;Bruttó ár\nA1;Tűzhely;129 900 Ft\nA2;Hűtő;89 900 Ft\n"
    shop = import_text(tmp_path, "c.csv", text, encoding="cp1250")
    assert shop.column("title") == {"A1": "Tűzhely", "A2": "Hűtő"}


@pytest.mark.parametrize(
    ("prices", "expected"),
    [("1.299 2.500 999", [1299, 2500, 999]), ("12,500 1,250", [12500, 1250]),
     ("1.299 1.459", [1.299, 1.459]), ("1.299 2.50 999", [1.299, 2.5, 999])],
)  # fmt: skip
def test_thousands_are_told_by_the_other_prices(tmp_path, prices, expected):
    rows = "".join(f"{i};A {i};{price}\n" for i, price in enumerate(prices.split()))
    shop = import_text(tmp_path, "a.csv", "id;titel;preis\n" + rows)
    assert [*shop.column("price").values()] == expected


def test_offers_of_a_table_that_have_ended(tmp_path):
    text = """sku,name,price,special_price,special_price_end,category
A,Mug,10,8,2020-02-01,Home^Kitchen
B,Cup,10,8,2999-02-01,Home^Tea
C,Pan,10,8,,Home^Kitchen
"""
    shop = import_text(tmp_path, "a.csv", text)
    assert shop.column("sale_price") == {"A": None, "B": 8, "C": 8}
    assert shop.notes["dated-offer"] == 1
    assert shop.column("category")["B"] == "Home > Tea"


def test_a_header_that_comes_again_late_is_left_out(tmp_path):
    rows = [f"A{i},Mug {i},{i}.50" for i in range(1, 30)]
    text = "\n".join(["sku,name,price", *rows[:20], "sku,name,price", *rows[20:]])
    shop = import_text(tmp_path, "a.csv", text)
    assert (len(shop.products), shop.notes["remark-row"]) == (29, 1)
