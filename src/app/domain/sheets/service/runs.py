"""Runs as records: begun one at a time, taken up again after a kill, watched while they work."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.failures import constraint_of
from app.domain.accounts import queries as accounts
from app.domain.sheets.models import SheetRun
from app.domain.sheets.rules.merging import Direction
from app.domain.sheets.schemas import RunResult, RunState
from app.errors import Conflict
from app.http.principal import Principal
from app.jobs.queue import defer

# A worker of a run says so much more often than it takes to be held for dead.
BEAT_SECONDS = 5.0
DEAD = text("interval '30 seconds'")
KEPT = text("interval '30 days'")
# So long a caller waits for a push of changed products, which is over in a moment.
WAIT_SECONDS = 5.0
MAX_ERRORS = 200
_COUNTS = ("total", "done", "created", "updated", "skipped", "pushed", "failed")
_ACTIVE = SheetRun.status.in_(("pending", "running"))
_SILENT = and_(_ACTIVE, SheetRun.heartbeat_at < func.now() - DEAD)
Sessions = async_sessionmaker[AsyncSession]


class SyncRunning(Conflict):
    """A synchronisation is under way; wait for it or send force."""

    key = "error"
    code = "sync_running"


class Superseded(Exception):
    """Another run has taken this one's place, or another process has taken it up."""


class Tally(msgspec.Struct):
    """What a run has done."""

    total: int = 0
    done: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0
    pushed: int = 0
    failed: int = 0
    errors: list[str] = []

    def fail(self, message: str) -> None:
        self.failed += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(message)


class RunStore:
    """Opens and ends its own transactions: a run's record is seen while the run works."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def begin(
        self,
        direction: Direction,
        trigger: str,
        products: Sequence[int] | None = None,
        *,
        force: bool = False,
        queued: bool = False,
        actor: Principal | None = None,
    ) -> UUID:
        """The id of a new run. Raises SyncRunning while another is active, unless `force` ends that one.

        A `queued` one is there with the job that works on it, or not at all.
        """
        until = time.monotonic() + WAIT_SECONDS
        values: dict[str, Any] = {"direction": direction, "trigger": trigger, "user_id": actor.id if actor else None}
        values["product_ids"] = None if products is None else [*products]
        while True:
            try:
                async with self._sessions() as session, session.begin():
                    return await self._begin(session, values, force=force, queued=queued)
            except IntegrityError as error:
                if constraint_of(error) != "uq_sheet_run_active":
                    raise
            if not await self._is_brief() or time.monotonic() > until:
                raise SyncRunning
            await asyncio.sleep(0.1)

    async def _begin(self, session: AsyncSession, values: dict[str, Any], *, force: bool, queued: bool) -> UUID:
        ended = _ACTIVE if force else _SILENT
        over = {"status": "cancelled", "finished_at": func.clock_timestamp(), "error": "superseded by another run"}
        await session.execute(update(SheetRun).where(ended).values(over))
        run_id: UUID = (await session.execute(insert(SheetRun).values(values).returning(SheetRun.id))).scalar_one()
        if queued:
            await queue_run(session, run_id)
        return run_id

    async def _is_brief(self) -> bool:
        async with self._sessions() as session:
            trigger = (await session.execute(select(SheetRun.trigger).where(_ACTIVE))).scalar_one_or_none()
        return trigger in {None, "job"}

    async def claim(self, run_id: UUID, owner: UUID, *, take_over: bool) -> SheetRun | None:
        """The run, now this owner's; None when it is over or somebody else works on it.

        `take_over` is for one who knows that the owner before is dead.
        """
        free = or_(SheetRun.status == "pending", _SILENT, *([SheetRun.status == "running"] if take_over else []))
        statement = (
            update(SheetRun)
            .where(SheetRun.id == run_id, _ACTIVE, free)
            .values(status="running", owner=owner, heartbeat_at=func.clock_timestamp())
            .returning(SheetRun)
        )
        async with self._sessions() as session, session.begin():
            return (await session.execute(statement)).scalar_one_or_none()

    async def starter(self, run: SheetRun) -> Principal | None:
        """Who of the staff began the run, without an address."""
        if run.user_id is None:
            return None
        async with self._sessions() as session:
            row = (await session.execute(accounts.BY_ID, {"user_id": run.user_id})).one_or_none()
        return row and Principal(row.id, row.username, row.email, row.is_staff, row.is_superuser)

    async def finish(self, run_id: UUID, owner: UUID, tally: Tally, *, error: str = "") -> None:
        values = _values(tally) | {
            "status": "failed" if error else "completed",
            "error": error[:2000],
            "finished_at": func.clock_timestamp(),
        }
        async with self._sessions() as session, session.begin():
            await session.execute(update(SheetRun).where(_owned(run_id, owner)).values(values))

    async def drop(self, run_id: UUID) -> None:
        """A push that found nothing to do leaves no record."""
        async with self._sessions() as session, session.begin():
            await session.execute(delete(SheetRun).where(SheetRun.id == run_id))

    @asynccontextmanager
    async def alone(self, product_id: int, actor: Principal) -> AsyncIterator[tuple[UUID, UUID]]:
        """No run is under way meanwhile; what its transaction writes is `note`d. Leaves no record.

        Raises SyncRunning, also when somebody ended it by force.
        """
        run_id, owner = await self.begin("to-sheets", "api", [product_id], actor=actor), new_owner()
        try:
            if await self.claim(run_id, owner, take_over=False) is None:
                raise SyncRunning
            async with self.beating(run_id, owner):
                yield run_id, owner
        except Superseded as error:
            raise SyncRunning from error
        finally:
            await self.drop(run_id)

    async def silent(self) -> list[UUID]:
        """Active runs that nobody works on any more; what is long over is forgotten."""
        async with self._sessions() as session, session.begin():
            await session.execute(delete(SheetRun).where(SheetRun.finished_at < func.now() - KEPT))
            return list((await session.execute(select(SheetRun.id).where(_SILENT))).scalars())

    @asynccontextmanager
    async def beating(self, run_id: UUID, owner: UUID) -> AsyncIterator[None]:
        """Says every few seconds that the run is worked on."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                async with self._sessions() as session, session.begin():
                    alive = update(SheetRun).where(_owned(run_id, owner))
                    await session.execute(alive.values(heartbeat_at=func.clock_timestamp()))

        beater = asyncio.create_task(beat())
        try:
            yield
        finally:
            beater.cancel()


async def queue_run(session: AsyncSession, run_id: UUID) -> None:
    """Let a worker work on the run."""
    await defer(session, "sheets:run", queueing_lock=f"sheets:run:{run_id}", run_id=str(run_id))


async def note(session: AsyncSession, run_id: UUID, owner: UUID, tally: Tally) -> None:
    """The progress, in the transaction whose work it counts. Raises Superseded: that work is then not to be kept."""
    values = _values(tally) | {"heartbeat_at": func.clock_timestamp()}
    found = await session.execute(update(SheetRun).where(_owned(run_id, owner)).values(values).returning(SheetRun.id))
    if found.first() is None:
        raise Superseded


async def state_of(session: AsyncSession, run_id: UUID | None = None, *triggers: str) -> RunState | None:
    """A run, or the latest one that did not only push changed products."""
    statement = select(SheetRun).order_by(SheetRun.started_at.desc(), SheetRun.id).limit(1)
    if run_id is not None:
        statement = statement.where(SheetRun.id == run_id)
    else:
        statement = statement.where(SheetRun.trigger.in_(triggers) if triggers else SheetRun.trigger != "job")
    run = (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one_or_none()
    return None if run is None else shown(run)


def shown(run: SheetRun) -> RunState:
    counts = {name: getattr(run, name) for name in _COUNTS}
    direction: Any = run.direction
    result = RunResult(direction=direction, errors=list(run.errors), error=run.error, **counts)
    return RunState(str(run.id), run.status, run.started_at, run.finished_at, result)


def new_owner() -> UUID:
    return uuid4()


def _owned(run_id: UUID, owner: UUID) -> ColumnElement[bool]:
    return and_(SheetRun.id == run_id, SheetRun.owner == owner, SheetRun.status == "running")


def _values(tally: Tally) -> dict[str, Any]:
    return msgspec.structs.asdict(tally)
