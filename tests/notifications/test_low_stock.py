"""Stock that runs low: staff who want to know hear of it once a crossing."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.catalog.models import Product
from app.domain.devices.models import NotificationPreference
from app.domain.inventory.service import StockService
from tests.factories import make_staff
from tests.factories_catalog import make_product
from tests.notifications.office import Office
from tests.orders.counter import Counter

LIMIT = 5


@pytest.fixture
def counter(office: Office) -> Counter:
    return Counter(office.client, office.db, office.settings)


async def staff_with(office: Office, token: str, **preference: Any) -> None:
    user = await make_staff(office.db)
    await office.device(user, token)
    office.db.add(NotificationPreference(user_id=user.id, new_order_notifications=False, **preference))
    await office.db.commit()


async def bought(office: Office, counter: Counter, lines: Sequence[tuple[Product, int]]) -> list[tuple[str, str]]:
    """What is told of an order of these lines."""
    user_id, _ = await counter.shopper()
    order_id = await counter.order(user_id, lines)
    before = len(await pushes(office))
    for _ in range(2):  # a job that ran twice
        await office.run("notifications:order_created", order_id=order_id)
    return (await pushes(office))[before:]


async def pushes(office: Office) -> list[tuple[str, str]]:
    rows = await office.rows("""
        SELECT d.token, p.body FROM push_log p JOIN device_token d ON d.id = p.device_token_id ORDER BY p.id
    """)
    return [(str(token), str(body)) for token, body in rows]


async def test_once_a_crossing(office: Office, counter: Counter) -> None:
    await staff_with(office, "wants")
    await staff_with(office, "does-not", low_stock_notifications=False)
    product = await make_product(office.db, stock=9, name="Maceta")
    other = await make_product(office.db, stock=100, name="Tierra")
    said = f"Maceta (producto {product.id}): "
    assert await bought(office, counter, [(product, 3), (other, 1)]) == []
    assert await bought(office, counter, [(product, 1)]) == [("wants", f"{said}quedan 5 unidades")]
    assert await bought(office, counter, [(product, 1)]) == []
    await StockService(office.db).set_free(product.pool_id, 20, cause="delivery")
    await office.db.commit()
    assert await bought(office, counter, [(product, 19)]) == [("wants", f"{said}queda 1 unidad")]
