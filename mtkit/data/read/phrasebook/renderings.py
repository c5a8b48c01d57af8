"""The categories from CLDR: times, dates, prices, amounts, names of days, languages and countries."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

LANGUAGES = ("en", "fr", "de", "zh")

Texts = dict[str, str]  # language, or language.form -> text

_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


def computed_categories() -> dict[str, list[Texts]]:
    """The rows of each category that comes from CLDR."""
    return {
        "weekday": list(_weekdays()),
        "month": list(_months()),
        "date": list(_dates()),
        "time": list(_times(range(6, 23), 5)),
        "clock": list(_times(range(8, 19), 15)),
        "mealtime": list(_times((12, 13, 18, 19, 20, 21), 15)),
        "early": list(_times(range(6, 11), 30)),
        "late": list(_times(range(16, 22), 30)),
        "price": [_price(cents) for cents in (*range(80, 1000, 30), *range(1000, 2000, 50))],
        "earlier": [_price(100 * euros) for euros in range(160, 600, 20)],
        "sum": [_price(100 * euros) for euros in (*range(45, 200, 5), *range(200, 1000, 50))],
        "cost": [_price(cents) for cents in range(1500, 15000, 350)],
        "distance": [_unit("length-kilometer", number) for number in range(3, 40)],
        "hours": [_unit("duration-hour", number) for number in range(2, 15)],
        "minutes": [_unit("duration-minute", number) for number in range(5, 60, 5)],
        "kilos": [_unit("mass-kilogram", number) for number in range(2, 21)],
        "meters": [_unit("length-meter", number) for number in range(50, 1000, 50)],
        "degrees": [_unit("temperature-celsius", number) for number in range(2, 36)],
        "inhabitants": [_number(number * 1000) for number in (*range(12, 100, 4), *range(100, 900, 50))],
        "number": [_number(number) for number in range(2, 60)],
        "platform": [_number(number) for number in range(1, 25)],
        "age": [_number(number) for number in range(18, 80)],
        "room": [_number(100 * floor + room) for floor in range(1, 6) for room in range(1, 25)],
        "year": [dict.fromkeys(LANGUAGES, str(year)) for year in range(1960, 2006)],
        "recent": [dict.fromkeys(LANGUAGES, str(year)) for year in range(2006, 2026)],
        "language": list(_languages()),
        "country": list(_countries()),
    }


def country_name(code: str, lang: str) -> str:
    """The name of a country in a language, without its article."""
    from babel import Locale

    return str(Locale.parse(lang).territories[code])


def _weekdays() -> Iterator[Texts]:
    from babel.dates import get_day_names

    for day in range(7):
        names = {lang: str(get_day_names("wide", locale=lang)[day]) for lang in LANGUAGES}
        yield names | {"de.often": names["de"].lower() + "s"}


def _months() -> Iterator[Texts]:
    from babel.dates import get_month_names

    for month in range(1, 13):
        names = {lang: str(get_month_names("wide", locale=lang)[month]) for lang in LANGUAGES}
        yield names | {"zh": f"{month}月"}


def _dates() -> Iterator[Texts]:
    from babel.dates import format_date

    patterns = {"en": "MMMM d", "fr": "d MMMM", "de": "d. MMMM", "zh": "M月d日"}
    for month in range(1, 13):
        for day in range(1, 29):
            date = datetime.date(2026, month, day)
            texts = {lang: str(format_date(date, patterns[lang], locale=lang)) for lang in LANGUAGES}
            yield texts | ({"fr": texts["fr"].replace("1 ", "1er ", 1)} if day == 1 else {})


def _times(hours: Iterable[int], step: int) -> Iterator[Texts]:
    from babel.dates import format_time

    for hour in hours:
        for minute in range(0, 60, step):
            time = datetime.time(hour, minute)
            part = next(name for name, end in _PARTS_OF_DAY if hour < end)
            patterns = (
                {"en": "h:mm", "fr": "H 'h' mm", "de": "H:mm 'Uhr'", "zh": f"'{part}'h点mm分"}
                if minute
                else {"en": "h", "fr": "H 'h'", "de": "H 'Uhr'", "zh": f"'{part}'h点"}
            )
            texts = {lang: str(format_time(time, patterns[lang], locale=lang)) for lang in LANGUAGES}
            yield texts | {"en": texts["en"] + (" a.m." if hour < 12 else " p.m.")}


_PARTS_OF_DAY = (("早上", 9), ("上午", 12), ("中午", 13), ("下午", 18), ("晚上", 24))


def _price(cents: int) -> Texts:
    from babel.numbers import format_currency, format_decimal, get_currency_name

    amount = cents / 100
    pattern = "0.00" if cents % 100 else "0"
    texts = {
        lang: format_currency(amount, "EUR", layout + pattern + end, locale=lang, currency_digits=False)
        for lang, layout, end in (("en", "¤", ""), ("fr", "", " ¤"), ("de", "", " ¤"))
    }
    chinese = format_decimal(amount, pattern, locale="zh") + get_currency_name("EUR", locale="zh")
    return {lang: str(text).translate(_SPACES) for lang, text in texts.items()} | {"zh": str(chinese)}


def _unit(unit: str, number: int) -> Texts:
    from babel.units import format_unit

    texts = {lang: str(format_unit(number, unit, "long", locale=lang)) for lang in LANGUAGES}
    if unit in texts["zh"]:  # of most units CLDR has one Chinese form, kept under "short"
        texts["zh"] = str(format_unit(number, unit, "short", locale="zh"))
    return {lang: text.translate(_SPACES) for lang, text in texts.items()}


def _number(number: int) -> Texts:
    from babel.numbers import format_decimal

    return {lang: str(format_decimal(number, locale=lang)).translate(_SPACES) for lang in LANGUAGES}


def _languages() -> Iterator[Texts]:
    from babel import Locale

    locales = {lang: Locale.parse(lang) for lang in LANGUAGES}
    for code in ("en", "fr", "de", "zh", "es", "it", "pt", "ru", "ja", "ar", "nl", "pl", "sv", "el", "ko"):
        yield {lang: str(locale.languages[code]) for lang, locale in locales.items()}


_COUNTRIES = (  # code, French article, German article where there is one
    ("FR", "la", ""), ("DE", "l'", ""), ("IT", "l'", ""), ("ES", "l'", ""), ("PT", "le", ""),
    ("GR", "la", ""), ("CH", "la", "die"), ("AT", "l'", ""), ("BE", "la", ""), ("NL", "les", "pl"),
    ("PL", "la", ""), ("SE", "la", ""), ("NO", "la", ""), ("DK", "le", ""), ("FI", "la", ""),
    ("JP", "le", ""), ("CN", "la", ""), ("CA", "le", ""), ("BR", "le", ""), ("MX", "le", ""),
    ("MA", "le", ""), ("EG", "l'", ""), ("IN", "l'", ""), ("IE", "l'", ""), ("VN", "le", ""),
    ("PE", "le", ""), ("AU", "l'", ""), ("HU", "la", ""), ("US", "les", "pl"),
)  # fmt: skip
_GERMAN_ARTICLES = {  # in, to, from, nominative
    "": ("in", "nach", "aus", ""),
    "die": ("in der", "in die", "aus der", "die"),
    "pl": ("in den", "in die", "aus den", "die"),
}


def _countries() -> Iterator[Texts]:
    for code, french, german in _COUNTRIES:
        name = {lang: country_name(code, lang) for lang in LANGUAGES}
        if code == "US":
            name["de"] = "USA"
        inside, to, out, article = _GERMAN_ARTICLES[german]
        bare = french in ("la", "l'")
        yield {
            "en": ("the " if french == "les" else "") + name["en"],
            "fr": f"{french} {name['fr']}".replace("' ", "'"),
            "fr.in": f"en {name['fr']}" if bare else f"à {french} {name['fr']}",
            "fr.from": f"de {name['fr']}" if bare else f"de {french} {name['fr']}",
            "de": f"{article} {name['de']}".lstrip(),
            "de.in": f"{inside} {name['de']}",
            "de.to": f"{to} {name['de']}",
            "de.from": f"{out} {name['de']}",
            "zh": name["zh"],
        }
