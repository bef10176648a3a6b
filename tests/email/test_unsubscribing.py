"""Reminders, and their end by one click."""

import re
from base64 import b64encode
from hashlib import sha256

import httpx
import msgspec
import pytest
from sqlalchemy import select

from app.domain.accounts.models import User
from app.domain.email.controllers import DONE
from app.domain.email.rules.unsubscribing import mail_of, token_of
from app.http.plain_page import STYLE
from app.jobs.work import Work
from tests.email.post import Post
from tests.factories import make_user

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
ENDED = "SELECT string_agg(address || ' ' || reason, ', ' ORDER BY id) FROM mail_suppression"


async def remind(post: Post) -> str:
    """A reminder that was sent; the path at which it is ended."""
    assert await post.remind(await post.make_cart(email="Ana@Example.com")) == "sent"
    (header,) = post.header("list-unsubscribe")[-1:]
    found = re.fullmatch(r"<http://testserver(/api/email/unsubscribe/[A-Za-z0-9_-]{32}/)>", header)
    assert found is not None
    return found[1]


async def test_a_reminder_says_how_to_end_it(post: Post) -> None:
    path = await remind(post)
    assert post.header("list-unsubscribe-post") == ["List-Unsubscribe=One-Click"]
    assert post.header("precedence") == ["bulk"]
    (mail,) = post.inbox("Ana@Example.com")
    assert mail.subject == "Tu carrito te espera"
    assert f"http://testserver{path}" in mail.text
    assert f'href="http://testserver{path}"' in mail.html
    assert "ana" not in path.lower().removesuffix("/").rpartition("/")[0]


async def test_only_abandoned_carts_are_reminded_of(post: Post) -> None:
    assert await post.remind(await post.make_cart(status="active")) == "nothing to send"
    assert await post.remind(987654321) == "nothing to send"
    assert post.arrivals() == []


async def test_each_reminder_of_a_series_is_sent_once(post: Post) -> None:
    cart_id = await post.make_cart()
    assert [await post.remind(cart_id, number) for number in (1, 1, 2)] == ["sent", "nothing to send", "sent"]


async def test_one_click_ends_it_however_often(post: Post, client: httpx.AsyncClient) -> None:
    path = await remind(post)
    for _ in range(3):
        answer = await client.post(path, data=ONE_CLICK)
        assert answer.status_code == 200
        assert not answer.history
    assert await post.value(ENDED) == "ana@example.com unsubscribed"
    user = (await post.db.execute(select(User))).scalar_one()
    assert await post.remind(await post.make_cart(user)) == "nothing to send"
    assert await post.send_order(await post.make_order(user_id=user.id)) == "sent"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", ""),
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"--b\r\n\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"\xff\x00{", "application/json"),
        (b"what", "text/plain"),
    ],
)
async def test_whatever_the_body_is(post: Post, client: httpx.AsyncClient, body: bytes, kind: str) -> None:
    path = await remind(post)
    headers = {"Content-Type": kind} if kind else {}
    assert (await client.post(path, content=body, headers=headers)).status_code == 200
    assert await post.value(ENDED) == "ana@example.com unsubscribed"


async def test_looking_changes_nothing(post: Post, client: httpx.AsyncClient) -> None:
    path = await remind(post)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await client.request(method, path)).status_code == 200
    answer = await client.get(path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<form method="post">' in answer.text
    assert await post.value(ENDED) is None


async def test_the_page_loads_nothing_and_its_form_leads_back(post: Post, client: httpx.AsyncClient) -> None:
    path = await remind(post)
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    for answer, form in ((await client.get(path), "'self'"), (await client.post(path), "'none'")):
        assert answer.headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; "
            f"form-action {form}; base-uri 'none'; frame-ancestors 'none'"
        )
        assert f"<style>{STYLE}</style>" in answer.text
        assert not re.search(r"https?:|src=|<script|style=", answer.text)
    assert DONE in answer.text


@pytest.mark.parametrize("token", ["x", "A" * 32, "A" * 31 + "=", "A" * 33, "%C3%B1" * 32, "1" * 32])
async def test_foreign_tokens(post: Post, client: httpx.AsyncClient, token: str) -> None:
    await remind(post)
    for method in ("GET", "POST"):
        assert (await client.request(method, f"/api/email/unsubscribe/{token}/")).status_code == 404
    assert await post.value(ENDED) is None


async def test_a_token_of_a_mail_that_is_no_marketing(post: Post, client: httpx.AsyncClient) -> None:
    await post.send_order(await post.make_order())
    token = token_of(post.work.settings.secret_key, (await post.row()).id)
    assert (await client.post(f"/api/email/unsubscribe/{token}/")).status_code == 404


async def test_every_bit_of_a_token_counts() -> None:
    token = token_of("s" * 32, 17)
    assert mail_of(["s" * 32], token) == 17
    assert mail_of(["t" * 32, "s" * 32], token) == 17
    assert mail_of(["t" * 32], token) is None
    assert token_of("s" * 32, 18)[:11] != token[:11]
    for place in range(len(token)):
        for other in "AB_":
            forged = token[:place] + other + token[place + 1 :]
            assert forged == token or mail_of(["s" * 32], forged) is None


async def test_links_outlive_a_new_secret(post: Post, client: httpx.AsyncClient) -> None:
    """Mails of before the rotation carry tokens that the secret before signed."""
    old = msgspec.structs.replace(post.work.settings, secret_key="an-older-secret-0123456789abcdef-0123456789")
    path = await remind(Post(Work(old, post.work.sessions), post.sandbox, post.db))
    assert (await client.post(path)).status_code == 404
    now = msgspec.structs.replace(post.work.settings, secret_key_previous=old.secret_key)
    assert mail_of([now.secret_key, now.secret_key_previous], path.rstrip("/").rpartition("/")[2]) is not None


async def test_who_wants_no_mails_gets_no_reminders(post: Post) -> None:
    user = await make_user(post.db, email="ana@example.com")
    await post.run(
        "INSERT INTO notification_preference (user_id, email_notifications) VALUES (:id, false), (NULL, false)",
        id=user.id,
    )
    assert await post.remind(await post.make_cart(user)) == "nothing to send"
    assert await post.send_order(await post.make_order(user_id=user.id)) == "sent"
    assert [row.status for row in await post.rows()] == ["suppressed", "sent"]
