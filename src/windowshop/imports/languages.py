"""Languages in the names of columns and the keys of objects (`name-en_US`, `{"de-DE": ...}`)."""

import re
from typing import Any

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
    "us",
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


_KEYS = ("language_tag", "languageTag", "locale", "lang", "language", "@language", "languageCode",
         "language_code", "localeCode")  # fmt: skip
_SAID = ("value", "data", "text", "content", "@value")


def of_language(items: list[Any]) -> Any:  # noqa: ANN401
    """Return what a list of objects, each in a language, says in English, else in the first.

    Several in one language stay a list; None where it is no such list.
    """
    found: dict[str, list[Any]] = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        language = next((str(item[key]) for key in _KEYS if item.get(key)), "")
        said = next((item[key] for key in _SAID if item.get(key)), None)
        if not language or said is None:
            return None
        found.setdefault(language, []).append(said)
    if not found:
        return None
    chosen = next((name for name in found if name.lower().startswith("en")), next(iter(found)))
    return found[chosen][0] if len(found[chosen]) == 1 else found[chosen]


def translation(items: list[Any]) -> dict[str, Any] | None:
    """Return the object of a list that is in English, else the first, without its language.

    None where not each is an object with a language and several texts of its own.
    """
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        key = next((key for key in _KEYS if item.get(key)), "") if isinstance(item, dict) else ""
        if not key or not isinstance(item[key], str):
            return None
        own = {name: value for name, value in item.items() if name != key}
        found.setdefault(item[key], own)
    if not found:
        return None
    return next((own for name, own in found.items() if name.lower().startswith("en")),
                next(iter(found.values())))  # fmt: skip
