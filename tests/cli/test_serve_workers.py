"""`mtkit serve --workers`: processes that share a port, one of which is killed."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.support.commands import mtkit
from tests.support.fakes import export_unchecked, make_tiny_run
from tests.support.servers import Serving, serving

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")

ASKED = {"q": "the cat sat on the mat", "source": "en", "target": "fr"}
GLOSSARY = {"name": "n", "source_lang": "en", "target_lang": "fr", "entries": "cat\tchat"}


def workers_of(server: Serving) -> list[int]:
    """The processes under a server's parent."""
    pid = server.process.pid
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def becomes(condition: Callable[[], bool], server: Serving) -> None:
    """Waits until something is so."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, server.log.read_text("utf-8")
        time.sleep(0.02)


@contextmanager
def only(server: Serving, pid: int) -> Iterator[None]:
    """Stops all workers but one, so that it has to answer."""
    others = [other for other in workers_of(server) if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    make_tiny_run(folder)
    export_unchecked(folder / "runs/tiny/model", folder / "runs/tiny/export/ctranslate2", "int8")
    return folder


@pytest.fixture(name="server", scope="module")
def _server(folder: Path) -> Iterator[Serving]:
    with serving(folder, "-m", "runs/tiny", "--workers", "2", "--rate", "600") as server:
        yield server
    assert server.process.returncode == 0


def test_each_worker_translates_as_the_command(server: Serving, folder: Path) -> None:
    told = mtkit("-q", "translate", "-m", "runs/tiny", cwd=folder, input=f"{ASKED['q']}\n")
    first, second = workers_of(server)
    for pid in (first, second):
        with only(server, pid):
            assert server.post("/translate", ASKED).json["translatedText"] == told.stdout.rstrip("\n")


def test_what_one_worker_keeps_another_one_knows(server: Serving) -> None:
    first, second = workers_of(server)
    head = '--b\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    parts = (("source", "", "en"), ("target", "", "fr"), ("file", '; filename="a.txt"', "the cat\n"))
    body = ("".join(head.format(*part) for part in parts) + "--b--\r\n").encode()
    kind = {"content-type": "multipart/form-data; boundary=b"}
    with only(server, first):
        before = server.post("/v2/usage", {}).json["character_count"]
        server.post("/translate", ASKED)
        made = server.post("/v2/glossaries", GLOSSARY).json["glossary_id"]
        url = server.call("POST", "/translate_file", body, headers=kind).json["translatedFileUrl"]
    with only(server, second):
        assert server.post("/v2/usage", {}).json["character_count"] >= before + len(ASKED["q"])
        assert server.call("GET", f"/v2/glossaries/{made}/entries").body == b"cat\tchat"
        assert server.call("DELETE", f"/v2/glossaries/{made}").status == 204
        assert server.call("GET", url[url.index("/download") :]).status == 200
    with only(server, first):
        assert server.call("GET", f"/v2/glossaries/{made}").status == 404


def test_metrics_show_each_worker(server: Serving) -> None:
    def counted() -> dict[str, str]:
        page = server.call("GET", "/metrics").body.decode()
        assert len(re.findall("^# TYPE mtkit_requests_total", page, re.M)) == 1
        return dict(re.findall(r'^mtkit_orders_total\{worker="(\d)"\} (\d+)$', page, re.M))

    first, second = workers_of(server)
    for pid in (first, second):
        with only(server, pid):
            before = counted()
            server.post("/translate", ASKED)
            after = counted()
        assert set(before) == {"1", "2"}
        assert sorted(int(after[name]) - int(before[name]) for name in after) == [0, 1]


def test_a_signal_to_open_models_again_reaches_all(server: Serving) -> None:
    before = server.log.read_text("utf-8").count("runs/tiny: replaced.")
    server.process.send_signal(signal.SIGHUP)
    becomes(lambda: server.log.read_text("utf-8").count("runs/tiny: replaced.") == before + 2, server)


def test_a_worker_that_is_killed_is_replaced_and_the_other_one_answers(server: Serving) -> None:
    first, second = workers_of(server)
    answers: list[tuple[float, int]] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            begin = time.monotonic()
            try:
                answers.append((begin, server.post("/translate", ASKED).status))
            except (OSError, HTTPException):  # what the killed worker had begun
                answers.append((begin, 0))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    becomes(lambda: len(answers) >= 20, server)
    killed = time.monotonic()
    os.kill(first, signal.SIGKILL)
    becomes(lambda: len(workers_of(server)) == 2 and first not in workers_of(server), server)
    is_over.set()
    for client in clients:
        client.join()
    assert 200 in [status for begin, status in answers if begin > killed]
    assert sum(status != 200 for _, status in answers) <= len(clients)
    assert second in workers_of(server)
    (new,) = set(workers_of(server)) - {second}
    assert "worker 1 ended by signal 9. Starting a new one" in server.log.read_text("utf-8")
    with only(server, new):
        assert server.post("/translate", ASKED).status == 200


@pytest.mark.slow
def test_the_rate_holds_for_all_and_one_that_hangs_does_not_hinder_the_end(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "runs").symlink_to(folder / "runs")
    with serving(tmp_path, "-m", "runs/tiny", "--workers", "2", "--rate", "1") as server:
        statuses = []
        for pid in workers_of(server):
            with only(server, pid):
                statuses += [server.post("/translate", ASKED).status for _ in range(6)]
        assert (statuses.count(200), statuses.count(429)) == (10, 2)
        pids = workers_of(server)
        os.kill(pids[1], signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.slow
def test_workers_end_with_their_parent(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(folder / "runs")
    with serving(tmp_path, "-m", "runs/tiny", "--workers", "2") as server:
        pids = workers_of(server)
        server.process.kill()
        becomes(lambda: not any(_is_alive(pid) for pid in pids), server)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may not be buried by its new parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_hinders_the_first_worker_is_said_once(folder: Path) -> None:
    told = mtkit("serve", "--port", "0", "-m", "nothing", "--workers", "3", cwd=folder)
    assert told.returncode == 3
    assert told.stderr.count("nothing") == 1
