"""Names of columns that hold codes, in the languages of shops."""

import polars as pl
import pytest

from windowshop.data import is_text_by_name, names_barcode, names_identifier, typed


@pytest.mark.parametrize(
    "name",
    [
        "sku", "Variant SKU", "SKU-Code", "MPN", "supplier's part no", "Mfr Part Number", "Part #",
        "P/N", "OEM", "oem_number", "vendor_code", "reference_number", "modelNumber",
        "Art.-Nr.", "ArtNr", "Hersteller-Artikelnr.", "Teilenummer", "OE-Nummer", "Bestell-Nr.",
        "HAN", "PZN", "Réf.", "Référence fabricant", "Num. article", "N° de pièce", "code produit",
        "Código", "Referencia fabricante", "N.º de modelo", "número de pieza", "codice prodotto",
        "Cod. articolo", "código do produto", "onderdeelnummer", "varenummer", "numer katalogowy",
        "Kod producenta", "Katalogové číslo", "Ürün Kodu", "Stok Kodu", "Артикул", "код товара",
        "Номер детали", "品番", "商品コード", "モデル番号", "货号", "型號",
        "商品编码", "모델명", "상품코드",
        "رقم الموديل", "رمز المنتج", "उत्पाद कोड", 'מק"ט', "รหัสสินค้า", "Κωδικός προϊόντος",
    ],
)  # fmt: skip
def test_names_of_identifiers_in_any_language(name):
    assert names_identifier(name)
    assert is_text_by_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "EAN", "ean13", "GTIN-14", "UPC/EAN", "Code EAN", "isbn10", "Code-barres", "barkod",
        "código de barras", "kod kreskowy", "Штрих-код", "JANコード", "条形码", "바코드",
        "الباركود",
    ],
)  # fmt: skip
def test_names_of_trade_item_numbers_in_any_language(name):
    assert names_barcode(name)
    assert names_identifier(name)


@pytest.mark.parametrize(
    "name",
    [
        "basin", "title", "price", "número de piezas", "Anzahl Teile", "Hausnummer", "code postal",
        "colour code", "jan", "ocean", "number of parts", "category_id", "cat_id", "width_cm",
        "articles", "Modelljahr", "stock", "position", "art", "part", "номер дома", "颜色",
    ],
)  # fmt: skip
def test_other_names_are_none(name):
    assert not names_identifier(name)


@pytest.mark.parametrize(
    ("name", "is_text"),
    [
        ("Größe", True), ("Schuh-Größe", True), ("taille", True), ("rozmiar", True),
        ("размер", True), ("サイズ", True), ("尺码", True), ("المقاس", True),
        ("Artikelnummer", True), ("weight_gr", False), ("Größe cm", False), ("Anzahl", False),
    ],
)  # fmt: skip
def test_digits_of_codes_and_sizes_stay_texts(name, is_text):
    column = typed(pl.Series(name, ["36", "37"]))
    assert (column.dtype == pl.String) is is_text
