"""Whether stock, holds and orders agree: the ledger's proof for every pool, and what tables say about each other."""

from collections.abc import Callable

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inventory.service import audit as audit_ledgers
from app.domain.promos.queries.audit import CHECKS

LEDGERS = "ledgers"
ONE_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


class Finding(msgspec.Struct, frozen=True):
    """Something that cannot be: found by which check, about what, and why."""

    check: str
    subject: str
    problem: str


class Report(msgspec.Struct, frozen=True):
    """What an audit looked at and what it found."""

    pools: int
    checks: list[str]
    findings: list[Finding]


class AuditService:
    """Reads everything from one snapshot, so that a running shop does not disturb it; changes nothing."""

    def __init__(self, session: AsyncSession) -> None:
        """The session's transaction has not read anything yet."""
        self.session = session

    async def report(self, tell: Callable[[str], None] = lambda _check: None) -> Report:
        """All checks, one after the other; `tell` hears the name of each before it begins."""
        await self.session.execute(ONE_SNAPSHOT)
        tell(LEDGERS)
        pools, findings = await self._ledgers()
        for name, statement in CHECKS.items():
            tell(name)
            findings += [Finding(name, *row) for row in await self.session.execute(statement)]
        return Report(pools, [LEDGERS, *CHECKS], findings)

    async def _ledgers(self) -> tuple[int, list[Finding]]:
        pools, found = await audit_ledgers(self.session)
        problem = "its ledger says {0.ledger} units, there are {0.slots} in its slots and {0.held} held"
        return pools, [Finding(LEDGERS, f"pool {one.pool_id}", problem.format(one)) for one in found]
