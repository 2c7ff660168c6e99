"""Languages in the names of columns and the keys of objects (`name-en_US`, `{"de-DE": ...}`)."""

import re

LANGUAGE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2})?|x-default|default")
"""Key of an object that says one thing in several languages."""
_CODES = [
    "de",
    "en",
    "fr",
    "es",
    "it",
    "nl",
    "pt",
    "pl",
    "sv",
    "da",
    "nb",
    "nn",
    "fi",
    "cs",
    "sk",
    "hu",
    "ro",
    "bg",
    "el",
    "tr",
    "ru",
    "uk",
    "ja",
    "ko",
    "zh",
    "ar",
    "he",
]
_BEHIND = re.compile(
    r"(?P<name>.+?)[-_. (\[]+(?P<lang>[a-z]{2})(?:[-_][A-Za-z]{2})?[\])]?(?:[-.](?P<channel>\w+))?"
)
_BEFORE = re.compile(r"(?P<lang>[A-Za-z]{2})[-_](?P<name>.+)")


def without_language(name: str) -> str:
    """Return the name of a column without its language, and without a channel behind that."""
    for pattern in (_BEHIND, _BEFORE):
        found = pattern.fullmatch(name)
        if found is not None and found["lang"].lower() in _CODES:
            return found["name"]
    return name
