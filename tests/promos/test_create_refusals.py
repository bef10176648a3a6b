"""What `POST /admin/promos/` refuses: every check, its words, and that nothing has changed."""

from typing import Any

import pytest

from tests.promos.market import HOUR, MINUTE, Market, now, wire
from tests.promos.test_create import tomorrow

REQUIRED = ["This field is required."]
NULL = ["This field may not be null."]
INTEGER = ["A valid integer is required."]
NUMBER = ["A valid number is required."]
AT_LEAST_1 = ["Ensure this value is greater than or equal to 1."]
AT_LEAST_0 = ["Ensure this value is greater than or equal to 0."]
PLACES = ["Ensure that there are no more than 2 decimal places."]
DATETIME = [
    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
]
INT4 = ["Ensure this value is less than or equal to 2147483647."]

ONE_FIELD: list[tuple[str, Any, Any]] = [
    ("store_product", None, NULL),
    ("store_product", "x", INTEGER),
    ("store_product", 0, AT_LEAST_1),
    ("store_product", -1, AT_LEAST_1),
    ("store_product", 2**63, ["Ensure this value is less than or equal to 9223372036854775807."]),
    ("store_product", 2**63 - 1, ['Invalid pk "9223372036854775807" - object does not exist.']),
    ("promo_price", "1000.01", ["Ensure this value is less than or equal to 1000.00."]),
    ("promo_price", "-0.01", AT_LEAST_0),
    ("promo_price", "1.001", PLACES),
    ("promo_price", "NaN", NUMBER),
    ("promo_price", "100000000", ["Ensure that there are no more than 8 digits before the decimal point."]),
    ("discount_percent", "-0.01", AT_LEAST_0),
    ("discount_percent", "100.01", ["Ensure this value is less than or equal to 100."]),
    ("discount_percent", "5.001", PLACES),
    ("discount_percent", "Infinity", NUMBER),
    ("max_units", 0, AT_LEAST_1),
    ("max_units", -3, AT_LEAST_1),
    ("max_units", 2**31, INT4),
    ("max_units", 1.5, INTEGER),
    ("max_units", True, INTEGER),
    ("max_units", 11, ["Ensure this value is less than or equal to 10: the store has no more units free."]),
    ("per_user_limit", 0, AT_LEAST_1),
    ("per_user_limit", None, NULL),
    ("per_user_limit", 2**31, INT4),
    ("radius_m", 0, AT_LEAST_1),
    ("radius_m", -2000, AT_LEAST_1),
    ("radius_m", "1_0", INTEGER),
    ("segments", [], ["Ensure this field has at least 1 elements."]),
    ("segments", None, NULL),
    ("segments", "new", ['Expected a list of items but got type "str".']),
    ("segments", {"new": 1}, ['Expected a list of items but got type "dict".']),
    ("segments", ["new", "vip"], {"1": ['"vip" is not a valid choice.']}),
    ("segments", [None], {"0": ['"None" is not a valid choice.']}),
    ("segments", ["new"] * 11, ["Ensure this field has no more than 10 elements."]),
    ("starts_at", None, NULL),
    ("starts_at", "tomorrow", DATETIME),
    ("starts_at", "2035-01-01", DATETIME),
    ("starts_at", "2035-02-30T00:00Z", DATETIME),
    ("starts_at", "2035-01-01T23:59:60Z", DATETIME),
    ("starts_at", "2035-01-01T00:00+99:99", DATETIME),
    ("starts_at", "0001-01-01T00:00:00+14:00", DATETIME),
    ("ends_at", "9999-12-31T23:59:59-14:00", DATETIME),
    ("ends_at", "12035-01-01T00:00Z", DATETIME),
    ("ends_at", 1893456000, DATETIME),
    ("ends_at", "٢٠٣٥-01-01T00:00Z", DATETIME),
]


@pytest.mark.parametrize(("field", "value", "messages"), ONE_FIELD)
async def test_a_wrong_field_is_named(market: Market, field: str, value: Any, messages: Any) -> None:
    item, staff = await market.item(stock=10), await market.staff()
    before = await market.stored()
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id, **{field: value}), headers=staff)
    assert (answer.status_code, answer.json()) == (400, {field: messages})
    assert await market.stored() == before


async def test_all_wrong_fields_are_named_at_once(market: Market) -> None:
    staff = await market.staff()
    answer = await market.client.post("/admin/promos/", json={}, headers=staff)
    assert answer.status_code == 400
    assert answer.json() == {"store_product": REQUIRED, "starts_at": REQUIRED, "ends_at": REQUIRED}
    sent = {"starts_at": "x", "max_units": 0, "radius_m": 0, "segments": ["vip"]}
    assert (await market.client.post("/admin/promos/", json=sent, headers=staff)).json() == {
        "store_product": REQUIRED,
        "starts_at": DATETIME,
        "ends_at": REQUIRED,
        "max_units": AT_LEAST_1,
        "radius_m": AT_LEAST_1,
        "segments": {"0": ['"vip" is not a valid choice.']},
    }


async def test_two_prices_are_one_too_many(market: Market) -> None:
    item = await market.item()
    sent = tomorrow(item.id, promo_price="700.00", discount_percent="10")
    answer = await market.client.post("/admin/promos/", json=sent, headers=await market.staff())
    assert answer.status_code == 400
    assert answer.json() == {"non_field_errors": ["Give promo_price or discount_percent, not both."]}
    assert await market.value("SELECT count(*) FROM flash_promo") == 0


async def test_the_window_ends_after_it_starts_and_in_the_future(market: Market) -> None:
    item, staff = await market.item(), await market.staff()
    start = now() + HOUR
    for begins, ends, message in (
        (start, start, "ends_at must be after starts_at."),
        (start, start - MINUTE, "ends_at must be after starts_at."),
        (start - 2 * HOUR, start - HOUR - MINUTE, "ends_at must be in the future."),
    ):
        sent = tomorrow(item.id, starts_at=wire(begins), ends_at=wire(ends), max_units=5)
        answer = await market.client.post("/admin/promos/", json=sent, headers=staff)
        assert (answer.status_code, answer.json()) == (400, {"ends_at": [message]})
    assert await market.free(item.pool_id) == 10


@pytest.mark.parametrize("table", ["store_product", "store"])
async def test_what_was_deleted_cannot_be_promoted(market: Market, table: str) -> None:
    item, staff = await market.item(), await market.staff()
    path = f"/api/store-products/{item.id}/" if table == "store_product" else f"/api/stores/{item.store_id}/"
    assert (await market.client.delete(path, headers=staff)).status_code == 204
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id), headers=staff)
    assert answer.status_code == 400
    assert answer.json() == {"store_product": [f'Invalid pk "{item.id}" - object does not exist.']}


async def test_held_units_and_other_promotions_units_are_not_free(market: Market) -> None:
    item, staff = await market.item(stock=10), await market.staff()
    await market.hold(await market.buyer(), await market.promo(item), 1)
    await market.promo(item, max_units=4)
    for wanted, status in ((6, 400), (5, 201), (1, 400)):
        sent = tomorrow(item.id, max_units=wanted)
        answer = await market.client.post("/admin/promos/", json=sent, headers=staff)
        assert answer.status_code == status
        if status == 400:
            free = 5 if wanted == 6 else 0
            message = f"Ensure this value is less than or equal to {free}: the store has no more units free."
            assert answer.json() == {"max_units": [message]}
    assert await market.free(item.pool_id) == 0


async def test_units_of_a_hold_that_is_over_are_free_to_be_set_aside(market: Market) -> None:
    item, staff = await market.item(stock=3), await market.staff()
    token = await market.hold(await market.buyer(), await market.promo(item, per_user_limit=3), 3)
    await market.expire(token)
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id, max_units=3), headers=staff)
    assert answer.status_code == 201
    assert await market.run("SELECT status FROM reservation_finished") == [("expired",)]
