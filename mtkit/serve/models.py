"""The models that a server has: which languages they translate, and how one is replaced while it works."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.interface import EngineName
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.find import Found, config_of, find_model, read_model
from mtkit.text.languages import language_of, same_language, standard_code
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.translate.translation_memory import TranslationMemory

logger = logging.getLogger(__name__)

Pair = tuple[str, str]
"""Source and target language."""
_PROBES = ("Hello.", "12 a.")
"""Texts that a model has to translate before it replaces another one."""


@dataclass(eq=False, slots=True)
class Direction:
    """How texts of a pair are translated.

    Attributes:
        pair: the languages, as the server calls them.
        model: which one.
        tags: that sources begin with, if not the usual ones.
        memory: translations that are there already.
    """

    pair: Pair
    model: ServedModel
    tags: tuple[str, ...] = ()
    memory: TranslationMemory | None = None


class ServedModel:
    """A model of a server; several threads may use it.

    Args:
        named: run folder, model folder or config; None for the one that a command finds by itself.
        engine: that runs it.
        device: auto, cpu or cuda.
        threads: cores to compute with.

    Raises:
        InputError: there is no usable model.
        UsageError: the device is not there.
    """

    def __init__(
        self,
        named: Path | None = None,
        engine: EngineName = "auto",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.found: Found = find_model(named)
        self._engine, self._device, self._threads = engine, device, threads
        self._lock = Lock()
        self._seen = self._marks()
        self._translator = self._open(Request())
        self._other: Translator | None = None
        self.pairs = dict(self._trained_pairs())
        self.has_confidence = _knows_confidence(self._translator)

    def __str__(self) -> str:
        return str(self.found)

    @property
    def name(self) -> str:
        """For people and metrics."""
        return self.found.run.name

    @property
    def options(self) -> DecodeConfig:
        """How it searches unless a client asks for something else."""
        return self._translator.options

    @property
    def engine_name(self) -> str:
        """Describes the engine that runs it now."""
        return self._translator.engine.name

    def able(self, request: Request) -> Translator:
        """A translator that can do what is asked: CTranslate2 cannot do everything.

        Raises:
            UsageError: none can.
        """
        translator = self._translator
        if not translator.engine.refusals(translator.search_options(request), request.features):
            return translator
        with self._lock:
            if self._other is None:
                self._other = self._open(request)
            return self._other

    def has_changed(self) -> bool:
        """Whether there is another model or export in its folder than was last looked at."""
        return self._marks() != self._seen

    def replace(self) -> None:
        """Opens it again, and changes to that once it has translated something.

        Raises:
            MtkitError: it cannot be used, or has other languages; the old one stays.
        """
        seen = self._marks()
        self._seen = seen  # what cannot be used is not tried again until it changes
        translator = self._open(Request())
        if len(list(translator.translate(_PROBES))) != len(_PROBES):
            raise InputError(f"{self}: does not translate.")
        if translator.languages != self._translator.languages:
            raise InputError(f"{self}: is for other languages now.", "Restart the server.")
        with self._lock:
            self._translator, self._other = translator, None
        self.has_confidence = _knows_confidence(translator)

    def _open(self, request: Request) -> Translator:
        def load(folder: Path) -> Translator:
            return open_translator(
                folder, request, device=self._device, engine=self._engine, threads=self._threads
            )

        translator = read_model(self.found.run, load)
        if isinstance(translator.engine, CTranslate2Engine):
            translator.engine.keep_layout()
        # Both are read when they are first asked for, which each copy for an order would do again.
        _ = translator.coverage, _knows_confidence(translator)
        return translator

    def _trained_pairs(self) -> Iterator[tuple[Pair, tuple[str, ...]]]:
        """The pairs of languages it was trained for, each with the tags that ask for it."""
        translator = self._translator
        usual = translator.usual_tags
        if not usual:
            yield translator.languages, ()
            return
        folder = self.found.folder
        exported = self.found.run / "export" / "ctranslate2"
        data = config_of(folder if (folder / "config.yaml").is_file() else exported).data
        pairs = dict.fromkeys(map(data.languages_of, data.corpora))
        for src, tgt in pairs:
            tags = data.language_tags(tgt)
            if tags and tags[0] in translator.tokenizer.src.tags:
                yield (src, tgt), tags

    def _marks(self) -> list[tuple[str, int, int]]:
        """The manifests of the model and its export; a new one is another file."""
        found = []
        for place in (".", "model", "export/ctranslate2"):
            path = self.found.run / place / "manifest.json"
            with suppress(OSError):
                state = path.stat()
                found.append((str(path), state.st_ino, state.st_mtime_ns))
        return found


def _knows_confidence(translator: Translator) -> bool:
    try:
        return translator.confidence is not None
    except InputError:
        return False


class Models:
    """All models of a server.

    Args:
        models: at least one.
        memory: files of translation memories, for the pairs of languages that are in them.

    Raises:
        UsageError: two of them translate the same pair, or one does not say its languages.
        InputError: a memory cannot be read, or has no translation for any pair.
    """

    def __init__(self, models: Sequence[ServedModel], memory: Sequence[Path] = ()) -> None:
        self.models = models
        self._memory = memory
        self.directions: dict[Pair, Direction] = {}
        for model in models:
            for (src, tgt), tags in model.pairs.items():
                if not (src and tgt):
                    raise UsageError(f"{model}: does not say its languages.", "Name its run folder.")
                pair = standard_code(src), standard_code(tgt)
                if pair in self.directions:
                    raise UsageError(
                        f"{model}: translates {src} to {tgt}, as {self.directions[pair].model} does.",
                        "Serve only one of them.",
                    )
                self.directions[pair] = Direction(pair, model, tags)
        self._read_memory()

    def _read_memory(self) -> None:
        """Gives each direction the entries in its languages.

        Raises:
            InputError: a file cannot be read, or has no translation for any pair.
        """
        if not self._memory:
            return
        from mtkit.translate.memory_files import read_memory

        useful: set[Path] = set()
        found = []
        for direction in self.directions.values():
            normalize = direction.model.able(Request()).tokenizer.form.normalize
            memory = read_memory(self._memory, direction.pair, normalize, useful)
            found.append((direction, memory if len(memory) else None))
        for path in self._memory:
            if path not in useful:
                pairs = ", ".join(" to ".join(pair) for pair in self.directions)
                raise InputError(f"{path}: has no translation from {pairs}.", "Check the file.")
        for direction, entries in found:
            direction.memory = entries

    @property
    def sources(self) -> list[str]:
        """The languages that can be translated."""
        return list(dict.fromkeys(src for src, _ in self.directions))

    def targets(self, src: str) -> list[str]:
        """The languages into which `src` can be translated."""
        return [tgt for one, tgt in self.directions if one == src]

    def find(self, src: str, tgt: str) -> Direction:
        """The direction of a pair, which may be written in other ways: `EN-US`, `zho`.

        Raises:
            UsageError: no model translates it; says what can be translated.
        """
        if (pair := (src, tgt)) in self.directions:
            return self.directions[pair]
        for (one, other), direction in self.directions.items():
            if _is_same(src, one) and _is_same(tgt, other):
                return direction
        known = ", ".join(f"{one} to {other}" for one, other in list(self.directions)[:20])
        raise UsageError(f"no model translates {_shown(src)} to {_shown(tgt)}.", f"There is {known}.")

    def into(self, tgt: str) -> list[str]:
        """The languages that can be translated into `tgt`.

        Raises:
            UsageError: none can.
        """
        found = [src for src, other in self.directions if _is_same(tgt, other)]
        if not found:
            known = ", ".join(dict.fromkeys(other for _, other in self.directions))
            raise UsageError(f"no model translates to {_shown(tgt)}.", f"There is {known}.")
        return found

    def replace(self, *, changed_only: bool = False) -> int:
        """Opens models and memories again, and says of each model how that went; the number replaced.

        Args:
            changed_only: only those in whose folder something is new.
        """
        done = 0
        for model in self.models:
            if changed_only and not model.has_changed():
                continue
            try:
                model.replace()
            except MtkitError as error:
                logger.error("%s: stays as it was, since the new one is refused: %s", model, error)
            else:
                done += 1
                logger.info("%s: replaced.", model)
        if done or not changed_only:
            try:
                self._read_memory()
            except MtkitError as error:
                logger.error("the memory stays as it was: %s", error)
        return done


def _is_same(asked: str, own: str) -> bool:
    """Whether a client means this language; by its first part if there is nothing closer."""
    try:
        return same_language(asked, own) or (
            "-" not in own and language_of(asked.replace("_", "-")).code == language_of(own).code
        )
    except (ValueError, KeyError):
        return False


def _shown(code: str) -> str:
    return repr(code) if len(code) <= 20 else f"{code[:20]!r}…"
