"""Texts and names of columns as the language of filters has them."""


def quoted(text: str) -> str:
    """Return a text as a filter has it."""
    return '"' + _escaped(text, '"') + '"'


def quoted_column(name: str) -> str:
    """Return the name of a column as a filter has it, whatever stands in it."""
    return "`" + _escaped(name, "`") + "`"


def _escaped(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
