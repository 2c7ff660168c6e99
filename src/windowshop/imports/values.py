"""Values as exports write them: yes and no, availability, lists, images, names."""

import ast
import csv
import json
import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import xxhash

YES = frozenset((
    "true", "yes", "y", "ja", "oui", "si", "sí", "sì", "sim", "tak", "wahr", "vrai", "verdadero",
    "vero", "verdadeiro", "prawda", "áno", "ano", "kyllä", "да", "evet", "igen", "t", "x", "on",
    "+", "так", "ναι", "نعم", "כן", "はい", "是", "有", "예", "네", "あり", "da",
))  # fmt: skip
NO = frozenset((
    "false", "no", "n", "nein", "non", "nee", "não", "nao", "nie", "falsch", "faux", "falso",
    "fałsz", "ne", "ei", "нет", "hayır", "hayir", "nem", "f", "off", "nej",
    "ні", "όχι", "οχι", "لا", "לא", "いいえ", "否", "无", "無", "아니오", "아니요", "なし", "nu",
))  # fmt: skip
IN_STOCK, OUT_OF_STOCK, PREORDER, BACKORDER = "in_stock", "out_of_stock", "preorder", "backorder"
_AVAILABLE = {
    IN_STOCK: "in stock,instock,available,limitedavailability,onlineonly,instoreonly,auf lager,"
    "verfugbar,lieferbar,sofort lieferbar,en stock,disponible,disponibile,in magazzino,"
    "op voorraad,em estoque,em stock,disponivel,dostepny,na stanie,w magazynie,i lager,pa lager,"
    "skladem,varastossa,stokta,limited availability,in store only,online only,low stock,"
    "на складе,в наличии,есть в наличии,есть,в наявності,διαθεσιμο,αμεσα διαθεσιμο,σε αποθεμα,"
    "在庫あり,在庫有り,販売中,有货,有現貨,现货,有库存,재고있음,판매중,متوفر,במלאי,זמין,raktaron,"
    "van raktaron,keszleten,kaphato,stokta var,mevcut,in stoc,na sklade,na skladiste,"
    "disponible en stock,auf lager lieferbar,sofort verfugbar",
    OUT_OF_STOCK: "out of stock,outofstock,sold out,soldout,unavailable,not available,discontinued,"
    "disabled,nicht auf lager,ausverkauft,nicht verfugbar,nicht lieferbar,vergriffen,"
    "rupture de stock,"
    "epuise,indisponible,agotado,sin stock,no disponible,esaurito,non disponibile,uitverkocht,"
    "niet op voorraad,esgotado,fora de estoque,sem stock,indisponivel,brak,niedostepny,"
    "brak w magazynie,slutsald,udsolgt,utsolgt,ej i lager,vyprodano,loppu,tukendi,"
    "нет в наличии,нет на складе,нет,распродано,немає в наявності,μη διαθεσιμο,εξαντληθηκε,"
    "在庫なし,在庫切れ,売り切れ,品切れ,販売終了,缺货,无货,無貨,售罄,已售完,품절,재고없음,غير متوفر,"
    "אזל,לא במלאי,אזל מהמלאי,nincs raktaron,nincs keszleten,elfogyott,stokta yok,indisponibil,"
    "stoc epuizat,nie je na sklade,neni skladem",
    PREORDER: "preorder,pre order,presale,vorbestellbar,vorbestellung,precommande,preventa,"
    "preordine,pre venda,przedsprzedaz",
    BACKORDER: "backorder,back order,backordered,available for order,onbackorder,on backorder,"
    "nachbestellt,bestellbar,sur commande,su ordinazione,na zamowienie,под заказ,на заказ,"
    "під замовлення,κατοπιν παραγγελιας,取り寄せ,お取り寄せ,bajo pedido,"
    "sob encomenda,na objednavku",
}
SHOWN = {
    **dict.fromkeys(("publish", "published", "active", "enabled", "online", "live", "visible",
                     "public", "aktiv", "actif", "activo", "attivo"), True),
    **dict.fromkeys(("draft", "private", "pending", "trash", "inactive", "archived", "disabled",
                     "offline", "hidden", "unlisted", "future", "inaktiv", "inactif", "inactivo",
                     "proposed", "rejected"), False),
}  # fmt: skip
"""Words for whether a shop shows a product."""
_COUNTS = ("amount", "quantity", "qty", "available quantity", "available", "level", "value")
IMAGE_NAME = re.compile(
    r"\.(?:jpe?g|png|webp|gif|avif|heic|bmp|tiff?|jfif|svg)(?:[?#].*)?$", re.IGNORECASE
)
_BETWEEN = re.compile(r"[|;,\s]|[#*~+]https?://")
_ISO_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_DAY = re.compile(r"\s*(\d{1,2})([/.])(\d{1,2})\2(\d{2}(?:\d{2})?)\b")
_SHORTENED = re.compile(r"(\d)[.,](\d+)E\+?(\d{1,2})", re.IGNORECASE)
"""Code as a spreadsheet shows a number of many digits."""
_GLUED = re.compile(r"\s*[#|;,*~+]+\s*(?=https?://)", re.IGNORECASE)
"""Signs between addresses, whatever they are, before the beginning of the next one."""
IMAGE_KEYS = (
    "src", "url", "href", "link", "contentUrl", "image_url", "image", "largeUrl", "large",
    "original", "hi_res", "url_zoom", "url_standard", "zoom_url", "standard_url", "Pic",
    "HighPic", "sourceUrl", "source", "preview", "path", "file", "name",
)  # fmt: skip
"""Keys of an object that is an image, larger ones first."""
WEB = re.compile(r"(?:https?:)?//[^\s/]+", re.IGNORECASE)
_ESCAPED = ("https:\\/\\/", "http:\\/\\/", "\\/\\/")
_MOJIBAKE = re.compile("[ÃÂâÅÄ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")


def parse_boolean(value: object) -> bool | None:
    """Read yes or no in the languages of the names; None for anything else."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in YES or text in ("1", "1.0"):
        return True
    return False if text in NO or text in ("0", "0.0") else None


def count_of(value: Any) -> Any:  # noqa: ANN401
    """Return the count in an object (`{"amount": 3}`), any other value as it is."""
    if not isinstance(value, dict):
        return value
    named = {plain_name(str(key)): item for key, item in value.items()}
    return next((named[key] for key in _COUNTS if key in named), value)


def parse_availability(value: object) -> str | None:
    """Read whether a product can be bought, by words, by schema.org's addresses or by a count."""
    text = str(count_of(value)).strip()
    text = re.sub(r"^https?://schema\.org/", "", text)
    name = plain_name(re.sub(r"\s*\([^)]*\)", "", text))  # in stock (3 left)
    if name in AVAILABILITY:
        return AVAILABILITY[name]
    if name.replace(" ", "") in AVAILABILITY:
        return AVAILABILITY[name.replace(" ", "")]
    said = parse_boolean(text)
    if said is not None:
        return IN_STOCK if said else OUT_OF_STOCK
    if (days := _DELIVERY.search(name)) is not None:
        last = int(days[2] or days[1]) * (7 if days[3].startswith(_WEEKS) else 1)
        return IN_STOCK if last <= SOON_DAYS else BACKORDER
    try:
        return IN_STOCK if float(text) > 0 else OUT_OF_STOCK
    except ValueError:
        return None


SOON_DAYS = 10
"""Days of delivery up to which a product counts as in stock."""
_WEEKS = ("week", "woche", "semain", "seman", "settiman", "weken", "tydz", "tyd", "недел", "тижн")
_DELIVERY = re.compile(
    r"\b(\d{1,2})(?: (?:(?:to|bis|a|au|do|tot|und|og|εωσ) )?(\d{1,2}))?"
    r" (?:business |working |werk|arbeits|jours? ouvr\w* )?"
    r"(days?|tagen?|tage|tag|werktagen?|jours?|dias?|giorn[io]|dag|dagen|dage|dagar|werkdagen|dni|"
    r"dnu|den|dny|dnia|dzien|ημερεσ|ημερα|дн\w*|gun|nap|hours?|stunden|"
    r"weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken|tygodni\w*|недел\w*|тижн\w*)\b"
)
"""Time of a delivery, of a plain name."""


def parse_published(value: object) -> bool | None:
    """Read whether a shop shows a product, by yes and no or by a word; None for anything else."""
    said = parse_boolean(value)
    return SHOWN.get(str(value).strip().lower()) if said is None else said


def printed_list(text: str) -> list[Any] | None:
    """Return a list that a text is: of JSON, of Python (`['a', 'b']`), of PostgreSQL (`{a,b}`)."""
    if not text or text[0] not in "[{ ":
        return None
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            return found if isinstance(found, list) else None
    if re.fullmatch(r"\{[^{}:]*\}|\{(?:\"?https?://[^{}]*)\}", text):
        return [part.strip() for part in next(csv.reader([text[1:-1]]), [])]
    return None


def split_list(value: object, separators: str) -> list[str]:
    """Return the texts of a list, a JSON list, or a text with separators, without empty ones."""
    if isinstance(value, list | tuple):
        items: Iterable[object] = value
    elif isinstance(value, str):
        parsed = printed_list(value)
        items = _split_text(value.strip(), separators) if parsed is None else parsed
    else:
        items = [] if value is None else [value]
    texts = (_item_text(item) for item in items if item is not None)
    return list(dict.fromkeys(text for text in texts if text))


def _item_text(item: object) -> str:
    if isinstance(item, dict):
        item = next(
            (item[k] for k in ("name", "title", "value", "label", "text") if item.get(k)), ""
        )
    return str(item).strip()


def _split_text(text: str, separators: str) -> list[str]:
    for sign in separators:
        if sign in text:
            return text.split(sign)
    return [text]


def split_images(value: object) -> list[str]:
    """Return addresses or paths of images: of a list, an object with an address, or a text."""
    if isinstance(value, dict):
        return _images_of(value)
    if isinstance(value, list | tuple):
        return list(dict.fromkeys(image for item in value for image in split_images(item)))
    text = str(value or "").strip()
    if text.startswith(("[", "{")) or _BETWEEN.search(text):
        return _images_in(text)
    return [unescaped(text)] if text else []


def unescaped(text: str) -> str:
    r"""Return an address whose slashes JSON escaped (`https:\/\/`) without that."""
    return text.replace("\\/", "/") if text.lower().startswith(_ESCAPED) else text


def _images_in(text: str) -> list[str]:
    """Return images of a text that may hold several, or JSON of them."""
    if (listed := printed_list(text)) is not None:
        return split_images(listed)
    if text.startswith("{"):
        try:
            return split_images(json.loads(text))
        except ValueError:
            pass
    for sign in ("|", ";", "\n", ","):
        parts = [unescaped(part.strip()) for part in text.split(sign)]
        is_one = sign == "," and is_web(text) and not all(map(is_web, filter(None, parts)))
        if len(parts) > 1 and not is_one and all(not part or _is_image(part) for part in parts):
            return list(dict.fromkeys(part for part in parts if part))
    return _split_addresses(text) or [unescaped(text)]


def _split_addresses(text: str) -> list[str]:
    """Return the addresses of a text of nothing else, whatever divides them."""
    for parts in (_GLUED.split(text), text.split()):
        if len(parts) > 1 and all(map(is_web, parts)):
            return list(dict.fromkeys(parts))
    return []


def _images_of(value: dict[str, Any]) -> list[str]:
    """Return the images of an object: its address, or those of what it holds."""
    bare = {re.sub(r"[\W_]", "", str(key)).lower(): item for key, item in value.items()}
    for key in IMAGE_KEYS:
        if found := value.get(key) or bare.get(re.sub(r"[\W_]", "", key).lower()):
            return split_images(found)
    inner = [part for part in value.values() if isinstance(part, dict | list)]
    if inner:
        return split_images(inner)
    web = [key for key, item in bare.items() if isinstance(item, str) and is_web(item)]
    return [str(bare[max(web, key=_size)])] if web else []


def _size(key: str) -> tuple[bool, bool, int]:
    """Return how large an image is by the key of its address (`url_170x135`, `url_fullxfull`)."""
    widths = re.findall(r"\d+", key)
    is_large = re.search(r"full|orig|max|zoom|large|big|hires", key) is not None
    is_small = re.search(r"small|thumb|mini|tiny|icon", key) is not None
    return is_large, not is_small, int(widths[0]) if widths else 0


def _is_image(text: str) -> bool:
    return bool(WEB.match(text) or IMAGE_NAME.search(text))


def is_inline_image(text: str) -> bool:
    """Return whether a text is an image itself, in base 64, and no address of one."""
    starts = ("iVBORw0KGgo", "/9j/4", "R0lGODlh", "UklGR", "PHN2Zy", "data:image/")
    return text.startswith(starts) and not IMAGE_NAME.search(text)


def is_web(text: str) -> bool:
    """Return whether a text is an address on the web."""
    return WEB.match(text) is not None


_NOTHING = frozenset(
    ("", "n/a", "na", "none", "null", "nan", "-", "--", "\\n", "undefined", "(null)", "<null>")
)
_CELL_ERROR = re.compile(
    r"#(?:div/0!|\u00a1?[^\W\d_]{2,8}[!?]|n/?[adv]|\u043d/\u0434)", re.IGNORECASE
)
"""Error of a spreadsheet in the languages it speaks (`#N/A`, `#N/D`, `#REF!`, `#¡VALOR!`)."""


def is_nothing(text: str) -> bool:
    """Return whether a text says that there is no value."""
    return text.lower() in _NOTHING or (text[:1] == "#" and bool(_CELL_ERROR.fullmatch(text)))


CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def id_text(value: object) -> str:
    """Return an id as text; whole numbers as such (123.0 of a spreadsheet is 123)."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return CONTROLS.sub("", str(value)).strip()


_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ı": "i", "ø": "o", "Ø": "O", "æ": "ae", "đ": "d"})
"""Letters that are no others with an accent."""


@lru_cache(maxsize=1 << 14)
def has_ended(text: str) -> bool:
    """Return whether a day, or a span of days by ISO 8601, is over; False where it tells none.

    Of a day with slashes the month comes first, as Magento writes it.
    """
    if days := _ISO_DAY.findall(text):
        year, month, day = map(int, days[-1])
    elif (hit := _DAY.match(text)) is not None:
        first, second, year = int(hit[1]), int(hit[3]), int(hit[4])
        month, day = (first, second) if hit[2] == "/" and first <= 12 else (second, first)
        year += 2000 if year < 100 else 0
    else:
        return False
    try:
        return date(year, month, day) < date.today()
    except ValueError:
        return False


def lengthened(code: str) -> str:
    """Write out a code that a spreadsheet made a number (`4.0E+12`); "" where digits are lost."""
    short = _SHORTENED.fullmatch(code)
    if short is None:
        return code
    return short[1] + short[2] if len(short[2]) == int(short[3]) else ""


def plain_name(text: str) -> str:
    """Return a name in lower case, without accents, its words apart by a space.

    "URL-Schlüssel" is "url schlussel", "productName" is "product name".
    """
    text = re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", unquote(text))
    bare = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    bare = "".join(char for char in bare if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", bare.casefold()))


AVAILABILITY = {
    plain_name(name): what for what, names in _AVAILABLE.items() for name in names.split(",")
}


def slug(text: str) -> str:
    """Return a text as part of an id: lower case, other signs than letters and digits as "-"."""
    return re.sub(r"[\W_]+", "-", text.strip().lower()).strip("-")


def hash_of(text: str) -> int:
    """Return a number that stands for a text."""
    return xxhash.xxh3_64_intdigest(text.encode(errors="surrogatepass"))


def mended(text: str) -> str:
    """Return a text that was decoded as Western instead of UTF-8 ("cafÃ©") as it was meant."""
    if not _MOJIBAKE.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
