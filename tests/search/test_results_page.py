import base64
import io
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from windowshop.errors import ConfigError
from windowshop.search.results_page import THUMBNAIL_SIDE, Card, ResultList, render_page, write_page

CARD = Card(
    product_id="p1",
    title="Linen shirt",
    brand="Nordlys",
    price=1299.0,
    score=0.61234,
    image=None,
    note=None,
)
ASKED = ResultList(query="blue shirt", photo=None, where=None, cards=(CARD,), took_ms=11.6)
VOID_TAGS = {"meta", "img", "rect", "circle", "path"}


class Page(HTMLParser):
    """The rendered page's tags and visible text; refuses tags that do not close in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f"{data.strip()}|" if data.strip() else ""

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(*lists, title="Results"):
    return Page(render_page(lists, title=title))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    image = Image.new("RGB", (1000, 500), "teal")
    exif = Image.Exif()
    exif[0x013B] = "somebody"
    image.save(path, comment=b"a secret", exif=exif)
    return path


def embedded(attrs):
    head, data = attrs["src"].split(",", 1)
    assert head == "data:image/jpeg;base64"
    return base64.b64decode(data, validate=True)


def test_page_says_what_was_asked_and_found():
    text = page_of(ASKED, title="My shop").text
    for shown in ("My shop", "blue shirt", "1 product in 12 ms", "Linen shirt", "Nordlys"):
        assert f"{shown}|" in text
    assert "1,299|score 0.612|" in text


def test_every_text_is_escaped():
    hostile = """<script>alert("1")</script>' onerror='x"""
    card = replace(CARD, title=hostile, brand=hostile, note=hostile, product_id=hostile)
    html = render_page([replace(ASKED, query=hostile, where=hostile, cards=(card,))], title=hostile)
    page = Page(html)
    assert "<script" not in html
    assert page.all("script") == []
    assert not any("onerror" in attrs for _, attrs in page.tags)
    assert page.text.count(hostile) >= 5


def test_page_needs_nothing_beside_it(photo):
    lists = [replace(ASKED, photo=photo, cards=(replace(CARD, image=photo),)), ASKED]
    html = render_page(lists, title="Results")
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "form", "object"}
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for attrs in page.all("img"))
    assert all(attrs["href"].startswith("#") for attrs in page.all("a"))
    assert not any(word in html for word in ("://", "url(", "@import", str(photo.parent)))
    assert "default-src 'none'" in str(page.all("meta"))


def test_structure_can_be_read_aloud(photo):
    card = replace(CARD, image=photo)
    page = page_of(replace(ASKED, photo=photo, cards=(card, card)), ASKED)
    assert [attrs["alt"] for attrs in page.all("img")] == [
        "The photo that was searched with",
        "Linen shirt",
        "Linen shirt",
    ]
    assert [len(page.all(tag)) for tag in ("h1", "main", "section", "h2", "article", "h3")] == [
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs["href"][1:] for attrs in page.all("a")]
    targets += [attrs["aria-labelledby"] for attrs in page.all("section")]
    assert set(targets) == set(ids)
    assert page_of(ASKED).all("nav") == []


def test_photos_become_small_jpegs_without_metadata(photo):
    [attrs] = page_of(replace(ASKED, cards=(replace(CARD, image=photo),))).all("img")
    data = embedded(attrs)
    image = Image.open(io.BytesIO(data))
    assert image.size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE // 2)
    assert b"secret" not in data
    assert b"somebody" not in data


def test_small_photos_are_not_enlarged(tmp_path):
    path = tmp_path / "small.png"
    Image.new("RGBA", (40, 60), (255, 0, 0, 0)).save(path)
    [attrs] = page_of(replace(ASKED, photo=path)).all("img")
    image = Image.open(io.BytesIO(embedded(attrs)))
    assert image.size == (40, 60)
    assert image.getpixel((20, 30)) == (255, 255, 255)


@pytest.mark.parametrize("content", [b"", b"<svg onload='alert(1)'/>", b"\xff\xd8\xff\xe0broken"])
def test_broken_photos_become_placeholders(tmp_path, content):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    cards = (replace(CARD, image=path), replace(CARD, image=tmp_path / "missing.jpg"), CARD)
    page = page_of(replace(ASKED, photo=path, cards=cards))
    assert page.all("img") == []
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert labels == ["Photo cannot be shown"] * 3 + ["No photo"]


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (0.0, "0|"),
        (0.1, "0.10|"),
        (649.0, "649|"),
        (1234567.5, "1,234,567.50|"),
        (None, ""),
        (float("nan"), ""),
        (float("inf"), ""),
    ],
)
def test_prices(price, shown):
    text = page_of(replace(ASKED, cards=(replace(CARD, price=price),))).text
    assert f"Linen shirt|{shown}score 0.612|" in text


@pytest.mark.parametrize(
    ("took_ms", "shown"),
    [(None, ""), (0.2, " in under 1 ms"), (12.4, " in 12 ms"), (1234.0, " in 1.2 s")],
)
def test_durations(took_ms, shown):
    assert f"|1 product{shown}|" in page_of(replace(ASKED, took_ms=took_ms)).text


def test_headings_without_a_query(photo):
    asked = replace(ASKED, query=None)
    assert "|All products|" in page_of(asked).text
    assert "|Products like this photo|" in page_of(replace(asked, photo=photo)).text
    assert "|searched by text and photo|" in page_of(replace(ASKED, photo=photo)).text


def test_empty_results_say_what_to_do():
    empty = replace(ASKED, cards=())
    assert "|0 products in 12 ms|No product matches.|" in page_of(empty).text
    text = page_of(replace(empty, where='brand = "X"')).text
    assert '|where|brand = "X"|No product matches this filter. Loosen it' in text
    assert page_of().all("section") == []


def test_missing_fields_leave_no_trace():
    html = render_page([replace(ASKED, cards=(replace(CARD, brand=None, title=""),))], title="R")
    assert "None" not in html
    assert "|p1|" in Page(html).text


def test_write_page_replaces_whole_files(tmp_path):
    path = tmp_path / "new" / "page.html"
    write_page(path, "first")
    write_page(path, "größer \udc80")
    assert path.read_text(encoding="utf-8") == "größer ?"
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_write_page_names_the_file_it_cannot_write(tmp_path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(ConfigError, match=r"page\.html: the page cannot be written"):
        write_page(tmp_path / "page.html", "text")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Choose another file"):
        write_page(tmp_path / "file" / "page.html", "text")
