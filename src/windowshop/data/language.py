"""Language of a catalogue, detected or declared, and the stems of its words.

English keeps its own plural rule (`windowshop.data.tokens`), which was measured; other languages
are stemmed by Snowball, after folding, so that a word typed without accents has the same stem.
"""

import re
import threading
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from windowshop.data.folding import fold
from windowshop.errors import ConfigError

ENGLISH = "en"
SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""Names of Snowball's stemmers by code of the language."""
UNSTEMMED = ("ja", "ko", "th", "zh", "vi", "uk", "he")
"""Languages that are detected and have no stemmer."""
LANGUAGES = (ENGLISH, *SNOWBALL, *UNSTEMMED)
COMPOUNDING = frozenset({"da", "de", "fi", "hu", "nl", "no", "sv"})
"""Languages that write compounds in one word."""
MIN_CERTAINTY = 0.75
"""Least probability of another language than English."""
MIN_ENGLISH = 0.03
"""Share of words that are common in English alone, from which a text is English."""
_COMMON_ENGLISH = frozenset({"the", "and", "with", "for", "your", "women"})
SAMPLED, SAMPLE_CHARS = 300, 30_000
"""Texts of a catalogue, and characters of them, that are read to detect its language."""
MAX_ROUNDS = 4


def require_language(code: str) -> str:
    """Return the code of a known language; raises ConfigError for another."""
    if code not in LANGUAGES:
        raise ConfigError(f"language={code!r} is unknown. Choose one of: {', '.join(LANGUAGES)}.")
    return code


def detect_language(texts: Sequence[str]) -> str:
    """Return the language of a catalogue's texts; English where another is not certain."""
    sample = " ".join(texts[:: max(1, len(texts) // SAMPLED)])[:SAMPLE_CHARS]
    words = re.findall(r"[^\W\d_]+", sample.lower())
    if not words:
        return ENGLISH
    if sum(word in _COMMON_ENGLISH for word in words) >= MIN_ENGLISH * len(words):
        return ENGLISH
    language, certainty = _identifier().rank(sample)[0]
    return str(language) if certainty >= MIN_CERTAINTY else ENGLISH


@cache
def stemmer_of(language: str) -> Callable[[str], str]:
    """Return the function from a folded word to its stem; that of English changes nothing."""
    if language not in SNOWBALL:
        return _itself
    import Stemmer

    snowball, lock = Stemmer.Stemmer(SNOWBALL[language]), threading.Lock()

    @lru_cache(maxsize=1 << 16)
    def stem(word: str) -> str:
        for _ in range(MAX_ROUNDS):  # "brodee", typed without its accent, needs two
            with lock:  # Snowball's objects are not for several threads
                shorter = fold(snowball.stemWord(word))
            if shorter == word:
                break
            word = shorter
        return word

    return stem


def _itself(word: str) -> str:
    return word


@cache
def _identifier() -> Any:  # noqa: ANN401
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([code for code in LANGUAGES if code in identifier.nb_classes])
    return identifier
