"""The queue and the rules that nothing may break."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.doctor.findings import Finding, fail, ok, warn
from app.jobs.invariants import RULES
from app.jobs.service import STALLED_SECONDS, QueueService
from app.settings import Settings

LAG_WARN_SECONDS, LAG_FAIL_SECONDS = 60.0, 600.0
FAILURE_HOURS = 24
_WORKERS = text("""
    SELECT count(*) FILTER (WHERE fresh)::int, count(*) FILTER (WHERE NOT fresh)::int
      FROM (SELECT last_heartbeat > now() - make_interval(secs => :seconds) AS fresh FROM procrastinate_workers) each
""")
# A rule reads whole tables.
RULE_SECONDS = 60
_PATIENT = text(f"SET LOCAL statement_timeout = '{RULE_SECONDS}s'")


async def workers(session: AsyncSession, _settings: Settings) -> Finding:
    alive, silent = (await session.execute(_WORKERS, {"seconds": STALLED_SECONDS})).one()
    if not alive:
        return fail("worker", "none is running", "start one: `make worker`, or the worker's container")
    gone = f", {silent} silent and soon forgotten" if silent else ""
    return ok("worker", f"{alive} running{gone}")


async def queue(session: AsyncSession, _settings: Settings) -> Finding:
    oldest = await QueueService(session).oldest()
    if oldest is None:
        return ok("queue", "no job is due")
    said = f"{oldest.due} due, the oldest ({oldest.name}) for {oldest.waited_seconds:.0f} s"
    advice = "look at `jobs status`; start more workers, or raise WORKER_CONCURRENCY"
    if oldest.waited_seconds > LAG_FAIL_SECONDS:
        return fail("queue", said, advice)
    return warn("queue", said, advice) if oldest.waited_seconds > LAG_WARN_SECONDS else ok("queue", said)


async def failures(session: AsyncSession, _settings: Settings) -> Finding:
    found = await QueueService(session).failures(hours=FAILURE_HOURS)
    if found:
        said = ", ".join(f"{one.name} {one.count}" for one in found)
        return warn("failed jobs", f"for good in the last day: {said}", "`jobs list --status failed`, and the log")
    return ok("failed jobs", "none failed for good in the last day")


class Rule:
    """One invariant, counted now."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, session: AsyncSession, _settings: Settings) -> Finding:
        await session.execute(_PATIENT)
        broken = int(await session.scalar(text(RULES[self.name])) or 0)
        if not broken:
            return ok(self.name, "holds")
        advice = "docs/operations.md, under its name; "
        advice += "`stock audit` names the pools" if self.name == "stock_adds_up" else "do not correct rows by hand yet"
        return fail(self.name, f"{broken} rows break it", advice)


CHECKS = (workers, queue, failures)
INVARIANTS = tuple(Rule(name) for name in RULES)
