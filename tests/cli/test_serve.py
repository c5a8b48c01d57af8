"""`mtkit serve` as a process, with a small model that is not trained."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.cores import num_cores
from tests.support.browser import Tab, browser, find_browser
from tests.support.commands import mtkit
from tests.support.fakes import export_unchecked, make_tiny_run
from tests.support.servers import Serving, serving

TEXTS = [
    "the cat sat on the mat",
    "a dog ran. the cat sat on the mat! a dog?",
    "",
    "  the   mat \t",
    "the cat http://a.b/c %s {x} <b>dog</b>",
    "好 a dog \U0001f600",
    "1. the cat\r",
    "a " * 400,
]


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its export."""
    folder = tmp_path_factory.mktemp("serve")
    make_tiny_run(folder)
    export_unchecked(folder / "runs/tiny/model", folder / "runs/tiny/export/ctranslate2", "int8")
    return folder


@pytest.fixture(name="server", scope="module")
def _server(folder: Path) -> Serving:  # type: ignore[misc]
    with serving(folder, "-m", "runs/tiny", "--engine", "ctranslate2") as server:
        yield server


def run(folder: Path, *args: str, text: str = "") -> Result:
    """One call of the command in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(app, args, text.encode())


def test_answers_are_those_of_the_command(server: Serving, folder: Path) -> None:
    told = mtkit(
        "-q", "translate", "-m", "runs/tiny", cwd=folder, input="".join(f"{text}\n" for text in TEXTS)
    )
    expected = told.stdout.split("\n")[:-1]
    assert len(expected) == len(TEXTS)
    answer = server.post("/translate", {"q": TEXTS, "source": "en", "target": "fr"}).json
    assert answer["translatedText"] == expected
    with ThreadPoolExecutor(8) as clients:
        each = clients.map(
            lambda text: server.post("/translate", {"q": text, "source": "en", "target": "fr"}).json,
            TEXTS * 4,
        )
        assert [one["translatedText"] for one in each] == expected * 4
    whole = server.post("/translate", {"q": "\n".join(TEXTS), "source": "en", "target": "fr"}).json
    assert whole["translatedText"] == "\n".join(expected)


def test_alternatives_are_those_of_the_command(server: Serving, folder: Path) -> None:
    args = ("-q", "translate", "-m", "runs/tiny", "--n-best", "3", "--beam-size", "3")
    told = run(folder, *args, text="the cat sat\n")
    expected = [line.split(" ||| ")[1] for line in told.stdout.splitlines()]
    asked = {"q": "the cat sat", "source": "en", "target": "fr", "alternatives": 2}
    answer = server.post("/translate", asked).json
    assert [answer["translatedText"], *answer["alternatives"]] == expected


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<!doctype html><p title='a dog'>the <b>cat</b> sat.</p><script>x = 1</script>"),
        ("a.md", b"# the cat\r\n\n- a *dog* `ran`\n"),
        ("a.txt", b"the cat\r\na dog\xff\n\nthe mat"),
        ("a.jsonl", b'{"text": "the cat", "id": 7}\n'),
    ],
)
def test_files_are_those_of_the_command(server: Serving, folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    told = run(folder, "-q", "translate", "-m", "runs/tiny", "-i", name, "-o", f"out-{name}")
    assert told.exit_code == 0, told.stderr
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    rest = "".join(
        f'\r\n--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}'
        for key, value in {"source": "en", "target": "fr"}.items()
    )
    body = head + data + f"{rest}\r\n--b--\r\n".encode()
    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = server.call("POST", "/translate_file", body, headers=kind)
    url = answer.json["translatedFileUrl"]
    assert server.call("GET", url[url.index("/download") :]).body == (folder / f"out-{name}").read_bytes()
    if name == "a.html":
        asked = {"q": data.decode(), "source": "en", "target": "fr", "format": "html"}
        found = server.post("/translate", asked).json["translatedText"]
        assert found.encode() == (folder / "out-a.html").read_bytes()


def test_no_torch_is_loaded(server: Serving) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    assert "libtorch" not in maps.read_text()


def test_texts_are_in_no_log(server: Serving) -> None:
    for values in (
        {"q": "the secret cat", "source": "en", "target": "fr"},
        {"q": "secret", "target": "secret"},
    ):
        server.post("/translate", values)
    server.call("GET", "/secret?q=secret")
    server.call("GET", "/MTRestService/TranslateJson?input=secret&srcLangCode=en&trgLangCode=fr")
    server.call("GET", "/", headers={"Host": "secret"})
    log = server.log.read_text("utf-8")
    assert "POST /translate 200" in log
    assert "secret" not in log


def test_it_answers_while_others_are_slow(server: Serving) -> None:
    """Open connections that send no headers, or a part of them, are no hindrance."""
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for number, one in enumerate(slow):
            one.sendall(b"POST /translate HTTP/1.1\r\nHost: localhost\r\n"[: number % 40])
        assert server.post("/translate", {"q": "the cat", "source": "en", "target": "fr"}).status == 200
    finally:
        for one in slow:
            one.close()


def test_a_new_export_is_served_and_a_damaged_one_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs", tmp_path / "runs")
    export = tmp_path / "runs/tiny/export/ctranslate2"
    asked = {"q": "the cat sat on the mat", "source": "en", "target": "fr"}
    with serving(tmp_path, "-m", "runs/tiny") as server:
        before = server.post("/translate", asked).json

        def told(what: str) -> None:
            server.process.send_signal(signal.SIGHUP)
            end = time.monotonic() + 20
            while what not in server.log.read_text("utf-8"):
                assert time.monotonic() < end, server.log.read_text("utf-8")
                time.sleep(0.02)

        whole = (export / "model.bin").read_bytes()
        (export / "model.bin").unlink()
        (export / "model.bin").write_bytes(whole[:-9] + bytes(9))
        told("stays as it was, since the new one is refused")
        assert server.post("/translate", asked).json == before
        (export / "model.bin").write_bytes(whole)
        told("runs/tiny: replaced.")
        assert server.post("/translate", asked).json == before


def test_sigterm_lets_requests_end(folder: Path) -> None:
    with serving(folder, "-m", "runs/tiny") as server:
        asked = {"q": ["the cat sat on the mat. a dog ran. " * 30], "source": "en", "target": "fr"}
        found: list[int] = []
        client = threading.Thread(target=lambda: found.append(server.post("/translate", asked).status))
        client.start()
        end = time.monotonic() + 20
        while b"mtkit_orders_open 1" not in server.call("GET", "/metrics").body and not found:
            assert time.monotonic() < end
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        client.join()
        assert found in ([200], [503])


def test_other_machines_need_a_decision(folder: Path) -> None:
    told = run(folder, "serve", "-m", "runs/tiny", "--host", "0.0.0.0")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "Set --api-keys FILE to ask for a key, or --open" in told.stderr
    assert run(folder, "serve", "-m", "runs/tiny", "--cors", "example.org").exit_code == 2
    assert run(folder, "serve", "-m", "runs/tiny", "--port", "70000").exit_code == 2


def test_keys_are_made_and_asked_for(folder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    key = run(folder, "serve", "keys", "add", "alice", "--api-keys", str(keys)).stdout.strip()
    assert key not in keys.read_text()
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    again = run(folder, "serve", "keys", "add", "alice", "--api-keys", str(keys))
    assert (again.exit_code, "alice has a key" in again.stderr) == (2, True)
    asked = {"q": "the cat", "source": "en", "target": "fr"}
    with serving(folder, "-m", "runs/tiny", "--host", "0.0.0.0", "--api-keys", str(keys)) as server:
        assert server.post("/translate", asked).status == 403
        assert server.post("/translate", asked | {"api_key": f"{key}x"}).status == 403
        assert server.post("/translate", asked | {"api_key": key}).status == 200
        assert server.post("/translate", asked, headers={"Authorization": f"Bearer {key}"}).status == 200
        long = asked | {"q": "1 " * 2600}  # nothing to translate in it
        assert server.post("/translate", long, headers={"Authorization": f"Bearer {key}"}).status == 200
        assert key not in server.log.read_text("utf-8")


def test_check_tries_each_direction(folder: Path) -> None:
    told = run(folder, "serve", "--check", "-m", "runs/tiny")
    assert (told.exit_code, told.stdout) == (0, "en\tfr\ttiny\n")
    (folder / "m.tsv").write_text("fr\ten\nle chat\tthe cat\n", "utf-8")
    told = run(folder, "serve", "--check", "-m", "runs/tiny", "--memory", "m.tsv")
    assert "memory: 1 entries from en to fr" in told.stderr
    (folder / "m.tsv").write_text("de\ten\ndie Katze\tthe cat\n", "utf-8")
    refused = run(folder, "serve", "--check", "-m", "runs/tiny", "--memory", "m.tsv")
    assert (refused.exit_code, "m.tsv: has no translation from en to fr" in refused.stderr) == (3, True)
    twice = run(folder, "serve", "--check", "-m", "runs/tiny", "-m", "tiny.yaml")
    assert twice.exit_code == 2
    assert "translates en to fr, as" in twice.stderr
    assert run(folder, "serve", "-m", "nothing").exit_code == 3


@pytest.mark.parametrize(
    ("quota", "workers", "expected"),
    [
        ("150000 100000", 1, "1 worker of 1 thread"),
        ("400000 100000", 1, "4 workers of 1 thread"),
        ("400000 100000", 2, "2 workers of 1 thread"),
        ("100000 100000", 2, "1 worker of 1 thread"),
        ("max 100000", 4, "2 workers of 1 thread"),
    ],
)
def test_threads_follow_the_control_group(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quota: str,
    workers: int,
    expected: str,
) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(num_cores, "__defaults__", (tmp_path,))
    told = run(folder, "serve", "--check", "-m", "runs/tiny", "--workers", str(workers))
    assert (told.exit_code, told.stdout) == (0, "en\tfr\ttiny\n")
    assert f"on cpu, {expected})" in told.stderr


def test_a_taken_port_is_said(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = run(folder, "serve", "-m", "runs/tiny", "--port", port)
    assert told.exit_code == 1
    assert f"127.0.0.1 port {port}: cannot listen there" in told.stderr


def test_a_client_that_leaves_is_cancelled(server: Serving) -> None:
    body = json.dumps(
        {"q": ["the cat sat on the mat. a dog ran. " * 140] * 120, "source": "en", "target": "fr"}
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        head = f"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        end = time.monotonic() + 20
        while b"mtkit_orders_open 0" in server.call("GET", "/metrics").body:
            assert time.monotonic() < end
    while b"mtkit_orders_cancelled_total 1" not in server.call("GET", "/metrics").body:
        assert time.monotonic() < end
    assert server.post("/translate", {"q": "the cat", "source": "en", "target": "fr"}).status == 200


def becomes(tab: Tab, expression: str) -> None:
    """Waits until an expression in the page is true."""
    end = time.monotonic() + 20
    while not tab.value(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


def watch_drafts(tab: Tab) -> None:
    """Switches live mode on, and keeps every translation shown in `seen`."""
    tab.value(
        "(globalThis.seen = [], new MutationObserver(() => seen.push(document.getElementById('result')"
        ".textContent)).observe(document.getElementById('result'), {childList: true}),"
        " document.getElementById('live').click(), document.getElementById('text').focus())"
    )


@pytest.mark.skipif(find_browser() is None, reason="needs Chromium")
def test_the_page_in_a_real_browser(server: Serving, tmp_path: Path) -> None:
    asked = {"q": "the cat sat", "source": "en", "target": "fr"}
    expected = json.dumps(server.post("/translate", asked).json["translatedText"])
    with browser(tmp_path) as tab:
        for width, dark in ((1280, False), (390, True)):
            tab.visit(f"http://127.0.0.1:{server.port}/", width, dark=dark)
            becomes(tab, "document.getElementById('target').value === 'fr'")
            tab.value("document.getElementById('text').focus()")
            tab.call("Input.insertText", text="the cat sat")
            becomes(tab, f"document.getElementById('result').textContent === {expected}")
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value("getComputedStyle(document.body).backgroundColor") == (
                "rgb(18, 24, 30)" if dark else "rgb(255, 255, 255)"
            )
        watch_drafts(tab)
        words = ["the", "cat", "sat", "on", "the", "mat", "a", "dog", "ran", "on", "the", "mat"]
        for number in range(len(words)):
            tab.call("Input.insertText", text=f" {words[number]} ")
            becomes(tab, f"seen.length >= {min(number, 3)}")
        asked |= {"q": "the cat sat" + "".join(f" {word} " for word in words)}
        expected = json.dumps(server.post("/translate", asked).json["translatedText"])
        becomes(tab, f"document.getElementById('result').textContent === {expected}")
        assert tab.value("document.getElementById('result').getAttribute('aria-busy')") == "false"
        assert tab.value("seen.filter((text) => text.endsWith(' …')).length") >= 3
        assert tab.complaints == []
        assert {url.split("/")[2] for url in tab.requests} == {f"127.0.0.1:{server.port}"}
