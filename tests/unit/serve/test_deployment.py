"""The examples for Compose, Kubernetes and systemd: each is valid, safe, and asks for what the server has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import typer
import yaml

from mtkit.cli.commands import app
from mtkit.serve.settings import Settings
from tests.support.corpora import REPOSITORY
from tests.support.servers import LocalSite

COMPOSE, KUBERNETES, UNIT = (
    (REPOSITORY / f"scripts/mtkit-serve.{kind}").read_text("utf-8")
    for kind in ("compose.yaml", "kubernetes.yaml", "service")
)
(SERVICE,) = yaml.safe_load(COMPOSE)["services"].values()
DEPLOYMENT, CLUSTER_SERVICE = yaml.safe_load_all(KUBERNETES)
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[LocalSite]:
    site = LocalSite(host="0.0.0.0", is_open=True, per_minute=1.0)
    yield site
    site.site.close()


def options_of(args: Sequence[str]) -> dict[str, Any]:
    """What the command line makes of the arguments of `mtkit`."""
    program: Any = typer.main.get_command(app)
    found: dict[str, Any] = program.commands[args[0]].make_context("serve", list(args[1:])).params
    return found


@pytest.mark.parametrize(
    "args",
    [
        SERVICE["command"],
        CONTAINER["args"],
        *(shlex.split(line)[1:] for line in re.findall(r"^Exec\w+=(\S+/mtkit .*)$", UNIT, re.MULTILINE)),
    ],
    ids=["compose", "kubernetes", "check", "unit"],
)
def test_commands_are_those_of_the_server(args: Sequence[str]) -> None:
    options = options_of(args)
    assert all(path.is_absolute() for path in options["model"])
    if options["host"] != Settings().host:
        assert str(options["api_keys"]) == "/keys/keys.txt"


def test_cores_and_memory_are_bounded_and_suffice() -> None:
    workers = options_of(SERVICE["command"])["workers"]
    assert SERVICE["cpus"] >= workers
    assert SERVICE["mem_limit"] == "1g"
    limits, requests = (CONTAINER["resources"][kind] for kind in ("limits", "requests"))
    assert int(limits["cpu"]) >= options_of(CONTAINER["args"])["workers"]
    assert (requests["memory"], limits["memory"]) == ("512Mi", "1Gi")


def test_probes_ask_what_the_server_answers_without_a_key_or_a_rate(site: LocalSite) -> None:
    port = options_of(CONTAINER["args"])["port"]
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": port}]
    for kind in ("startup", "readiness", "liveness"):
        asked = CONTAINER[f"{kind}Probe"]["httpGet"]
        assert asked["port"] == "http"
        for _ in range(20):
            assert site.call("GET", asked["path"], headers={"host": f"10.1.2.3:{port}"}).status == 200
    (url,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", " ".join(SERVICE["healthcheck"]["test"]))
    assert url == (str(port), CONTAINER["livenessProbe"]["httpGet"]["path"])
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_other_containers_know_the_name_of_the_server() -> None:
    (name,) = yaml.safe_load(COMPOSE)["services"]
    assert options_of(SERVICE["command"])["allow_host"] == [name]
    assert options_of(CONTAINER["args"])["allow_host"] == [CLUSTER_SERVICE["metadata"]["name"]]
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert CLUSTER_SERVICE["spec"]["selector"] == labels == DEPLOYMENT["spec"]["selector"]["matchLabels"]


def test_nothing_may_be_written_or_gained() -> None:
    assert (SERVICE["read_only"], SERVICE["cap_drop"]) == (True, ["ALL"])
    assert all(volume.endswith(":ro") for volume in SERVICE["volumes"])
    rights = CONTAINER["securityContext"]
    assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert POD["securityContext"]["runAsNonRoot"]
    assert POD["securityContext"]["runAsUser"] > 0
    assert all(mount["readOnly"] for mount in CONTAINER["volumeMounts"])
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {one["name"] for one in POD["volumes"]}


def test_there_is_time_to_end() -> None:
    """More than the five seconds for requests under way."""
    assert int(SERVICE["stop_grace_period"].removesuffix("s")) > 5
    waited = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > waited + 5
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)[0]) > 5
