"""compose.yaml, as far as it can be checked without an engine."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]


def test_secrets_have_no_default() -> None:
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD"):
        assert f"${{{name}:?" in TEXT
        assert f"${{{name}:-" not in TEXT
        assert f"${{{name}}}" not in TEXT


@pytest.mark.parametrize("name", ["api", "worker"])
def test_what_serves_does_not_know_the_owner(name: str) -> None:
    environment = SERVICES[name]["environment"]
    assert environment["DATABASE_ADMIN_URL"] == ""
    assert "relampago_owner" not in str(environment)
    assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_every_file_it_mounts_is_there() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount.startswith("./")]
    assert mounts
    for mount in mounts:
        assert (ROOT / mount.partition(":")[0]).is_file()


def test_every_port_is_on_the_loopback() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_serves_counts_in_one_folder() -> None:
    """And the others elsewhere: each process leaves a file."""
    folders = {
        name: service.get("environment", {}).get("PROMETHEUS_MULTIPROC_DIR") for name, service in SERVICES.items()
    }
    folder = folders["api"]
    assert folder
    assert {name for name, each in folders.items() if each is not None} == {"api", "worker"}
    assert folders["worker"] == folder
    assert all(f"metrics:{folder}" in SERVICES[name]["volumes"] for name in ("api", "worker"))


def test_every_container_of_ours_reads_every_setting() -> None:
    for name in ("migrate", "api", "worker"):
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]


def test_what_a_worker_writes_is_not_on_the_read_only_root() -> None:
    """Its heartbeat's file, beside the folder of pictures: without it the worker takes no job, and is never well."""
    (media,) = [each.default for each in msgspec.structs.fields(Settings) if each.name == "media_root"]
    run = f"/srv/relampago/{Path(media).parent / 'run'}"
    assert SERVICES["worker"]["read_only"] is True
    assert run in SERVICES["worker"]["tmpfs"]
    # A tmpfs takes the mode of the folder that it covers, and is root's.
    assert f"install -d -m 1777 {run}\n" in CONTAINERFILE


def test_the_base_can_be_another_and_is_pinned() -> None:
    assert re.findall(r"^ARG BASE=(\S+)$", CONTAINERFILE, re.MULTILINE) == [
        "docker.io/library/python:3.11.14-slim-bookworm"
    ]
    assert re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE) == ["${BASE}", "${BASE}"]
    images = [service["image"] for service in SERVICES.values()]
    assert all(re.search(r":[\w.-]+$", image) and not image.endswith(":latest") for image in images)


def test_the_last_stage_is_nobody_special() -> None:
    stage = CONTAINERFILE.rpartition("FROM ")[2]
    assert re.findall(r"^USER (\S+)$", stage, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^CMD .*exec python -m app\.serving", stage, re.MULTILINE)
    assert "HEALTHCHECK" in stage
    assert "COPY --from=packages" in stage


def test_nothing_but_what_runs_is_in_the_image() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = {name for line in copied for name in line.split()[:-1]}
    assert ignored[0] == "*"
    assert sources == {line[1:].partition("/")[0] for line in ignored if line.startswith("!")}
    for line in ignored:
        assert not line.startswith("!") or (ROOT / line[1:]).exists()


def test_the_script_that_builds_it_is_a_script() -> None:
    """It is read by the shell, and it builds our file with a base that is its own."""
    script = ROOT / "docs" / "deploy" / "build-image.sh"
    assert os.access(script, os.X_OK)
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert (done.returncode, done.stderr) == (0, "")
    text = script.read_text(encoding="utf-8")
    assert '--build-arg "BASE=$BASE"' in text
    assert "--format docker" in text, "another format has no healthcheck"
