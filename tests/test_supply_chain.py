"""What the project stands on: versions without the known holes, locks with digests, assets as they were published."""

import hashlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.sources import ROOT

GOAL = "every regular expression of the code within 50 ms on 50 kB; versions without known holes; locks with digests"
pytestmark = [pytest.mark.shows("S14"), pytest.mark.goal("S14", GOAL, "checks of versions, locks and assets")]
LOCKS = ("requirements.lock", "requirements-dev.lock", "src/launcher/installer.lock")
# The first version without the advisories beside it.
MINIMUM = {
    # CVE-2024-32982, CVE-2024-52581, CVE-2025-59152, CVE-2026-25478, -25479, -25480, -48060, PYSEC-2026-2603
    "litestar": "2.25.0",
    # CVE-2026-28356: a header that takes forever
    "multipart": "1.3.1",
    # CVE-2025-43859: lenient chunk endings
    "h11": "0.16.0",
    # CVE-2020-7694, CVE-2020-7695: log injection, response splitting
    "uvicorn": "0.11.7",
    # CVE-2020-17446: arrays of a malicious server
    "asyncpg": "0.21.0",
    # CVE-2017-11424, CVE-2022-29217, CVE-2024-53861, CVE-2026-32597, -48523, -48526, -101918, -102266 to -102275
    "pyjwt": "2.15.1",
}
# Of packages that must not come in by the back door: their holes are theirs, and nothing here needs them.
UNWANTED = {"starlette", "granian", "djangorestframework-simplejwt", "python-jose", "python-multipart"}
ASSETS = {
    "redoc/LICENSE": "d3026d549cf68ab7355bcfa85877bf8f845b3334a7efbfdc63936432fb34ff0e",
    "redoc/redoc.standalone.js": "e3d4361ba4ecdba1fad6ff3c627ef1e2563d78c02fbadb8e38572accac6a2acc",
    "redoc/redoc.standalone.js.LICENSE.txt": "eed602ec32e00b2b9df1984fbcc26a687b1b3193ec01961389c4b8439e6edf73",
    "swagger-ui/LICENSE": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "swagger-ui/NOTICE": "0d20d1adef18aee3f40dd258172155521ce702ac445cb5f7b7d60ed32dad2fb2",
    "swagger-ui/swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui/swagger-ui-bundle.js.LICENSE.txt": "37eb6e7e59aed57b2c1acf076574b818ea07b74265717e0bd67b59e0baf9abbb",
    "swagger-ui/swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


def entries(lock: str) -> list[str]:
    """The lock's logical lines, continuation joined, comments out."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pinned(lock: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.partition(" --hash")[0])
        found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_exact_and_hashed(lock: str) -> None:
    loose = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^\s;]+( ;[^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [entry[:80] for entry in entries(lock) if not loose.fullmatch(entry)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert re.findall(r"[a-z+]*://\S+|--(?:extra-)?index-url|--find-links|--trusted-host|\s@\s", text) == []


def test_the_development_lock_has_the_same_versions() -> None:
    everything = pinned("requirements-dev.lock")
    assert {name: everything.get(name) for name in pinned("requirements.lock")} == pinned("requirements.lock")


@pytest.mark.parametrize(("name", "minimum"), MINIMUM.items())
def test_no_version_with_a_known_hole(name: str, minimum: str) -> None:
    assert Version(pinned("requirements.lock")[name]) >= Version(minimum)
    assert Version(version(name)) >= Version(minimum)
    bounds = [spec for spec in direct()[name].specifier if spec.operator == ">="]
    assert [Version(spec.version) >= Version(minimum) for spec in bounds] == [True]


def direct() -> dict[str, Requirement]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [Requirement(line) for line in project["dependencies"]]
    return {canonicalize_name(each.name): each for each in found}


def test_everything_asked_for_is_locked() -> None:
    locked = pinned("requirements.lock")
    wrong = [name for name, each in direct().items() if name not in locked or locked[name] not in each.specifier]
    assert wrong == []


def test_nothing_unwanted_is_locked() -> None:
    assert UNWANTED & set(pinned("requirements-dev.lock")) == set()


def test_assets_are_as_published() -> None:
    """What the documentation pages load is what README.md beside it says, to the byte."""
    folder = ROOT / "src/app/http/assets"
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for package in ("redoc", "swagger-ui")
        for path in (folder / package).iterdir()
    }
    assert found == ASSETS


NO_NETWORK = """
import socket

def refuse(*arguments, **options):
    raise AssertionError("a connection while importing")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
from app.server import create_app
from app.settings import Settings
url = "postgresql://nobody@database.invalid/none"
create_app(Settings(database_url=url, database_admin_url=url, secret_key="s" * 32))
"""


def test_importing_and_building_the_application_opens_no_connection() -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", NO_NETWORK],
        cwd=ROOT,
        env={"PYTHONPATH": "src", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_rules_of_security_find_nothing() -> None:
    """Bandit's, as ruff has them, with the project's own settings; they are on for all that is served or started."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "S", "src", "alembic"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stdout) == (0, "All checks passed!\n")
