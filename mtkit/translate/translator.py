"""Text in, text out, by an engine and the tokenizer of its model. Free of torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, cast

from mtkit.config.stored import replaced
from mtkit.decode.hypothesis import Hypothesis, Inspected
from mtkit.engine.interface import Engine, Inspecting
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import Account
from mtkit.translate.call import Call, Encoded
from mtkit.translate.coverage import Coverage
from mtkit.translate.request import Request, Source, Translation, best_texts
from mtkit.translate.windows import Answer, Pause, Window, windows

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.translate.confidence import Confidence


def _no_estimate() -> Confidence:
    raise InputError("the model does not know how certain its translations are.", "Name another model.")


class Translator:
    """Translates with an engine; several threads may do so at once, each with its own request.

    Args:
        engine: runs the model.
        tokenizer: the one that the model was trained with.
        options: how the model's run searches.
        languages: source and target.
        usual_tags: that each source begins with unless others are asked for.
        sentences_per_pair: the mean of the model's training data; None if it is not known.
        estimate: gives how certain translations are, when that is first asked; raises InputError if the model
            does not know it.
        coverage: opens the lexicon of the model, when that is first asked; gives None if there is none.
        min_match: the least similarity of the matches that the model was trained with; None if it was not.
        reads_terms: the model has learned to use terms in its sources.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        options: DecodeConfig,
        languages: tuple[str, str] = ("", ""),
        usual_tags: Sequence[str] = (),
        sentences_per_pair: float | None = None,
        estimate: Callable[[], Confidence] = _no_estimate,
        coverage: Callable[[], Coverage | None] = lambda: None,
        *,
        min_match: float | None = None,
        reads_terms: bool = False,
    ) -> None:
        self.engine = engine
        self.tokenizer = tokenizer
        self.options = options
        self.languages = languages
        self.usual_tags = tuple(usual_tags)
        self.sentences_per_pair = sentences_per_pair
        self.min_match = min_match
        self.reads_terms = reads_terms
        self._estimate = estimate
        self._coverage = coverage

    @cached_property
    def confidence(self) -> Confidence:
        """How certain translations are.

        Raises:
            InputError: the model does not know it.
        """
        return self._estimate()

    @cached_property
    def coverage(self) -> Coverage | None:
        """Which words of a source and of its translation explain each other.

        Raises:
            InputError: the lexicon of the model is damaged.
        """
        return self._coverage()

    def search_options(self, request: Request) -> DecodeConfig:
        """The model's search options with those of the request in place of its own.

        Raises:
            UsageError: they are invalid.
        """
        if not request.search:
            return self.options
        try:
            return replaced(self.options, request.search)
        except ValueError as error:
            from pydantic import ValidationError

            first = cast(ValidationError, error).errors()[0]
            option = ".".join(("decode", *map(str, first["loc"])))
            raise UsageError(f"{option}: {first['msg'].removeprefix('Value error, ')}") from error

    def translate(
        self, lines: Iterable[str], request: Request | None = None, account: Account | None = None
    ) -> Iterator[str]:
        """Exactly one line for each of `lines`, in order; empty for a blank one. Memory stays constant."""

        def read() -> Iterator[Window[list[str]]]:
            number = 0
            for window in windows(lines):
                yield Window([Source(line, number + place) for place, line in enumerate(window)], best_texts)
                number += len(window)

        for texts in self.results(read(), request, account):
            yield from texts

    def results(
        self,
        windows: Iterable[Window[Answer] | Pause],
        request: Request | None = None,
        account: Account | None = None,
    ) -> Iterator[Answer]:
        """The answer to each window, in order; while one is decoded the next is read and encoded.

        Args:
            windows: what is translated together.
            request: what is asked beside the text.
            account: filled with what is met.

        Raises:
            UsageError: the request is invalid for this model; raised at once, not with the first answer.
            InputError: a line is too long for one part, and the request is strict.
            MtkitError: the engine fails at a line, and the request does not say to continue.
        """
        call = Call(self, request or Request(), account or Account())
        return self._answers(call, windows)

    def _answers(self, call: Call, windows: Iterable[Window[Answer] | Pause]) -> Iterator[Answer]:
        under_way: deque[tuple[Window[Answer], Future[list[list[Translation]]]]] = deque()
        decoding = ThreadPoolExecutor(self.engine.at_once)
        refusal: list[MtkitError] = []

        def answer() -> Answer:
            window, found = under_way.popleft()
            return window.render(found.result())

        try:
            for window in _encoded(call, windows, refusal):
                if not isinstance(window, Pause):
                    under_way.append((window[0], decoding.submit(call.translate, window[1])))
                while len(under_way) > (0 if isinstance(window, Pause) else self.engine.at_once):
                    yield answer()
            while under_way:
                yield answer()
            if refusal:
                raise refusal[0]
        finally:
            decoding.shutdown(wait=False, cancel_futures=True)

    def score(
        self,
        pairs: Sequence[tuple[str, str]],
        request: Request | None = None,
        tags: Sequence[Sequence[str]] | None = None,
    ) -> list[Hypothesis]:
        """Each given translation as a hypothesis of its source, in the tokenizer's own pieces.

        Args:
            pairs: raw source and translation.
            request: its search options count.
            tags: that each source begins with, if not the usual ones.
        """
        call = Call(self, request or Request(), Account())
        return self.engine.score(*self._encoded_pairs(call, pairs, tags), call.options)

    def inspect(
        self, pairs: Sequence[tuple[str, str]], request: Request | None = None, num_likely: int = 3
    ) -> list[tuple[list[int], Inspected]]:
        """The ids of each source, tags first, and what the model makes of the tokens of its translation.

        Args:
            pairs: raw source and translation.
            request: its search options count.
            num_likely: number of most probable tokens of each place.

        Raises:
            UsageError: the engine cannot.
        """
        if not isinstance(self.engine, Inspecting):
            raise UsageError(f"{self.engine.name}: cannot explain a translation.", "Use --engine native.")
        call = Call(self, request or Request(), Account())
        srcs, tgts = self._encoded_pairs(call, pairs)
        return list(zip(srcs, self.engine.inspect(srcs, tgts, call.options, num_likely), strict=True))

    def _encoded_pairs(
        self, call: Call, pairs: Sequence[tuple[str, str]], tags: Sequence[Sequence[str]] | None = None
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The ids of sources, tags first, and of targets."""
        normalize = self.tokenizer.form.normalize
        clean = [(normalize(src), normalize(tgt)) for src, tgt in pairs]
        encoded = self.tokenizer.encode_pairs(clean)
        own = [self.tokenizer.tag_ids(each) for each in tags] if tags else [call.tag_ids] * len(pairs)
        srcs = [[*ids, *src] for ids, (src, _) in zip(own, encoded, strict=True)]
        return srcs, [tgt for _, tgt in encoded]


def _encoded(
    call: Call, windows: Iterable[Window[Answer] | Pause], refusal: list[MtkitError]
) -> Iterator[tuple[Window[Answer], Encoded] | Pause]:
    """Each window encoded, up to one that is refused; `refusal` then holds the reason.

    It is raised only when everything before it is answered.
    """
    try:
        for window in windows:
            yield window if isinstance(window, Pause) else (window, call.encode(window.sources))
    except MtkitError as error:
        refusal.append(error)
