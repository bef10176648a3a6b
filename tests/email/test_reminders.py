"""Whom the shop reminds of a cart: seldom, and nobody who has ordered."""

import asyncio

import msgspec
import pytest

from app.jobs import email
from app.jobs.work import Work
from tests.email.post import Post
from tests.factories import make_user

DEFERRED = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_reminder_mail'"
SENT = "SELECT reminder_emails_sent FROM cart"


async def remind(post: Post, most: int = 1) -> int:
    """A run of the periodic job; how many reminders it queued."""
    settings = msgspec.structs.replace(post.work.settings, cart_reminders=most)
    return int(str(await email.remind.run(Work(settings, post.work.sessions))))


async def pass_time(post: Post, span: str) -> None:
    times = ("last_activity", "abandoned_at", "last_reminder_sent_at")
    moved = ", ".join(f"{name} = {name} - {span}" for name in times)
    await post.run(f"UPDATE cart SET {moved}")


async def leave_again(post: Post) -> None:
    """The owner has just been there, and is thought to be gone already."""
    await post.run("UPDATE cart SET last_activity = clock_timestamp(), abandoned_at = clock_timestamp()")


async def test_nobody_is_reminded_unless_the_shop_wants_it(post: Post) -> None:
    await post.make_cart()
    assert await remind(post, 0) == 0
    assert await email.remind.run(post.work) == 0
    assert await post.value(DEFERRED) == 0


async def test_one_reminder_for_an_episode(post: Post) -> None:
    cart_id = await post.make_cart()
    assert await remind(post) == 1
    args = await post.value("SELECT args FROM procrastinate_jobs WHERE task_name = 'send_reminder_mail'")
    assert args == {"cart_id": cart_id, "occurrence": 1}
    assert await post.remind(**args) == "sent"
    # Comes and goes five times in half an hour.
    for _ in range(5):
        await pass_time(post, "interval '6 minutes'")
        await leave_again(post)
        assert await remind(post) == 0
    # Stays away: nothing more is said.
    await pass_time(post, "interval '9 days'")
    assert await remind(post) == 0
    # A real second time, a week later.
    await leave_again(post)
    assert await remind(post) == 1
    assert await post.value(SENT) == 2
    assert await post.remind(cart_id, 2) == "sent"
    assert len(post.inbox()) == 2


async def test_a_series_ends_after_three(post: Post) -> None:
    await post.make_cart()
    assert [await remind(post, 3), await remind(post, 3)] == [1, 0]
    await pass_time(post, "interval '25 hours'")
    assert [await remind(post, 3), await remind(post, 3)] == [1, 0]
    await pass_time(post, "interval '48 hours'")
    assert [await remind(post, 3), await remind(post, 3)] == [1, 0]
    await pass_time(post, "interval '20 days'")
    assert await remind(post, 3) == 0
    assert await post.value(SENT) == 3


async def test_a_series_stops_when_its_owner_comes_back(post: Post) -> None:
    await post.make_cart()
    assert await remind(post, 3) == 1
    await pass_time(post, "interval '2 hours'")
    await leave_again(post)
    await pass_time(post, "interval '30 hours'")
    assert await remind(post, 3) == 0


@pytest.mark.parametrize("status", ["active", "recovered", "expired"])
async def test_only_what_is_abandoned(post: Post, status: str) -> None:
    cart_id = await post.make_cart()
    await post.run("UPDATE cart SET recovered_at = now()")
    await post.run(f"UPDATE cart SET status = '{status}'")
    assert await remind(post, 3) == 0
    assert await post.remind(cart_id) == "nothing to send"


async def test_who_has_ordered_is_not_reminded(post: Post) -> None:
    """Also when the order came between the look and the mail, and did not name the cart."""
    user = await make_user(post.db, email="ana@example.com")
    cart_id = await post.make_cart(user)
    assert await remind(post) == 1
    await post.make_order(user_id=user.id)
    assert await post.remind(cart_id, 1) == "nothing to send"
    await post.run("UPDATE cart SET last_reminder_sent_at = NULL")
    assert await remind(post) == 0
    assert post.arrivals() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET email_verified = false",
        "UPDATE users SET is_active = false",
        "UPDATE cart SET user_id = NULL, customer_email = 'ana@example.com'",
        "DELETE FROM cart_item",
        "UPDATE cart SET last_activity = now() - interval '31 days'",
    ],
)
async def test_who_cannot_be_sure_to_want_it_gets_none(post: Post, change: str) -> None:
    await post.make_cart()
    await post.run(change)
    assert await remind(post, 3) == 0


async def test_two_workers_remind_once(post: Post) -> None:
    for number in range(5):
        await post.make_cart(email=f"ana{number}@example.com")
    assert sum(await asyncio.gather(*(remind(post) for _ in range(4)))) == 5
    assert await post.value(DEFERRED) == 5
