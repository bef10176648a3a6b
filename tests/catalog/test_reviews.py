"""Reviews: who writes, who sees, who approves; one of a product by a user, however many are sent at once."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.models import ActivityLog
from app.domain.catalog.models import Product, Review
from app.settings import Settings
from tests.factories import bearer, make_user
from tests.factories_catalog import make_product
from tests.shop import Headers, People

PATH = "/api/reviews/"
KEYS = ["id", "product", "product_name", "user", "username", "rating", "comment", "is_approved", "created_at"]
TWICE = {"non_field_errors": ["The fields product, user must make a unique set."]}
NOT_FOUND = {"detail": "Not found."}
FORBIDDEN = {"detail": "You do not have permission to perform this action."}


async def write(client: httpx.AsyncClient, headers: Headers, product: Product, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"product": product.id, "rating": 4} | fields, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def approve(client: httpx.AsyncClient, people: People, review: dict[str, Any]) -> None:
    answer = await client.patch(f"{PATH}{review['id']}/approve/", headers=people.staff)
    assert answer.status_code == 200


async def rows(db: AsyncSession) -> list[Any]:
    columns = Review.id, Review.product_id, Review.user_id, Review.rating, Review.comment, Review.status
    found = (await db.execute(select(*columns).order_by(Review.id))).all()
    await db.commit()
    return list(found)


async def test_a_review_waits_until_it_is_approved(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db, name="Lámpara LED 100W")
    sent = {"product": product.id, "rating": "5", "comment": " Muy buena 🌱 ", "is_approved": True, "user": 1}
    answer = await client.post(PATH, json=sent, headers=people.shopper)
    assert answer.status_code == 201
    review = answer.json()
    assert list(review) == KEYS
    assert review == review | {
        "product": product.id,
        "product_name": "Lámpara LED 100W",
        "user": people.shopper_id,
        "rating": 5,
        "comment": "Muy buena 🌱",
        "is_approved": False,
    }
    own = f"{PATH}{review['id']}/"
    for headers, seen in ((people.nobody, 0), (people.owner, 0), (people.shopper, 0), (people.staff, 1)):
        assert (await client.get(PATH, headers=headers)).json()["count"] == seen
        listed = await client.get(f"{PATH}for_product/?product_id={product.id}", headers=headers)
        assert len(listed.json()) == seen
    for headers, status in ((people.nobody, 404), (people.owner, 404), (people.shopper, 200), (people.staff, 200)):
        read = await client.get(own, headers=headers)
        assert (read.status_code, read.json()) == (status, review if status == 200 else NOT_FOUND)
    approved = await client.patch(f"{own}approve/", headers=people.staff)
    assert (approved.status_code, approved.json()) == (200, review | {"is_approved": True})
    for headers in (people.nobody, people.owner, people.shopper, people.staff):
        assert (await client.get(own, headers=headers)).json() == approved.json()
        assert (await client.get(PATH, headers=headers)).json()["results"] == [approved.json()]


async def test_lists_of_staff_and_of_ones_own(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    first, second = await make_product(db), await make_product(db)
    a, b = await write(client, people.shopper, first), await write(client, people.shopper, second)
    c = await write(client, people.owner, first)
    await approve(client, people, a)
    rejected = await client.patch(f"{PATH}{b['id']}/reject/", headers=people.staff)
    assert (rejected.status_code, rejected.json()) == (200, b)

    async def ids(path: str, headers: Headers) -> list[int]:
        answer = (await client.get(PATH + path, headers=headers)).json()
        return [item["id"] for item in (answer if isinstance(answer, list) else answer["results"])]

    assert await ids("pending/", people.staff) == [c["id"]]
    assert await ids("my_reviews/", people.shopper) == [b["id"], a["id"]]
    assert await ids("my_reviews/", people.staff) == []
    assert await ids("", people.staff) == [c["id"], b["id"], a["id"]]
    assert await ids("", people.shopper) == [a["id"]]
    assert await ids("?page_size=2&page=2", people.staff) == [a["id"]]
    assert await ids(f"for_product/?product_id={first.id}", people.staff) == [c["id"], a["id"]]
    assert await ids(f"for_product/?product_id={first.id}", people.owner) == [a["id"]]
    assert await ids("for_product/?product_id=999999999", people.nobody) == []
    assert (await client.get(f"{PATH}pending/", headers=people.shopper)).status_code == 403
    for path in ("pending/", "my_reviews/", f"has_reviewed/?product_id={first.id}"):
        assert (await client.get(PATH + path)).status_code == 401


async def test_has_reviewed(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    path = f"{PATH}has_reviewed/?product_id={product.id}"
    assert (await client.get(path, headers=people.shopper)).json() == {"exists": False, "review": None}
    review = await write(client, people.shopper, product)
    assert (await client.get(path, headers=people.shopper)).json() == {"exists": True, "review": review}
    assert (await client.get(path, headers=people.owner)).json() == {"exists": False, "review": None}


@pytest.mark.parametrize("operation", ["for_product", "has_reviewed"])
@pytest.mark.parametrize("query", ["", "?product_id=", "?product_id=x", "?product_id=1.5"])
async def test_the_product_has_to_be_said(
    client: httpx.AsyncClient, people: People, operation: str, query: str
) -> None:
    answer = await client.get(f"{PATH}{operation}/{query}", headers=people.shopper)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_refused_reviews_store_nothing(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product, hidden = await make_product(db), await make_product(db, is_available=False)
    gone = await make_product(db)
    assert (await client.delete(f"/api/products/{gone.id}/", headers=people.staff)).status_code == 204
    low = {"rating": ["Ensure this value is greater than or equal to 1."]}
    high = {"rating": ["Ensure this value is less than or equal to 5."]}
    whole = {"rating": ["A valid integer is required."]}
    required = {"product": ["This field is required."], "rating": ["This field is required."]}
    refusals: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, required),
        ({"product": product.id, "rating": 0}, low),
        ({"product": product.id, "rating": 6}, high),
        ({"product": product.id, "rating": 4.5}, whole),
        ({"product": product.id, "rating": True}, whole),
        ({"product": product.id, "rating": 3, "comment": None}, {"comment": ["This field may not be null."]}),
        ({"product": product.id, "rating": 3, "comment": "\0"}, {"comment": ["Null characters are not allowed."]}),
    ]
    for missing in (hidden.id, gone.id, 999_999_999):
        message = f'Invalid pk "{missing}" - object does not exist.'
        refusals.append(({"product": missing, "rating": 3}, {"product": [message]}))
    for body, told in refusals:
        answer = await client.post(PATH, json=body, headers=people.shopper)
        assert (answer.status_code, answer.json()) == (400, told), body
    assert (await client.post(PATH, json={"product": product.id, "rating": 3})).status_code == 401
    assert await rows(db) == []


async def test_a_second_review_is_refused(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product, other = await make_product(db), await make_product(db)
    await write(client, people.shopper, product, comment="first")
    second = await write(client, people.shopper, other)
    before = await rows(db)
    answer = await client.post(PATH, json={"product": product.id, "rating": 1}, headers=people.shopper)
    assert (answer.status_code, answer.json()) == (400, TWICE)
    moved = await client.put(
        f"{PATH}{second['id']}/", json={"product": product.id, "rating": 1}, headers=people.shopper
    )
    assert (moved.status_code, moved.json()) == (400, TWICE)
    assert await rows(db) == before
    await write(client, people.owner, product)


async def test_parallel_duplicates_make_one(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    body = {"product": product.id, "rating": 3}
    answers = await asyncio.gather(*(client.post(PATH, json=body, headers=people.shopper) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 9
    assert all(answer.json() == TWICE for answer in answers if answer.status_code == 400)
    assert len(await rows(db)) == 1


async def test_what_the_author_changes_waits_again(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product, hidden = await make_product(db), await make_product(db, is_available=False)
    review = await write(client, people.shopper, product, comment="nice")
    path = f"{PATH}{review['id']}/"
    await approve(client, people, review)
    unchanged = await client.patch(path, json={}, headers=people.shopper)
    assert (unchanged.status_code, unchanged.json()) == (200, review | {"is_approved": True})
    # Neither the approval nor the author can be written, nor the product by PATCH.
    sent = {"rating": 2, "is_approved": True, "user": people.owner_id, "product": hidden.id}
    changed = await client.patch(path, json=sent, headers=people.shopper)
    assert (changed.status_code, changed.json()) == (200, review | {"rating": 2})
    await approve(client, people, review)
    replaced = await client.put(path, json={"product": product.id, "rating": 1}, headers=people.shopper)
    assert (replaced.status_code, replaced.json()) == (200, review | {"rating": 1})
    missing = await client.put(path, json={"rating": 1}, headers=people.shopper)
    assert (missing.status_code, missing.json()) == (400, {"product": ["This field is required."]})
    moved = await client.put(path, json={"product": hidden.id, "rating": 1}, headers=people.shopper)
    assert (moved.status_code, list(moved.json())) == (400, ["product"])


async def test_staff_change_without_taking_the_approval_away(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    review = await write(client, people.shopper, await make_product(db), comment="rude words")
    path = f"{PATH}{review['id']}/"
    await approve(client, people, review)
    answer = await client.patch(path, json={"comment": "***"}, headers=people.staff)
    assert answer.json() == review | {"comment": "***", "is_approved": True}
    assert (await client.delete(path, headers=people.staff)).status_code == 204
    logged = (
        await db.execute(
            select(ActivityLog.action, ActivityLog.changes)
            .where(ActivityLog.content_type == "review")
            .order_by(ActivityLog.id)
        )
    ).all()
    assert [row.action for row in logged] == ["update", "update", "delete"]
    assert logged[0].changes == {"is_approved": [False, True]}
    assert logged[1].changes == {"comment": ["***", "***"]}
    # The log stays when the author is gone: it does not repeat the review, nor say under which name it was written.
    assert logged[2].changes["comment"] == ["***", None]
    assert logged[2].changes["rating"] == [review["rating"], None]
    assert "username" not in logged[2].changes


async def test_others_reviews_are_out_of_reach(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    hidden, shown = await write(client, people.shopper, product), await write(client, people.owner, product)
    await approve(client, people, shown)
    before = await rows(db)
    full = {"product": product.id, "rating": 1}
    for review, headers, status, told in (
        (hidden, people.owner, 404, NOT_FOUND),
        (shown, people.shopper, 403, FORBIDDEN),
        (hidden, people.nobody, 401, None),
    ):
        for method, body in (("PUT", full), ("PUT", {}), ("PATCH", {"rating": "x"}), ("DELETE", None)):
            answer = await client.request(method, f"{PATH}{review['id']}/", json=body, headers=headers)
            assert answer.status_code == status, (method, body)
            assert told is None or answer.json() == told
    for action in ("approve", "reject"):
        for headers, status in ((people.nobody, 401), (people.shopper, 403)):
            answer = await client.patch(f"{PATH}{hidden['id']}/{action}/", headers=headers)
            assert answer.status_code == status
        assert (await client.patch(f"{PATH}999999999/{action}/", headers=people.staff)).status_code == 404
    assert await rows(db) == before
    assert (await client.delete(f"{PATH}{hidden['id']}/", headers=people.shopper)).status_code == 204
    assert (await client.delete(f"{PATH}{hidden['id']}/", headers=people.shopper)).status_code == 404


async def test_what_was_read_is_what_is_approved(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    review = await write(client, people.shopper, await make_product(db), comment="harmless")
    path = f"{PATH}{review['id']}/"
    tag = (await client.get(path, headers=people.staff)).headers["etag"]
    await client.patch(path, json={"comment": "spam"}, headers=people.shopper)
    stale = await client.patch(f"{path}approve/", headers=people.staff | {"If-Match": tag})
    assert stale.status_code == 412
    assert [row.status for row in await rows(db)] == ["pending"]
    fresh = (await client.get(path, headers=people.staff)).headers["etag"]
    assert (await client.patch(f"{path}approve/", headers=people.staff | {"If-Match": fresh})).status_code == 200


async def test_reviews_go_with_their_product_and_with_their_author(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, people: People
) -> None:
    product, kept = await make_product(db), await make_product(db)
    leaver = await make_user(db, username="se_va")
    headers = bearer(settings, leaver)
    for each in (product, kept):
        await approve(client, people, await write(client, headers, each, comment="mine"))
    assert (await client.delete(f"/api/products/{product.id}/", headers=people.staff)).status_code == 204
    listed = (await client.get(PATH)).json()
    assert ([one["product"] for one in listed["results"]], listed["count"]) == ([kept.id], 1)
    assert (await client.get(f"{PATH}for_product/?product_id={product.id}", headers=people.staff)).json() == []
    export = (await client.get("/api/auth/me/export/", headers=headers)).json()
    assert [(one["product_id"], one["comment"]) for one in export["reviews"]] == [
        (product.id, "mine"),
        (kept.id, "mine"),
    ]
    gone = await client.request("DELETE", "/api/auth/me/", json={"password": "una-clave-larga-2026"}, headers=headers)
    assert gone.status_code in {200, 204}, gone.text
    assert (await db.execute(select(func.count()).select_from(Review))).scalar_one() == 0
