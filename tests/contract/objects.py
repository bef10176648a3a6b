"""For each operation that is about an object, real ones of its kind, and who may do with them what the operation does.

An object belongs to a customer, the owner, wherever it can belong to anybody; it may be in the path or in the body. An
operation without a row breaks the build (test_objects.py). The rows are in objects_*.py.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.domain.accounts.models import User
from app.domain.catalog.models import Category, Product
from tests.factories import bearer
from tests.factories_catalog import make_category, make_product
from tests.orders.counter import Counter
from tests.payments.counter import Counter as Till
from tests.promos.market import Market

# Fields of bodies that name an object which is there already.
NAMING = {
    "store", "product", "store_product", "promo_id", "token", "product_id", "product_ids", "order_id", "items",
    "products", "products_data", "category", "categories", "parent", "anonymous_id",
}  # fmt: skip
MAY = 0


class Verdict(NamedTuple):
    """The status by which each is refused, or MAY."""

    nobody: int
    another: int
    owner: int
    staff: int


ALL = Verdict(MAY, MAY, MAY, MAY)
SIGNED_IN = Verdict(401, MAY, MAY, MAY)
STAFF = Verdict(401, 403, 403, MAY)
# Others know that it is there, or do not.
SEEN = Verdict(401, 403, MAY, MAY)
HIDDEN = Verdict(401, 404, MAY, MAY)
UNPUBLISHED = Verdict(404, 404, MAY, MAY)
OWN = Verdict(401, 404, MAY, 404)


class Call(NamedTuple):
    """What stands in the path's braces, and a body; fields that an operation does not have are ignored."""

    place: Any = None
    body: Any = None


@dataclass
class World:
    """Whoever is about, and what objects are made with."""

    till: Till
    owner: User
    another: User
    staff: User

    def headers(self, who: str) -> dict[str, str]:
        return {} if who == "nobody" else bearer(self.till.settings, getattr(self, who))

    @property
    def db(self) -> Any:
        return self.till.db

    @property
    def market(self) -> Market:
        return Market(self.till.client, self.db, self.till.settings)

    async def ask(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """The answer to what has to work."""
        answer = await self.till.client.request(method, path, json=body, headers=self.headers(who))
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def order(self, **fields: Any) -> int:
        return await Counter(self.till.client, self.db, self.till.settings).order(self.owner.id, **fields)

    async def add(self, thing: Any) -> Any:
        self.db.add(thing)
        await self.db.commit()
        return thing

    async def wares(self) -> tuple[Category, Product]:
        category = await make_category(self.db)
        return category, await make_product(self.db, category=category)


Make = Callable[[World], Awaitable[Call]]
ROWS: dict[str, list[tuple[Verdict, Make]]] = defaultdict(list)


def row(verdict: Verdict, *names: str) -> Callable[[Make], Make]:
    def noted(make: Make) -> Make:
        for name in names:
            ROWS[name].append((verdict, make))
        return make

    return noted


def crud(name: str, *more: str, read: bool = True) -> list[str]:
    reading = [f"{name}_retrieve"] if read else []
    return [
        *reading,
        f"{name}_update",
        f"{name}_partial_update",
        f"{name}_destroy",
        *(f"{name}_{each}" for each in more),
    ]
