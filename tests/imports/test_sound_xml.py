"""XML that is not quite sound: bare ampersands and entities of HTML."""

import io
import random

import pytest
from support.exports import import_text

from windowshop.imports.sound_xml import SoundXml


def read(content, size):
    """All bytes, read in pieces."""
    file, found = SoundXml(io.BytesIO(content)), []
    while piece := file.read(size):
        found.append(piece)
    return b"".join(found)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_any_size_are_read_alike(size):
    text = (
        b"<a>Tom & Jerry &amp; &nbsp;&#233;&#xE9; AT&T &c; 5&lt;6 <![CDATA[a & b ]] &nbsp;]]>&</a>"
    )
    expected = (
        b"<a>Tom &amp; Jerry &amp; &#160;&#233;&#xE9; AT&amp;T &amp;c; 5&lt;6 "
        b"<![CDATA[a & b ]] &nbsp;]]>&amp;</a>"
    )
    assert read(text, size) == expected


def test_what_is_sound_stays_as_it_is():
    draw = random.Random(0)
    parts = ["<a>", "</a>", "&amp;", "&#38;", "<![CDATA[", "]]>", "<!-- x -->", "text ", "é", "<"]
    for _ in range(300):
        text = "".join(draw.choices(parts, k=12)).encode()
        assert read(text, draw.randint(1, 9)) == text
    wide = "<?xml version='1.0' encoding='utf-16'?><a>&amp;</a>".encode("utf-16")
    assert read(wide, 5) == wide


def test_a_feed_with_bare_ampersands_is_imported(tmp_path):
    items = "".join(
        f"<item><g:id>{i}</g:id><g:title>Tom & Jerry&nbsp;{i}</g:title><g:price>{i} EUR</g:price>"
        f"<g:link>https://x.example/?a={i}&b=2</g:link></item>"
        for i in range(1, 400)
    )
    text = f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{items}</channel></rss>'
    shop = import_text(tmp_path, "feed.xml", text)
    assert len(shop.products) == 399
    assert shop.row("7")["title"] == "Tom & Jerry 7"
    assert shop.row("7")["link"] == "https://x.example/?a=7&b=2"
