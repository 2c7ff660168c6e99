# ruff: noqa: E501
"""Workbooks that are none: tables of HTML and XML of Excel 2003, as older systems export them."""

import pytest
from support.exports import WEB, import_text

from windowshop.errors import DataError

PAGE = f"""<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta charset="utf-8"></head><body>
<table><tr><td>Menu</td></tr></table><table border=1><tr><th>SKU<th>Name<th>Price<th>Category<th>Image</tr>
<tr><td>A1</td><td>Mug &amp; cup<br>blue</td><td>1.299,00 EUR</td><td>Kitchen</td><td><img src="{WEB}a.jpg"></td></tr>
<tr><td>A2</td><td>Plate<table><tr><td>inner</td></tr></table></td><td colspan="2">5,00 EUR</td><td></td></tr></table></body></html>"""
BOOK = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Worksheet ss:Name="Empty"><Table/></Worksheet><Worksheet ss:Name="S"><Table>
<Row><Cell><Data ss:Type="String">SKU</Data></Cell><Cell><Data>Name</Data></Cell><Cell><Data>Brand</Data></Cell><Cell><Data>Price</Data></Cell></Row>
<Row><Cell><Data>A1</Data></Cell><Cell><Data>Mug</Data></Cell><Cell ss:Index="4"><Data ss:Type="Number">12.5</Data></Cell></Row>
<Row><Cell><Data>A2</Data></Cell><Cell><Data>Cup</Data></Cell><Cell><Data>Acme</Data></Cell><Cell><Data>8</Data></Cell></Row>
</Table></Worksheet></Workbook>"""


def test_a_table_of_html_is_read(tmp_path):
    for name in ("export.xls", "export.html"):
        shop = import_text(tmp_path, name, PAGE)
        assert shop.column("title") == {"A1": "Mug & cup blue", "A2": "Plateinner"}
        assert shop.column("price") == {"A1": 1299, "A2": 5}
        assert shop.column("category") == {"A1": "Kitchen", "A2": None}
        assert shop.row("A1")["image_url"] == f"{WEB}a.jpg"


def test_xml_of_excel_2003_is_read(tmp_path):
    for name in ("export.xls", "export.xml"):
        shop = import_text(tmp_path, name, BOOK)
        assert shop.column("title") == {"A1": "Mug", "A2": "Cup"}
        assert shop.column("brand") == {"A1": None, "A2": "Acme"}
        assert shop.column("price") == {"A1": 12.5, "A2": 8}
    with pytest.raises(DataError, match="no sound XML"):
        import_text(tmp_path, "export.xls", BOOK[:-60])


def test_a_page_without_products_is_refused(tmp_path):
    page = "<html><body><table><tr><td>Opening hours</td><td>9 to 5</td></tr><tr><td>a</td><td>b</td></tr></table></body></html>"
    with pytest.raises(DataError, match="no records that can be read"):
        import_text(tmp_path, "page.html", page)
