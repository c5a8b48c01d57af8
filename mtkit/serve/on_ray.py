"""`mtkit serve --on ray`: the application on replicas of Ray Serve, on one machine or several.

Ray's proxies listen, one on each machine with a replica, and pass requests on. `Shared` is an actor, so
rates, usage, glossaries and files hold for all replicas together, as with several processes.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from mtkit.cluster import enter_folder, ray_cluster, use_gpus
from mtkit.errors import MtkitError
from mtkit.serve.application import build_app
from mtkit.serve.gate import Gate
from mtkit.serve.listening import address_of, listen
from mtkit.serve.models import Models
from mtkit.serve.queue import MOST_ORDERS
from mtkit.serve.server import WATCH
from mtkit.serve.settings import Settings
from mtkit.serve.shared import Shared
from mtkit.serve.site import Site
from mtkit.serve.supervisor import Link, Worker

logger = logging.getLogger(__name__)

_NAME = "mtkit"  # of the application in Ray Serve


class _RayLink:
    """A replica's way to `Shared`, as `Link` is that of a worker to its parent."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared

    def __getattr__(self, name: str) -> Callable[..., Any]:
        import ray

        return lambda *args: ray.get(getattr(self._shared, name).remote(*args))


def serve_on_ray(
    settings: Settings,
    count: int,
    cores: int,
    device: str,
    open_models: Callable[[], Models],
    ready: Callable[[str], None],
) -> None:
    """Serves until SIGTERM or SIGINT; then requests under way have some seconds.

    Args:
        settings: of the operator.
        count: of replicas.
        cores: of each.
        device: auto, cpu or cuda.
        open_models: opens the models, in each replica.
        ready: called with the address when all serve.

    Raises:
        MtkitError: the address is taken, there is no cluster, or a replica cannot start.
    """
    folder = str(Path.cwd())
    with listen(settings) as listening:  # says at once if the address is taken
        port, address = listening.getsockname()[1], address_of(listening)
    with ray_cluster(count, cores) as ray:
        from ray import serve

        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        gpus = use_gpus(device, count)
        shared = ray.remote(num_cpus=0)(Shared).remote(settings.rate)
        deployment = serve.deployment(
            serve.ingress(lambda: _application(settings, folder, open_models, shared))(),
            name=_NAME,
            num_replicas=count,
            ray_actor_options={"num_cpus": cores, "num_gpus": int(gpus)},
            max_ongoing_requests=2 * MOST_ORDERS,  # the queue refuses what is above its own bound
            max_queued_requests=settings.most_connections,
            graceful_shutdown_timeout_s=settings.drain_seconds,
        )
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        try:
            idle = int(settings.idle_seconds)
            serve.start(http_options={"host": settings.host, "port": port, "keep_alive_timeout_s": idle})
            serve.run(deployment.bind(), name=_NAME)
            ready(address)
            ended.wait()
        except RuntimeError as error:
            raise MtkitError(f"Ray Serve: {' '.join(str(error).split())[:300]}") from error
        finally:
            serve.delete(_NAME)  # others may serve on the same cluster


def _application(settings: Settings, folder: str, open_models: Callable[[], Models], shared: Any) -> Gate:
    """The application in a replica, which looks for new models and reports figures as other servers do."""
    from ray import serve

    enter_folder(folder)
    name = serve.get_replica_context().replica_id.unique_id
    site = Site(open_models(), settings, Worker(name, False, cast(Link, _RayLink(shared))))

    def watch() -> None:
        while True:
            time.sleep(WATCH)
            try:
                site.report()
                site.tally.replacements += site.models.replace(changed_only=True)
            except Exception as error:  # the old models go on
                logger.error("models stay as they were: %s", type(error).__name__)

    threading.Thread(target=watch, daemon=True).start()
    return build_app(site)
