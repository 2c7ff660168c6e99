"""Texts that feeds and requests bring never reach a terminal or a log as a command."""

import json
import logging
import shutil
import sys

import pytest
from support.indexes import shop_rows, write_colours

from windowshop.service.server import LogFormatter

TITLE = "red \x1b]0;owned\x07 \x1b[31m shoe \x9b2J [bold]x[/bold] \r"
ESCAPES = ("\x1b", "\x07", "\x9b", "\r")


@pytest.fixture
def hostile_index(colours, colours_model, tmp_path, build_colours):
    data = tmp_path / "data"
    shutil.copytree(colours / "data", data)
    first, *others = shop_rows()
    write_colours(data, [first | {"title": TITLE}, *others])
    build_colours(tmp_path / "index", data=data)
    return tmp_path / "index"


def test_a_title_is_shown_and_not_obeyed(hostile_index, cli):
    told = cli("search", hostile_index, "red shoe", "-k", 50)
    assert told.code == 0, told.err
    assert "owned" in told.out
    assert "[bold]x[/bold]" in told.out
    assert not any(escape in told.out for escape in ESCAPES)


def test_json_has_the_title_as_it_is(hostile_index, cli):
    told = cli("search", hostile_index, "red shoe", "-k", 50, "--json")
    assert not any(escape in told.out for escape in ESCAPES)
    titles = [result["title"] for result in json.loads(told.out)["results"]]
    assert TITLE.strip() in [title.strip() for title in titles]


def test_an_error_that_quotes_is_shown_and_not_obeyed(cli, tmp_path):
    told = cli("search", tmp_path / "no\x1b[2Jindex", "red")
    assert told.code == 1
    assert "no" in told.err
    assert "\x1b" not in told.err


def test_a_record_of_the_log_cannot_be_forged():
    formatter = LogFormatter("%(levelname)s %(name)s: %(message)s")
    text = "red\n2026-01-01 ERROR windowshop: forged\x1b[2J\r\u2028x"
    try:
        raise ValueError(text)
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "%s", (text,), sys.exc_info())
    first, *others = formatter.format(record).split("\n")
    assert first == "ERROR a: red"
    assert others
    assert all(line.startswith("    ") for line in others)
    assert not any(character in "".join(others) for character in (*ESCAPES, "\u2028"))
