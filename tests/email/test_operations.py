"""`/api/email/config-check/`, `/api/email/test/`, and how long mails are remembered."""

from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs import email
from app.jobs.work import Work
from app.server import create_app
from app.settings import Settings
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.contract.checking import HOOKS
from tests.email.post import Post
from tests.factories import PASSWORD, bearer, make_staff, make_user

CHECK, TEST = "/api/email/config-check/", "/api/email/test/"


@pytest.fixture
async def staff(db: AsyncSession, settings: Settings) -> dict[str, str]:
    return bearer(settings, await make_staff(db))


async def answer_of(settings: Settings, method: str, path: str, **options: Any) -> httpx.Response:
    """One request to an application with these settings."""
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    there = {"transport": transport, "base_url": "http://testserver", "event_hooks": HOOKS}
    async with app.lifespan(), httpx.AsyncClient(**there) as http:
        return await http.request(method, path, **options)


async def test_the_configuration_without_its_secrets(mail_settings: Settings, staff: dict[str, str]) -> None:
    secrets = {"smtp_username": "shop-account", "smtp_password": "shop-password"}
    settings = msgspec.structs.replace(
        mail_settings, smtp_host="smtp.shop.test", smtp_port=587, smtp_tls_mode="starttls", **secrets
    )
    answer = await answer_of(settings, "GET", CHECK, headers=staff)
    assert answer.status_code == 200
    assert answer.json() == {
        "configured": True,
        "backend": "smtp",
        "host": "smtp.shop.test",
        "port": 587,
        "use_tls": True,
        "from_email": "Tienda Ñandú <no-reply@shop.test>",
    }
    for secret in (*secrets.values(), settings.secret_key):
        assert secret not in answer.text + str(answer.headers)


async def test_nothing_is_configured(mail_settings: Settings, staff: dict[str, str]) -> None:
    settings = msgspec.structs.replace(mail_settings, smtp_host="", mail_from="")
    answer = await answer_of(settings, "GET", CHECK, headers=staff)
    assert answer.json() == {
        "configured": False, "backend": "smtp", "host": None, "port": None, "use_tls": False, "from_email": "",
    }  # fmt: skip
    refused = await answer_of(settings, "POST", TEST, headers=staff, json={"email": "ana@example.com"})
    assert refused.status_code == 503
    assert refused.json() == {"error": "El envío de correos no está disponible", "code": "mail_unavailable"}
    assert refused.headers["retry-after"] == "300"


async def test_a_test_mail_arrives(mail_settings: Settings, post: Post, staff: dict[str, str]) -> None:
    answer = await answer_of(mail_settings, "POST", TEST, headers=staff, json={"email": "ana@example.com"})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": "Email de prueba enviado a ana@example.com"}
    (mail,) = post.inbox()
    assert mail.subject == "Email de prueba"
    assert mail.text == "Hola:\n\nSi leés esto, el envío de correos funciona.\n\n-- \nTienda Ñandú\n"


@pytest.mark.parametrize("address", ["", "ana", "ana@example.com\r\nBcc: a@b.example", "a@b.example, c@d.example", 7])
async def test_a_wrong_address(mail_settings: Settings, post: Post, staff: dict[str, str], address: object) -> None:
    answer = await answer_of(mail_settings, "POST", TEST, headers=staff, json={"email": address})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith("email: ")
    assert post.arrivals() == []


async def test_without_an_address(mail_settings: Settings, staff: dict[str, str]) -> None:
    answer = await answer_of(mail_settings, "POST", TEST, headers=staff)
    assert (answer.status_code, answer.json()) == (400, {"error": "email: This field is required."})


async def test_the_mail_servers_own_words(mail_settings: Settings, sandbox: Sandbox, staff: dict[str, str]) -> None:
    sandbox.world.faults.add(Fault("smtp", status=554))
    answer = await answer_of(mail_settings, "POST", TEST, headers=staff, json={"email": "ana@example.com"})
    assert answer.status_code == 500
    assert answer.json() == {"error": "554 The sandbox was told to refuse this"}
    answer = await answer_of(mail_settings, "POST", TEST, headers=staff, json={"email": "nouser@example.com"})
    assert answer.json() == {"error": "550 5.1.1 The email account that you tried to reach does not exist"}


async def test_a_test_mail_that_arrives_ends_a_halt(mail_settings: Settings, post: Post, staff: dict[str, str]) -> None:
    await post.run("INSERT INTO mail_halt (reason, until) VALUES ('535', now() + interval '1 hour')")
    post.sandbox.world.faults.add(Fault("smtp", status=451))
    await answer_of(mail_settings, "POST", TEST, headers=staff, json={"email": "ana@example.com"})
    assert await post.value("SELECT count(*) FROM mail_halt") == 1
    await answer_of(mail_settings, "POST", TEST, headers=staff, json={"email": "ana@example.com"})
    assert await post.value("SELECT count(*) FROM mail_halt") == 0


async def test_the_owner_sees_all_mails_and_takes_the_address_along(
    client: httpx.AsyncClient, post: Post, settings: Settings
) -> None:
    user = await make_user(post.db, email="ana@example.com")
    await post.send_code(await post.make_code("PASSWORD_RESET", user=user))
    await post.remind(await post.make_cart(user))
    (link,) = post.header("list-unsubscribe")
    headers = bearer(settings, user)
    first, second = (await client.get("/api/auth/me/export/", headers=headers)).json()["mails"]
    assert set(first) == {
        "kind", "reference", "recipient", "subject", "status", "attempts", "created_at", "sent_at",
    }  # fmt: skip
    assert (first["kind"], first["recipient"], first["status"]) == ("password_reset", "ana@example.com", "sent")
    assert second["kind"] == "cart_reminder"
    answer = await client.request("DELETE", "/api/auth/me/", headers=headers, json={"password": PASSWORD})
    assert answer.status_code in {200, 204}
    assert [(row.recipient, row.user_id) for row in await post.rows()] == [("", None)] * 2
    assert (await client.post(link.strip("<>").removeprefix("http://testserver"))).status_code == 200
    assert await post.value("SELECT count(*) FROM mail_suppression") == 0


async def test_old_mails_are_forgotten_and_marketing_later(post: Post, work: Work) -> None:
    await post.send_order(await post.make_order())
    await post.remind(await post.make_cart())
    await post.run(
        "INSERT INTO mail_suppression (address, reason, created_at) VALUES"
        " ('a@b.example', 'bounced', now() - interval '31 days'),"
        " ('a@b.example', 'unsubscribed', now() - interval '9 years')"
    )
    assert await email.forget_old.run(work) == 0
    await post.run("UPDATE mail SET created_at = now() - interval '91 days'")
    assert await email.forget_old.run(work) == 1
    assert (await post.row()).kind == "cart_reminder"
    await post.run("UPDATE mail SET created_at = now() - interval '731 days'")
    assert await email.forget_old.run(work) == 1
    assert await post.value("SELECT string_agg(reason, ' ') FROM mail_suppression") == "unsubscribed"
