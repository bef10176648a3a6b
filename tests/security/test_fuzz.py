"""S1: schemathesis over the whole document, by four principals, with every check that the contract leaves room for."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.server import open_sandbox
from tests.security.findings import Findings
from tests.security.places import doors
from tests.security.target import Target, open_target, providers

SEED = 20_261_122
GOAL = "schemathesis over every operation by four principals: no 5xx, no answer beside the document"
pytestmark = pytest.mark.shows("S1")
PHASES = "examples,coverage,fuzzing,stateful"
# Whether a good or a bad body is taken is not in a schema alone: dates in order, stock that is there, a password that
# is none of the worst; and text is read from numbers, as today's clients send it.
UNCHECKED = "positive_data_acceptance,negative_data_rejection"
# After these the run's own caller is nobody any more, or the shop is closed to all.
EXCLUDED = {"auth_logout_all", "site_config_update", "maintenance_toggle", "flash_promos_live"}
# The alias that schedulers use is not in the contract's list of operations.
MEANT = {
    ("UnsupportedMethodResponse", "POST /api/payments/update-dollar-rate/"),
    ("AllowHeaderMismatch", "OPTIONS /api/payments/update-dollar-rate/"),
}
SAMPLE = 5
# For one principal: longer than a busy machine takes for all operations, short of a run that hangs.
LIMIT_SECONDS = 600


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
    names = sorted({door.id for door in doors()} - EXCLUDED)
    return names if full else random.Random(SEED).sample(names, SAMPLE)


@pytest.mark.parametrize(
    "who", ["staff", *(pytest.param(who, marks=pytest.mark.full_only) for who in ("owner", "another", "nobody"))]
)
async def test_no_answer_beside_the_document(
    target: Target, tmp_path: Path, findings: Findings, who: str, *, full_rounds: bool
) -> None:
    report = await fuzzed(target, who, tmp_path, operations(full=full_rounds), 10 if full_rounds else 2)
    wrong = [
        (failure["type"], operation)
        for failure in report["failures"]
        for operation in failure["operations"]
        if (failure["type"], operation) not in MEANT
    ]
    findings.add("S1", GOAL, report["test_cases"]["generated"], len(wrong), f"cases by {who}")
    assert wrong == [], (tmp_path / "told.txt").read_text(encoding="utf-8")[-6000:]
    assert report["errors"] == []
    assert report["stop_reason"] == "completed"
    assert report["operations"]["tested"] == report["operations"]["selected"]
    # Who was called staff at the beginning still was at the end.
    mine = await target.clients[0].get("/api/auth/me/", headers=target.headers(who))
    assert mine.status_code == (401 if who == "nobody" else 200)
    logged = [line for line in target.logs[0].read_text(encoding="utf-8").splitlines() if '"error"' in line]
    assert logged == []


async def fuzzed(target: Target, who: str, folder: Path, names: list[str], examples: int) -> dict[str, Any]:
    """What schemathesis has to say; it runs beside us, since it is not made for our loop."""
    report, told = folder / "report.json", folder / "told.txt"
    headers = [word for name, value in target.headers(who).items() for word in ("-H", f"{name}: {value}")]
    chosen = [word for name in names for word in ("--include-operation-id", name)]
    with told.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{target.url}/api/schema/"),
            *("--phases", PHASES, "--max-examples", str(examples), "--exclude-checks", UNCHECKED),
            *("--seed", str(SEED), "--generation-database", "none", "--suppress-health-check", "all"),
            *("--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "20"),
            *("--report", "json", "--report-json-path", str(report)),
            *headers,
            *chosen,
            cwd=folder,
            stdout=output,
            stderr=output,
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert report.exists(), told.read_text(encoding="utf-8")[-3000:]
    found: dict[str, Any] = msgspec.json.decode(report.read_bytes())
    return found
