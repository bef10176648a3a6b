"""compose.yaml, as far as it can be checked without an engine."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
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
    assert "--unset=PROMETHEUS_MULTIPROC_DIR" in SERVICES["worker"]["healthcheck"]["test"]


def test_every_container_of_ours_reads_every_setting() -> None:
    for name in ("migrate", "api", "worker"):
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
