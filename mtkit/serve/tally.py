"""What a server counts, and how Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mtkit import __version__
from mtkit.serve.models import Models
from mtkit.serve.queue import SentenceQueue
from mtkit.serve.shared import Figures

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Tally:
    """Requests by path and status, their times, and characters by language pair.

    Args:
        worker: the label of this process, if there are several.
    """

    def __init__(self, worker: str = "") -> None:
        self.worker = worker
        self.requests: Counter[tuple[str, int]] = Counter()
        self.characters: Counter[tuple[str, str]] = Counter()
        self.replacements = 0
        self._times = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts a request that is answered."""
        self.requests[path, status] += 1
        self._times[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds

    def figures(self, queue: SentenceQueue, models: Models) -> Figures:
        """All figures, with those of the queue."""
        counts, plain = queue.counts, self._plain
        languages = [
            ({"src": src, "tgt": tgt, "run": one.model.name, "engine": one.model.engine_name}, 1)
            for (src, tgt), one in models.directions.items()
        ]
        requests = [({"path": path, "status": str(code)}, n) for (path, code), n in self.requests.items()]
        characters = [({"src": src, "tgt": tgt}, n) for (src, tgt), n in self.characters.items()]
        return dict(
            [
                self._metric("mtkit_info", "gauge", "Version.", [({"version": __version__}, 1)]),
                self._metric("mtkit_model_info", "gauge", "Models by language pair.", languages),
                self._metric("mtkit_requests_total", "counter", "Requests by path and status.", requests),
                self._histogram(),
                self._metric("mtkit_characters_total", "counter", "Characters of sources.", characters),
                plain("mtkit_replacements_total", "counter", "Models replaced.", self.replacements),
                plain("mtkit_orders_total", "counter", "Requests that the queue took.", counts.orders),
                plain("mtkit_orders_refused_total", "counter", "Requests above its bound.", counts.refused),
                plain("mtkit_orders_cancelled_total", "counter", "Clients that left.", counts.cancelled),
                plain("mtkit_orders_open", "gauge", "Requests under way.", queue.open_orders),
                plain("mtkit_waiting_tokens", "gauge", "Source tokens waiting.", queue.waiting_tokens),
                plain("mtkit_batches_total", "counter", "Batches decoded.", counts.batches),
                plain("mtkit_sentences_total", "counter", "Sentences decoded.", counts.sentences),
                plain("mtkit_tokens_total", "counter", "Source tokens decoded.", counts.tokens),
                plain("mtkit_failures_total", "counter", "Sentences the engine failed at.", counts.failures),
                plain("mtkit_decoding_seconds_total", "counter", "Time of all threads.", counts.seconds),
            ]
        )  # fmt: skip

    def _histogram(self) -> tuple[str, str]:
        name, total, rows = "mtkit_request_seconds", 0, ""
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._times, strict=True):
            total += count
            rows += self._row(f"{name}_bucket", {"le": bound}, total)
        rows += self._row(f"{name}_sum", {}, self._seconds) + self._row(f"{name}_count", {}, total)
        return f"# HELP {name} Time to the answer.\n# TYPE {name} histogram\n", rows

    def _plain(self, name: str, kind: str, text: str, value: float) -> tuple[str, str]:
        return self._metric(name, kind, text, [({}, value)])

    def _metric(
        self, name: str, kind: str, text: str, rows: Iterable[tuple[Mapping[str, str], float]]
    ) -> tuple[str, str]:
        head = f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        return head, "".join(self._row(name, labels, value) for labels, value in rows)

    def _row(self, name: str, labels: Mapping[str, str], value: float) -> str:
        own = {**labels, "worker": self.worker} if self.worker else labels
        inside = ",".join(f'{key}="{_escaped(label)}"' for key, label in own.items())
        shown = f"{value:.6f}" if isinstance(value, float) else str(value)
        return f"{name}{f'{{{inside}}}' if inside else ''} {shown}\n"


def shown(processes: Sequence[Figures]) -> str:
    """The figures of all processes as one page."""
    heads = dict.fromkeys(head for one in processes for head in one)
    return "".join(head + "".join(one.get(head, "") for one in processes) for head in heads)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
