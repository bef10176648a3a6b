"""Figures that are read when they are asked for: the queue, locks, and the rules that nothing may break."""

from collections.abc import Sequence

from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.metrics import Gauge

_QUEUE = text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status")
# A job is due from its time on, or from the moment when it was queued.
_LAG = text("""
    SELECT COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - due.at)), 0)
      FROM procrastinate_jobs job
     CROSS JOIN LATERAL (
           SELECT COALESCE(job.scheduled_at, (SELECT max(event.at) FROM procrastinate_events event
                                               WHERE event.job_id = job.id AND event.type = 'deferred')) AS at) due
     WHERE job.status = 'todo' AND due.at <= clock_timestamp()
""")
_WAITING = text("""
    SELECT count(*), COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - query_start)), 0)
      FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
""")
_WEBHOOKS = text("""
    SELECT COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - received_at)), 0)
      FROM payment_notification WHERE handled_at IS NULL
""")
# What waits for its receiver, and for how long the oldest has been due; one that asked for a rest gets it.
_OUTGOING = text("""
    SELECT count(*),
           COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - GREATEST(d.next_at, w.paused_until)))
                    FILTER (WHERE GREATEST(d.next_at, w.paused_until) <= now()), 0)
      FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id WHERE d.state = 'pending'
""")
_INVARIANTS = text("SELECT name, violations, EXTRACT(epoch FROM clock_timestamp() - checked_at) FROM invariant")


class FigureService:
    """Reads over a connection of its own. Without the database there is one figure: that it is down."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def gauges(self) -> Sequence[Collector]:
        try:
            return [_up(1), *await self._read()]
        except (SQLAlchemyError, OSError, TimeoutError):
            return [_up(0)]

    async def _read(self) -> list[Collector]:
        async with self.engine.connect() as connection:
            queue = [(str(state), float(count)) for state, count in await connection.execute(_QUEUE)]
            lag = float((await connection.execute(_LAG)).scalar_one())
            told = float((await connection.execute(_WEBHOOKS)).scalar_one())
            waiters, longest = (await connection.execute(_WAITING)).one()
            outgoing, overdue = (await connection.execute(_OUTGOING)).one()
            invariants = (await connection.execute(_INVARIANTS)).all()
        broken = [(str(name), float(violations)) for name, violations, _ in invariants]
        ages = [(str(name), float(age)) for name, _, age in invariants]
        return [
            Gauge("relampago_queue_jobs", "Jobs by state", "state", queue),
            Gauge("relampago_queue_lag_seconds", "How long the oldest due job has waited", values=[("", lag)]),
            Gauge("relampago_webhook_lag_seconds", "How long the oldest notification waits", values=[("", told)]),
            Gauge("relampago_lock_waiters", "Sessions that wait for a lock", values=[("", float(waiters))]),
            Gauge("relampago_lock_longest_wait_seconds", "The longest of them", values=[("", float(longest))]),
            Gauge("relampago_outgoing_webhooks", "Messages that wait", values=[("", float(outgoing))]),
            Gauge("relampago_outgoing_webhook_lag_seconds", "The longest due", values=[("", float(overdue))]),
            Gauge("relampago_invariant_violations", "Rows that break a rule that nothing may break", "rule", broken),
            Gauge("relampago_invariant_age_seconds", "Seconds since a rule was last looked at", "rule", ages),
        ]


def listeners(count: int) -> Gauge:
    """Of one process: whoever is asked tells of itself alone."""
    text_of_it = "Who watches promotions live at the process that answers"
    return Gauge("relampago_live_listeners", text_of_it, values=[("", float(count))])


def _up(value: float) -> Gauge:
    return Gauge("relampago_database_up", "Whether the database answers", values=[("", value)])
