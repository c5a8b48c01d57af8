"""The page: whole, valid, with names for everything, and nothing in it from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from importlib.resources import files

import html5lib
import pytest

from mtkit.text.page import STYLE
from tests.support.servers import LocalSite

FOLDER = files("mtkit.serve").joinpath("page")
PAGE, OWN_SCRIPT, SHEET = (
    FOLDER.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("html", "js", "css")
)
LIVE = FOLDER.joinpath("live.js").read_text("utf-8")
SCRIPT = LIVE + OWN_SCRIPT


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[LocalSite]:
    site = LocalSite()
    yield site
    site.site.close()


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/", "text/html; charset=utf-8", PAGE),
        ("/page.js", "text/javascript; charset=utf-8", OWN_SCRIPT),
        ("/live.js", "text/javascript; charset=utf-8", LIVE),
        ("/page.css", "text/css; charset=utf-8", STYLE + SHEET),
        ("/icon.svg", "image/svg+xml", FOLDER.joinpath("icon.svg").read_text("utf-8")),
    ],
)
def test_its_files_are_served_with_a_strict_policy(
    site: LocalSite, path: str, kind: str, content: str
) -> None:
    answer = site.call("GET", path)
    assert (answer.status, answer.body.decode()) == (200, content)
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_it_is_valid_and_everything_in_it_has_a_name() -> None:
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(PAGE)
    labels = {label.get("for") for label in tree.iter("label")}
    within = {element for label in tree.iter("label") for element in label.iter("input")}
    for kind in ("input", "select", "textarea"):
        for element in tree.iter(kind):
            assert element in within or element.get("id") in labels or element.get("aria-label"), element.get(
                "id"
            )
    for button in tree.iter("button"):
        assert button.get("aria-label") or (button.text or "").isalpha()
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'\bat\("(\w+)"\)', SCRIPT)) | set(re.findall(r'list\("(\w+)", "(\w+)"', SCRIPT)[0])
    assert used <= set(ids)
    assert labels - {None} <= set(ids)


def test_nothing_is_inline_or_from_elsewhere(site: LocalSite) -> None:
    tree = html5lib.parse(PAGE, namespaceHTMLElements=False)
    for element in tree.iter():
        assert not [name for name in element.attrib if name == "style" or name.startswith("on")]
        for name in ("src", "href", "action"):
            if value := element.get(name):
                assert site.call("GET", f"/{value}").status == 200
    assert not list(tree.iter("style"))
    assert [script.text for script in tree.iter("script")] == [None, None]
    assert not re.findall(r"https?:|//[a-z]", SCRIPT + SHEET + PAGE)
    assert not re.findall(r"innerHTML|insertAdjacent|document\.write|\beval\b|new Function", SCRIPT)


def test_it_asks_only_what_the_server_answers(site: LocalSite) -> None:
    asked = re.findall(r'fetch\(\s*"([\w/]+)"', SCRIPT) + re.findall(r'\["(languages)", "(\S+)"\]', SCRIPT)
    paths = [path for found in asked for path in ([found] if isinstance(found, str) else found)]
    assert sorted(paths) == ["frontend/settings", "languages", "translate", "translate_file"]
    assert all(site.call("GET", f"/{path}").status != 404 for path in paths)


def script(function: str, calls: Collection[tuple[str, ...]]) -> list[str]:
    """What a function of the page gives for these arguments."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    given = json.dumps(list(calls))
    program = f"{LIVE}\nconsole.log(JSON.stringify({given}.map((one) => {function}(...one))));"
    told = subprocess.run([node, "-"], input=program, capture_output=True, encoding="utf-8", check=True)
    return list(json.loads(told.stdout))


def test_the_last_words_of_a_draft_are_withheld() -> None:
    expected = {
        ("Le chat est assis sur", ""): "Le chat est",
        ("Le chat, dit-il : « oui »", ""): "Le chat, dit",
        ("Le chat", ""): "",
        ("", ""): "",
        ("Un. Deux.\nTrois quatre", ""): "Un. Deux.\n",  # a line that is finished stays whole
        ("这是一只很可爱的猫", ""): "这是一只很可爱",
        # What was shown stays while it is still true, and goes when it is not.
        ("Le chat est assis", "Le chat est"): "Le chat est",
        ("Le chien est assis là", "Le chat est"): "Le chien est",
        ("Le chat est assis", "Le chat est assis sur"): "Le chat",
    }
    assert script("draftOf", expected) == list(expected.values())


def test_a_word_that_is_being_typed_is_not_translated() -> None:
    expected = {("the cat sa",): "the cat ", ("the cat sat.",): "the cat sat.", ("the ",): "the ", ("t",): ""}
    assert script("wholeWords", expected) == list(expected.values())


def test_a_translation_that_only_grows_never_loses_a_word() -> None:
    words = ["le", "chat", "noir", "dort", "sur", "le", "tapis", "rouge"]
    shown = ""
    for count in range(len(words) + 1):
        (now,) = script("draftOf", [(" ".join(words[:count]), shown)])
        assert now.startswith(shown)
        shown = now
    assert shown == " ".join(words[:-2])
