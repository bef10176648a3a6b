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
from app.domain.sheets import queries
from app.domain.sheets.models import SheetRun
from app.domain.sheets.rules.cells import LAST_COLUMN, TAB
from app.domain.sheets.rules.merging import Merge, merge
from app.domain.sheets.service import records
from app.domain.sheets.service.matching import match
from app.domain.sheets.service.records import Outgoing, Stored, texts_of
from app.domain.sheets.service.runs import Tally, note
from app.domain.sheets.service.table import Line, make_room, read_table
from app.domain.sheets.service.writing import RowWriter, lock_products, stamp_time, words_of
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
            merges = {one: await self._pull(session, before[one], line) for one, line in pairs if one in before}
            after = await records.load(session, ids) if any(m and m.pull for m in merges.values()) else before
            outgoing = []
            for product_id, line in pairs:
                if (merged := merges.get(product_id)) is not None:
                    outgoing += await self._settle(session, after[product_id], line, merged)
            await records.intend(session, outgoing, stamp)
            self._tally.done += len(pairs)
            await note(session, self._run, self._owner, self._tally)
        await self._send(outgoing, stamp, read_at)

    async def _pull(self, session: AsyncSession, row: Stored, line: Line) -> Merge | None:
        """Take over what the row changed. None when that is refused: the row then stays as it is on both sides."""
        writer, stored = RowWriter(session, self._actor), texts_of(row)
        base = records.base_of(row, line.stamp)
        newer = await _newer(writer, row, line, stored, base)
        merged = merge(line.texts, stored, base, self._direction, newer.__contains__)  # type: ignore[arg-type]
        if not merged.pull:
            return merged
        units = int(base["stock"]) if base and "stock" in base else None
        try:
            async with session.begin_nested():
                await writer.change(row, line.texts, merged.pull, units)
        except Invalid as error:
            self._tally.fail(f"row {line.number}: {words_of(error)}")
            return None
        self._tally.updated += 1
        return merged

    async def _settle(self, session: AsyncSession, row: Stored, line: Line, merged: Merge) -> list[Outgoing]:
        """Remember what both sides agree on; what is to be written to the sheet."""
        stored = texts_of(row)
        again = merge(line.texts, stored, merged.seen, self._direction, lambda _: False)  # type: ignore[arg-type]
        names = merged.push | again.push
        if names or not line.id:
            texts = {name: stored[name] for name in names}
            return [Outgoing(line.number, row.id, row.sku, texts, merged.seen, awaits_id=not line.id)]
        if not merged.pull:
            self._tally.skipped += 1
        if merged.pull or row.seen != merged.seen or row.writing or row.row_number != line.number or not row.fresh:
            at = await records.clock(session)
            columns = {"row_number": line.number, "seen": merged.seen, "writing": None, "excluded": False}
            await records.remember(session, row.id, **columns, awaits_id=False, synced_at=at)
            await records.mark(session, [row.id], at)
        return []

    async def _create(self, lines: Sequence[Line]) -> None:
        stamp, made = _new_stamp(), dict[int, Line]()
        async with self._sessions() as session, session.begin():
            writer = RowWriter(session, self._actor)
            for line in lines:
                try:
                    async with session.begin_nested():
                        made[await writer.create(line.texts)] = line
                except Invalid as error:
                    self._tally.fail(f"row {line.number}: {words_of(error)}")
            stored = await records.load(session, list(made))
            outgoing = [
                Outgoing(line.number, one, stored[one].sku, texts_of(stored[one]), line.texts, awaits_id=True)
                for one, line in made.items()
            ]
            self._tally.created += len(made)
            await records.intend(session, outgoing, stamp)
            read_at = await records.clock(session)
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
    writer: RowWriter, row: Stored, line: Line, stored: Mapping[str, str], base: Mapping[str, str] | None
) -> set[str]:
    """Fields that both sides changed, and the sheet later: by its stamp, and by the log of the shop's writes."""
    written_at = stamp_time(line.stamp)
    if base is None or written_at is None:
        return set()
    both = [name for name, text in line.texts.items() if text != base.get(name) and stored[name] != base.get(name)]
    times = {name: await writer.written_at(row.id, name) for name in both if name != "stock"}
    return {name for name, at in times.items() if at is None or at < written_at}


def _new_stamp() -> str:
    """No two writes have the same: a row that bears a stamp was written with it."""
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
