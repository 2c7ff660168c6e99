"""Language of a catalogue, detected or declared, and the stems of its words.

English keeps its own plural rule (`windowshop.data.tokens`), which was measured; other languages
are stemmed by Snowball, after folding, so that a word typed without accents has the same stem.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
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
_DIGRAPHS = {"de": "ae|oe|ue", "da": "ae|oe|aa", "no": "ae|oe|aa", "sv": "ae|oe|aa", "fi": "ae|oe"}
"""Letters for an umlaut, by language; folded, the umlaut is the first of them."""
_PARTICLES = [
    "으로",
    "에서",
    "에게",
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "의",
    "에",
    "로",
    "과",
    "와",
    "도",
    "만",
]
"""Particles of Korean, the longest first."""
_PREFIXES, MIN_PREFIXED = "הובלמשכ", 3
"""Letters that Hebrew writes before a word, and letters that a word has at least without one."""
_ARTICLE, _ARTICLES = "ال", ("وال", "بال", "كال", "فال", "ال", "لل")
"""Article of Arabic, and its forms with what is written before it."""


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


def respellings(word: str, language: str) -> Iterator[str]:
    """Yield other spellings of a folded word that a catalogue of the language may have.

    Without keys for umlauts, "Müsli" is typed "Muesli"; Korean particles and articles and
    prepositions of Hebrew and Arabic are written against the word; adjectives of Dutch, French and
    Scandinavian languages have forms that their stemmers keep apart ("rode", "rood").
    """
    if language in _INFLECTED:
        yield from _INFLECTED[language](word)
    if language in _DIGRAPHS:
        plain = re.sub(_DIGRAPHS[language], lambda found: found[0][0], word)
        if plain != word:
            yield plain
    if language == "ko":
        yield from (word.removesuffix(p) for p in _PARTICLES if word.endswith(p) and word != p)
    if language == "he" and len(word) > MIN_PREFIXED and word[0] in _PREFIXES:
        yield word[1:]
    if language == "ar":
        starts = (start for start in _ARTICLES if word.startswith(start))
        yield from (word[len(a) :] for a in starts if len(word) - len(a) >= MIN_PREFIXED)
        yield _ARTICLE + word


def _dutch(word: str) -> Iterator[str]:
    """Yield the form of an adjective without its "e", or with it: "witte", "rode", "grijze"."""
    if len(word) >= MIN_ADJECTIVE and word.endswith("e"):
        bare = word[:-1]
        yield bare
        if bare[-1] == bare[-2]:
            yield bare[:-1]
        if bare[-2] in "aeou" and bare[-3] not in "aeiou":
            yield bare[:-1] + bare[-2:]
        if bare[-1] in "zv":
            yield bare[:-1] + {"z": "s", "v": "f"}[bare[-1]]
    elif len(word) >= MIN_ADJECTIVE - 1:
        yield word + "e"
        yield word + word[-1] + "e"
        if word[-2] == word[-3]:
            yield word[:-2] + word[-1] + "e"


def _scandinavian(word: str) -> Iterator[str]:
    """Yield the form of an adjective without the "t" of its neuter: "blått", "rött", "grønt"."""
    if len(word) >= MIN_ADJECTIVE and word.endswith("t"):
        yield word[:-1]
        if word.endswith("tt"):
            yield from (word[:-2], word[:-2] + "d")


def _french(word: str) -> Iterator[str]:
    """Yield the masculine form of an irregular adjective, or the feminine: "blanche", "longue"."""
    bare = word.removesuffix("s")
    for masculine, feminine in _FEMININE:
        if len(bare) > MIN_ADJECTIVE and bare.endswith(feminine):
            yield bare.removesuffix(feminine) + masculine
        elif len(bare) >= MIN_ADJECTIVE and bare.endswith(masculine):
            yield bare.removesuffix(masculine) + feminine


_FEMININE = (("c", "che"), ("g", "gue"), ("f", "ve"), ("eux", "euse"), ("oux", "ouce"))
"""Ends of adjectives that Snowball's stemmer of French keeps apart."""
MIN_ADJECTIVE = 4
"""Least letters of an inflected adjective."""
_INFLECTED = {
    "fr": _french,
    "nl": _dutch,
    "sv": _scandinavian,
    "da": _scandinavian,
    "no": _scandinavian,
}


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
