"""The work of one run: the sheet is read once, then products are taken in chunks, each with its progress.

A chunk is two short transactions around one write to the sheet: the first takes over what the rows say and notes what
will be written, the second notes that it was. A run that is killed in between is taken up again and repeats nothing.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.google_sheets import SheetsClient
from app.db import clock
from app.domain.catalog.service.products import tell_the_sheet
from app.domain.sheets import queries
from app.domain.sheets.models import SheetRun
from app.domain.sheets.rules.cells import LAST_COLUMN, TAB
from app.domain.sheets.rules.merging import Merge, merge
from app.domain.sheets.service import records
from app.domain.sheets.service.matching import match
from app.domain.sheets.service.records import Agreed, Outgoing, Stored, texts_of
from app.domain.sheets.service.runs import Tally, note
from app.domain.sheets.service.table import Line, make_room, read_table
from app.domain.sheets.service.writing import RowChange, RowWriter, lock_products, stamp_time, words_of
from app.errors import Invalid
from app.http.principal import Principal

CHUNK = 200
T = TypeVar("T")
Pair = tuple[int, Line]


class Pass:
    """One run's way through the sheet."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        client: SheetsClient,
        run: SheetRun,
        owner: UUID,
        tally: Tally,
        *,
        actor: Principal | None,
    ) -> None:
        self._sessions = sessions
        self._client = client
        self._run, self._owner, self._tally = run.id, owner, tally
        self._direction, self._actor = run.direction, actor
        self._only = None if run.product_ids is None else set(run.product_ids)

    async def work(self) -> None:
        """Raises Superseded, WrongTable, ProviderError; what was done until then stays done."""
        table = await read_table(self._client)
        async with self._sessions() as session:
            index = (await session.execute(queries.index())).all()
        found = match(table, index, self._only)
        unknown = sorted((self._only or set()) - {row.id for row in index if not row.deleted})
        refused = [*found.errors, *(f"product {product_id}: There is no such product." for product_id in unknown)]
        for message in refused:
            self._tally.fail(message)
        self._tally.done += len(refused)
        pulls, pushes = self._direction != "to-sheets", self._direction != "from-sheets"
        new, missing = found.new if pulls else [], found.missing if pushes else []
        self._tally.total = len(refused) + len(found.known) + len(new) + len(missing)
        for pairs in _chunks(found.known):
            await self._reconcile(pairs)
        for lines in _chunks(new):
            await self._create(lines)
        if missing:
            await make_room(self._client, table.last + len(missing))
        for rows in _chunks(list(enumerate(missing, start=table.last + 1))):
            await self._append(rows)
        if pushes and found.deleted:
            await self._clear(found.deleted)

    async def _reconcile(self, pairs: Sequence[Pair]) -> None:
        ids, stamp = [product_id for product_id, _ in pairs], _new_stamp()
        async with self._sessions() as session, session.begin():
            await lock_products(session, ids, {line.texts["category"] for _, line in pairs})
            read_at = await records.clock(session)
            before = await records.load(session, ids)
            merges = await self._pull(session, [(before[one], line) for one, line in pairs if one in before])
            pulled = any(merged.pull for merged in merges.values())
            after = await records.load(session, ids) if pulled else before
            outgoing, agreed = self._settle([(after[one], line) for one, line in pairs if one in merges], merges)
            await records.intend(session, outgoing, stamp)
            await records.agree(session, agreed)
            if pulled:
                await tell_the_sheet(session)
            self._tally.done += len(pairs)
            await note(session, self._run, self._owner, self._tally)
        await self._send(outgoing, stamp, read_at)

    async def _pull(self, session: AsyncSession, rows: Sequence[tuple[Stored, Line]]) -> dict[int, Merge]:
        """Take over what the rows changed. One that is refused is not among the answers: it stays on both sides."""
        writer = RowWriter(session, self._actor)
        bases = {row.id: records.base_of(row, line.stamp) for row, line in rows}
        newer = await _newer(writer, rows, bases)
        merges, changes = dict[int, Merge](), []
        for row, line in rows:
            base = bases[row.id]
            is_newer = newer[row.id].__contains__
            merged = merge(line.texts, texts_of(row), base, self._direction, is_newer)  # type: ignore[arg-type]
            merges[row.id] = merged
            if merged.pull:
                units = int(base["stock"]) if base and "stock" in base else None
                changes.append(RowChange(row.id, line.texts, merged.pull, units))
        refused = await writer.change(changes) if changes else {}
        for row, line in rows:
            if row.id in refused:
                self._tally.fail(f"row {line.number}: {words_of(refused[row.id])}")
                del merges[row.id]
        self._tally.updated += len(changes) - len(refused)
        return merges

    def _settle(
        self, rows: Sequence[tuple[Stored, Line]], merges: Mapping[int, Merge]
    ) -> tuple[list[Outgoing], list[Agreed]]:
        """What is to be written to the sheet, and what both sides agree on and nobody knew."""
        outgoing, agreed = [], []
        for row, line in rows:
            merged, stored = merges[row.id], texts_of(row)
            again = merge(line.texts, stored, merged.seen, self._direction, lambda _: False)  # type: ignore[arg-type]
            names = merged.push | again.push
            if names or not line.id:
                texts = {name: stored[name] for name in names}
                outgoing.append(Outgoing(line.number, row.id, row.sku, texts, merged.seen, awaits_id=not line.id))
                continue
            if not merged.pull:
                self._tally.skipped += 1
            if merged.pull or row.seen != merged.seen or row.writing or row.row_number != line.number or not row.fresh:
                agreed.append(Agreed(row.id, line.number, merged.seen))
        return outgoing, agreed

    async def _create(self, lines: Sequence[Line]) -> None:
        stamp = _new_stamp()
        async with self._sessions() as session, session.begin():
            await lock_products(session, [], {line.texts["category"] for line in lines})
            found = await RowWriter(session, self._actor).create([line.texts for line in lines])
            made = {one: line for one, line in zip(found, lines, strict=True) if isinstance(one, int)}
            for one, line in zip(found, lines, strict=True):
                if isinstance(one, Invalid):
                    self._tally.fail(f"row {line.number}: {words_of(one)}")
            stored = await records.load(session, list(made))
            outgoing = [
                Outgoing(line.number, one, stored[one].sku, texts_of(stored[one]), line.texts, awaits_id=True)
                for one, line in made.items()
            ]
            self._tally.created += len(made)
            await records.intend(session, outgoing, stamp)
            read_at = await records.clock(session)
            if made:
                await tell_the_sheet(session)
            self._tally.done += len(lines)
            await note(session, self._run, self._owner, self._tally)
        await self._send(outgoing, stamp, read_at, counted=False)

    async def _append(self, rows: Sequence[tuple[int, int]]) -> None:
        """Products without a row, each with the number of the row that it gets."""
        stamp = _new_stamp()
        async with self._sessions() as session, session.begin():
            stored = await records.load(session, [product_id for _, product_id in rows])
            read_at = await records.clock(session)
            outgoing = [
                Outgoing(number, product_id, stored[product_id].sku, texts_of(stored[product_id]))
                for number, product_id in rows
                if product_id in stored
            ]
            await records.intend(session, outgoing, stamp)
            self._tally.done += len(rows)
            await note(session, self._run, self._owner, self._tally)
        await self._send(outgoing, stamp, read_at)

    async def _send(self, rows: Sequence[Outgoing], stamp: str, read_at: dt.datetime, *, counted: bool = True) -> None:
        if not rows:
            return
        await self._client.write({cells: [values] for cells, values in (row.cells(stamp) for row in rows)})
        self._tally.pushed += len(rows) if counted else 0
        async with self._sessions() as session, session.begin():
            await records.confirm(session, rows, stamp, read_at)
            await note(session, self._run, self._owner, self._tally)

    async def _clear(self, pairs: Sequence[Pair]) -> None:
        """Rows of products that are gone."""
        await self._client.clear([f"{TAB}!A{line.number}:{LAST_COLUMN}{line.number}" for _, line in pairs])
        async with self._sessions() as session, session.begin():
            await records.forget(session, [product_id for product_id, _ in pairs])
            await note(session, self._run, self._owner, self._tally)


async def _newer(
    writer: RowWriter, rows: Sequence[tuple[Stored, Line]], bases: Mapping[int, Mapping[str, str] | None]
) -> dict[int, set[str]]:
    """Fields that both sides changed, and the sheet later: by its stamp, and by the log of the shop's writes."""
    stamps = {row.id: stamp_time(line.stamp) for row, line in rows}
    both = [
        (row.id, name)
        for row, line in rows
        if (base := bases[row.id]) is not None and stamps[row.id] is not None
        for name, stored in texts_of(row).items()
        if name != "stock" and line.texts[name] != base.get(name) and stored != base.get(name)
    ]
    times = await writer.written_at(both)
    newer: dict[int, set[str]] = {row.id: set() for row, _ in rows}
    for product_id, name in both:
        at, stamp = times.get((product_id, name)), stamps[product_id]
        if at is None or (stamp is not None and at < stamp):
            newer[product_id].add(name)
    return newer


def _new_stamp() -> str:
    """No two writes have the same: a row that bears a stamp was written with it."""
    return clock.now().isoformat().replace("+00:00", "Z")


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
