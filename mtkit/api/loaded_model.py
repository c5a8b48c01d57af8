"""A model that translates, for Python: `load` and what it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from mtkit.api.given import check_choice, checked_search, checked_texts
from mtkit.engine.interface import EngineName, Precision
from mtkit.errors import UsageError
from mtkit.runs.find import find_model, read_model
from mtkit.translate.account import Account
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.inflection import build_stem
from mtkit.translate.open import open_translator
from mtkit.translate.request import GlossaryMode, OnError, Origin, Request, Source, Translation
from mtkit.translate.term_files import read_glossary
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window, windows

if TYPE_CHECKING:
    from mtkit.translate.translation_memory import TranslationMemory

Terms = str | Path | Mapping[str, str]
"""A glossary: a file, or targets by source."""
MemoryFiles = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Detailed:
    """A translation with what is known about it.

    Attributes:
        text: one line.
        score: log-probability by the length penalty, higher is better; of several sentences their mean by
            length.
        token_scores: log-probability of each token, the end of each sentence included.
        alignment: pairs of a source word and a target word, by number from 0.
        confidence: expected quality, from 0 to 1, if it was asked for.
        alternatives: the next best translations, if `n_best` asks for them.
        notes: remarks, such as that a sentence was too long to be translated in one part.
        origin: `memory` if all of it is from the translation memory; `fuzzy` if the model was given the
            translation of a similar source in the memory; else `model`.
        match: the similarity of this source, from 0 to 1; None without.
    """

    text: str
    score: float
    token_scores: tuple[float, ...]
    alignment: tuple[tuple[int, int], ...]
    confidence: float | None = None
    alternatives: tuple[Detailed, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Origin = "model"
    match: float | None = None


class Model:
    """A trained model that translates; several threads may use it at once. Made by `load`.

    Attributes:
        path: what it was loaded from.
        src_lang: language of its sources; empty for an export without its run.
        tgt_lang: language of its translations.
    """

    def __init__(self, path: Path, opened: Callable[[Request, EngineName], Translator], engine: EngineName):
        self.path = path
        self._opened, self._engine = opened, engine
        self._translator = opened(Request(), engine)
        self._other: Translator | None = None
        self._lock = Lock()
        self.src_lang, self.tgt_lang = self._translator.languages

    def __repr__(self) -> str:
        return f"<mtkit model {self.path}, {self.src_lang} to {self.tgt_lang}>"

    @overload
    def __call__(self, text: str, **options: Any) -> str: ...
    @overload
    def __call__(self, text: Sequence[str], **options: Any) -> list[str]: ...
    def __call__(self, text: str | Sequence[str], **options: Any) -> str | list[str]:
        """`translate` without details."""
        return self.translate(text, **options)

    @overload
    def translate(self, text: str, *, details: Literal[False] = False, **options: Any) -> str: ...
    @overload
    def translate(
        self, text: Sequence[str], *, details: Literal[False] = False, **options: Any
    ) -> list[str]: ...
    @overload
    def translate(self, text: str, *, details: Literal[True], **options: Any) -> Detailed: ...
    @overload
    def translate(self, text: Sequence[str], *, details: Literal[True], **options: Any) -> list[Detailed]: ...
    def translate(
        self,
        text: str | Sequence[str],
        *,
        details: bool = False,
        n_best: int = 1,
        alignment: bool = False,
        confidence: bool = False,
        prefix: str = "",
        glossary: Terms | None = None,
        glossary_mode: GlossaryMode = "auto",
        memory: MemoryFiles | Mapping[str, str] | TranslationMemory | None = None,
        min_match: float | None = None,
        guard: bool = True,
        on_error: OnError = "fail",
        **search: Any,
    ) -> str | list[str] | Detailed | list[Detailed]:
        """The translation of a text, or of each text of a list.

        A text of several lines is translated line by line, and its line feeds stay.

        Args:
            text: one text, or several.
            details: return scores, alignment, alternatives and notes too. Each text must then be one line.
            n_best: the number of translations of each text, with `details`.
            alignment: with `details`, also the word alignment.
            confidence: with `details`, also the expected quality.
            prefix: what each translation begins with.
            glossary: terms to use: a TSV, CSV or TBX file, or targets by source.
            glossary_mode: `soft` writes terms into sources, for a model trained with `data.terms`; `hard`
                constrains the search; `auto` is soft with such a model, then hard where a translation lacks
                a term, and hard with others.
            memory: translations of texts and sentences, which are not searched for: files as `read_memory`
                takes them, translations by source, or what it has read once for many calls.
            min_match: least similarity of the fuzzy matches that a model is given which was trained with
                `data.memory`; 1 for exact matches only.
            guard: search again where a translation looks wrong.
            on_error: at a text that cannot be translated: raise (`fail`), leave it `blank`, or keep the
                `source`.
            search: options of the `decode` section, such as `beam_size=4`.

        Raises:
            UsageError: an option is unknown or invalid, or the engine cannot do what is asked.
            InputError: the glossary or the memory cannot be read, or the model does not know its confidence.
        """
        texts = checked_texts(text, details)
        if min_match is not None and memory is None:
            raise UsageError(f"min_match = {min_match!r}: needs a memory.")
        if not isinstance(n_best, int) or n_best < 1:
            raise UsageError(f"n_best = {n_best!r}: expected a whole number of at least 1.")
        if n_best > 1 and not details:
            raise UsageError(f"n_best = {n_best}: needs details=True, which returns the alternatives.")
        check_choice("on_error", on_error, get_args(OnError))
        check_choice("glossary_mode", glossary_mode, get_args(GlossaryMode))
        request = Request(
            search=checked_search(search),
            n_best=n_best,
            scores=details,
            token_scores=details,
            alignment=details and alignment,
            confidence=details and confidence,
            prefix=prefix,
            glossary=self._glossary(glossary),
            glossary_mode=glossary_mode,
            memory=self._memory(memory, search),
            min_match=min_match,
            guard=guard,
            on_error=on_error,
        )
        if not details:
            lines = [line for one in texts for line in one.split("\n")]
            found = iter([best.text for best, *_ in self._translations(lines, request, Account())])
            plain = ["\n".join(next(found) for _ in one.split("\n")) for one in texts]
            return plain[0] if isinstance(text, str) else plain
        account = Account()
        answers = self._translations(texts, request, account)
        notes: dict[int, list[str]] = {}
        for note in account.notes:
            notes.setdefault(note.number, []).append(note.text)
        detailed = [
            _detailed(found, confidence, tuple(notes.get(at, ()))) for at, found in enumerate(answers)
        ]
        return detailed[0] if isinstance(text, str) else detailed

    async def translate_async(self, text: Any, **options: Any) -> Any:
        """`translate` in a thread, for programs that must not wait for it."""
        return await asyncio.to_thread(lambda: self.translate(text, **options))

    def read_memory(self, files: MemoryFiles, tags: Sequence[str] = ()) -> TranslationMemory:
        """The translation memory in files of the model's languages; of equal sources the last one counts.

        Args:
            files: one or several, TMX, TSV, CSV, JSON lines, XLIFF or PO.
            tags: those of `translate`, which may name another target language.

        Raises:
            InputError: a file cannot be read, or is in other languages.
        """
        from mtkit.translate.input import target_language
        from mtkit.translate.memory_files import read_memory

        paths = [files] if isinstance(files, str | Path) else files
        target = target_language(self._translator, Request(search={"tags": tuple(tags)}))
        languages = self.src_lang, target
        return read_memory(
            [Path(path) for path in paths], languages, self._translator.tokenizer.form.normalize
        )

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The score of each given translation, from pairs of source and translation.

        It is the sum of the log-probabilities of its tokens, divided by their number ^ `length_penalty`, as
        `mtkit score` prints it.
        """
        return [hypothesis.score for hypothesis in self._translator.score(pairs)]

    def _translations(
        self, lines: Sequence[str], request: Request, account: Account
    ) -> list[list[Translation]]:
        def read() -> Any:
            number = 0
            for window in windows(lines):
                sources = [Source(line, at) for at, line in enumerate(window, number)]
                yield Window(sources, lambda found: found)
                number += len(window)

        answers = self._able(request).results(read(), request, account)
        return [found for window in answers for found in window]

    def _able(self, request: Request) -> Translator:
        """A translator that can do what is asked: CTranslate2 cannot do everything."""
        options = self._translator.search_options(request)
        if not self._translator.engine.refusals(options, request.features):
            return self._translator
        with self._lock:
            if self._other is None:
                self._other = self._opened(request, self._engine)
            return self._other

    def _glossary(self, given: Terms | None) -> Glossary | None:
        if given is None:
            return None
        languages = (self.src_lang, self.tgt_lang)
        if isinstance(given, Mapping):
            for src, tgt in given.items():
                if not (src.strip() and tgt.strip()):
                    raise UsageError(f"glossary: the term {src!r}: {tgt!r} has an empty side.")
            return Glossary((Term(*pair) for pair in given.items()), build_stem(self.src_lang))
        return read_glossary(Path(given), languages)

    def _memory(
        self,
        given: MemoryFiles | Mapping[str, str] | TranslationMemory | None,
        search: Mapping[str, Any],
    ) -> TranslationMemory | None:
        if given is None:
            return None
        from mtkit.translate.translation_memory import TranslationMemory

        if isinstance(given, TranslationMemory):
            return given
        if isinstance(given, Mapping):
            return TranslationMemory(given.items(), self._translator.tokenizer.form.normalize)
        return self.read_memory(given, search.get("tags") or ())


def load(
    model: str | Path | None = None,
    *,
    engine: EngineName = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    adapters: Mapping[str | Path, float] | None = None,
) -> Model:
    """The model of a run folder, a model folder, an export or a config file.

    Args:
        model: its path. By default that of $MTKIT_MODEL, of ./mtkit.yaml, or of the newest run under ./runs.
        engine: `ctranslate2`, `native` (PyTorch), or `auto`: CTranslate2 where it can do what is asked.
        device: `auto`, `cpu` or `cuda`.
        precision: `fp32`, `bf16`, `fp16` or `auto`, of the native engine.
        threads: cores to compute with; None for all that this process may use.
        adapters: folders of adapters that are added to the model, each with its weight.

    Raises:
        InputError: there is no usable model, or an adapter belongs to another one.
        UsageError: the device is not there.
    """
    check_choice("engine", engine, get_args(EngineName))
    check_choice("precision", precision, get_args(Precision))
    found = find_model(None if model is None else Path(model))
    added = [(Path(path), weight) for path, weight in (adapters or {}).items()]

    def opened(request: Request, engine: EngineName) -> Translator:
        def of(folder: Path) -> Translator:
            return open_translator(
                folder, request, device, precision, engine, threads=threads, adapters=added
            )

        return read_model(found.run, of)

    return Model(Path(model) if model is not None else found.run, opened, engine)


def _detailed(found: Sequence[Translation], confidence: bool, notes: tuple[str, ...] = ()) -> Detailed:
    best, *others = found
    return Detailed(
        best.text,
        best.score,
        best.token_scores,
        best.links,
        best.confidence if confidence else None,
        tuple(_detailed([other], confidence) for other in others),
        notes,
        best.origin,
        best.match.score if best.match else None,
    )
