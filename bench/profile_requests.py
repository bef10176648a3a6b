"""The operations that are profiled, and their requests: each a real one that does its work."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID, uuid4

import psycopg
from argon2 import PasswordHasher

from app.clients.mercadopago_signature import Signed, sign
from app.domain.accounts import tokens
from app.domain.accounts.service.passwords import LANES, MEMORY_KIB, PASSES
from bench import catalogue, dataset, orders
from bench.plan import PROMOS
from bench.rounds import tokens_of

WEBHOOK_SECRET = "only-for-the-profile"  # noqa: S105 - nobody's
PASSWORD = "only-for-the-bench"  # noqa: S105 - nobody's
PEOPLE, LIST_REQUESTS = 200, 100_000
Requests = Callable[[str, str], Sequence[bytes]]


@dataclass(frozen=True)
class Operation:
    """`requests` prepares the database at an address and makes requests with a secret. `clients` send at once."""

    requests: Requests
    status: int = 200
    data: dataset.Data = dataset.HOLDS
    clients: int = 8


def _request(method: str, path: str, body: object = None, token: bytes = b"", head: str = "") -> bytes:
    text = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *([head] if head else [])]
    if token:
        lines.append(f"Authorization: Bearer {token.decode()}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def _hold(url: str, secret: str) -> Sequence[bytes]:
    dataset.reset(url, slots=True)
    return [_request("POST", "/cart/reserve", {"promo_id": 1, "quantity": 1}, token) for token in tokens_of(secret)]


def _confirm(url: str, secret: str) -> Sequence[bytes]:
    """Everybody has a hold of a promotion, whose units are theirs already."""
    dataset.reset(url, slots=True)
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE orders, activity_log, procrastinate_jobs CASCADE")
        rows = connection.execute(
            "INSERT INTO reservation (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,"
            " expires_at) SELECT p.pool_id, p.id, p.store_product_id, u.id, gen_random_uuid(), 1, 80,"
            " now() + interval '1 hour' FROM users u JOIN flash_promo p ON p.id = u.id %% %s + 1"
            " ORDER BY u.id RETURNING token",
            [PROMOS],
        ).fetchall()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE reservation")
    return [
        _request("PUT", "/cart/checkout", {"token": str(hold), "payment_method": "cash"}, token)
        for token, (hold,) in zip(tokens_of(secret), rows, strict=True)
    ]


def _active(_url: str, secret: str) -> Sequence[bytes]:
    return [_request("GET", "/promos/active", token=token) for token in tokens_of(secret)]


def _list(*paths: str) -> Requests:
    return lambda _url, _secret: [_request("GET", paths[n % len(paths)]) for n in range(LIST_REQUESTS)]


def _quote(_url: str, _secret: str) -> Sequence[bytes]:
    return [_request("POST", "/api/cart/quote/", {"products": _lines(n)}) for n in range(LIST_REQUESTS)]


def _cart(_url: str, _secret: str) -> Sequence[bytes]:
    """A visitor changes the cart again and again; there are a thousand of them."""
    visitors = [str(uuid4()) for _ in range(1000)]
    path = "/api/orders/abandoned-carts/public/cart/"
    return [
        _request("POST", path, {"anonymous_id": visitors[n % 1000], "items": _lines(n)}) for n in range(LIST_REQUESTS)
    ]


def _lines(number: int) -> list[dict[str, int]]:
    return [{"product_id": (number * 3 + place) % PROMOS + 1, "quantity": 1} for place in range(3)]


def _order(url: str, secret: str) -> Sequence[bytes]:
    orders.reset(url)
    who = {"recipient_name": "Ana Paz", "customer_email": "ana@example.com", "delivery_type": "pickup"}
    return [
        _request("POST", "/api/orders/", {**who, "products_data": _lines(n)}, token)
        for n, token in enumerate(tokens_of(secret))
    ]


def _login(url: str, _secret: str) -> Sequence[bytes]:
    hashed = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES).hash(PASSWORD)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE users SET password_hash = %s WHERE id <= %s", [hashed, PEOPLE])
    people = [{"username": f"buyer{n % PEOPLE + 1}", "password": PASSWORD} for n in range(10_000)]
    return [_request("POST", "/api/auth/login/", each) for each in people]


def _refresh(url: str, secret: str) -> Sequence[bytes]:
    """Everybody's refresh token, each used once."""
    ids = [(UUID(int=n), n) for n in range(1, len(tokens_of(secret)) + 1)]
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE refresh_tokens")
        with connection.cursor().copy("COPY refresh_tokens (jti, family, user_id, expires_at) FROM STDIN") as copy:
            for jti, user in ids:
                copy.write_row((jti, jti, user, "2100-01-01"))
    now = int(time.time())
    minted = [tokens.mint(secret, tokens.REFRESH, user_id=user, version=0, jti=jti, now=now) for jti, user in ids]
    return [_request("POST", "/api/auth/token/refresh/", {"refresh": each}) for each in minted]


def _webhook(url: str, _secret: str) -> Sequence[bytes]:
    """Payments that nobody knows yet; what the body says of them is looked up later."""
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE procrastinate_jobs CASCADE")
    found, now, first = [], int(time.time()), time.time_ns() // 1000
    for number in range(first, first + 50_000):
        digest = sign(WEBHOOK_SECRET, Signed(str(number), str(number)), str(now))
        head = f"x-request-id: {number}\r\nx-signature: ts={now},v1={digest}"
        body = {"type": "payment", "action": "payment.updated", "data": {"id": str(number)}}
        found.append(_request("POST", f"/api/payments/?data.id={number}&type=payment", body, head=head))
    return found


_CATALOGUE = catalogue.data_of(catalogue.USUAL)
_WORDS = tuple(f"/api/products/?search={quote(f'{a} {b}')}" for a in catalogue.THINGS for b in catalogue.PURPOSES)
OPERATIONS: dict[str, Operation] = {
    "hold": Operation(_hold, 201, clients=32),
    "confirm": Operation(_confirm),
    "active": Operation(_active),
    "products": Operation(_list(*(f"/api/products/?page={n}" for n in range(1, 65))), data=_CATALOGUE),
    "product": Operation(_list(*(f"/api/products/{n}/" for n in range(1, 1000))), data=_CATALOGUE),
    "search": Operation(_list(*_WORDS), data=_CATALOGUE, clients=4),
    "quote": Operation(_quote),
    "cart": Operation(_cart),
    "order": Operation(_order, 201, clients=32),
    "login": Operation(_login, clients=2),
    "refresh": Operation(_refresh),
    "webhook": Operation(_webhook),
}
