"""Finds out how to read somebody's files as parallel corpora, and in which languages they are.

All pairs are read once, up to a limit, to count them and to be sure that the options work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from mtkit.data.read.folder import dataset_files
from mtkit.data.read.identify import codes_in, identify, short_code
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_pairs
from mtkit.data.read.recognise import (
    DECLARED,
    LOOKED_AT,
    SOURCES,
    FoundCorpus,
    Wanted,
    bare,
    format_of,
    is_hub_name,
    of_dataset,
    of_file,
    of_hub,
    of_texts,
    short_name,
)
from mtkit.data.read.repairs import BAD, BAD_UTF8, Repairs
from mtkit.errors import InputError, MtkitError, UsageError, counted, listed
from mtkit.text.languages import same_language

MAX_COUNTED = 300_000
"""Pairs that are counted; of larger corpora it is only known that they are larger."""
_MAX_BAD = 0.02
"""Largest share of pairs with bytes that are not UTF-8."""

_BY_TEXTS = "from its texts, by py3langid"
_NAME_THEM = "Name both: --src-lang CODE --tgt-lang CODE."


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found.

    Attributes:
        src_lang: the source language.
        tgt_lang: the target language.
        corpora: what can be read in these languages.
        omitted: names of files that were not used, and why.
    """

    src_lang: str
    tgt_lang: str
    corpora: list[FoundCorpus]
    omitted: list[tuple[str, str]] = field(default_factory=list)

    def of(self, split: str) -> list[FoundCorpus]:
        """The corpora of a split."""
        return [corpus for corpus in self.corpora if corpus.split == split]

    @property
    def pairs(self) -> int:
        """The pairs to train on, and to cut held-out sets from."""
        return sum(corpus.pairs for corpus in self.of("train"))


def discover(
    names: Sequence[str],
    src_lang: str | None = None,
    tgt_lang: str | None = None,
    columns: tuple[str, str] | None = None,
) -> Discovery:
    """How to read these files, two parallel files, a folder, or a data set of the Hugging Face Hub.

    Args:
        names: paths, or one name on the Hub.
        src_lang: the source language; None to find out.
        tgt_lang: the target language; None to find out.
        columns: the two columns of a table or fields of records; None to find out.

    Raises:
        InputError: a file cannot be read, or has no parallel text.
        UsageError: languages or columns are not clear; the message says what to give.
    """
    omitted: list[tuple[str, str]] = []
    wanted = (src_lang, tgt_lang)
    corpora, in_folder = _corpora(names, wanted, columns, omitted), all(Path(name).is_dir() for name in names)
    unread = omitted if in_folder else None
    found = _readable(corpora, lambda corpus: _identified(_lenient(corpus)), unread)
    src, tgt = _languages(found, wanted)
    fitting = []
    for corpus in found:
        if (turned := _in_direction(corpus, src, tgt)) is None:
            omitted.append((corpus.name, f"is {' and '.join(filter(None, corpus.languages))}"))
        else:
            fitting.append(turned)
    kept = _readable(fitting, lambda corpus: _counted(corpus, src, tgt), unread)
    omitted += [(corpus.name, f"has no pairs in {src} and {tgt}") for corpus in kept if not corpus.pairs]
    kept = [corpus for corpus in kept if corpus.pairs]
    if not kept:
        raise InputError(
            f"{listed([name for name, _ in omitted])}: no pairs in {src} and {tgt}.",
            "Check the file, or the languages.",
        )
    if all(corpus.split != "train" for corpus in kept):
        kept = [replace(corpus, split="train") for corpus in kept]
    kept.sort(key=lambda corpus: ("train", "valid", "test").index(corpus.split))
    return Discovery(src, tgt, kept, omitted)


def _readable(
    corpora: Sequence[FoundCorpus],
    read: Callable[[FoundCorpus], FoundCorpus],
    unread: list[tuple[str, str]] | None,
) -> list[FoundCorpus]:
    """The corpora as `read` finds them, without those that it cannot read, which are added to `unread`.

    Raises:
        MtkitError: of the first that cannot be read, if none can, or `unread` is None.
    """
    found, errors = [], []
    for corpus in corpora:
        try:
            found.append(read(corpus))
        except MtkitError as error:
            if unread is None:
                raise
            errors.append(error)
            unread.append((corpus.name, str(error)))
    if errors and not found:
        raise errors[0]
    return found


# ---------------------------------------------------------------- which files


def _corpora(
    names: Sequence[str],
    wanted: Wanted,
    columns: tuple[str, str] | None,
    omitted: list[tuple[str, str]],
) -> list[FoundCorpus]:
    paths = [Path(name) for name in names]
    if len(paths) == 1 and not paths[0].exists() and is_hub_name(names[0]):
        return [of_hub(names[0], columns)]
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder.", "Check the path.")
    if len(paths) == 1 and paths[0].is_dir():
        return _of_folder(paths[0], wanted, columns, omitted)
    texts = [path for path in paths if format_of(path) == "plain"]
    if not texts:
        return [of_file(path, wanted, columns) for path in paths]
    if len(texts) == len(paths) == 2:
        return [of_texts(*paths)]
    raise UsageError(
        f"{texts[0]}: is text in one language, as far as its name and first lines say.",
        "Give its translation too: mtkit init SOURCE TARGET.",
    )


def _of_folder(
    folder: Path,
    wanted: Wanted,
    columns: tuple[str, str] | None,
    omitted: list[tuple[str, str]],
) -> list[FoundCorpus]:
    """The corpora in a folder: files of pairs, and files of text whose names differ in the language."""
    files = dataset_files(folder)
    if any(file.suffix in (".parquet", ".arrow") for file in files):
        return [of_dataset({"reader": "huggingface", "path": folder}, columns)]
    texts: dict[str, dict[str, Path]] = {}
    found = []
    for file in files:
        stem = bare(file)
        codes = codes_in(stem.name)
        if format_of(file, by_name=True):
            try:
                found.append(of_file(file, wanted, columns))
            except MtkitError as error:
                omitted.append((short_name(file, folder), str(error)))
        elif len(codes) == 1:
            texts.setdefault(str(stem.with_suffix("")), {})[codes[0]] = file
    many = {code for sides in texts.values() for code in sides}
    for sides in texts.values():
        pair = _two_of(sides, many, wanted)
        if pair and all(code in sides for code in pair):
            found.append(replace(of_texts(sides[pair[0]], sides[pair[1]]), languages=pair))
        else:
            omitted += [(short_name(file, folder), "has no translation beside it") for file in sides.values()]
    if not found:
        if omitted:
            raise InputError(
                f"{folder}: has no parallel text that can be used. {omitted[0][0]}: {omitted[0][1]}",
                f"{len(omitted) - 1} more files cannot be used." if len(omitted) > 1 else "",
            )
        raise InputError(
            f"{folder}: has no parallel text that can be recognised.",
            "Give files: mtkit init FILE, or mtkit init SOURCE TARGET.",
        )
    return [replace(corpus, folder=folder) for corpus in found]


def _two_of(sides: dict[str, Path], many: set[str], wanted: Wanted) -> tuple[str, str] | None:
    """The two languages to use of files with the same name; None if there is just one.

    Raises:
        UsageError: there are more than two, and the user named none.
    """
    src, tgt = (next((one for one in sides if code and same_language(one, code)), code) for code in wanted)
    others = [code for code in sorted(sides) if code not in (src, tgt)]
    if len(many) > 2 and not (src and tgt):
        names = f"{next(iter(sides.values())).parent}"
        raise UsageError(f"{names}: has texts in {', '.join(sorted(many))}.", _NAME_THEM)
    if len(sides) < 2:
        return None
    if src is None and tgt is None and "en" in others:  # most often the source
        src = others.pop(others.index("en"))
    src = src or (others.pop(0) if others else None)
    tgt = tgt or (others.pop(0) if others else None)
    return (src, tgt) if src and tgt else None


# ---------------------------------------------------------------- languages


def _lenient(corpus: FoundCorpus) -> FoundCorpus:
    """The corpus read without its invalid rows, if its reader can do so."""
    if corpus.options["reader"] not in _WITH_ERRORS:
        return corpus
    return replace(corpus, options=corpus.options | {"on_error": "skip"})


def _identified(corpus: FoundCorpus) -> FoundCorpus:
    """The corpus with the languages of its texts, in short; the sides are put right."""
    known = _with_languages(corpus)
    return replace(known, languages=(short_code(known.languages[0]), short_code(known.languages[1])))


def _with_languages(corpus: FoundCorpus) -> FoundCorpus:
    """The corpus with the languages of its texts where nothing declares them; the sides are put right."""
    (src, tgt), reader = corpus.languages, corpus.options["reader"]
    if len(corpus.codes) > 2 or (corpus.why == DECLARED and src and tgt):
        return corpus
    pairs = list(islice(_pairs(corpus, src or "und", tgt or "und", Repairs(quiet=True)), LOOKED_AT))
    one, other = (identify(getattr(pair, side) for pair in pairs) or "" for side in ("src", "tgt"))
    if src and tgt:
        if src != tgt and one and other and same_language(one, tgt) and same_language(other, src):
            return replace(corpus, languages=(tgt, src), why=_BY_TEXTS).turned()
        return corpus
    if reader == "po" and not one:
        return replace(corpus, languages=("en", tgt or other), why="msgid is taken for English")
    src, tgt = src or one, tgt or other
    if src == tgt:
        return replace(corpus, languages=("", ""), why="")
    return replace(corpus, languages=(src, tgt), why=_BY_TEXTS if src and tgt else "")


def _languages(found: Sequence[FoundCorpus], wanted: Wanted) -> tuple[str, str]:
    """The two languages: those that the user wants, the rest as most corpora have it.

    Raises:
        UsageError: they are not clear.
    """
    src, tgt = wanted
    votes = Counter(corpus.languages for corpus in found if all(corpus.languages))
    for one, other in (pair for pair, _ in votes.most_common()):
        if src and tgt:
            break
        if (src and same_language(src, other)) or (tgt and same_language(tgt, one)):
            one, other = other, one
        if (not src or same_language(src, one)) and (not tgt or same_language(tgt, other)):
            src, tgt = src or one, tgt or other
    if src and tgt:
        return src, tgt
    first = found[0]
    if len(first.codes) > 2:
        raise UsageError(f"{first.name}: has units in {listed(first.codes)}.", _NAME_THEM)
    raise UsageError(
        f"{first.name}: neither the file nor its name says which languages it is in{_langid_missing()}.",
        _NAME_THEM,
    )


def _langid_missing() -> str:
    from importlib.util import find_spec

    return "" if find_spec("py3langid") else ", and py3langid (pip install py3langid) is not installed"


_WITH_ERRORS = ("tsv", "csv", "jsonl", "huggingface")
"""Readers with the option `on_error`."""
_WITH_ENCODING = ("plain", "tsv", "csv", "jsonl", "po")
"""Readers with the option `encoding`."""
_SELF_DIRECTED = ("tmx", "xliff", "po")
"""Readers that find out by themselves which text is in which language."""


def _in_direction(corpus: FoundCorpus, src: str, tgt: str) -> FoundCorpus | None:
    """The corpus in this direction; None if it is in other languages. Unknown ones are believed to fit."""
    if len(corpus.codes) > 2:
        wanted = [any(same_language(code, one) for code in corpus.codes) for one in (src, tgt)]
        return replace(corpus, languages=(src, tgt)) if all(wanted) else None
    one, other = corpus.languages
    if all(not code or same_language(code, want) for code, want in ((one, src), (other, tgt))):
        return corpus
    if all(not code or same_language(code, want) for code, want in ((one, tgt), (other, src))):
        if corpus.options["reader"] in _SELF_DIRECTED:
            return replace(corpus, languages=(other, one))
        return corpus.turned()
    return None


def _pairs(corpus: FoundCorpus, src: str, tgt: str, repairs: Repairs) -> Iterator[Pair]:
    return read_pairs(SOURCES.validate_python(corpus.options), src, tgt, repairs)


def _in_encoding(corpus: FoundCorpus, place: str, encoding: str | None) -> FoundCorpus | None:
    """The corpus whose file at `place` is read in another encoding; None if that cannot help."""
    options = corpus.options
    if encoding is None or options["reader"] not in _WITH_ENCODING:
        return None
    if options["reader"] != "plain":
        changed = {"encoding": encoding}
    elif place.startswith(str(options["tgt"])):
        changed = {"tgt_encoding": encoding}
    else:
        changed = {"encoding": encoding, "tgt_encoding": options.get("tgt_encoding", "utf-8")}
    return None if changed.items() <= options.items() else replace(corpus, options=options | changed)


def _counted(corpus: FoundCorpus, src: str, tgt: str) -> FoundCorpus:
    """The corpus with its number of pairs and its first pair; a few invalid rows are skipped.

    Raises:
        InputError: it cannot be read, many lines are invalid or not UTF-8, or it has no pairs.
    """
    repairs = Repairs(quiet=True, languages=(src, tgt))
    pairs = islice(_pairs(corpus, src, tgt, repairs), MAX_COUNTED)
    first = next(pairs, None)
    count = sum(1 for _ in pairs) + (first is not None)
    bad = repairs.repaired.get(BAD_UTF8)
    if bad and bad.count > max(1, _MAX_BAD * count):
        if (decoded := _in_encoding(corpus, bad.places[0], repairs.encoding())) is not None:
            return _counted(decoded, src, tgt)
        raise InputError(
            f"{bad.places[0]}: {bad.count:,} lines of the file are not UTF-8.",
            "Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8.",
        )
    skipped = sorted(repairs.skipped.values(), key=lambda fault: -fault.count)
    if skipped and skipped[0].count > count:
        raise InputError(f"{skipped[0]}; {counted(count, 'pair')} left.", "Check the file.")
    if "on_error" in corpus.options and BAD not in repairs.skipped:
        corpus = replace(corpus, options={k: v for k, v in corpus.options.items() if k != "on_error"})
    return replace(corpus, pairs=count, sample=first, skipped=tuple(map(str, skipped)))
