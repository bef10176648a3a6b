"""Reviews of products: written by users, shown once staff have approved them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import constraint_of
from app.domain.activity.rules import MASK, differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog import models, queries
from app.domain.catalog.schemas import Review, ReviewChange, ReviewInput
from app.errors import Forbidden, Invalid, NotFound
from app.http.principal import Principal

TWICE = "The fields product, user must make a unique set."
Check = Callable[[Review], None]
_UNIQUE = "uq_review_product_id_user_id"
_COLUMNS = {"product": "product_id", "rating": "rating", "comment": "comment"}


class ReviewService:
    """Reads and writes reviews in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.log = ActivityService(session)

    async def get(self, review_id: int, caller: Principal | None) -> Review:
        """Raises NotFound, also for what the caller may not see."""
        found = await self._read(models.Review.id == review_id, _visible(caller))
        if not found:
            raise NotFound
        return found[0]

    async def count(self, caller: Principal | None) -> int:
        """How many are public; for staff all."""
        return int((await self.session.execute(queries.count_reviews(_public(caller)))).scalar_one())

    async def page(self, caller: Principal | None, limit: int, offset: int) -> list[Review]:
        """Newest first."""
        statement = queries.reviews(_public(caller)).limit(limit).offset(offset)
        return [shown(row) for row in await self.session.execute(statement)]

    async def of_product(self, product_id: int, caller: Principal | None) -> list[Review]:
        """Approved ones; for staff all."""
        return await self._read(models.Review.product_id == product_id, _public(caller))

    async def of_user(self, user: Principal) -> list[Review]:
        return await self._read(models.Review.user_id == user.id)

    async def by_user(self, product_id: int, user: Principal) -> Review | None:
        """The user's review of a product."""
        found = await self._read(models.Review.user_id == user.id, models.Review.product_id == product_id)
        return found[0] if found else None

    async def pending(self) -> list[Review]:
        """What waits for staff."""
        return await self._read(models.Review.status == "pending")

    async def check_rights(self, review_id: int, user: Principal) -> None:
        """Its author and staff may change it. Raises NotFound for what the user does not see, Forbidden."""
        review = await self.get(review_id, user)
        if review.user != user.id and not user.is_admin:
            raise Forbidden

    async def create(self, data: ReviewInput, user: Principal) -> Review:
        """It waits for approval. Raises Invalid: no such product on sale, or the user's second one of it."""
        await self._check_product(data.product)
        values = {column: getattr(data, name) for name, column in _COLUMNS.items()}
        statement = insert(models.Review).values(user_id=user.id, **values).returning(models.Review.id)
        with _once():
            review_id: int = (await self.session.execute(statement)).scalar_one()
        return await self.get(review_id, user)

    async def change(self, review_id: int, data: ReviewChange, user: Principal, check: Check) -> Review:
        """Writes what was sent; what its author writes waits for approval again. Raises NotFound, Forbidden, Invalid.

        `check` gets the review as it stands, locked, and may raise.
        """
        await self.check_rights(review_id, user)
        before = await self._locked(review_id, user)
        check(before)
        given = data.given()
        if not given:
            return before
        if given.get("product", before.product) != before.product:
            await self._check_product(given["product"])
        values: dict[str, Any] = {_COLUMNS[name]: value for name, value in given.items()}
        if before.user == user.id:
            values["status"] = "pending"
        with _once():
            await self.session.execute(update(models.Review).where(models.Review.id == review_id).values(values))
        return await self._changed(before, user)

    async def moderate(
        self, review_id: int, verdict: Literal["approved", "rejected"], user: Principal, check: Check
    ) -> Review:
        """Approve or reject, however it stood; `check` is as in `change`. Raises NotFound."""
        before = await self._locked(review_id, user)
        check(before)
        await self.session.execute(update(models.Review).where(models.Review.id == review_id).values(status=verdict))
        action = "aprobada" if verdict == "approved" else "rechazada"
        after = await self.get(review_id, user)
        await self._log("update", f"Reseña {action}: {before.product_name}", user, before, after)
        return after

    async def delete(self, review_id: int, user: Principal) -> None:
        """Raises NotFound, Forbidden."""
        await self.check_rights(review_id, user)
        before = await self._locked(review_id, user)
        await self.session.execute(delete(models.Review).where(models.Review.id == review_id))
        if before.user != user.id:
            await self._log("delete", f"Reseña eliminada: {before.product_name}", user, before, None)

    async def _read(self, *conditions: ColumnElement[bool]) -> list[Review]:
        return [shown(row) for row in await self.session.execute(queries.reviews(*conditions))]

    async def _locked(self, review_id: int, user: Principal) -> Review:
        """The review as it stands once nobody else is writing it. Raises NotFound."""
        statement = select(models.Review.id).where(models.Review.id == review_id).with_for_update()
        await self.session.execute(statement)
        return await self.get(review_id, user)

    async def _changed(self, before: Review, user: Principal) -> Review:
        after = await self.get(before.id, user)
        if before.user != user.id:
            await self._log("update", f"Reseña actualizada: {before.product_name}", user, before, after)
        return after

    async def _log(self, action: str, description: str, user: Principal, before: Review, after: Review | None) -> None:
        """What staff did to somebody's review; a user's own reviews say themselves what the user did."""
        sides = [{} if side is None else msgspec.structs.asdict(side) for side in (before, after)]
        changes = differences(*sides)
        # The log outlives the author's account and its reviews: what was written, and under which name, is not in it.
        changes.pop("username", None)
        if "comment" in changes:
            changes["comment"] = [MASK if text else text for text in changes["comment"]]
        if changes:
            deed = Deed(object_id=before.id, description=description, changes=changes)
            await self.log.write(user, action, "review", deed)

    async def _check_product(self, product_id: int) -> None:
        statement = select(models.Product.id).where(
            models.Product.id == product_id, models.Product.deleted_at.is_(None), models.Product.is_available
        )
        if (await self.session.execute(statement)).first() is None:
            raise Invalid.field("product", f'Invalid pk "{product_id}" - object does not exist.')


def shown(row: Row[*tuple[Any, ...]]) -> Review:
    """A row of `queries.reviews` as it is answered."""
    return Review(
        id=row.id,
        product=row.product_id,
        product_name=row.product_name,
        user=row.user_id,
        username=row.username,
        rating=row.rating,
        comment=row.comment,
        is_approved=row.status == "approved",
        created_at=row.created_at,
    )


def _public(caller: Principal | None) -> ColumnElement[bool]:
    return true() if caller is not None and caller.is_admin else models.Review.status == "approved"


def _visible(caller: Principal | None) -> ColumnElement[bool]:
    """What is public, and the caller's own."""
    return _public(caller) if caller is None else or_(_public(caller), models.Review.user_id == caller.id)


@contextmanager
def _once() -> Iterator[None]:
    """The loser of two equal writes at once is told what a later writer would be told."""
    try:
        yield
    except IntegrityError as error:
        if constraint_of(error) == _UNIQUE:
            raise Invalid.whole(TWICE) from error
        raise
