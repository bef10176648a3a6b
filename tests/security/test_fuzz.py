"""S1: schemathesis over the whole document, by four principals, with every check that the contract leaves room for.

Whether one customer reads what is another's is compared where customers call: each of the two is told of as the other's
peer, and what one has made and read is asked for as the other.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.server import open_sandbox
from tests.factories_catalog import make_product
from tests.security.findings import Findings
from tests.security.places import doors
from tests.security.target import Target, open_target, providers

SEED = 20_261_122
GOAL = (
    "schemathesis over every operation by four principals, what one owns asked for as another: no 5xx, no answer "
    "beside the document, nothing of others"
)
pytestmark = pytest.mark.shows("S1")
PHASES = "examples,coverage,fuzzing,stateful"
# Whether a good or a bad body is taken is not in a schema alone: dates in order, stock that is there, a password that
# is none of the worst; and text is read from numbers, as today's clients send it.
UNCHECKED = "positive_data_acceptance,negative_data_rejection"
# After these the run's own caller is nobody any more, or the shop is closed to all; and a stream of a promotion that
# others of the run have made would not end. Each is called by itself, in a shop of its own without promotions.
APART = ("auth_logout_all", "site_config_update", "maintenance_toggle", "flash_promos_live")
# Customers who may not read what is the other's; and what at least each makes, reads, and is asked for as the other.
PEERS = ("owner", "another")
OWNED = "GET /api/orders/{id}/"
WHO = (*PEERS, "nobody", "staff")
# The alias that schedulers use is not in the contract's list of operations.
MEANT = {
    ("UnsupportedMethodResponse", "POST /api/payments/update-dollar-rate/"),
    ("AllowHeaderMismatch", "OPTIONS /api/payments/update-dollar-rate/"),
}
SAMPLE = 5
# For one principal: longer than a busy machine takes for all operations, short of a run that hangs.
LIMIT_SECONDS = 600
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def target(tmp_path: Path, worker_name: str) -> AsyncIterator[Target]:
    async with (
        open_sandbox(tmp_path / "service-account.json") as sandbox,
        open_target(
            f"fuzz_{worker_name}", tmp_path, **providers(sandbox), MERCADOPAGO_WEBHOOK_SECRET="w" * 32
        ) as opened,
    ):
        yield opened


def operations(*, full: bool) -> list[str]:
    names = sorted({door.id for door in doors()} - set(APART))
    return names if full else random.Random(SEED).sample(names, SAMPLE)


def odd(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is beside the document, by kind and operation."""
    return [
        (failure["type"], operation)
        for failure in report["failures"]
        for operation in failure["operations"]
        if (failure["type"], operation) not in MEANT
    ]


def errors_of(target: Target) -> list[str]:
    return [line for line in target.logs[0].read_text(encoding="utf-8").splitlines() if '"error"' in line]


@pytest.mark.parametrize(
    "who", ["staff", *(pytest.param(who, marks=pytest.mark.full_only) for who in WHO if who != "staff")]
)
async def test_no_answer_beside_the_document(
    target: Target, tmp_path: Path, findings: Findings, who: str, *, full_rounds: bool
) -> None:
    report = await fuzzed(target, who, tmp_path, operations(full=full_rounds), 10 if full_rounds else 2)
    wrong = odd(report)
    findings.add("S1", GOAL, report["test_cases"]["generated"], len(wrong), f"cases by {who}")
    assert wrong == [], (tmp_path / "told.txt").read_text(encoding="utf-8")[-6000:]
    assert report["errors"] == []
    assert report["stop_reason"] == "completed"
    assert report["operations"]["tested"] == report["operations"]["selected"]
    # Who was called staff at the beginning still was at the end.
    mine = await target.clients[0].get("/api/auth/me/", headers=target.headers(who))
    assert mine.status_code == (401 if who == "nobody" else 200)
    assert errors_of(target) == []
    if who in PEERS:
        asked = [line for line in compared(tmp_path) if line[1] == who]
        findings.add("S1", GOAL, len(asked), 0, "reads asked for as another customer")
        assert OWNED in {operation for operation, *_ in asked}
        assert {status for *_, status, _ in asked} <= {401, 403, 404}, asked


@pytest.mark.full_only
@pytest.mark.parametrize("name", APART)
async def test_no_answer_beside_the_document_of_what_ends_a_run(
    target: Target, tmp_path: Path, findings: Findings, name: str
) -> None:
    """By staff at last: nobody else can close the shop."""
    for who in WHO:
        report = await fuzzed(target, who, tmp_path, [name], 20)
        wrong = odd(report)
        findings.add("S1", GOAL, report["test_cases"]["generated"], len(wrong), f"cases by {who}")
        assert wrong == [], (tmp_path / "told.txt").read_text(encoding="utf-8")[-6000:]
        assert report["errors"] == []
        assert report["operations"]["tested"] == 1
    assert errors_of(target) == []


def compared(folder: Path) -> list[tuple[str, str, str, int, bool]]:
    """Operation, who has made and read it, as whom it was then asked for, what was answered, whether that leaks."""
    told = folder / "compared.txt"
    return [tuple(json.loads(line)) for line in told.read_text(encoding="utf-8").splitlines()]


async def known(target: Target, who: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Arguments and settings by which schemathesis calls as one of the four."""
    if who not in PEERS:
        return [word for name, value in target.headers(who).items() for word in ("-H", f"{name}: {value}")], {}
    people = [
        {"name": name, "fixedHeaders": [{"name": key, "value": value} for key, value in target.headers(name).items()]}
        for name in PEERS
    ]
    (folder / "people.json").write_text(json.dumps({"auth": people}), encoding="utf-8")
    settings = f'[auth.wfc]\npath = "people.json"\nuser = "{who}"\npeers = {json.dumps(PEERS)}\n'
    (folder / "schemathesis.toml").write_text(settings, encoding="utf-8")
    (folder / "compared.txt").touch()
    async with target.sessions() as session:
        await make_product(session, stock=10_000)
    hooks = {"SCHEMATHESIS_HOOKS": "tests.security.peers", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    return [], hooks | {"FUZZ_COMPARED": str(folder / "compared.txt")}


async def fuzzed(target: Target, who: str, folder: Path, names: list[str], examples: int) -> dict[str, Any]:
    """What schemathesis has to say; it runs beside us, since it is not made for our loop."""
    report, told = folder / "report.json", folder / "told.txt"
    report.unlink(missing_ok=True)
    (folder / "schemathesis.toml").unlink(missing_ok=True)
    arguments, settings = await known(target, who, folder)
    chosen = [word for name in names for word in ("--include-operation-id", name)]
    with told.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{target.url}/api/schema/"),
            *("--phases", PHASES, "--max-examples", str(examples), "--exclude-checks", UNCHECKED),
            *("--seed", str(SEED), "--generation-database", "none", "--suppress-health-check", "all"),
            *("--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "20"),
            *("--report", "json", "--report-json-path", str(report)),
            *arguments,
            *chosen,
            cwd=folder,
            stdout=output,
            stderr=output,
            env=os.environ | settings,
        )
        await ended(process)
    assert report.exists(), told.read_text(encoding="utf-8")[-3000:]
    found: dict[str, Any] = msgspec.json.decode(report.read_bytes())
    return found


async def ended(process: asyncio.subprocess.Process) -> None:
    """Waits for the end, and brings it about where there is none."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
