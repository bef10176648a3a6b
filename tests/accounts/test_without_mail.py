"""Without a mail server nothing begins that would end in a mail."""

from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.server import create_app
from app.settings import Settings
from tests.factories import PASSWORD, bearer, make_user

NEW = {
    "username": "nueva", "email": "nueva@example.com", "password": "una-clave-larga", "password2": "una-clave-larga",
    "first_name": "Nueva", "last_name": "Persona",
}  # fmt: skip
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("register", NEW),
    ("resend-verification", {"email": "ana@example.com"}),
    ("resend-verification", {"email": "nobody@example.com"}),
    ("request-password-reset", {"email": "ana@example.com"}),
    ("request-password-reset", {"email": "nobody@example.com"}),
    ("verify-change", {"type": "EMAIL_CHANGE", "new_email": "otra@example.com", "password": PASSWORD}),
    ("verify-change", {"type": "PASSWORD_CHANGE"}),
)


@pytest.mark.parametrize(("operation", "body"), CALLS)
async def test_it_is_refused_and_nothing_changes(
    db: AsyncSession, settings: Settings, operation: str, body: dict[str, Any]
) -> None:
    user = await make_user(db, username="ana", email="ana@example.com")
    app = create_app(msgspec.structs.replace(settings, smtp_host="", mail_from=""))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        headers = bearer(settings, user) if operation == "verify-change" else {}
        answer = await http.post(f"/api/auth/{operation}/", json=body, headers=headers)
    assert answer.status_code == 503
    assert answer.json() == {"error": "El envío de correos no está disponible", "code": "mail_unavailable"}
    assert answer.headers["retry-after"] == "300"
    await db.commit()
    counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM verification_codes)"
    assert tuple((await db.execute(text(counts))).one()) == (1, 0)
    assert (await db.execute(text("SELECT count(*) FROM procrastinate_jobs"))).scalar_one() == 0
