# ruff: noqa: E501
"""Catalogues of SAP Commerce, Salesforce, Icecat and Google in several files, by their documents."""

import json
import zipfile

import polars as pl
import pytest
from support.exports import import_path, import_text

from windowshop.errors import DataError
from windowshop.imports.encodings import open_bytes

WEB = "https://x.example/"
SCRIPTS = {
    "categories.impex": """$catalog=apparel
$version=catalogversion(catalog(id[default=$catalog]),version[default='Staged'])[unique=true,default=$catalog:Staged]
INSERT_UPDATE Category;code[unique=true];name[lang=de];name[lang=en];$version
;1;Alles;All;
;brands;Marken;Brands;
;tees;;T-Shirts;
INSERT_UPDATE CategoryCategoryRelation;source(code,$version)[unique=true];target(code,$version)[unique=true]
;1;brands
;1;tees
""",
    "products.impex": """# a comment with a "quote
$version=catalogversion(catalog(id[default=x]),version[default='Staged'])[unique=true,default=x:Staged]
$approved=approvalstatus(code)[default='approved']
INSERT_UPDATE Product;code[unique=true];supercategories(code, $version);manufacturerName;ean;variantType(code);$version;$approved
;29531;tees:x:Staged,brands;Playboard;;ApparelStyleVariantProduct
;1934793;brands;Sony;4006381333931;;;check
INSERT_UPDATE ApparelStyleVariantProduct;code[unique=true];baseProduct(code,$version);style[lang=en];$version
;29531_blue;29531;blue
INSERT_UPDATE ApparelSizeVariantProduct;code[unique=true];baseProduct(code,$version);size[lang=en];$version
;300020465;29531_blue;M
;300020466;29531_blue;L
REMOVE Product;code[unique=true]
;gone
""",
    "products_de.impex": "$lang=de\nUPDATE Product;code[unique=true];name[lang=$lang]\n;29531;Hemd\n;1934793;Kamera\n",
    "products_en.impex": """$lang=en
UPDATE Product;code[unique=true];name[lang=$lang];summary[lang=$lang];description[lang=$lang]
;29531;Raster Tee;short;"<p>A tee, ""soft""; and
in two lines</p>"
;1934793;PowerShot;10.0 \\
megapixels;
""",
    "shop.impex": """INSERT_UPDATE PriceRow;productId[unique=true];currency(isocode)[unique=true];price;minqtd;unitFactor;ug(code)
;29531;USD;29.90;1;1
;300020466;USD;35.90;1;1
;300020466;USD;30.00;10;1
;1934793;JPY;9340;1;1
;1934793;USD;110.88;1;1
;1934793;USD;99.00;1;1;staff
INSERT_UPDATE StockLevel;available;warehouse(code)[unique=true];inStockStatus(code);productCode[unique=true]
;10;w1;notSpecified;300020465
;5;w2;notSpecified;300020465
;0;w1;notSpecified;300020466
;0;w1;forceInStock;1934793
INSERT_UPDATE Media;code[unique=true];@media[translator=de.hybris.platform.impex.jalo.media.MediaDataTranslator];mime
;m1;jar:de.hybris.Data&/images/1.jpg;image/jpeg
;m2;/images/2.jpg;image/jpeg
INSERT_UPDATE MediaContainer;qualifier[unique=true];medias(code)
;c2;m2,m1
UPDATE Product;code[unique=true];picture(code);galleryImages(qualifier);@Weight, 94[system='Electronics',version='1.0',translator=x]
;1934793;m1;c2;140:g
""",
}  # fmt: skip


def facts(shop, name):
    return json.loads(shop.row(name)["attributes"])


def write(folder, files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_impex_scripts_of_a_folder(tmp_path):
    """Variants of two levels take from those above; prices, stocks and media stand by code."""
    shop = import_path(write(tmp_path / "impex", SCRIPTS), tmp_path / "shop", currency="USD")
    assert shop.report.format == "ImpEx scripts of SAP Commerce"
    assert shop.column("group_id") == {
        "300020465": "29531", "300020466": "29531", "1934793": "1934793",
    }  # fmt: skip
    assert shop.column("price") == {"300020465": 29.9, "300020466": 35.9, "1934793": 110.88}
    assert shop.column("stock") == {"300020465": 15, "300020466": 0, "1934793": 0}
    assert shop.column("availability") == {
        "300020465": "in_stock", "300020466": "out_of_stock", "1934793": "in_stock",
    }  # fmt: skip
    assert shop.column("published") == {"300020465": True, "300020466": True, "1934793": False}
    tee, camera = shop.row("300020465"), shop.row("1934793")
    assert (tee["title"], tee["brand"], tee["currency"]) == ("Raster Tee", "Playboard", "USD")
    assert tee["description"] == 'short\nA tee, "soft"; and\nin two lines'
    assert tee["category_paths"] == ["All > T-Shirts", "All > Brands"]
    assert facts(shop, "300020466") == {"style": "blue", "size": "L"}
    assert (camera["title"], camera["description"]) == ("PowerShot", "10.0 megapixels")
    assert (camera["image"], camera["images"]) == ("images/1.jpg", ["images/2.jpg"])
    assert facts(shop, "1934793") == {"Weight": "140 g"}
    assert shop.notes["parent-passed-on"] == 2


def test_impex_of_one_script_with_a_quote_left_open(tmp_path):
    shop = import_text(
        tmp_path, "p.impex", "INSERT Product;code;name[lang=en]\n;007;Hat\n;008;Cap;x\n"
    )
    assert shop.column("title") == {"007": "Hat"}
    assert shop.notes["too-many-fields"] == 1
    lines = "".join(f";{i};Hat\n" for i in range(2000))
    with pytest.raises(DataError, match="a quote in ';1;\"Hat' is not closed"):
        import_text(tmp_path, "q.impex", 'INSERT Product;code;name[lang=en]\n;1;"Hat\n' + lines)


CATALOG = """<?xml version="1.0" encoding="UTF-8"?>
<catalog xmlns="http://www.demandware.com/xml/impex/catalog/2006-10-31" catalog-id="master">
<product product-id="M1"><display-name xml:lang="x-default">Shirt</display-name>
<variations><variants><variant product-id="V1"/><variant product-id="V2"/></variants></variations></product>
<product product-id="V1"/><product product-id="V2"/>
<product product-id="S1"><display-name xml:lang="x-default">Belt</display-name></product></catalog>"""
STOREFRONT = """<?xml version="1.0" encoding="UTF-8"?>
<catalog xmlns="http://www.demandware.com/xml/impex/catalog/2006-10-31" catalog-id="storefront">
<category category-id="mens"><display-name xml:lang="x-default">Mens</display-name><parent>root</parent></category>
<category-assignment category-id="mens" product-id="M1"/></catalog>"""
BOOKS = """<?xml version="1.0" encoding="UTF-8"?>
<pricebooks xmlns="http://www.demandware.com/xml/impex/pricebook/2006-10-31">
<pricebook><header pricebook-id="eur-list"><currency>EUR</currency></header><price-tables>
<price-table product-id="M1"><amount quantity="1">19.99</amount></price-table></price-tables></pricebook>
<pricebook><header pricebook-id="usd-list"><currency>USD</currency></header><price-tables>
<price-table product-id="M1"><amount quantity="1">99.00</amount><amount quantity="10">89.00</amount></price-table>
<price-table product-id="V2"><amount quantity="1">120.00</amount></price-table>
<price-table product-id="S1"><amount quantity="1">15.00</amount></price-table></price-tables></pricebook>
<pricebook><header pricebook-id="usd-sale"><currency>USD</currency><parent>usd-list</parent></header><price-tables>
<price-table product-id="V1"><amount quantity="1">79.00</amount></price-table>
<price-table product-id="S1"><online-to>2020-01-01T00:00:00.000Z</online-to><amount quantity="1">5.00</amount></price-table>
</price-tables></pricebook></pricebooks>"""
STOCKS = """<?xml version="1.0" encoding="UTF-8"?>
<inventory xmlns="http://www.demandware.com/xml/impex/inventory/2007-05-31"><inventory-list><header list-id="i"/><records>
<record product-id="V1"><allocation>7</allocation><perpetual>false</perpetual></record>
<record product-id="V2"><allocation>5</allocation><ats>0</ats></record>
<record product-id="S1"><perpetual>true</perpetual></record></records></inventory-list></inventory>"""


def test_a_site_of_salesforce(tmp_path):
    """A zip of catalogues, price books and an inventory; the books of one currency are taken."""
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        for name, text in (("catalogs/master/catalog.xml", CATALOG), ("catalogs/store/catalog.xml", STOREFRONT),
                           ("pricebooks/books.xml", BOOKS), ("inventory-lists/i.xml", STOCKS)):  # fmt: skip
            archive.writestr(name, text)
    shop = import_path(tmp_path / "site.zip", tmp_path / "shop", currency="USD")
    assert shop.report.format == "Salesforce Commerce site"
    assert shop.column("price") == {"V1": 99, "V2": 120, "S1": 15}
    assert shop.column("sale_price") == {"V1": 79, "V2": None, "S1": None}
    assert shop.column("currency") == dict.fromkeys(("V1", "V2", "S1"), "USD")
    assert shop.column("category") == {"V1": "Mens", "V2": "Mens", "S1": None}
    assert shop.column("availability") == {"V1": "in_stock", "V2": "out_of_stock", "S1": "in_stock"}
    assert shop.column("stock") == {"V1": 7, "V2": 0, "S1": None}
    assert (shop.notes["price-book"], shop.notes["dated-offer"]) == (1, 1)
    shop = import_path(tmp_path / "site.zip", tmp_path / "euros", currency="EUR")
    assert shop.column("price") == {"V1": 19.99, "V2": 19.99, "S1": None}


def test_product_sheets_of_icecat(tmp_path):
    text = f"""<?xml version="1.0" encoding="UTF-8"?><ICECAT-interface><Product Code="1" HighPic="{WEB}h.jpg" LowPic="{WEB}l.jpg"
ID="29900525" Name="IXUS 285" Prod_id="1076C001" Title="Canon IXUS 285 Compact camera">
<Category ID="575"><Name ID="1" Value="Digital Cameras" langid="1"/></Category>
<EANCode EAN="4549292057676"/><EANCode EAN="8714574635712"/>
<ProductDescription ID="1" LongDesc="Big\\nlong &lt;b&gt;text&lt;/b&gt;" ShortDesc="" langid="1"/>
<ProductFeature ID="1" Value="20.2" Presentation_Value="20.2 MP"><Feature ID="1"><Name Value="Megapixel"/></Feature></ProductFeature>
<ProductFeature ID="2" Presentation_Value="Y"><Feature ID="2"><Name Value="Wi-Fi"/></Feature></ProductFeature>
<ProductGallery><ProductPicture Pic="{WEB}h.jpg"/><ProductPicture Pic="{WEB}2.jpg"/></ProductGallery>
<ProductRelated ID="1"><Product ID="5" Name="Case" Prod_id="C"/></ProductRelated><Supplier ID="9" Name="Canon"/></Product>
<Product Code="-1" ErrorMessage="No xml data for this product" ID="7"/></ICECAT-interface>"""
    shop = import_text(tmp_path, "29900525.xml", text)
    row = shop.row("29900525")
    assert (row["title"], row["mpn"]) == ("Canon IXUS 285 Compact camera", "1076C001")
    assert (row["brand"], row["category"], row["gtin"]) == (
        "Canon", "Digital Cameras", "4549292057676",
    )  # fmt: skip
    assert (row["description"], row["image_url"]) == ("Big\nlong text", f"{WEB}h.jpg")
    assert row["image_urls"] == [f"{WEB}2.jpg"]
    assert facts(shop, "29900525") == {"Megapixel": "20.2 MP", "Wi-Fi": True}
    assert (len(shop.products), shop.notes["refused-product"]) == (1, 1)


def test_an_answer_of_icecat(tmp_path):
    told = {"IcecatId": 123, "Title": "HP Pavilion", "Brand": "HP", "BrandPartCode": "X1", "GTIN": ["0194850000000"],
            "Category": {"CategoryID": "151", "Name": {"Value": "Notebooks", "Language": "EN"}},
            "Description": {"LongDesc": "<b>long</b>"}}  # fmt: skip
    feature = {
        "Value": "15",
        "PresentationValue": "39.6 cm",
        "Feature": {"Name": {"Value": "Diagonal"}},
    }
    data = {"GeneralInfo": told, "Image": {"HighPic": f"{WEB}h.jpg"}, "Gallery": [{"Pic": f"{WEB}g.jpg"}],
            "FeaturesGroups": [{"Features": [feature, feature]}]}  # fmt: skip
    shop = import_text(tmp_path, "a.json", json.dumps({"msg": "OK", "data": data}))
    row = shop.row("123")
    assert (row["title"], row["category"], row["mpn"]) == ("HP Pavilion", "Notebooks", "X1")
    assert (row["gtin"], row["description"]) == ("0194850000000", "long")
    assert (row["image_url"], row["image_urls"]) == (f"{WEB}h.jpg", [f"{WEB}g.jpg"])
    assert facts(shop, "123") == {"Diagonal": "39.6 cm"}


def test_a_feed_of_google_with_its_stores(tmp_path):
    """Stores say where a product is; a supplement replaces attributes of the feed."""
    files = {
        "products.tsv": "id\ttitle\tdescription\tlink\timage link\tprice\tavailability\tbrand\n"
        f"A\tTee\tsoft\t{WEB}a\t{WEB}a.jpg\t10.00 EUR\tin stock\tAcme\n"
        f"B\tCap\twarm\t{WEB}b\t{WEB}b.jpg\t\t\tAcme\n",
        "stores.tsv": "store code\tid\tquantity\tprice\tavailability\n"
        "Oslo\tA\t3\t11.00 EUR\tin_stock\nRome\tA\t0\t12.00 EUR\tout_of_stock\n"
        "Oslo\tB\t0\t7.00 EUR\tout_of_stock\nOslo\tX\t1\t7.00 EUR\tin_stock\n",
        "more.csv": "id,color,sale price\nA,Red,9.00 EUR\n",
        "notes.txt": "See the manual\n",
    }
    shop = import_path(write(tmp_path / "feeds", files), tmp_path / "shop")
    assert shop.report.format == "Google Merchant products and stores"
    assert shop.column("price") == {"A": 10, "B": 7}
    assert shop.column("sale_price") == {"A": 9, "B": None}
    assert shop.column("availability") == {"A": "in_stock", "B": "out_of_stock"}
    assert shop.column("stock") == {"A": 3, "B": 0}
    assert shop.row("A")["stores"] == ["Oslo"]
    assert facts(shop, "A") == {"color": "Red"}
    assert shop.notes["orphan-variant"] == 1
    assert [path.rpartition("/")[2] for path in shop.report.passed_over] == ["notes.txt"]


def test_amounts_of_medusa_1_are_cents(tmp_path):
    """A MoneyAmount counts the smallest unit of its currency, of which yen have no smaller one."""

    def variant(sku, amount, code):
        price = {
            "id": f"ma_{sku}",
            "currency_code": code,
            "amount": amount,
            "region_id": None,
            "price_list_id": None,
        }
        return {"id": f"variant_{sku}", "title": sku, "sku": sku, "inventory_quantity": 2, "prices": [price]}  # fmt: skip

    products = [{"id": "prod_1", "title": "Tee", "handle": "tee",
                 "variants": [variant("T-1", 1950, "eur"), variant("T-2", 2200, "jpy")]}]  # fmt: skip
    shop = import_text(tmp_path, "m.json", json.dumps({"products": products, "count": 1}))
    assert shop.column("price") == {"T-1": 19.5, "T-2": 2200}
    assert shop.column("currency") == {"T-1": "EUR", "T-2": "JPY"}


def test_tables_compressed_by_zstd(tmp_path):
    table = pl.DataFrame(
        {"id": ["1", "2"], "title": ['A "big"\nhat', "Grüße"], "price": [2.5, 3.0]}
    )
    table.write_csv(tmp_path / "t.csv.zst", compression="zstd")
    shop = import_path(tmp_path / "t.csv.zst", tmp_path / "shop")
    assert shop.report.read_as["kind"] == "csv in zstd"
    assert shop.column("title") == {"1": 'A "big" hat', "2": "Grüße"}
    with open_bytes(tmp_path / "t.csv.zst") as file:
        assert file.read(9) + file.read() == table.write_csv().encode()


def test_a_file_by_zstd_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "t.csv.zst"
    pl.DataFrame({"id": ["1"], "title": ["hat"]}).write_csv(path, compression="zstd")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"t\.csv\.zst"):
        import_path(path, tmp_path / "shop")
