"""The phrasebook: its laws over many sentences, and its grammar against sentences written by hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import islice

import pytest

from mtkit.data.read.phrasebook import chinese, english, french, german
from mtkit.data.read.phrasebook.book import Placeholder
from mtkit.data.read.phrasebook.compose import SPLITS, compose, templates
from mtkit.data.read.phrasebook.reader import read_book
from mtkit.data.read.phrasebook.renderings import computed_categories
from mtkit.errors import InputError

LANGUAGES = ("en", "fr", "de", "zh")


@cache
def sentences(lang: str, split: str = "train", pairs: int = 8_000, seed: int = 1) -> tuple[str, ...]:
    """The sentences of one language, in the order in which they are composed."""
    other = "fr" if lang == "en" else "en"
    return tuple(pair.src for pair in compose(split, pairs, seed, lang, other))


# ---------------------------------------------------------------- laws


def test_equal_arguments_give_equal_pairs_in_another_process() -> None:
    code = (
        "import json; from mtkit.data.read.phrasebook.compose import compose;"
        "print(json.dumps([[p.src, p.tgt, p.origin] for p in compose('test', 300, 7, 'de', 'zh')]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    expected = [[pair.src, pair.tgt, pair.origin] for pair in compose("test", 300, 7, "de", "zh")]
    assert json.loads(run.stdout) == expected


@pytest.mark.parametrize("split", SPLITS)
def test_fewer_pairs_are_the_beginning_of_more(split: str) -> None:
    assert list(compose(split, 100, 3, "en", "fr")) == list(compose(split, 1000, 3, "en", "fr"))[:100]


def test_other_seeds_give_other_sentences() -> None:
    assert sentences("en", pairs=1000, seed=1) != sentences("en", pairs=1000, seed=2)


def test_the_meanings_do_not_depend_on_the_languages() -> None:
    french_pairs = list(compose("train", 500, 5, "en", "fr"))
    german_pairs = list(compose("train", 500, 5, "de", "en"))
    assert [pair.src for pair in french_pairs] == [pair.tgt for pair in german_pairs]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_occurs_twice_in_any_language(lang: str) -> None:
    # So that no source has two translations, in any of the twelve directions.
    assert len(set(sentences(lang))) == 8_000


@pytest.mark.parametrize("lang", LANGUAGES)
def test_splits_never_share_a_sentence(lang: str) -> None:
    train = set(sentences(lang))
    valid = set(sentences(lang, "valid", 3_000, seed=2))
    test = set(sentences(lang, "test", 3_000, seed=3))
    assert not train & valid
    assert not train & test
    assert not valid & test


@pytest.mark.slow
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_two_sentences_of_the_whole_book_read_alike(lang: str) -> None:
    # This proves the two laws above for every seed and size.
    said = [t.say(meaning, lang) for split in SPLITS for t in templates(split) for meaning in t.meanings]
    assert len(set(said)) == len(said)


def test_more_pairs_than_the_book_has_are_refused_with_the_number() -> None:
    with pytest.raises(InputError, match=r"pairs = 10000000 is more than the \d+ sentences") as refused:
        compose("valid", 10_000_000, 1, "en", "fr")
    (possible,) = re.findall(r"the (\d+) sentences", refused.value.message)
    pairs = list(compose("valid", int(possible), 1, "en", "fr"))
    assert len({pair.src for pair in pairs}) == int(possible)


def test_the_book_is_large_enough() -> None:
    size = {split: sum(len(template.meanings) for template in templates(split)) for split in SPLITS}
    assert size["train"] >= 200_000
    assert size["valid"] >= 10_000
    assert size["test"] >= 10_000
    assert len({template.scene for template in templates("train")}) >= 12


@pytest.mark.parametrize(("src", "tgt"), [("en-GB", "zh_CN"), ("EN", "zh"), ("en", "zh-Hans")])
def test_codes_count_by_their_first_part(src: str, tgt: str) -> None:
    assert list(compose("test", 20, 1, src, tgt)) == list(compose("test", 20, 1, "en", "zh"))


@pytest.mark.parametrize(
    ("split", "src", "tgt", "message"),
    [
        ("train", "en", "es", "language es is not supported"),
        ("train", "fr", "fr-CA", "are both fr"),
        ("dev", "en", "fr", "split = dev: unknown split"),
    ],
)
def test_impossible_requests_are_refused_at_once(split: str, src: str, tgt: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compose(split, 10, 1, src, tgt)


def test_pairs_tell_their_scene() -> None:
    scenes = {template.scene for template in templates("train")}
    for pair in compose("train", 200, 1, "en", "fr"):
        kind, scene, line = pair.origin.split(":")
        assert kind == "phrasebook"
        assert scene in scenes
        assert line.isdigit()


def test_lengths_spread() -> None:
    lengths = [len(sentence.split()) for sentence in sentences("en")]
    assert min(lengths) <= 4
    assert max(lengths) >= 20
    assert 8 <= sum(lengths) / len(lengths) <= 14


# ---------------------------------------------------------------- how sentences look


@pytest.mark.parametrize("lang", LANGUAGES)
def test_sentences_are_clean(lang: str) -> None:
    end = "。？！" if lang == "zh" else ".?!"
    for sentence in sentences(lang):
        assert not re.search(r"[{}|<>~]|  |\s[,.]|,[,.?!]|\.\.|[\u00a0\u202f\n\t]", sentence), sentence
        assert sentence == sentence.strip()
        assert sentence[-1] in end, sentence
        assert lang == "zh" or not sentence[0].islower(), sentence


def test_french_elides_and_contracts() -> None:
    wrong = re.compile(
        r"(?<![\w-])(je|me|te|se|le|la|de|ne|que|jusque) [aeiouàâéèêîôûœ](?!nze\b|ui\b)"
        r"|\b(de|à) les? [a-zéè]|\bsi ils?\b|\bce [aeiouéèê]|'[bcdfgjklmnpqrstvwxz]|\S[?!:;]"
        r"|\b(un|le|du|ce|mon|son) (chemise|robe|gare|valise|clé)\b"
        r"|\b(une|la|cette|ma|sa) (café|pull|livre|musée|train|billet)\b",
        re.IGNORECASE,
    )
    assert [sentence for sentence in sentences("fr") if wrong.search(sentence)] == []


def test_german_articles_fit_their_nouns() -> None:
    nouns = {
        "m": "Bahnhof Park Zoo Koffer Rucksack Mantel Hut Bericht Vertrag Film Stuhl Tisch Kaffee Salat",
        "f": "Apotheke Bank Post Tasche Uhr Kamera Jacke Krawatte Rechnung Oper Lampe Suppe Bibliothek",
        "n": "Museum Rathaus Krankenhaus Hemd Kleid Telefon Buch Angebot Konzert Sofa Bett Bier Schloss",
    }
    wrong = {
        "m": "das|eine|einer|keine|diese|dieses|zur|ins|die",
        "f": "das|den|dem|des|ein|einen|einem|kein|diesen|dieses|zum|im|ins",
        "n": "der|die|den|eine|einen|einer|keine|diese|diesen|dieser|zur",
    }
    for gender, words in nouns.items():
        pattern = re.compile(rf"\b(?i:{wrong[gender]}) ({words.replace(' ', '|')})\b")
        assert [sentence for sentence in sentences("de") if pattern.search(sentence)] == []


def test_german_contracts_and_declines() -> None:
    # After a comma, "in dem Paul" opens a relative clause.
    wrong = re.compile(
        r"(?<!, )(?i:\b(zu|in|an|von|bei) dem) [A-ZÄÖÜ]|\b(seit|vor) \w+ (Tage|Monate|Jahre)\b"
    )
    assert [sentence for sentence in sentences("de") if wrong.search(sentence)] == []


def test_english_articles_fit_their_sound() -> None:
    wrong = re.compile(r"\ba [aeio]|\ban [bcdfgjklmnpqrstvwxyz]|\ba umbrella|\ban (uni|one)", re.IGNORECASE)
    assert [sentence for sentence in sentences("en") if wrong.search(sentence)] == []


def test_chinese_has_no_foreign_letters_nor_spaces() -> None:
    wrong = re.compile(r"[A-Za-z\s?!;:]|[.,](?!\d)|(?<![十第期])二[个张杯件条本份天年]|的的|了了")
    assert [sentence for sentence in sentences("zh") if wrong.search(sentence)] == []


# ---------------------------------------------------------------- the grammar, against forms written by hand


@pytest.mark.parametrize(
    ("determiner", "count", "adjectives", "noun", "expected"),
    [
        ("un", "", ["rouge"], "une chemise", "une chemise rouge"),
        ("le", "", ["blanc/blanche"], "une robe", "la robe blanche"),
        ("ce", "", [], "un ordinateur", "cet ordinateur"),
        ("ce", "", ["<petit"], "un ordinateur", "ce petit ordinateur"),
        ("un", "", ["<nouveau/nouvelle/nouvel"], "un appareil", "un nouvel appareil"),
        ("mon", "", [], "une écharpe", "mon écharpe"),
        ("son", "", [], "une clé", "sa clé"),
        ("des", "", ["<beau/belle/bel"], "un château", "de beaux châteaux"),
        ("", "trois", ["bleu"], "un chapeau", "trois chapeaux bleus"),
        ("quel", "", [], "une cravate", "quelle cravate"),
    ],
)
def test_french_noun_phrases(
    determiner: str, count: str, adjectives: list[str], noun: str, expected: str
) -> None:
    read = [french.read_adjective(adjective) for adjective in adjectives]
    assert french.noun_phrase(determiner, count, read, french.read_noun(noun)) == expected


@pytest.mark.parametrize(
    ("rough", "expected"),
    [
        ("je ai vu le homme de le hôtel", "J'ai vu l'homme de l'hôtel"),
        ("il va à le marché de les artistes", "Il va au marché des artistes"),
        ("à les États-Unis", "Aux États-Unis"),
        ("je crois que elle sait si il vient de Italie", "Je crois qu'elle sait s'il vient d'Italie"),
        ("le haricot et le hamburger de Hambourg", "Le haricot et le hamburger de Hambourg"),
        ("il n'y a pas de eau", "Il n'y a pas d'eau"),
        ("il a le temps de apprendre le anglais", "Il a le temps d'apprendre l'anglais"),
        ("parce que Anna se appelle Anna", "Parce qu'Anna s'appelle Anna"),
    ],
)
def test_french_elision_and_contraction(rough: str, expected: str) -> None:
    assert french.finish(rough) == expected


@pytest.mark.parametrize(
    ("determiner", "count", "adjectives", "noun", "expected"),
    [
        ("ein", "", ["rot"], "der Mantel/Mäntel", "ein roter Mantel"),
        ("einen", "", ["rot"], "der Mantel/Mäntel", "einen roten Mantel"),
        ("einen", "", ["rot"], "das Hemd/Hemden", "ein rotes Hemd"),
        ("einem", "", ["rot"], "die Jacke/Jacken", "einer roten Jacke"),
        ("den", "", ["neu"], "die Lampe/Lampen", "die neue Lampe"),
        ("des", "", ["alt"], "das Museum/Museen", "des alten Museums"),
        ("dem", "", ["alt"], "das Museum/Museen", "dem alten Museum"),
        ("dieser", "", ["schwarz"], "das Kleid/Kleider", "dieses schwarze Kleid"),
        ("keinen", "", [], "die Milch", "keine Milch"),
        ("unseren", "", [], "der Nachbar/Nachbarn~", "unseren Nachbarn"),
        ("", "zwei", ["grün"], "der Hut/Hüte", "zwei grüne Hüte"),
        ("dat", "drei", ["grün"], "der Hut/Hüte", "drei grünen Hüten"),
        ("dat", "drei", [], "das Jahr/Jahre", "drei Jahren"),
        ("einen", "", ["rosa/"], "der Rock/Röcke", "einen rosa Rock"),
        ("einen", "", ["teuer/teur"], "die Uhr/Uhren", "eine teure Uhr"),
        ("~den", "", ["blau"], "der Pullover/Pullover", "den blauen"),
        ("acc", "", ["frisch"], "das Brot/Brote", "frisches Brot"),
    ],
)
def test_german_noun_phrases(
    determiner: str, count: str, adjectives: list[str], noun: str, expected: str
) -> None:
    read = [german.read_adjective(adjective) for adjective in adjectives]
    assert german.noun_phrase(determiner, count, read, german.read_noun(noun)) == expected


def test_german_contractions() -> None:
    assert german.finish("in dem Park, in dem ich zu der Post gehe") == "Im Park, in dem ich zur Post gehe"
    assert german.finish("am Montag, dem 3. Mai,.") == "Am Montag, dem 3. Mai."
    assert german.finish("das Hotel, in dem Paul schläft.") == "Das Hotel, in dem Paul schläft."
    assert german.finish("sie kommt aus den Niederlande.") == "Sie kommt aus den Niederlanden."


def test_german_colors_without_their_noun() -> None:
    hat = german.read_noun("der Hut/Hüte")
    red, pink = german.read_adjective("rot"), german.read_adjective("rosa/")
    assert german.noun_phrase("~den", "", [red], hat) == "den roten"
    assert german.noun_phrase("~den", "", [pink], hat) == "den rosafarbenen"
    assert german.noun_phrase("den", "", [pink], hat) == "den rosa Hut"


def test_english_noun_phrases_and_articles() -> None:
    noun = english.read_noun("city")
    assert english.noun_phrase("", "two", [english.read_adjective("old")], noun) == "two old cities"
    assert english.finish("a apple, a hour, a university and a umbrella at 5 p.m..") == (
        "An apple, an hour, a university and an umbrella at 5 p.m."
    )


def test_chinese_measure_words() -> None:
    shirt = chinese.read_noun("件/衬衫")
    red, small = chinese.read_adjective("红色"), chinese.read_adjective("小")
    assert chinese.noun_phrase("一", "", [red], shirt) == "一件红色的衬衫"
    assert chinese.noun_phrase("", "两", [small], shirt) == "两件小衬衫"
    assert chinese.noun_phrase("", "三", [], chinese.read_noun("/天")) == "三天"


def test_cldr_gives_what_people_write() -> None:
    rows = computed_categories()
    half_past_two = {"en": "2:30 p.m.", "fr": "14 h 30", "de": "14:30 Uhr", "zh": "下午2点30分"}
    assert half_past_two in rows["time"]
    assert {"en": "9 a.m.", "fr": "9 h", "de": "9 Uhr", "zh": "上午9点"} in rows["time"]
    assert {"en": "€12.50", "fr": "12,50 €", "de": "12,50 €", "zh": "12.50欧元"} in rows["price"]
    assert {"en": "May 3", "fr": "3 mai", "de": "3. Mai", "zh": "5月3日"} in rows["date"]
    assert {"en": "August 1", "fr": "1er août", "de": "1. August", "zh": "8月1日"} in rows["date"]
    assert {"en": "12,000", "fr": "12 000", "de": "12.000", "zh": "12,000"} in rows["inhabitants"]
    countries = {row["en"]: row for row in rows["country"]}
    assert [countries["Japan"][f"fr{form}"] for form in ("", ".in", ".from")] == [
        "le Japon", "à le Japon", "de le Japon",
    ]  # fmt: skip
    assert countries["France"]["fr.in"] == "en France"
    assert countries["Switzerland"]["de.to"] == "in die Schweiz"
    assert countries["the United States"]["de.from"] == "aus den USA"
    assert countries["China"]["de.to"] == "nach China"


# ---------------------------------------------------------------- whole sentences, translated by hand

TRANSLATIONS = [
    (
        "The train to Paris leaves at 8:50 p.m. from platform 19.",
        "Le train pour Paris part à 20 h 50 du quai 19.",
        "Der Zug nach Paris fährt um 20:50 Uhr von Gleis 19 ab.",
        "去巴黎的火车晚上8点50分从19号站台发车。",
    ),
    (
        "My name is Marie and I come from Amsterdam.",
        "Je m'appelle Marie et je viens d'Amsterdam.",
        "Ich heiße Marie und komme aus Amsterdam.",
        "我叫玛丽，来自阿姆斯特丹。",
    ),
    (
        "How do I get from the supermarket to the town hall?",
        "Comment puis-je aller du supermarché à la mairie ?",
        "Wie komme ich vom Supermarkt zum Rathaus?",
        "从超市到市政厅怎么走？",
    ),
    (
        "Is there any garlic in the soup?",
        "Y a-t-il de l'ail dans la soupe ?",
        "Ist Knoblauch in der Suppe?",
        "汤里有大蒜吗？",
    ),
    (
        "Have you already visited the Netherlands and Switzerland?",
        "Avez-vous déjà visité les Pays-Bas et la Suisse ?",
        "Haben Sie die Niederlande und die Schweiz schon besucht?",
        "您去过荷兰和瑞士吗？",
    ),
]


@pytest.mark.parametrize("translation", TRANSLATIONS, ids=lambda translation: translation[0])
def test_sentences_translated_by_hand(translation: tuple[str, ...]) -> None:
    beginning = translation[0].split()[:3]
    for split in SPLITS:
        for template in templates(split):
            if template.row.name.split()[:3] == beginning:
                for meaning in template.meanings:
                    if template.say(meaning, "en") == translation[0]:
                        assert tuple(template.say(meaning, lang) for lang in LANGUAGES) == translation
                        return
    pytest.fail("the book has no such sentence")


# ---------------------------------------------------------------- the files


def placeholders() -> Iterator[tuple[str, str, dict[str, str], Placeholder]]:
    """Where, language, slot -> category, and placeholder of each one in the book."""
    for category in read_book().values():
        for row in category.rows:
            names = {slot: inner.name for slot, inner in row.slots.items()}
            for (lang, _), pattern in row.texts.items():
                for part in pattern:
                    if isinstance(part, Placeholder):
                        yield row.where, lang, names, part


def test_every_form_that_is_used_exists() -> None:
    book = read_book()
    for where, lang, names, placeholder in placeholders():
        for token in placeholder.tokens:
            if token.form:
                rows = book[names[token.slot]].rows
                assert any((lang, token.form) in row.texts for row in rows), f"{where}: {token}"
            assert not token.agrees or token.agrees in names, f"{where}: {token}"


def test_agreement_is_with_somebody_who_has_a_gender() -> None:
    book = read_book()
    for where, lang, names, placeholder in placeholders():
        if len(placeholder.options) == 2:
            category = book[names[placeholder.tokens[0].slot]]
            for meaning in islice(range(category.size), 0, None, max(1, category.size // 50)):
                assert category.fill(meaning).gender(lang) in {"m", "f", "n"}, where
