# ruff: noqa: E501
"""Tables of a database in one folder: joined by their keys, proven by values, corrected by hand."""

import io
import sqlite3
import zipfile

import pytest
from support.exports import WEB, facts, images, import_path
from support.workbooks import workbook

from windowshop.data import check_dataset
from windowshop.errors import ConfigError
from windowshop.imports import (
    ImportOptions,
    advise,
    import_shop,
    recognise_source,
    table_map,
    write_map,
)
from windowshop.imports.related.joins import find_plan, main_table, tables_of
from windowshop.imports.related.store import TableStore
from windowshop.imports.source import Source

SHOP = {
    "products": """id,name,description,brand_id,category_id,price,created_at,is_active
1,Linen shirt,Light and cool,1,3,39.90,2024-01-01,1
2,Wool coat,Warm,2,2,199.00,2024-01-02,1
3,Mug,Ceramic,,5,9.5,2024-01-03,0
4,Socks,,1,4,,2024-01-03,1
""",
    "product_variants": """id,product_id,sku,price,stock,color,size,created_at
10,1,LS-W-S,,3,white,S,2024-01-01
11,1,LS-W-M,44.90,0,white,M,2024-01-01
12,2,WC-B,189.00,1,blue,,2024-01-01
13,4,SO-1,5.00,7,red,41,2024-01-01
14,4,SO-2,5.50,7,red,43,2024-01-01
""",
    "product_images": f"""id,product_id,url,position,is_primary
1,1,{WEB}1b.jpg,2,0
2,1,{WEB}1a.jpg,1,1
3,2,{WEB}2.jpg,1,1
4,4,{WEB}4.jpg,1,1
""",
    "categories": "id,parent_id,name\n1,,Clothing\n2,1,Coats\n3,1,Shirts\n4,1,Socks\n5,,Kitchen\n",
    "brands": "id,name,country\n1,Acme,DE\n2,Nord,SE\n",
    "reviews": "id,product_id,rating,comment\n1,1,5,good\n2,2,4,fine\n",
    "orders": "id,customer_id,total\n1,7,99\n2,8,9\n",
}


def folder_of(tmp_path, tables, suffix=".csv"):
    folder = tmp_path / "dump"
    folder.mkdir()
    for name, text in tables.items():
        (folder / f"{name}{suffix}").write_text(text, "utf-8")
    return folder


@pytest.fixture
def shop_folder(tmp_path):
    return folder_of(tmp_path, SHOP)


def require_shop(shop):
    assert shop.column("title") == {
        "LS-W-S": "Linen shirt", "LS-W-M": "Linen shirt", "WC-B": "Wool coat", "3": "Mug",
        "SO-1": "Socks", "SO-2": "Socks",
    }  # fmt: skip
    assert shop.column("price") == {
        "LS-W-S": 39.9, "LS-W-M": 44.9, "WC-B": 189, "3": 9.5, "SO-1": 5, "SO-2": 5.5,
    }  # fmt: skip
    assert [*shop.column("group_id").values()] == ["1", "1", "2", "3", "4", "4"]
    assert [*shop.column("brand").values()] == ["Acme", "Acme", "Nord", None, "Acme", "Acme"]
    assert shop.column("category")["WC-B"] == "Clothing > Coats"
    assert shop.column("category")["3"] == "Kitchen"
    assert images(shop, "LS-W-M") == [f"{WEB}1a.jpg", f"{WEB}1b.jpg"]
    assert shop.column("availability")["LS-W-M"] == "out_of_stock"
    assert shop.column("size") == {
        "LS-W-S": "S", "LS-W-M": "M", "WC-B": None, "3": None, "SO-1": "41", "SO-2": "43",
    }  # fmt: skip
    assert shop.column("published")["3"] is False
    assert not {"rating", "comment", "total", "brand_id", "created_at"} & {*shop.products.columns}


def test_products_with_variants_images_categories_and_brands(tmp_path, shop_folder):
    shop = import_path(shop_folder, tmp_path / "shop")
    require_shop(shop)
    assert shop.report.format == "tables joined by their keys"
    assert shop.report.joins == [
        "product_variants.product_id = products.id (variants, 100% sure: 100% of 3 values)",
        "product_images.product_id = products.id (list, 100% sure: 100% of 3 values)",
        "products.brand_id = brands.id (lookup, 100% sure: 100% of 2 values)",
        "products.category_id = categories.id (lookup, 100% sure: 100% of 4 values)",
    ]
    assert [path.rpartition("/")[2] for path in shop.report.passed_over] == [
        "orders.csv", "reviews.csv",
    ]  # fmt: skip


def test_a_database_is_read_as_its_tables(tmp_path):
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as database:
        for name, text in SHOP.items():
            header, *rows = (line.split(",") for line in text.strip().split("\n"))
            database.execute(f"CREATE TABLE {name} ({', '.join(header)}, data BLOB)")
            values = [
                [*(int(v) if v.isdigit() else v or None for v in row), b"\x00"] for row in rows
            ]
            database.executemany(f"INSERT INTO {name} VALUES ({'?,' * len(header)}?)", values)
    require_shop(import_path(path, tmp_path / "shop"))


def test_a_log_of_writes_beside_a_database_is_read(tmp_path):
    path = tmp_path / "shop.db"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE products (id, name, price)")
    database.execute("INSERT INTO products VALUES (1, 'Mug', 9.5), (2, 'Cup', 8)")
    assert (tmp_path / "shop.db-wal").stat().st_size > 0
    shop = import_path(path, tmp_path / "shop")
    database.close()
    assert shop.column("title") == {"1": "Mug", "2": "Cup"}


def test_variants_without_their_product_are_reported(tmp_path):
    variants = SHOP["product_variants"] + "15,9,LOST,1.00,1,red,S,2024-01-01\n"
    shop = import_path(
        folder_of(tmp_path, {**SHOP, "product_variants": variants}), tmp_path / "shop"
    )
    assert shop.report.notes["lost-variant"].examples == ["LOST"]
    assert "LOST" not in shop.column("title")


def test_joins_are_corrected_in_the_mapping(tmp_path, shop_folder):
    """The mapping names the joins; one that is deleted from it is not made."""
    path = tmp_path / "map.yaml"
    found = table_map(shop_folder)
    write_map(path, found.columns, found.sample, "dump")
    text = path.read_text()
    assert 'table: "products"' in text
    assert '"products.brand_id": "brands.id"' in text
    require_shop(import_path(shop_folder, tmp_path / "same", map=path))
    lines = [line for line in text.split("\n") if "brand" not in line]
    path.write_text("\n".join(lines))
    shop = import_path(shop_folder, tmp_path / "other", map=path)
    assert "brand" not in shop.products.columns
    assert shop.column("category")["WC-B"] == "Clothing > Coats"
    path.write_text(text.replace('"brands.id"', '"brands.nr"'))
    with pytest.raises(ConfigError, match=r"no column 'brands\.nr'.*brands \(id, name, country\)"):
        import_path(shop_folder, tmp_path / "none", map=path)
    path.write_text(text.replace('table: "products"', 'table: "goods"'))
    with pytest.raises(ConfigError, match="'goods' is none of the tables: brands, categories"):
        import_path(shop_folder, tmp_path / "none", map=path)


def test_opencart_database(tmp_path):
    """Texts by language, links to a tree of categories, attributes of three tables."""
    folder = folder_of(tmp_path, {
        "oc_product": "product_id,model,image,manufacturer_id,price,quantity,status,tax_class_id\n"
        "28,Product 1,c/touch.jpg,5,100.0000,939,1,9\n29,Product 2,c/palm.jpg,6,279.9900,0,1,9\n",
        "oc_product_description": "product_id,language_id,name,description\n28,2,HTC DE,Hohe\n"
        "28,1,HTC Touch,&lt;p&gt;High definition&lt;/p&gt;\n29,1,Palm,Redefine\n29,2,Palm DE,Neu\n",
        "oc_product_image": "product_image_id,product_id,image,sort_order\n1,28,c/3.jpg,2\n"
        "2,28,c/2.jpg,1\n",
        "oc_product_to_category": "product_id,category_id\n28,20\n28,24\n29,24\n",
        "oc_category": "category_id,image,parent_id,status\n20,,0,1\n24,,20,1\n",
        "oc_category_description": "category_id,language_id,name\n20,1,Desktops\n24,1,Phones\n"
        "20,2,Rechner\n24,2,Telefone\n",
        "oc_manufacturer": "manufacturer_id,name,image\n5,HTC,c/logo.jpg\n6,Palm,\n",
        "oc_language": "language_id,name,code\n1,English,en-gb\n2,Deutsch,de-de\n",
        "oc_product_attribute": "product_id,attribute_id,language_id,text\n28,1,1,100mhz\n"
        "28,2,1,4\n28,1,2,100 MHz\n",
        "oc_attribute": "attribute_id,attribute_group_id,sort_order\n1,6,1\n2,6,2\n",
        "oc_attribute_description": "attribute_id,language_id,name\n1,1,Clockspeed\n2,1,Cores\n"
        "1,2,Takt\n2,2,Kerne\n",
        "oc_order_product": "order_product_id,order_id,product_id,name,quantity,price\n"
        "1,1,28,HTC,1,100\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    row = shop.row("28")
    assert (row["title"], row["description"], row["brand"]) == (
        "HTC Touch", "High definition", "HTC",
    )  # fmt: skip
    assert shop.row("29")["title"] == "Palm"
    assert (
        row["category_paths"] if "category_paths" in row else row["category"] == "Desktops > Phones"
    )
    assert [row["image"], *row["images"]] == ["c/touch.jpg", "c/2.jpg", "c/3.jpg"]
    assert facts(shop, "28") == {"Clockspeed": "100mhz", "Cores": 4}
    assert shop.column("availability") == {"28": "in_stock", "29": "out_of_stock"}


def test_german_names_and_codes_as_keys(tmp_path):
    folder = folder_of(tmp_path, {
        "artikel": "artikelnr;bezeichnung;hersteller_id;vk_preis\nA-100;Grüner Mantel;H1;1.299,00\n"
        "A-200;Rote Mütze;H2;19,99\n",
        "artikelbilder": "artikelnr;bild;sortierung\nA-100;m2.jpg;2\nA-100;m1.jpg;1\nA-200;r.jpg;1\n",
        "hersteller": "hersteller_id;name\nH1;Müller & Söhne\nH2;Strick GmbH\n",
        "artikel_kategorien": "artikelnr;kategorie_id\nA-100;7\nA-200;8\nA-200;9\n",
        "kategorien": "id;vater_id;name\n6;;Mode\n7;6;Mäntel\n8;6;Mützen\n9;;Winter\n",
        "artikel_eigenschaften": "artikelnr;name;wert\nA-100;Material;Wolle\nA-100;Farbe;grün\n"
        "A-200;Farbe;rot\nA-200;Farbe;blau\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("price") == {"A-100": 1299, "A-200": 19.99}
    assert shop.column("brand") == {"A-100": "Müller & Söhne", "A-200": "Strick GmbH"}
    assert shop.row("A-200")["category_paths"] == ["Mode > Mützen", "Winter"]
    assert [shop.row("A-100")["image"], *shop.row("A-100")["images"]] == ["m1.jpg", "m2.jpg"]
    assert facts(shop, "A-100") == {"Material": "Wolle", "Farbe": "grün"}
    assert facts(shop, "A-200") == {"Farbe": ["rot", "blau"]}


def test_options_of_variants_stand_in_tables_of_their_own(tmp_path):
    folder = folder_of(tmp_path, {
        "products": "id,title,vendor\n1,Tee,Acme\n2,Cap,Nord\n",
        "variants": "id,product_id,sku,price\n1,1,T-S,10\n2,1,T-M,11\n3,2,C-1,7\n",
        "options": "id,product_id,name\n1,1,Size\n2,2,Colour\n",
        "option_values": "id,option_id,value\n1,1,S\n2,1,M\n3,2,Black\n",
        "variant_option_values": "variant_id,option_value_id\n1,1\n2,2\n3,3\n",
        "images": f"id,product_id,variant_id,src,position\n1,1,,{WEB}t.jpg,1\n2,1,2,{WEB}tm.jpg,2\n"
        f"3,2,,{WEB}c.jpg,1\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert {name: facts(shop, name) for name in ("T-S", "T-M", "C-1")} == {
        "T-S": {"Size": "S"}, "T-M": {"Size": "M"}, "C-1": {"Colour": "Black"},
    }  # fmt: skip
    assert images(shop, "T-S") == [f"{WEB}t.jpg"]
    assert images(shop, "T-M") == [f"{WEB}tm.jpg", f"{WEB}t.jpg"]


def test_values_alone_prove_a_join_and_refuse_one(tmp_path):
    """Photos name items by a column that is called like nothing; a price list is of another shop."""
    folder = folder_of(tmp_path, {
        "items": "uuid,title,body\n3f2a9c00,Lamp,Bright\n8b1de511,Chair,Comfy\n77aa0012,Table,Solid\n",
        "photos": "file,belongs\nlamp.jpg,3f2a9c00\nchair.jpg,8b1de511\nt1.jpg,77aa0012\nt2.jpg,77aa0012\n",
        "item_prices": "item_uuid,currency,amount\n3f2a9c00,EUR,10.50\nzz1,EUR,1\nzz2,EUR,2\nzz3,EUR,3\n",
        "inventory": "item_uuid,warehouse,quantity\n3f2a9c00,A,2\n3f2a9c00,B,3\n8b1de511,A,0\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("image") == {
        "3f2a9c00": "lamp.jpg", "8b1de511": "chair.jpg", "77aa0012": "t1.jpg",
    }  # fmt: skip
    assert shop.column("quantity") == {"3f2a9c00": 5, "8b1de511": 0, "77aa0012": None}
    assert "price" not in shop.products.columns
    assert shop.report.joins[-1] == (
        "not joined: item_prices.item_uuid = items.uuid (prices, 62% sure: 25% of 4 values)"
    )


def test_other_folders_are_no_database(tmp_path):
    """Tables without a common key, and a data folder with its judgements, are read as before."""
    folder = folder_of(tmp_path, {
        "products": "product_id,title,price\n1,Lamp,3\n2,Chair,4\n",
        "qrels": "query_id,product_id,grade\nq1,1,3\nq2,2,1\n",
        "queries": "query_id,query\nq1,lamp\nq2,chair\n",
    })  # fmt: skip
    assert recognise_source(folder).title == "a table"
    report = import_shop(folder, tmp_path / "shop", ImportOptions())
    assert (report.counts["products"], report.joins) == (2, [])


def test_a_database_without_products_is_refused(tmp_path):
    path = tmp_path / "empty.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE products (id, name)")
    with pytest.raises(Exception, match="no table with rows"):
        import_shop(path, tmp_path / "shop")


def test_the_store_counts_and_finds_what_it_keeps():
    store = TableStore()
    first = store.add(("id", "name"), [{"id": 1, "name": "a"}, {"id": 2.0, "name": ["b", "c"]}])
    second = store.add(
        ("ref",), [{"ref": "1"}, {"ref": "0"}, {"ref": "\\N"}, {"ref": "3"}, {"ref": "1"}]
    )
    assert [*store.rows(first)] == [
        (1, {"id": "1", "name": "a"}),
        (2, {"id": "2", "name": '["b", "c"]'}),
    ]
    assert store.find(first, "id", "2") == [{"id": "2", "name": '["b", "c"]'}]
    assert store.contained(second, "ref", first, "id") == (2, 1)
    assert [*store.unnamed(second, "ref", first, "id")] == [
        (2, {"ref": "0"}), (3, {}), (4, {"ref": "3"}),
    ]  # fmt: skip
    assert store.count(second) == 5


def test_a_plan_says_how_sure_each_join_is(shop_folder):
    tables = tables_of([Source(path) for path in sorted(shop_folder.glob("*.csv"))])
    main = main_table(tables)
    assert main is not None
    assert main.name == "products"
    plan = find_plan(tables, main)
    assert {join.place: (join.kind, join.certainty) for join in plan.joins} == {
        ("product_variants.product_id", "products.id"): ("variants", 1.0),
        ("product_images.product_id", "products.id"): ("list", 1.0),
        ("products.brand_id", "brands.id"): ("lookup", 1.0),
        ("products.category_id", "categories.id"): ("lookup", 1.0),
    }


def test_databases_of_known_systems(tmp_path):
    """Microsoft's samples, Spree, Shopify's tables as connectors copy them, MySQL's dumps."""
    folder = folder_of(tmp_path, {
        "Product": "ProductID,Name,ProductNumber,Color,ListPrice,Size,ProductSubcategoryID,ProductModelID\n"
        '680,"HL Frame - Black, 58",FR-R92B-58,Black,1431.50,58,14,6\n707,"Helmet, Red",HL-U509-R,Red,34.99,,31,33\n',
        "ProductSubcategory": "ProductSubcategoryID,ProductCategoryID,Name\n14,2,Road Frames\n31,4,Helmets\n",
        "ProductCategory": "ProductCategoryID,Name\n2,Components\n4,Accessories\n",
        "ProductModel": "ProductModelID,Name\n6,HL Frame\n33,Sport-100\n",
        "ProductInventory": "ProductID,LocationID,Shelf,Bin,Quantity\n680,1,A,1,408\n680,6,B,5,324\n707,1,N/A,0,0\n",
        "ProductReview": "ProductReviewID,ProductID,Rating,Comments\n1,680,5,good\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "adventure")
    assert shop.column("category") == {
        "680": "Components > Road Frames",
        "707": "Accessories > Helmets",
    }
    assert shop.column("Quantity") == {"680": 732, "707": 0}
    assert shop.column("ProductNumber") == {
        "680": "FR-R92B-58",
        "707": "HL-U509-R",
    }  # no price in rand
    assert shop.column("ProductModel") == {"680": "HL Frame", "707": "Sport-100"}


def test_spree_leaves_a_master_that_has_variants(tmp_path):
    folder = folder_of(tmp_path, {
        "spree_products": "id,name,description,slug,tax_category_id\n1,Ruby Tote,Nice,ruby-tote,1\n2,Ruby Jersey,Soft,ruby-jersey,1\n",
        "spree_variants": "id,sku,is_master,product_id,position\n1,ROR-11,t,1,1\n2,ROR-0,t,2,1\n3,ROR-S,f,2,2\n4,ROR-M,f,2,3\n",
        "spree_prices": "id,variant_id,amount,currency\n1,1,15.99,USD\n2,2,19.99,USD\n3,3,19.99,USD\n4,4,20.99,USD\n5,4,18.99,EUR\n",
        "spree_option_types": "id,name,presentation\n1,size,Size\n",
        "spree_option_values": "id,name,presentation,option_type_id\n1,S,Small,1\n2,M,Medium,1\n",
        "spree_option_values_variants": "variant_id,option_value_id\n3,1\n4,2\n",
        "spree_taxons": "id,parent_id,name\n1,,Categories\n2,1,Bags\n3,1,Shirts\n",
        "spree_products_taxons": "product_id,taxon_id\n1,2\n2,3\n",
        "spree_stock_items": "id,stock_location_id,variant_id,count_on_hand\n1,1,1,10\n2,1,3,0\n3,1,4,5\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("price") == {"ROR-11": 15.99, "ROR-S": 19.99, "ROR-M": 20.99}
    assert set(shop.column("currency").values()) == {"USD"}
    assert facts(shop, "ROR-M") == {"size": "M"}
    assert shop.column("category")["ROR-S"] == "Categories > Shirts"
    assert shop.column("availability") == {
        "ROR-11": "in_stock",
        "ROR-S": "out_of_stock",
        "ROR-M": "in_stock",
    }


def test_a_variant_without_a_sku_is_named_by_its_key(tmp_path):
    folder = folder_of(tmp_path, {
        "product": "id,handle,title,vendor,product_type,status\n7001,tee,Tee,Acme,Shirts,active\n7002,cap,Cap,Acme,Caps,draft\n",
        "product_variant": "id,product_id,title,price,sku,position,inventory_quantity,image_id\n9001,7001,S,20.00,TEE-S,1,4,502\n"
        "9002,7001,M,21.00,TEE-M,2,0,\n9003,7002,Default Title,9.00,,1,3,\n",
        "product_image": f"id,product_id,position,src\n501,7001,1,{WEB}t1.jpg\n502,7001,2,{WEB}t2.jpg\n",
        "product_tag": "product_id,index,value\n7001,1,summer\n7001,2,new\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("price") == {"TEE-S": 20, "TEE-M": 21, "9003": 9}
    assert images(shop, "TEE-S") == [f"{WEB}t2.jpg", f"{WEB}t1.jpg"]
    assert images(shop, "TEE-M") == [f"{WEB}t1.jpg", f"{WEB}t2.jpg"]
    assert shop.row("TEE-S")["tags"] == ["summer", "new"]
    assert (facts(shop, "TEE-M"), facts(shop, "9003")) == ({"variant": "M"}, {})


def test_a_dump_of_mysql(tmp_path):
    r"""NULL is \N, a quote in a text has a backslash before it, names are in camel case."""
    folder = folder_of(tmp_path, {
        "Products": 'productId,productName,brandId,unitPrice,isActive,description\n"1","Runner","2","89.90","1",\\N\n'
        '"2","Boot","1","129.00","0","Tough, \\"tall\\""\n',
        "ProductImages": f"imageId,productId,imageUrl,sortOrder\n1,1,{WEB}r2.jpg,2\n2,1,{WEB}r1.jpg,1\n3,2,{WEB}b.jpg,1\n",
        "Brands": "brandId,brandName\n1,Nord\n2,Fleet\n",
        "ProductCategories": "productId,categoryId\n1,10\n2,11\n",
        "Categories": "categoryId,categoryName,parentCategoryId\n1,Shoes,\\N\n10,Running,1\n11,Boots,1\n",
        "ProductSizes": "productId,size\n1,41\n1,42\n2,43\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("description") == {"1": None, "2": 'Tough, "tall"'}
    assert shop.column("brand") == {"1": "Fleet", "2": "Nord"}
    assert shop.column("category") == {"1": "Shoes > Running", "2": "Shoes > Boots"}
    assert images(shop, "1") == [f"{WEB}r1.jpg", f"{WEB}r2.jpg"]
    assert shop.column("ProductSizes.size") == {"1": ["41", "42"], "2": ["43"]}


def test_prestashop_database(tmp_path):
    folder = folder_of(tmp_path, {
        "ps_product": "id_product,id_supplier,id_manufacturer,id_category_default,ean13,price,reference,active\n"
        "1,0,1,4,,23.900000,demo_1,1\n2,0,0,5,3800000000001,35.900000,demo_2,0\n",
        "ps_product_lang": "id_product,id_shop,id_lang,description,description_short,name\n1,1,2,<p>Froid</p>,court,T-shirt colibri\n"
        "1,1,1,<p>Cool</p>,short,Printed t-shirt\n2,1,1,Warm,,Sweater\n2,1,2,Chaud,,Pull\n",
        "ps_manufacturer": "id_manufacturer,name\n1,Studio Design\n",
        "ps_category": "id_category,id_parent,level_depth,active\n1,0,0,1\n2,1,1,1\n4,2,2,1\n5,2,2,1\n",
        "ps_category_lang": "id_category,id_shop,id_lang,name\n1,1,1,Root\n2,1,1,Home\n4,1,1,Men\n5,1,1,Women\n4,1,2,Hommes\n5,1,2,Femmes\n",
        "ps_lang": "id_lang,name,iso_code\n1,English,en\n2,French,fr\n",
        "ps_stock_available": "id_stock_available,id_product,quantity\n1,1,300\n2,2,0\n",
    })  # fmt: skip
    shop = import_path(folder, tmp_path / "shop")
    assert shop.column("title") == {"demo_1": "Printed t-shirt", "demo_2": "Sweater"}
    assert shop.column("category") == {"demo_1": "Men", "demo_2": "Women"}
    assert shop.column("brand") == {"demo_1": "Studio Design", "demo_2": None}
    assert shop.column("availability") == {"demo_1": "in_stock", "demo_2": "out_of_stock"}
    assert not {"id_supplier", "id_shop"} & {*shop.products.columns}


def test_check_names_the_command_that_joins_a_folder(shop_folder):
    """A folder of tables is one thing to import, whether one is called products or not."""
    for name in ("products.csv", "product.csv"):
        assert (shop_folder / name).exists()
        report = advise(check_dataset(shop_folder))
        (found,) = [finding for finding in report.findings if finding.code == "to-import"]
        assert "product_variants.product_id" in found.found
        assert found.remedy == f"Run windowshop import {shop_folder} --out SHOP."
        if name == "products.csv":
            (shop_folder / name).rename(shop_folder / "product.csv")


def test_sheets_of_a_workbook_are_tables(tmp_path):
    """Sheets that refer to each other are joined; without a key the largest is read."""
    products = [
        ["id", "title", "brand_id", "price"],
        ["1", "Lamp", "7", 9.5],
        ["2", "Chair", "8", 20],
    ]
    pictures = [
        ["product_id", "image_url", "position"],
        ["1", f"{WEB}b.jpg", 2],
        ["1", f"{WEB}a.jpg", 1],
    ]
    brands = [["id", "name"], ["7", "Acme"], ["8", "Nord"]]
    path = tmp_path / "shop.xlsx"
    path.write_bytes(named_workbook(Products=products, Images=pictures, Brands=brands))
    shop = import_path(path, tmp_path / "shop")
    assert shop.report.format == "tables joined by their keys"
    assert shop.column("brand") == {"1": "Acme", "2": "Nord"}
    assert images(shop, "1") == [f"{WEB}a.jpg", f"{WEB}b.jpg"]
    assert shop.column("price") == {"1": 9.5, "2": 20}
    write_map(tmp_path / "map.yaml", (found := table_map(path)).columns, found.sample, "shop.xlsx")
    again = import_path(path, tmp_path / "again", map=tmp_path / "map.yaml")
    assert again.products.equals(shop.products)
    path.write_bytes(named_workbook(Products=products, Notes=[["note", "day"], ["first", "1"]]))
    alone = import_path(path, tmp_path / "alone")
    assert (alone.report.format, alone.notes["sheet-not-read"]) == ("a table", 1)


def named_workbook(**sheets):
    """A workbook of sheets by their names."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(*sheets.values()))) as old,
        zipfile.ZipFile(out, "w") as new,
    ):
        for name in old.namelist():
            text = old.read(name).decode()
            for i, sheet in enumerate(sheets, start=1):
                text = text.replace(f'name="Sheet {i}"', f'name="{sheet}"')
            new.writestr(name, text)
    return out.getvalue()
