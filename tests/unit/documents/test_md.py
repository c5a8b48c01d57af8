from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given

from mtkit.documents.base import Answer
from mtkit.documents.formats import open_document
from mtkit.documents.spans import Spliced
from mtkit.errors import InputError
from tests.support.corpora import REPOSITORY, corpus
from tests.support.markdown import blocks, installed, spans
from tests.support.translators import TRANSLATORS, changed

PAGE = """# A *big* title #

Some **bold** text with `code` and a [link](http://a.b/c_d "Its title"),
which goes on ![an image](a.png) here.
Second\\
third {name}.

- one item
- [ ] a task
  goes on
    - nested

1. first
2. second

> quoted text
> goes on

```python
kept = 1
```

    kept code

| Head | Other `a\\|b` |
| --- | :-: |
| cell | 42 |

<div>
html text
</div>

Setext
------

[ref]: http://x.y
A [named][ref] link.
"""
TEXTS = [
    "A big title",
    "Some bold text with and a link, which goes on here. Second third.",
    "Its title",
    "an image",
    "one item",
    "a task goes on",
    "nested",
    "first",
    "second",
    "quoted text goes on",
    "Head",
    "Other",
    "cell",
    "html text",
    "Setext",
    "A named link.",
]


def rendered(source: str, translate: Callable[[str], str]) -> str:
    document = open_document("md", "a.md", source.encode())
    return document.render([translate(text) for text in document.texts]).decode()


def test_texts() -> None:
    document = open_document("md", "a.md", PAGE.encode())
    assert list(document.texts) == TEXTS
    assert document.render(document.texts) == PAGE.encode()


@given(TRANSLATORS)
def test_another_parser_sees_the_same_blocks_and_spans(translate: Callable[[str], str]) -> None:
    # A block without a word is another block, or none.
    out = rendered(PAGE, lambda text: f"a {translate(text)}")
    assert blocks(out) == blocks(PAGE)
    assert spans(out) == spans(PAGE)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("    - code\n    > code\n", []),
        ("one\n> two\n", ["one", "two"]),
        ("See [http://a.b](http://a.b) or *http://c.d* now\n", ["See or now"]),
        ("- a\n\n      - code\n", ["a"]),
        ("- a\n\n    - b\n", ["a", "b"]),
        ("one\r\ntwo\r\n", ["one two"]),
        ("\ufeff# one\n", ["one"]),
        ("one **`code`** two\n", ["one two"]),
        ("Press <kbd>Ctrl</kbd> or <code>a b</code> now\n", ["Press or now"]),
        ("<b>My brother</b> is here\n", ["My brother is here"]),
        ('<a name="x"></a>It is here\n', ["It is here"]),
        ("1. <b>One</b> is here\n", ["One is here"]),
        ("import Tabs from '@theme/Tabs';\nexport const x = {\n  a: 1,\n\n  b: 2 };\n\nText\n", ["Text"]),
        ("import duties are high\n", ["import duties are high"]),
        ("<Card\n  icon={<Icon a='b' />}\n>\n\nText\n\n</Card>\n", ["Text"]),
        ("A <% if a > b %> or <Card a={b > c} /> here\n", ["A or here"]),
        ("[](a) and [text]() and [a b](<c d>)\n", ["and text and a b"]),
        ("{{< highlight go >}}\ncode\n{{< /highlight >}}\n{{< note >}}\nText\n{{< /note >}}\n", ["Text"]),
        ("{% highlight js %}\ncode\n{% endhighlight %}\n\n{% include a.html %}\nText\n", ["Text"]),
        ('--8<-- "file.md"\nText\n', ["Text"]),
        ("$$\nE = mc^2\n\n- a\n$$\n\\[\nx\n\\]\nText\n", ["Text"]),
        ("- $$ a\n\nText\n\n$$ b\n", ["$$ a", "Text", "$$ b"]),
        ("\\begin{align}\na\n\\end{align}\n\\newpage\nText\n", ["Text"]),
        ("$$a = b$$ and $x_1$ or \\(y\\) and \\[ x = 1 \\] are here\n", ["and or and are here"]),
        ("It costs $5 and $10 here\n", ["It costs $5 and $10 here"]),
        ("As in @fig:one and [see @key, p. 3] here\n", ["As in and here"]),
        ("One.[^1]\n\n[^1]: A note\n    goes on\n\n    and on\n", ["One.", "A note goes on", "and on"]),
        ("A [[page|the label]] and ![[embed.png]] or [[page]] here\n", ["A and or here", "the label"]),
        ("A [word] or [two words] here\n", ["A or [two words] here"]),
        ("Term\n: One\n: Two\n\n    goes on\n", ["Term", "One", "Two", "goes on"]),
        ("Term\nOther\n: One\n", ["Term Other", "One"]),
        (":::{code-block} py\ncode\n:::\n\n```{math}\ncode\n```\n", []),
        ("*[HTML]: Hyper text\n*[CSS]: Style\n", ["Hyper text", "Style"]),
        ("<div translate='no'>\n\nkept\n\n<div>\n\nkept\n\n</div></div>\n\nText\n", ["Text"]),
        ("---\ntitle: 10 ways\n---\n", ["10 ways"]),
        ("---\ntitle: 2024-01-01\nsummary: yes\ntext: [a, b]\n---\n", []),
        ("<!-- a -->\n<script>\nkept\n\nkept\n</script>\n<p translate='no'>kept</p>\n", []),
    ],
)  # fmt: skip
def test_where_texts_begin_and_end(source: str, texts: list[str]) -> None:
    document = open_document("md", "a.md", source.encode())
    assert list(document.texts) == texts
    assert document.render(document.texts) == source.encode()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("> one\n> two  \n> three\n", "> ONE TWO  \n> THREE\n"),
        ("- one\n  two\\\n  three\n", "- ONE TWO\\\n  THREE\n"),
        ("1. > one `a\n   > b`\n", "1. > ONE `a\n   > b`\n"),
        ("# Title {#id .cls}\n", "# TITLE {#id .cls}\n"),
        ("one\ntwo\n{: .cls #id}\n", "ONE TWO\n{: .cls #id}\n"),
        ("> [!NOTE]\n> one\n> two\n", "> [!NOTE]\n> ONE TWO\n"),
        ("> [!tip]- one\n> two\n", "> [!tip]- ONE\n> TWO\n"),
        (":::tip One\ntwo\n:::\n", ":::tip ONE\nTWO\n:::\n"),
        (":::tip[One]{#a}\n\ntwo\n\n:::\n", ":::tip[ONE]{#a}\n\nTWO\n\n:::\n"),
        (":::{note} One\n:class: a\n\ntwo\n:::\n", ":::{note} ONE\n:class: a\n\nTWO\n:::\n"),
        ("```{note} One\ntwo\n```\n", "```{note} ONE\nTWO\n```\n"),
        ('!!! note "One"\n    two\n\n        code\n', '!!! note "ONE"\n    TWO\n\n        code\n'),
        ("???+ note\n\n    one\n\ntwo\n", "???+ note\n\n    ONE\n\nTWO\n"),
        ('=== "One"\n\n    two\n', '=== "ONE"\n\n    TWO\n'),
        ("One\n: two\n", "ONE\n: TWO\n"),
        ('[one](a.b "two") ![three](c.d)\n', '[ONE](a.b "TWO") ![THREE](c.d)\n'),
        ("A [b] or [c][]\n\n[b]: b\n[c]: c\n", "A [B][b] OR [C][c]\n\n[b]: b\n[c]: c\n"),
        ("A [one][mod.f] or [two]({{< ref a >}})\n", "A [ONE][mod.f] OR [TWO]({{< ref a >}})\n"),
        ('<p align="center">\n one <b>two</b>\n</p>\n', '<p align="center">\n ONE <b>TWO</b>\n</p>\n'),
        ("> <p>one\n> two</p>\n", "> <p>ONE TWO</p>\n"),
        ("one ==two *three*== four\n", "ONE ==TWO *THREE*== FOUR\n"),
        ("one == two, a==b, c==d, ===x===\n", "ONE == TWO, A==B, C==D, ===X===\n"),
        ("`a` - one\n", "`a` - ONE\n"),
        ("See <https://a.b> now <!-- kept --> and\n", "SEE <https://a.b> NOW <!-- kept --> AND\n"),
        ("| one | two \\| three |\n|--|--|\n", "| ONE | TWO &#124; THREE |\n|--|--|\n"),
    ],
)  # fmt: skip
def test_what_stays_around_a_translation(source: str, expected: str) -> None:
    assert rendered(source, str.upper) == expected


FRONT: dict[str, tuple[str, Callable[[str], object]]] = {
    "---": (
        "---\ntitle: One\nid: one\nlinkTitle: 'Two'\nsidebar_label: \"Three\" # kept\ntags: [one, two]\n"
        "summary: >-\n  Four\n  goes on\n\n  Five\nhero:\n  - {text: Six, name: x}\ndate: 2024-01-01\n---\n",
        lambda text: yaml.safe_load(text.split("---")[1]),
    ),
    "+++": (
        "+++\ntitle = \"One\"\nid = 'one'\nlinkTitle = 'Two'\nsidebar_label = \"Three\" # kept\n"
        'summary = """Four \\\n  goes on\nFive"""\ndate = 2024-01-01\n[params]\ntext = "Six"\n+++\n',
        lambda text: tomllib.loads(text.split("+++")[1]),
    ),
    "{": (
        '{\n  "title": "One", "id": "one",\n  "linkTitle" : "Two",\n  "sidebar_label": "Three",\n'
        '  "summary": "Four goes on\\nFive", "params": {"text": "Six", "count": 1.50}\n}\n',
        lambda text: json.loads(text[: text.rindex("}") + 1]),
    ),
}


@pytest.mark.parametrize("kind", FRONT)
@pytest.mark.parametrize("suffix", ["", " 'x'", ' "x": # y', "\x80\ufeff", " \\"])
def test_front_matter_is_translated_by_key(kind: str, suffix: str) -> None:
    source, parse = FRONT[kind]
    document = open_document("md", "a.md", f"{source}\n# Last\n".encode())
    words = [text.split()[0] for text in document.texts]
    assert words == ["One", "Two", "Three", "Four", "Five", "Six", "Last"]
    assert document.render(document.texts) == f"{source}\n# Last\n".encode()

    def filled(value: object) -> object:
        match value:
            case dict():
                return {key: filled(inner) for key, inner in value.items()}
            case list():
                return [filled(inner) for inner in value]
            case str() if value in ("One", "Two", "Three", "Six"):
                return f"{value}{suffix}".removesuffix("\x80\ufeff")
            case str() if "\n" in value:
                return "\n".join(f"{line}{suffix}" for line in value.split("\n")).replace("\x80\ufeff", "")
        return value

    out = document.render([f"{text}{suffix}" for text in document.texts]).decode()
    assert parse(out) == filled(parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "---\n- [a\n---\n",
        "+++\ntitle\n+++\n",
        "---\ntitle: &a One\n---\n",
        "{ one }\n",
        '---\ntitle: "\\Uffffffff"\n---\n',
    ],
)
def test_front_matter_that_is_odd_stays(source: str) -> None:
    assert rendered(source, lambda text: "x") in (source, "x\n")


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("---\nlang: en-GB\ntitle: One\n---\n", "en-GB"),
        ("---\nLanguage: 'de'\n---\n", "de"),
        ('+++\nlanguage = "fr"\n+++\n', "fr"),
        ('{"locale": "zh-Hant"}\n', "zh-Hant"),
        ("---\nlanguage: python\n---\n", ""),
        ("---\ncode:\n  lang: fr\n---\n", ""),
        ('+++\n[code]\nlang = "fr"\n+++\n', ""),
        ("---\nlang: [fr, de]\n---\n", ""),
    ],
)
def test_front_matter_declares_the_language(source: str, language: str) -> None:
    document = open_document("md", "a.md", source.encode())
    assert isinstance(document, Spliced)
    assert document.languages == (language, "")


def test_the_example_of_the_documentation() -> None:
    page = (REPOSITORY / "docs" / "files-markdown.md").read_text("utf-8")
    before, after = re.findall(r"^````markdown\n(.*?)^````", page, re.MULTILINE | re.DOTALL)
    table = page.partition("| text |")[2].partition("\n\n")[0]
    answers = dict(row.strip("| ").split(" | ") for row in table.splitlines()[2:])
    assert list(open_document("md", "a.md", before.encode()).texts) == list(answers)
    words = [("red", "rouge"), ("chair", "chaise"), ("in", "dans"), ("bathroom", "salle"), (".", ".")]
    words += [("bathroom", "bain"), ("now", "maintenant")]

    def aligned(text: str) -> str:
        links = [(src, tgt) for src, tgt in words if src in text and tgt in answers[text]]
        return Answer(answers[text], [(text.index(src), answers[text].index(tgt)) for src, tgt in links])

    assert rendered(before, aligned) == after


def test_a_highlight_that_a_model_invents_is_none() -> None:
    out = rendered(
        "one ==two== three\n", lambda text: Answer("un ==x== deux trois", [(0, 0), (0, 3), (4, 9), (8, 14)])
    )
    assert out == "un \\==x== ==deux== trois\n"


def test_an_empty_pair_is_never_made() -> None:
    out = rendered("**The library**: there is *a* red chair.\n", lambda text: "Dort.")
    assert spans(out) == spans("**The library**: there is *a* red chair.\n")


@pytest.mark.parametrize("answer", ["on the site's end see a page", "b of the page.", "site's c"])
def test_a_hard_break_stands_between_words(answer: str) -> None:
    source = "See the page  \non the site's end.\n"
    out = rendered(source, lambda text: answer)
    assert spans(out) == spans(source)
    assert out.replace("  \n", " ") == f"{answer}\n"


def test_a_hard_break_without_words_around_it_is_not_lost() -> None:
    source = "See the page  \non the site's end.\n"
    answer = Answer("Site")
    assert rendered(source, lambda text: answer) == source
    assert not answer.is_placed


def test_an_address_as_the_text_of_a_link() -> None:
    source = "See\n[www.example.org](https://www.example.org/a).\n"
    assert (
        rendered(source, lambda text: f"{text} QQ")
        == "See [www.example.org](https://www.example.org/a). QQ\n"
    )


def test_blocks_beyond_a_depth_stay() -> None:
    source = "- " * 200 + "one"
    assert rendered(source, str.upper) == source


INVENTED = ["**", "_x_", "`c`", "[a](b)", "<b>", "|", "#", "-", "![", "$5", "1.", "~~", "\\", "{x}", ":::"]


def _hostile(text: str) -> str:
    rng = random.Random(text)
    words = text.split() * rng.choice([1, 1, 2])
    rng.shuffle(words)
    words += rng.choices(INVENTED, k=2)
    return "a " + " ".join(words[: rng.randint(1, len(words))])


def check_real(name: str, data: bytes) -> tuple[int, int]:
    """Fills a file with what models answer; how many texts it has, and how many cannot be replaced."""
    source = data.decode()
    document = open_document("md", name, data)
    assert document.render(document.texts) == data
    for translate in (changed, _hostile, str.upper):
        out = document.render([f"a {translate(text)}" for text in document.texts]).decode()
        assert blocks(out) == blocks(source), name
        assert spans(out) == spans(source), name
    out = document.render([f"{text} QQ" for text in document.texts]).decode()
    return len(document.texts), len(document.texts) - out.count("QQ") + source.count("QQ")


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "docs/data.md"])
def test_own_files(name: str) -> None:
    count, lost = check_real(name, (REPOSITORY / name).read_bytes())
    assert count
    assert lost <= count / 100


def test_files_of_three_dialects() -> None:
    for path in sorted((corpus("formats") / "more" / "markdown").glob("*.md")):
        count, lost = check_real(path.name, path.read_bytes())
        assert count
        assert not lost


def check_installed(count: int, most: int) -> None:
    texts = lost = 0
    for path, data in installed(count, most):
        try:
            more, stuck = check_real(str(path), data)
        except InputError:  # not UTF-8
            continue
        texts, lost = texts + more, lost + stuck
    if not texts:
        pytest.skip("no package here has Markdown")
    assert lost <= 1 + texts // 200, f"{lost} of {texts}"  # one text may be alone in a small sample


def test_installed_files() -> None:
    check_installed(12, most=20_000)


@pytest.mark.slow
def test_many_installed_files() -> None:
    check_installed(300, most=100_000)
