# ruff: noqa: E501
"""Tables of Shopware 5, CS-Cart, Tiendanube, and of systems that no format is written for."""

import json

import pytest
from support.exports import WEB, csv_text, facts, images, import_text

from windowshop.errors import DataError


def test_shopware_5(tmp_path):
    """Variants name their main article; a price of 0 before is none."""
    header = ["ordernumber", "mainnumber", "name", "supplier", "tax", "price_EK", "pseudoprice_EK", "baseprice_EK", "active",
              "instock", "description", "description_long", "keywords", "ean", "configuratorOptions", "categories",
              "propertyGroupName", "propertyValueName", "imageUrl", "purchasePrice"]  # fmt: skip
    text = csv_text(
        header,
        {"ordernumber": "SW1", "mainnumber": "SW1", "name": "Mütze", "supplier": "Teufel", "price_EK": "19,99",
         "pseudoprice_EK": "24,99", "active": "1", "instock": "10", "description": "Kurz", "description_long": "<p>Lang</p>",
         "keywords": "warm,rot", "configuratorOptions": "Farbe:rot|Größe:M", "categories": "12|Kleidung|Wohnen>Möbel",
         "imageUrl": f"{WEB}a.jpg|{WEB}b.jpg", "purchasePrice": "8.5"},
        {"ordernumber": "SW1.1", "mainnumber": "SW1", "price_EK": "21,99", "pseudoprice_EK": "0", "active": "1", "instock": "0",
         "ean": "4006381333931", "configuratorOptions": "Farbe:blau|Größe:L", "imageUrl": f"{WEB}c.jpg"},
        {"ordernumber": "SW2", "mainnumber": "SW2", "name": "Tisch", "price_EK": "1.299,00", "active": "0", "instock": "3",
         "propertyGroupName": "Material", "propertyValueName": "Eiche"},
        separator=";",
    )  # fmt: skip
    shop = import_text(tmp_path, "export.articles.csv", text, encoding="cp1252")
    assert shop.report.format == "Shopware 5 CSV"
    assert shop.column("price") == {"SW1": 19.99, "SW1.1": 21.99, "SW2": 1299}
    assert shop.column("list_price") == {"SW1": 24.99, "SW1.1": None, "SW2": None}
    assert shop.column("group_id") == {"SW1": "SW1", "SW1.1": "SW1", "SW2": "SW2"}
    assert shop.column("published") == {"SW1": True, "SW1.1": True, "SW2": False}
    assert facts(shop, "SW1.1") == {"Farbe": "blau", "Größe": "L"}
    assert facts(shop, "SW2") == {"Material": "Eiche"}
    row = shop.row("SW1.1")
    assert (row["title"], row["brand"], row["availability"]) == ("Mütze", "Teufel", "out_of_stock")
    assert (row["category_paths"], row["gtin"]) == (["Kleidung", "Wohnen > Möbel"], "4006381333931")
    assert images(shop, "SW1.1")[0] == f"{WEB}c.jpg"
    assert "purchasePrice" not in row


def test_cs_cart(tmp_path):
    text = (
        '"Product code";"Language";"Product id";"Category";"List price";"Price";"Status";"Quantity";"Detailed image";"Product name";"Features";"Options"\n'
        '"K12";"en";"12";"Electronics///Tablets";"499.99";"449.00";"A";"10";"https://x.example/t.jpg#{[en]:Tab;}";"X-Tab";"Brand: E[Acme]; Display: T[10 in]";""\n'
        '"K13";"en";"13";"Apparel///Women\'s";"0.00";"29.99";"D";"0";"";"Dress";"Size: M[S///M///L]";"(Acme shop) Colour: SG[Red, Blue]"\n'
    )
    shop = import_text(tmp_path, "cscart.csv", text)
    assert shop.column("price") == {"K12": 449, "K13": 29.99}
    assert shop.column("list_price") == {"K12": 499.99, "K13": None}
    assert shop.column("category") == {"K12": "Electronics > Tablets", "K13": "Apparel > Women's"}
    assert shop.column("published") == {"K12": True, "K13": False}
    assert shop.row("K12")["image_url"] == f"{WEB}t.jpg"
    assert (shop.row("K12")["brand"], facts(shop, "K12")["Display"]) == ("Acme", "10 in")
    assert facts(shop, "K13") == {"Size": ["S", "M", "L"], "Colour": ["Red", "Blue"]}


@pytest.mark.parametrize("language", ["es", "pt"])
def test_tiendanube(tmp_path, language):
    """A lower price is the variant's own; no count of pieces is no limit."""
    names = {
        "es": ("Identificador de URL", "Nombre", "Categorías", "Nombre de propiedad 1", "Valor de propiedad 1", "Precio",
               "Precio promocional", "Stock", "Mostrar en tienda", "Descripción", "SÍ"),
        "pt": ("Identificador URL", "Nome", "Categorias", "Nome da variação 1", "Valor da variação 1", "Preço",
               "Preço promocional", "Estoque", "Exibir na loja", "Descrição", "SIM"),
    }[language]  # fmt: skip
    slug, title, category, option, value, price, lower, stock, shown, text, yes = names
    table = csv_text(
        [slug, title, category, option, value, price, lower, stock, "SKU", shown, text],
        {slug: "remera", title: "Remera", category: "Ropa > Remeras, Ofertas", option: "Color", value: "Rojo",
         price: "12.999,90", lower: "9.999,00", stock: "5", "SKU": "R-R", shown: yes, text: "<p>Algodón</p>"},
        {slug: "remera", option: "Color", value: "Azul", price: "12.999,90", stock: "0", "SKU": "R-A"},
        {slug: "gorra", title: "Gorra", category: "Accesorios", price: "5.000,00"},
        separator=";",
    )  # fmt: skip
    shop = import_text(tmp_path, "tienda.csv", table, encoding="latin-1")
    assert shop.report.format == "Tiendanube CSV"
    assert shop.column("price") == {"R-R": 12999.9, "R-A": 12999.9, "gorra": 5000}
    assert shop.column("sale_price") == {"R-R": 9999, "R-A": None, "gorra": None}
    assert shop.column("group_id") == {"R-R": "remera", "R-A": "remera", "gorra": "gorra"}
    assert shop.column("availability") == {
        "R-R": "in_stock",
        "R-A": "out_of_stock",
        "gorra": "in_stock",
    }
    assert shop.row("R-A")["category_paths"] == ["Ropa > Remeras", "Ofertas"]
    assert facts(shop, "R-A") == {"Color": "Azul"}


def test_rows_that_have_options_alone_go_on_with_the_product_above(tmp_path):
    """Vendure's import: names and values of options with bars between, facets by name."""
    text = (
        "name,slug,description,assets,facets,optionGroups,optionValues,sku,price,stockOnHand\n"
        f"Laptop,laptop,Fast,{WEB}1.jpg|{WEB}2.jpg,category:Electronics|category:Computers|brand:Apple,screen|RAM,13 inch|8GB,L1,1299.00,100\n"
        ",,,,,,15 inch|8GB,L2,1399.00,0\n"
        f",,,{WEB}3.jpg,,,,,,\n"
        f"Monitor,monitor,Wide,{WEB}4.jpg,category:Electronics,,,M1,143.74,0\n"
        ",,,,,,,M2,9.00,5\n"
    )
    shop = import_text(tmp_path, "vendure.csv", text)
    assert shop.column("title") == {"L1": "Laptop", "L2": "Laptop", "M1": "Monitor"}
    assert shop.column("group_id") == {"L1": "L1", "L2": "L1", "M1": "M1"}
    assert shop.column("price") == {"L1": 1299, "L2": 1399, "M1": 143.74}
    assert shop.column("availability")["L2"] == "out_of_stock"
    assert (facts(shop, "L2")["screen"], facts(shop, "L2")["RAM"]) == ("15 inch", "8GB")
    assert shop.row("L2")["category_paths"] == ["Electronics", "Computers"]
    assert shop.row("L2")["brand"] == "Apple"
    assert images(shop, "L1") == [f"{WEB}1.jpg", f"{WEB}2.jpg", f"{WEB}3.jpg"]
    assert (shop.notes["image-row"], shop.notes["no-content"]) == (1, 1)


def test_names_that_begin_alike(tmp_path):
    """OXID: columns without what all begin with; options of a variant are named by its parent."""
    text = (
        '"OXID";"OXPARENTID";"OXACTIVE";"OXARTNUM";"OXTITLE";"OXPRICE";"OXTPRICE";"OXPIC1";"OXSTOCK";"OXVARNAME";"OXVARSELECT"\n'
        '"a1";"";"1";"1402";"Kiteboard";"699";"799";"k.jpg";"6";"";""\n'
        '"b1";"";"1";"2080";"Shirt";"17";"0";"s.jpg";"0";"Größe | Farbe";""\n'
        '"b2";"b1";"1";"2080-1";"";"17";"0";"";"3";"";"S | rot"\n'
        '"b3";"b1";"0";"2080-2";"";"18";"0";"";"0";"";"M | rot"\n'
    )
    shop = import_text(tmp_path, "oxarticles.csv", text)
    assert shop.column("title") == {"a1": "Kiteboard", "b2": "Shirt", "b3": "Shirt"}
    assert shop.column("group_id") == {"a1": "a1", "b2": "b1", "b3": "b1"}
    assert shop.column("price") == {"a1": 699, "b2": 17, "b3": 18}
    assert shop.column("list_price") == {"a1": 799, "b2": None, "b3": None}
    assert shop.column("published") == {"a1": True, "b2": True, "b3": False}
    assert facts(shop, "b3") == {"Größe": "M", "Farbe": "rot"}


def test_levels_and_languages_of_names_that_begin_alike(tmp_path):
    text = (
        "XTSOL|p_id|p_stock|p_priceNoTax|p_status|p_manufacturer|p_image|p_name.de|p_desc.de|p_cat.0|p_cat.1\n"
        "XTSOL|1|10.0000|84.0336|1|Acme|1.jpg|Blauer Stuhl|<p>Ein Stuhl</p>|Möbel|Stühle\n"
        "XTSOL|2|0.0000|8.4034|0|Acme|2.jpg|Tasse|Eine Tasse|Küche|\n"
    )
    shop = import_text(tmp_path, "export.csv", text)
    assert shop.column("title") == {"1": "Blauer Stuhl", "2": "Tasse"}
    assert shop.column("category") == {"1": "Möbel > Stühle", "2": "Küche"}
    assert shop.column("price") == {"1": 84.0336, "2": 8.4034}
    assert shop.column("availability") == {"1": "in_stock", "2": "out_of_stock"}
    assert shop.column("published") == {"1": True, "2": False}


def test_an_export_of_saleor(tmp_path):
    """The product's id repeats, so it is the group; names of attributes say whose they are."""
    text = (
        "id,name,category,product type,variant sku,variant id,price amount (channel: web),price currency (channel: web),size (variant attribute),material (product attribute)\n"
        "UHJv,Polo,polos,top,2211,VmF1,10.0,USD,S,Cotton\nUHJv,Polo,polos,top,2212,VmF2,12.0,USD,M,Cotton\nUHJx,Cap,caps,top,2213,VmF3,9.0,USD,,Wool\n"
    )
    shop = import_text(tmp_path, "saleor.csv", text)
    assert shop.column("price") == {"2211": 10, "2212": 12, "2213": 9}
    assert shop.column("group_id") == {"2211": "UHJv", "2212": "UHJv", "2213": "UHJx"}
    assert facts(shop, "2212") == {"size": "M", "material": "Cotton"}
    assert facts(shop, "2213") == {"material": "Wool"}


def test_a_wholesale_price_is_not_what_shoppers_pay(tmp_path):
    """Faire: the product's token repeats, and prices say whose they are."""
    text = (
        "Product Name (English),Product Token,SKU,Option 1 Name,Option 1 Value,USD Unit Wholesale Price,USD Unit Retail Price,Product Images\n"
        f"Notes,p_a,FN-R,Color,Red,5.00,10.00,{WEB}1.jpg {WEB}2.jpg\nNotes,p_a,FN-B,Color,Blue,5.00,11.00,{WEB}1.jpg\n"
    )
    shop = import_text(tmp_path, "faire.csv", text)
    assert shop.column("price") == {"FN-R": 10, "FN-B": 11}
    assert shop.column("group_id") == {"FN-R": "p_a", "FN-B": "p_a"}
    assert images(shop, "FN-R") == [f"{WEB}1.jpg", f"{WEB}2.jpg"]


def test_bigcommerce_of_a_row_a_product(tmp_path):
    header = ["Product ID", "Product Type", "Code", "Name", "Retail Price", "Sale Price", "Calculated Price", "Visible",
              "Stock Level", "Fixed Shipping Price", "Allow Purchases", "Category Details", "Images"]  # fmt: skip
    towel = {"Product ID": "77", "Product Type": "P", "Code": "SLC", "Name": "Towel", "Retail Price": "0", "Sale Price": "0",
             "Calculated Price": "49", "Visible": "N", "Stock Level": "5",
             "Category Details": "Category ID: 18, Category Name: Bath, Category Path: Shop All/Bath|Category ID: 20, Category Path: Garden",
             "Images": f"Product Image ID: 1, Product Image Path: a/b.jpg, Product Image URL: {WEB}p.jpg|Product Image URL: {WEB}q.jpg"}  # fmt: skip
    shop = import_text(tmp_path, "bc.csv", csv_text(header, towel))
    row = shop.row("SLC")
    assert (shop.report.format, row["price"], row["group_id"]) == ("BigCommerce CSV", 49, "77")
    assert row["category_paths"] == ["Shop All > Bath", "Garden"]
    assert (images(shop, "SLC"), row["published"]) == ([f"{WEB}p.jpg", f"{WEB}q.jpg"], False)
    assert (row["availability"], row.get("list_price")) == ("in_stock", None)


@pytest.mark.parametrize("form", ["lines", "list"])
def test_pages_of_an_api(tmp_path, form):
    """Each record is a page that holds products; products are read of all pages."""
    pages = [{"page": p, "data": {"items": [{"id": 10 * p + i, "title": f"Hat {p}{i}", "price": f"{p}{i},50 €"} for i in range(2)]}}
             for p in (1, 2)]  # fmt: skip
    text = "\n".join(map(json.dumps, pages)) if form == "lines" else json.dumps(pages)
    shop = import_text(tmp_path, "pages.json", text)
    assert shop.column("title") == {"10": "Hat 10", "11": "Hat 11", "20": "Hat 20", "21": "Hat 21"}
    assert shop.column("price")["21"] == 21.5
    assert shop.row("10")["currency"] == "EUR"


def test_lists_of_categories_that_are_the_levels_of_one_path(tmp_path):
    """Twenty lists that begin alike, end unlike and form a tree are paths; unordered ones are not."""

    def lines(lists):
        return "\n".join(
            json.dumps({"id": i, "title": f"Thing {i}", "categories": names})
            for i, names in enumerate(lists)
        )

    levels = [["Home", "Kitchen", f"Pans {i % 9}"] for i in range(30)]
    shop = import_text(tmp_path, "l.jsonl", lines(levels))
    assert shop.column("category")["3"] == "Home > Kitchen > Pans 3"
    tags = [[f"Tag {i % 7}", f"Tag {(i * 3 + 1) % 7}"] for i in range(30)]
    shop = import_text(tmp_path, "t.jsonl", lines(tags))
    assert shop.row("3")["category_paths"] == ["Tag 3"]
    assert shop.row("4")["category_paths"] == ["Tag 4", "Tag 6"]


def test_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds bytes that are no text"):
        import_text(tmp_path, "a.csv", bytes(range(256)) * 20)
    text = "Название;Цена;Артикул\nШапка;12,50;007\nШарф;3,00;008\n"
    shop = import_text(tmp_path, "b.csv", text, encoding="utf-16-le")
    assert len(shop.products) == 2


def test_vtex(tmp_path):
    """SKUs of products; the name of a SKU is its option, remarks stand behind the names."""
    text = """_IDSKU (Não alterável);_NomeSKU;_SKUAtivo (Não alterável);_EANSKU;_Altura;_IDProduto (Não alterável);_NomeProduto (Obrigatório);_DescriçãoProduto;_NomeDepartamento;_NomeCategoria;_Marca;_MostrarNoSite
11;P;SIM;7891;10;1;Camiseta;Algodão;Moda;Camisetas;Acme;SIM
12;M;NÃO;7892;10;1;Camiseta;Algodão;Moda;Camisetas;Acme;SIM
13;Caneca;SIM;;10;2;Caneca;Cerâmica;Casa;Canecas;Acme;NÃO
"""
    shop = import_text(tmp_path, "catalogo.csv", text)
    assert shop.report.format == "VTEX catalogue"
    assert shop.column("group_id") == {"11": "1", "12": "1", "13": "2"}
    assert shop.column("published") == {"11": True, "12": False, "13": False}
    assert shop.column("category") == {
        "11": "Moda > Camisetas",
        "12": "Moda > Camisetas",
        "13": "Casa > Canecas",
    }
    assert shop.column("attributes")["11"] == '{"variant": "P"}'
    assert shop.column("attributes")["13"] is None
    assert shop.column("gtin")["12"] == "7892"
