"""Writing systems that an encoder reads, by its vocabulary."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from windowshop.model.writing_systems import (
    MIN_CHARACTERS,
    MIN_PIECES,
    is_latin,
    reads,
    systems_read,
)


def tokenizer(words):
    return Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="?"))


def pairs(first, count):
    """Words of two letters, beginning with a given one."""
    letters = [chr(ord(first) + i) for i in range(16)]
    return [a + b for a in letters for b in letters][:count]


def test_systems_with_words_are_read_and_those_with_letters_alone_are_not():
    words = ["?", *pairs("a", MIN_PIECES), *(chr(0x0905 + i) for i in range(40)), "काला"]
    assert systems_read(tokenizer(words)) == {"LATIN"}
    assert systems_read(tokenizer([*words, *pairs("б", MIN_PIECES)])) == {"LATIN", "CYRILLIC"}


def test_characters_that_are_words_are_read_when_there_are_many():
    characters = [chr(0x4E00 + i) for i in range(MIN_CHARACTERS)]
    assert systems_read(tokenizer(characters)) == {"CJK"}
    assert not systems_read(tokenizer(characters[:-1]))


def test_tokens_of_bytes_are_read_as_the_letters_they_stand_for():
    encode = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [encode.pre_tokenize_str(word)[0][0] for word in pairs("б", MIN_PIECES)]
    of_bytes = tokenizer(words)
    of_bytes.decoder = decoders.ByteLevel()
    assert systems_read(of_bytes) == {"CYRILLIC"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red shoes", True),
        ("größe 38", True),
        ("केला", False),
        ("nike кроссовки", False),
        ("42", True),
    ],
)
def test_a_text_is_read_by_most_of_its_letters(text, expected):
    assert (is_latin(text) or reads(frozenset({"LATIN"}), text)) is expected


def test_marks_on_letters_do_not_count():
    assert reads(frozenset({"DEVANAGARI"}), "काला")
