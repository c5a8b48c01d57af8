"""The documentation and the tree agree: pages can be found, files are described, paths exist."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from mtkit.cli.failures import EXIT_CODES
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.errors import GateError, InputError, MtkitError, StoppedError, UsageError
from tests.support.corpora import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *(REPOSITORY / f"{name}.md" for name in ("README", "CONTRIBUTING"))]
ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")
README = (REPOSITORY / "README.md").read_text("utf-8")
SHIPPED = {
    path.relative_to(REPOSITORY / "mtkit").as_posix()
    for path in (REPOSITORY / "mtkit").rglob("*")
    if path.suffix in (".py", ".yaml", ".typed") and path.stat().st_size + (path.suffix == ".typed")
}
"""Every module that is not empty, and the other files that code reads by name."""


def links(page: Path) -> list[str]:
    """The targets of a page's links to other files and to headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def tree(text: str) -> list[str]:
    """The paths in the first drawn tree of a page; folders end in a slash."""
    found = re.search(r"^```text\nmtkit/\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    folders: list[str] = []
    paths = []
    for line in found[1].splitlines():
        entry = re.match(r"((?:│   |    )*)[├└]── (\S+)", line)
        assert entry, line
        folders = [*folders[: len(entry[1]) // 4], entry[2]]
        paths.append("".join(folders))
    return paths


def walk(name: str) -> list[str]:
    """The files that begin the items of a walk."""
    section = ARCHITECTURE.partition(f"through `mtkit {name}`\n")[2].partition("\n#")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_paths_in_the_text_exist(page: Path) -> None:
    for path in re.findall(r"`((?:tests|scripts|configs)/[\w./-]+)", page.read_text("utf-8")):
        assert (REPOSITORY / path).exists(), path


def test_the_tree_of_the_architecture_is_complete() -> None:
    paths = tree(ARCHITECTURE)
    assert len(paths) == len(set(paths))
    assert sorted(path for path in paths if not path.endswith("/")) == sorted(SHIPPED)
    folders = {f"{path.rpartition('/')[0]}/" for path in SHIPPED if "/" in path}
    assert {path for path in paths if path.endswith("/")} == folders | {"data/", "data/read/"}


def test_the_tree_of_the_readme_is_complete() -> None:
    packages = {f"{path.partition('/')[0]}/" for path in SHIPPED if "/" in path}
    assert sorted(tree(README)) == sorted({*packages, "cluster.py", "cores.py", "errors.py"})


def test_imports_point_down_the_tree_of_the_readme() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["mtkit"])
    height = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    heights = [height[path.removesuffix("/").removesuffix(".py")] for path in tree(README)]
    assert heights == sorted(heights)


@pytest.mark.parametrize(("name", "most"), [("prepare", 40), ("train", 40), ("translate", 26)])
def test_a_walk_names_files_that_exist(name: str, most: int) -> None:
    files = walk(name)
    assert files[0] == "cli/app.py"
    assert f"cli/{name}.py" in files
    assert set(files) <= SHIPPED
    assert 10 < len(set(files)) <= most


def test_every_other_file_that_the_architecture_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)`", ARCHITECTURE.partition("## Three walks")[2])
    assert {path for path in named if "/" in path and not path.startswith("tests/")} <= SHIPPED


def test_the_table_of_options_is_current() -> None:
    command = [sys.executable, str(REPOSITORY / "scripts" / "options")]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert (DOCS / "options.md").read_text("utf-8") == done.stdout, "run: scripts/options > docs/options.md"


def test_exit_codes_are_one_list() -> None:
    said = {str(code): meaning for code, meaning in EXIT_CODES.items()}
    readme = " ".join(README.partition("Exit codes (")[2].partition("): ")[2].partition("\n\n")[0].split())
    assert dict(item.split(" ", 1) for item in readme.split(" · ")) == said
    trouble = (DOCS / "troubleshooting.md").read_text("utf-8").replace("\\|", "¦")
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", trouble, re.MULTILINE)
    assert {code: meaning.replace("¦", "|") for code, meaning in rows} == said
    for error in (MtkitError, UsageError, InputError, GateError, StoppedError):
        assert error.exit_code in EXIT_CODES


BASE = """\
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook}]
  valid: {reader: phrasebook, split: valid}
"""


def test_configs_in_the_pages_are_valid(tmp_path: Path) -> None:
    base, part = tmp_path / "base.yaml", tmp_path / "part.yaml"
    base.write_text(BASE, "utf-8")
    valid = 0
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            if set(yaml.safe_load(block)) <= set(Config.model_fields):
                part.write_text(block, "utf-8")
                load_config([base, part], ["run=runs/docs"])
                valid += 1
    assert valid > 12


OPTIONS: list[tuple[str, str]] = re.findall(
    r"^\| `(\w+)` \|.*\| \[[\w -]+\]\(([^)#]+)[^)]*\) \|$",
    (DOCS / "options.md").read_text("utf-8"),
    re.MULTILINE,
)
"""Each option with the page that its row links to."""


@pytest.mark.parametrize("page", sorted({page for _, page in OPTIONS}))
def test_a_page_names_the_options_whose_rows_link_to_it(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    names = {name for name, there in OPTIONS if there == page}
    missing = {name for name in names if not re.search(rf"`(?:\w+\.)*{name}(?:: [^`\n]*)?`", text)}
    assert not missing, f"explain them on the page, in backticks: {sorted(missing)}"


def test_the_table_of_filters_names_their_options() -> None:
    sections = re.split(r"^## ", (DOCS / "options.md").read_text("utf-8"), flags=re.MULTILINE)
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (DOCS / "data.md").read_text("utf-8"), re.MULTILINE)
    filters = {
        title[1]: section for section in sections if (title := re.match(r"data, filter: (\w+)", section))
    }
    assert filters
    for name, section in filters.items():
        options = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
        assert options <= set(re.findall(r"`(\w+)", " ".join(text for row, text in rows if row == name))), (
            name
        )


def test_every_row_of_the_table_of_options_is_read() -> None:
    rows = re.findall(r"^\| `\w+` \|", (DOCS / "options.md").read_text("utf-8"), re.MULTILINE)
    assert len(OPTIONS) == len(rows) > 150
