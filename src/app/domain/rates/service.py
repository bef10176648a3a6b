"""Exchange rates: which one counts, and their life."""

from decimal import Decimal
from typing import Any, get_args

import msgspec
import structlog
from sqlalchemy import Row, delete, func, insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.dollar_rates import DollarRateClient, QuotedType
from app.clients.errors import Unavailable
from app.db import clock
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.rates import models, queries
from app.domain.rates.rules import ARGENTINA, is_believed, sound_value
from app.domain.rates.schemas import LABELS, DollarRate, DollarRateInput, RateType
from app.errors import NotFound, ProviderDown
from app.http.principal import Principal

# Any 64-bit number that nobody else takes. Writers of rates follow one another, so that of two that become active at
# once the later one is.
RATES_LOCK = 7_401_839_215_570_215
NO_SOURCE = "No source of exchange rates answers; the last rate stays."
RETRY_SECONDS = 60

log = structlog.get_logger("app.rates")


class EffectiveRate(msgspec.Struct, frozen=True):
    """Pesos for a dollar as prices use it now; `stale` when its source has been silent."""

    value: Decimal
    type: RateType
    id: int
    stale: bool


class RateService:
    """Reads and writes rates in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.log = ActivityService(session)

    async def effective(self) -> EffectiveRate | None:
        """The active manual rate, else blue, else official; None without any."""
        row = (await self.session.execute(queries.effective())).one_or_none()
        return None if row is None else EffectiveRate(row.value, row.rate_type, row.id, row.stale)

    async def get(self, rate_id: int, *, inactive: bool) -> DollarRate:
        """Raises NotFound, also for one that is off unless `inactive` ones are asked for."""
        statement = queries.rates(inactive=inactive).where(models.DollarRate.id == rate_id)
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound
        return shown(row)

    async def create(self, data: DollarRateInput, actor: Principal | None) -> DollarRate:
        """An active one switches off the older ones of its type."""
        await self._alone()
        return await self._add(data, actor)

    async def _add(self, data: DollarRateInput, actor: Principal | None) -> DollarRate:
        values = data.given()
        if data.is_active:
            await self._switch_off(data.rate_type, actor)
        statement = insert(models.DollarRate).values(**values, updated_by_id=_id_of(actor))
        rate_id: int = (await self.session.execute(statement.returning(models.DollarRate.id))).scalar_one()
        rate = await self.get(rate_id, inactive=True)
        await self.log.write(actor, "create", "dollarrate", _deed("Nueva cotización", None, rate))
        return rate

    async def change(self, rate_id: int, data: DollarRateInput, actor: Principal | None) -> DollarRate:
        """Writes what was sent; one that becomes active switches off the others of its type. Raises NotFound."""
        await self._alone()
        before = await self.get(rate_id, inactive=True)
        given = data.given()
        if given.get("is_active", before.is_active):
            await self._switch_off(given.get("rate_type", before.rate_type), actor, spare=rate_id)
        if "value" in given:
            given |= {"update_date": func.now(), "stale_since": None}
        values = given | {"updated_by_id": _id_of(actor)}
        await self.session.execute(update(models.DollarRate).where(models.DollarRate.id == rate_id).values(values))
        after = await self.get(rate_id, inactive=True)
        deed = _deed("Cotización actualizada", before, after)
        if deed.changes:
            await self.log.write(actor, "update", "dollarrate", deed)
        return after

    async def delete(self, rate_id: int, actor: Principal | None) -> None:
        """Orders keep the value that they were made at. Raises NotFound."""
        await self._alone()
        before = await self.get(rate_id, inactive=True)
        await self.session.execute(delete(models.DollarRate).where(models.DollarRate.id == rate_id))
        await self.log.write(actor, "delete", "dollarrate", _deed("Cotización eliminada", before, None))

    async def active(self, rate_type: str) -> DollarRate | None:
        """The active rate of a type."""
        table = models.DollarRate
        rows = await self.session.execute(queries.rates(inactive=False).where(table.rate_type == rate_type))
        row = rows.one_or_none()
        return None if row is None else shown(row)

    async def confirm(self, rate_type: QuotedType, value: Decimal, *, by_hand: bool = False) -> DollarRate:
        """A source says so: the active rate is as good as new, or a new one takes its place.

        A rate that a person keeps stays as it is, unless the update is asked for `by_hand`.
        """
        await self._alone()
        last = await self.active(rate_type)
        if last is not None and not (last.auto_update or by_hand):
            return last
        if last is None or last.value != value:
            data = DollarRateInput(value=value, rate_type=rate_type, auto_update=True)
            return await self._add(data, None)
        fresh = {"update_date": func.now(), "stale_since": None, "auto_update": True}
        await self.session.execute(update(models.DollarRate).where(models.DollarRate.id == last.id).values(fresh))
        return await self.get(last.id, inactive=True)

    async def note_silence(self, rate_type: QuotedType) -> None:
        """No source could confirm the active rate: it stays, and is marked until one can."""
        table = models.DollarRate
        active = (table.rate_type == rate_type, table.is_active, table.auto_update, table.stale_since.is_(None))
        await self.session.execute(update(table).where(*active).values(stale_since=func.now()))

    async def _alone(self) -> None:
        await self.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RATES_LOCK})

    async def _switch_off(self, rate_type: str, actor: Principal | None, spare: int = 0) -> None:
        table = models.DollarRate
        others = (table.rate_type == rate_type, table.is_active, table.id != spare)
        rows = await self.session.execute(update(table).where(*others).values(is_active=False).returning(table.id))
        deeds = [
            Deed(object_id=row.id, description="Cotización reemplazada", changes={"is_active": [True, False]})
            for row in rows
        ]
        await self.log.write(actor, "update", "dollarrate", *deeds)


class RateUpdater:
    """Brings rates from the sources; opens and ends its own transactions, none of them while a source is asked."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], client: DollarRateClient) -> None:
        self._sessions = sessions
        self._client = client

    async def aclose(self) -> None:
        await self._client.aclose()

    async def refresh(self, rate_type: QuotedType, *, by_hand: bool = False) -> DollarRate:
        """The rate as a source says it now. Raises ProviderDown; the old one then stays, marked as stale."""
        async with self._sessions() as session:
            last = await RateService(session).active(rate_type)
        if last is not None and not (last.auto_update or by_hand):
            return last
        value = await self._ask(rate_type, last.value if last else None)
        async with self._sessions() as session, session.begin():
            service = RateService(session)
            if value is not None:
                return await service.confirm(rate_type, value, by_hand=by_hand)
            await service.note_silence(rate_type)
        raise ProviderDown(NO_SOURCE, retry_after=RETRY_SECONDS)

    async def refresh_all(self) -> list[DollarRate]:
        """Blue and official as far as sources say them, blue first. Raises ProviderDown when none does."""
        rates, failure = [], ProviderDown(NO_SOURCE, retry_after=RETRY_SECONDS)
        for rate_type in get_args(QuotedType):
            try:
                rates.append(await self.refresh(rate_type))
            except ProviderDown as error:
                failure = error
        if not rates:
            raise failure
        return rates

    async def _ask(self, rate_type: QuotedType, last: Decimal | None) -> Decimal | None:
        """The first value that can be believed, from the first source on; None when there is none."""
        doubted: list[Decimal] = []
        for source in self._client.sources():
            now = clock.now()
            try:
                quote = await self._client.quote(source, rate_type, now.astimezone(ARGENTINA).date())
            except Unavailable as error:
                log.warning("rate_source_failed", source=source, reason=error.message)
                continue
            value = sound_value(quote.buy, quote.sell, quote.at, now)
            if value is not None and is_believed(value, last, doubted):
                return value
            log.warning("rate_doubted", source=source, rate_type=rate_type, sell=str(quote.sell))
            doubted += [] if value is None else [value]
        return None


def _id_of(actor: Principal | None) -> int | None:
    return (actor.id or None) if actor else None


def _deed(what: str, before: DollarRate | None, after: DollarRate | None) -> Deed:
    """For the log; None is before it was there, and after."""
    names = ("value", "rate_type", "auto_update", "is_active")
    sides = ({} if side is None else {name: getattr(side, name) for name in names} for side in (before, after))
    rate = after or before
    if rate is None:
        raise ValueError("a deed is done to a rate")
    description = f"{what}: {rate.rate_type_display} {rate.value}"
    return Deed(object_id=rate.id, description=description, changes=differences(*sides))


def shown(row: Row[*tuple[Any, ...]]) -> DollarRate:
    """A row of `queries.rates` as it is answered."""
    return DollarRate(
        id=row.id,
        value=row.value,
        rate_type=row.rate_type,
        rate_type_display=LABELS[row.rate_type],
        auto_update=row.auto_update,
        is_active=row.is_active,
        update_date=row.update_date,
        updated_by=row.updated_by_id,
        updated_by_name=row.updated_by_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
