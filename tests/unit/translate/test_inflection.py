"""Forms of words against a list made by hand, among all words of a real corpus."""

from __future__ import annotations

import gzip
import itertools
import re
import sys
from collections import Counter

import pytest

from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.inflection import build_stem
from tests.support.corpora import corpus

FORMS = {
    "en": """
        man men, woman women, child children, dog dogs, city cities, box boxes, bench benches, knife
        knives, foot feet, tooth teeth, bus buses, glass glasses, leaf leaves, sheep sheep, baby babies,
        boy boys, girl girls, street streets, bicycle bicycles, horse horses, beach beaches, building
        buildings, dish dishes, mouse mice, shelf shelves, ladder ladders, couple couples, wave waves,
        hat hats, player players, camera cameras, potato potatoes, shirt shirts, bus busses, news news,
        gas gases
    """,
    "fr": """
        homme hommes, femme femmes, enfant enfants, chien chiens, cheval chevaux, bateau bateaux, œil
        yeux, jeu jeux, journal journaux, rue rues, ville villes, vélo vélos, chapeau chapeaux, eau
        eaux, bras bras, genou genoux, travail travaux, animal animaux, manteau manteaux, oiseau
        oiseaux, fille filles, garçon garçons, plage plages, table tables, ballon ballons, bâtiment
        bâtiments, feu feux, pneu pneus, cheveu cheveux, main mains, mur murs, bois bois, corps corps,
        drapeau drapeaux, gâteau gâteaux
    """,
    "de": """
        Hund Hunde Hunden Hundes, Mann Männer Männern Mannes Manns, Frau Frauen, Kind Kinder Kindern
        Kindes, Haus Häuser Häusern Hauses Hause, Straße Straßen, Stadt Städte Städten, Buch Bücher
        Büchern Buches Buchs, Baum Bäume Bäumen Baumes Baums, Fahrrad Fahrräder Fahrrädern Fahrrads,
        Pferd Pferde Pferden Pferdes Pferds, Ball Bälle Bällen Balles Balls, Tisch Tische Tischen
        Tisches Tischs, Auto Autos, Junge Jungen Jungs, Mädchen Mädchens, Wasser Wassers, Berg Berge
        Bergen Berges Bergs, Hut Hüte Hüten Hutes Huts, Stuhl Stühle Stühlen Stuhles Stuhls, Boot Boote
        Booten Bootes Boots, Fenster Fenstern Fensters, Zug Züge Zügen Zuges Zugs, Wand Wände Wänden,
        Hand Hände Händen, Arm Arme Armen Armes Arms, Fuß Füße Füßen Fußes, Bild Bilder Bildern Bildes
        Bilds, Kamera Kameras, Blume Blumen
    """,
}
"""Nouns, each followed by its other forms."""


def shares(language: str) -> tuple[float, float]:
    """The shares of what is found that is a form of a noun, and of the nouns' forms that are found.

    Both count occurrences in the corpus; the nouns as they stand in the list do not count.
    """
    with gzip.open(corpus("multi30k") / f"train.{language}.gz", "rt", encoding="utf-8") as file:
        spelled = re.findall(r"[^\W\d_]+", "".join(itertools.islice(file, 5000)))
    words = Counter(word.casefold() for word in spelled)
    forms: dict[str, set[str]] = {}
    for line in FORMS[language].split(","):
        noun, *others = line.split()
        forms.setdefault(noun, set()).update(other.casefold() for other in others)
    nouns = {noun.casefold() for noun in forms}
    glossary = Glossary([Term(noun, noun) for noun in forms], build_stem(language))
    found = {
        (term.src, folded)
        for folded, word in {word.casefold(): word for word in spelled}.items()
        if folded not in nouns
        for term in glossary.find(word, spaced=True)
    }
    wanted = {(noun, form) for noun, own in forms.items() for form in own & words.keys() - nouns}
    weight = [sum(words[word] for _, word in pairs) for pairs in (found & wanted, found, wanted)]
    return weight[0] / weight[1], weight[0] / weight[2]


@pytest.mark.parametrize(
    ("language", "is_installed", "precision", "recall"),
    [
        ("en", True, 0.98, 0.98),
        ("fr", True, 0.99, 0.99),
        ("de", True, 0.99, 0.96),
        ("en", False, 0.96, 0.3),
        ("fr", False, 0.99, 0.96),
        ("de", False, 0.8, 0.55),
    ],
)
def test_forms_of_nouns_are_found_and_little_else(
    language: str, is_installed: bool, precision: float, recall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_installed:
        monkeypatch.setitem(sys.modules, "simplemma", None)
    measured = shares(language)
    assert measured[0] >= precision
    assert measured[1] >= recall
