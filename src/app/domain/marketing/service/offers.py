"""Offers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from app.domain.marketing import models
from app.domain.marketing.queries import promotions as queries
from app.domain.marketing.rules.writing import check_dates, state_of
from app.domain.marketing.schemas.offers import Ended, Offer, value_of
from app.domain.marketing.service.desk import Desk, Statement

_SAME = ("id", "name", "start_date", "end_date", "products", "created_at", "updated_at")


class OfferDesk(Desk[Offer]):
    """Reads and writes offers in the caller's transaction; prices look at them by the clock."""

    table = models.Offer
    content_type = "offer"
    noun = "oferta"
    links: ClassVar[Any] = {"products": (models.offer_product, "product")}
    unlogged = frozenset({"id", "created_at", "updated_at", "status"})

    def listed(self, *, status: str | None = None) -> Statement:
        """Newest first; `status` is by the clock."""
        return queries.offers() if status is None else queries.offers(queries.is_offer(status))

    async def shown(self, rows: Sequence[Any]) -> list[Offer]:
        return [offer_shown(row) for row in rows]

    def checked(self, given: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        check_dates({**before, **given})
        return given | {"end_counted_at": None} if "end_date" in given else given

    async def count_ends(self) -> Ended:
        """The offers that have ended since this was asked last; none is removed."""
        ended = (await self.session.execute(queries.COUNT_ENDS)).all()
        return Ended(f"Ofertas finalizadas desde la última vez: {len(ended)}", len(ended))


def offer_shown(row: Any) -> Offer:
    """A row of `queries.offers` as it is answered."""
    status: Any = state_of(row.start_date, row.end_date, row.now)
    return Offer(**{name: getattr(row, name) for name in _SAME}, discount=value_of(row.discount), status=status)
