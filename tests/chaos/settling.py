"""After the faults: everything runs again, what is owed is done, and nothing waits any more. Then it can be checked."""

import asyncio
from typing import Any

from tests.chaos.world import World

_OPEN_JOBS = """
    SELECT j.id, j.task_name, j.status::text, j.attempts FROM procrastinate_jobs j
     WHERE (j.status = 'doing' OR j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now() + $1))
       AND NOT EXISTS (SELECT FROM procrastinate_periodic_defers p WHERE p.job_id = j.id)
     ORDER BY j.id
"""
_RETRY_NOW = """
    UPDATE procrastinate_jobs SET scheduled_at = now()
     WHERE status = 'todo' AND scheduled_at > now() AND attempts < 30
"""
# What died together comes back at different moments, only sooner.
_RESCUED_SOON = """
    UPDATE procrastinate_jobs SET scheduled_at = now() + random() * interval '2 seconds'
     WHERE status = 'todo' AND scheduled_at > now() + interval '2 seconds' AND attempts < 30
       AND EXISTS (SELECT FROM procrastinate_events e WHERE e.job_id = procrastinate_jobs.id AND e.type = 'retried')
"""
_BRING_FORWARD = (
    "UPDATE reservation SET expires_at = clock_timestamp() - interval '1 ms' WHERE expires_at > clock_timestamp()",
    # A retry that waits for its time, a mail or a push whose sender may have died, money that is asked about later.
    _RETRY_NOW,
    "UPDATE payment_refund SET busy_until = NULL WHERE state = 'requested'",
    """UPDATE payment_attempt
          SET created_at = created_at - interval '5 minutes', updated_at = updated_at - interval '5 minutes'
        WHERE state = 'requested'""",
    """UPDATE payment_notification SET received_at = received_at - interval '5 minutes' WHERE handled_at IS NULL""",
)
# In quick worlds the payments of before the last settling are not asked about again: each time it would be more. If one
# of them was paid since and the shop was not told, the checker says so: it knows nothing of what the provider has.
_ASK_NOW = "UPDATE payment SET check_at = least(check_at, now()) WHERE check_at IS NOT NULL AND order_id > $1"
# What has been on its way for ten seconds, to providers that answer at once: its sender is dead. A lease of a mail
# lasts ninety seconds, one of a push twice as long.
_END_LEASES = (
    "UPDATE mail SET busy_until = now() WHERE status = 'sending' AND busy_until < now() + interval '80 seconds'",
    "UPDATE push_log SET due_at = now() WHERE state = 'sending' AND due_at < now() + interval '170 seconds'",
)
# What a process began at the provider and did not live to end is the reconciliation's, until nothing is left. A refund
# that the provider refuses pauses for minutes: nobody waits for that, the checker tells it.
_UNFINISHED = """
    SELECT (SELECT count(*) FROM payment_attempt WHERE state = 'requested')
         + (SELECT count(*) FROM payment_refund
             WHERE state = 'requested' AND (busy_until IS NULL OR busy_until < now() + interval '1 minute'))
"""
_DEFER = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW('default', $1, 0, NULL, NULL, '{}', NULL)::procrastinate_job_to_defer_v1])
"""
_STALE = """
    UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'
     WHERE last_heartbeat < clock_timestamp() - make_interval(secs => $1)
"""
ROUNDS = 3
# A payment or a refund is taken up when it is a minute old, by a job that runs twice a minute.
RECONCILED_SECONDS = 95.0


async def settle(world: World, *, seconds: float = 400.0, hurry: bool = True) -> float:
    """Until nothing is under way; how long that took.

    In a hurry the waiting times of retries, leases and reconciliations are over at once, as though a clock had been set
    forward; otherwise they take as long as they take.
    """
    begun = asyncio.get_running_loop().time()
    await world.ready()
    for wire in (world.database_wire, world.provider_wire):
        wire.behave()
    if not hurry:
        # Until the reconciliation has looked at everything that was unknown when the faults ended.
        await asyncio.sleep(RECONCILED_SECONDS)
    for _ in range(ROUNDS if hurry else 1):
        await world.tell("/mercadopago/__emu__/redeliver")
        if hurry:
            await _hurry(world)
        patience = 240.0 if hurry else seconds
        await world.until(lambda: _idle(world, hurry=hurry), "no job waits or runs, no payment is half", patience, 0.3)
    world.settled_order = await world.value("SELECT COALESCE(max(id), 0) FROM orders")
    return asyncio.get_running_loop().time() - begun


async def hurry_rescue(world: World) -> None:
    """Whoever missed a heartbeat counts as dead at once, and what it held is rescued."""
    await world.sql(_STALE, 2.5 * world.heartbeat_seconds + 1)
    await run_job(world, "upkeep:rescue_stalled")
    await world.sql(_RESCUED_SOON)


async def run_job(world: World, name: str) -> None:
    """Have a worker run a job now."""
    await world.sql(_DEFER, name)


async def _hurry(world: World) -> None:
    for statement in _BRING_FORWARD:
        await world.sql(statement)
    await world.sql(_ASK_NOW, world.settled_order if world.quick else 0)
    await hurry_rescue(world)
    for name in ("payments:reconcile", "notifications:sweep"):
        await run_job(world, name)


async def _idle(world: World, *, hurry: bool) -> bool:
    if hurry:
        for statement in (*_END_LEASES, _RETRY_NOW):
            await world.sql(statement)
    return not await open_jobs(world) and not await world.value(_UNFINISHED)


async def open_jobs(world: World, ahead: str = "10 minutes") -> list[Any]:
    """Jobs that wait, now or soon, or run."""
    interval = f"interval '{ahead}'"
    return await world.sql(_OPEN_JOBS.replace("$1", interval))
