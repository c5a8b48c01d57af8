"""What a server counts, and how Prometheus reads it (text format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

from mtkit import __version__
from mtkit.serve.models import Models
from mtkit.serve.queue import SentenceQueue

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Tally:
    """Requests by path and status, their times, and characters by language pair."""

    def __init__(self) -> None:
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

    def shown(self, queue: SentenceQueue, models: Models) -> str:
        """All figures, with those of the queue."""
        counts = queue.counts
        return "".join(
            (
                _metric("mtkit_info", "gauge", "Version.", [({"version": __version__}, 1)]),
                _metric(
                    "mtkit_model_info",
                    "gauge",
                    "Models by language pair.",
                    [
                        ({"src": src, "tgt": tgt, "run": one.model.name, "engine": one.model.engine_name}, 1)
                        for (src, tgt), one in models.directions.items()
                    ],
                ),
                _metric(
                    "mtkit_requests_total",
                    "counter",
                    "Requests by path and status.",
                    [({"path": path, "status": str(code)}, n) for (path, code), n in self.requests.items()],
                ),
                self._histogram(),
                _metric(
                    "mtkit_characters_total",
                    "counter",
                    "Characters of sources.",
                    [({"src": src, "tgt": tgt}, n) for (src, tgt), n in self.characters.items()],
                ),
                _plain("mtkit_replacements_total", "counter", "Models replaced.", self.replacements),
                _plain("mtkit_orders_total", "counter", "Requests that the queue took.", counts.orders),
                _plain("mtkit_orders_refused_total", "counter", "Requests above its bound.", counts.refused),
                _plain("mtkit_orders_cancelled_total", "counter", "Clients that left.", counts.cancelled),
                _plain("mtkit_orders_open", "gauge", "Requests under way.", queue.open_orders),
                _plain("mtkit_waiting_tokens", "gauge", "Source tokens waiting.", queue.waiting_tokens),
                _plain("mtkit_batches_total", "counter", "Batches decoded.", counts.batches),
                _plain("mtkit_sentences_total", "counter", "Sentences decoded.", counts.sentences),
                _plain("mtkit_tokens_total", "counter", "Source tokens decoded.", counts.tokens),
                _plain("mtkit_failures_total", "counter", "Sentences the engine failed at.", counts.failures),
                _plain("mtkit_decoding_seconds_total", "counter", "Time of all threads.", counts.seconds),
            )
        )

    def _histogram(self) -> str:
        name, total, rows = "mtkit_request_seconds", 0, []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._times, strict=True):
            total += count
            rows.append(f'{name}_bucket{{le="{bound}"}} {total}\n')
        head = f"# HELP {name} Time to the answer.\n# TYPE {name} histogram\n"
        return f"{head}{''.join(rows)}{name}_sum {self._seconds:.6f}\n{name}_count {total}\n"


def _plain(name: str, kind: str, text: str, value: float) -> str:
    return _metric(name, kind, text, [({}, value)])


def _metric(name: str, kind: str, text: str, rows: Iterable[tuple[Mapping[str, str], float]]) -> str:
    lines = [f"# HELP {name} {text}\n# TYPE {name} {kind}\n"]
    for labels, value in rows:
        inside = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        lines.append(f"{name}{f'{{{inside}}}' if inside else ''} {value:g}\n" if isinstance(value, float)
                     else f"{name}{f'{{{inside}}}' if inside else ''} {value}\n")  # fmt: skip
    return "".join(lines)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
