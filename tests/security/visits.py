"""A day in the shop with secrets in every pocket: all that is asked, and all that is answered."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx

from sandbox.server import Sandbox
from tests.security.canaries import Canaries, Seen
from tests.security.target import Target

PATIENCE_SECONDS = 20.0
CARD = "4509953566233704"
CARD_SPACED = "5031 7557 3453 0604"
# A device's token belongs to its owner, to the push service, and where it is kept.
DEVICES = ("answer GET /api/notifications/devices/", "provider fcm", "table device_token")
DEVICE, DEAD_DEVICE = "ok-canaria-0011-device-token", "unregistered-canaria-0012"
Headers = dict[str, str]


class Day:
    """Every answer is kept with its headers; `odd` are those that were not expected."""

    def __init__(self, target: Target, sandbox: Sandbox, canaries: Canaries) -> None:
        self.target, self.sandbox, self.canaries = target, sandbox, canaries
        self.answers: list[Seen] = []
        self.staff, self.owner = target.headers("staff"), target.headers("owner")
        self.odd: list[tuple[str, str, int, str]] = []
        self.crashes = 0
        self._mails_seen = 0

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: Headers | None = None, status: int = 0, **how: Any
    ) -> httpx.Response:
        """`status` is what has to come; 0 is anything."""
        client = self.target.clients[len(self.answers) % len(self.target.clients)]
        if body is not None:
            how["json"] = body
        answer = await client.request(method, path, headers=headers or {}, **how)
        self.answers.append(Seen(f"answer {method} {path.partition('?')[0]}", f"{answer.headers.raw}\n{answer.text}"))
        self.crashes += answer.status_code == 500
        if status not in {0, answer.status_code}:
            self.odd.append((method, path, answer.status_code, answer.text[:300]))
        return answer

    async def code(self, to: str, name: str) -> str:
        """The code of the next mail to somebody."""
        mails, seen = self.sandbox.world.ledger.mails, self._mails_seen
        mail = await self.until(lambda: next((one for _, one in mails.after(seen, 50) if one.to == to), None))
        self._mails_seen = mails.total
        found = re.search(r"(?<!\d)\d{6}(?!\d)", mail.text)
        assert found, mail.text
        return self.canaries.plant(name, found[0], "provider smtp")

    @staticmethod
    async def until(look: Callable[[], Any]) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := look()):
                await asyncio.sleep(0.05)
        return found


async def accounts(day: Day) -> None:
    """Registering, logging in at every door, codes, changes of password and address."""
    plant, name, mail = day.canaries.plant, "canaria", "canaria@example.com"
    password = plant("password", "Clave-Canaria-0001-uvwx")
    who = {"username": name, "email": mail, "first_name": "Ana", "last_name": "Paz"}
    await day.ask("POST", "/api/auth/register/", {**who, "password": password, "password2": password}, status=201)
    await day.ask("POST", "/api/auth/verify-email/", {"email": mail, "code": await day.code(mail, "code")}, status=200)
    wrong = plant("mistyped password", "Clave-Canaria-0002-uvwx")
    await day.ask("POST", "/api/auth/login/", {"username": name, "password": wrong}, status=401)
    await day.ask("POST", "/api/auth/login/", {"username": wrong, "password": name}, status=401)
    mine = (await day.ask("POST", "/api/auth/login/", {"username": name, "password": password}, status=200)).json()
    access = plant("access token", mine["access"], "answer POST /api/auth/login/")
    refresh = plant("refresh token", mine["refresh"], "answer POST /api/auth/login/")
    token = (await day.ask("POST", "/api/token/", {"username": name, "password": password}, status=200)).json()
    plant("token of the other door", token["access"], "answer POST /api/token/")
    fresh = (await day.ask("POST", "/api/auth/token/refresh/", {"refresh": refresh}, status=200)).json()
    renewed = plant("rotated refresh token", fresh["refresh"], "answer POST /api/auth/token/refresh/")
    await day.ask("POST", "/api/auth/token/refresh/", {"refresh": refresh}, status=401)
    mine_now = {"Authorization": f"Bearer {access}"}
    await day.ask(
        "GET", "/api/auth/me/", auth=(name, plant("password of Basic", "Clave-Canaria-0003-uvwx")), status=401
    )
    # Where none of them belongs: in an address, in a path, under another scheme, in a cookie.
    await day.ask("GET", f"/api/products/?access_token={access}&password={password}")
    await day.ask("GET", f"/api/products/?search={renewed}")
    await day.ask("GET", f"/api/orders/{access}/", headers=mine_now)
    cookie = plant("cookie", "galleta-canaria-0004-uvwx")
    await day.ask("GET", "/api/auth/me/", headers={"Authorization": f"Token {access}", "Cookie": f"sid={cookie}"})
    change = {"type": "PASSWORD_CHANGE", "password": password}
    await day.ask("POST", "/api/auth/verify-change/", change, headers=mine_now, status=200)
    newer = plant("newer password", "Clave-Canaria-0005-uvwx")
    changed = {"old_password": password, "new_password": newer, "verification_code": await day.code(mail, "code 2")}
    await day.ask("POST", "/api/auth/change-password/", changed, headers=mine_now, status=200)
    await day.ask("POST", "/api/auth/request-password-reset/", {"email": mail}, status=200)
    newest = plant("newest password", "Clave-Canaria-0006-uvwx")
    reset = {"email": mail, "code": await day.code(mail, "code of the reset"), "new_password": newest}
    await day.ask("POST", "/api/auth/verify-password-reset/", reset, status=200)
    again = (await day.ask("POST", "/api/auth/login/", {"username": name, "password": newest}, status=200)).json()
    mine_now = {"Authorization": f"Bearer {plant('newest access', again['access'], 'answer POST /api/auth/login/')}"}
    other = {"type": "EMAIL_CHANGE", "new_email": "otra@example.com", "password": newest}
    await day.ask("POST", "/api/auth/verify-change/", other, headers=mine_now, status=200)
    moved = {"email": "otra@example.com", "verification_code": await day.code("otra@example.com", "code of the change")}
    await day.ask("PUT", "/api/auth/me/", moved, headers=mine_now, status=200)
    made = {"username": "cliente", "email": "c@example.com", "password": plant("customer's", "Clave-Canaria-0007-uvwx")}
    await day.ask("POST", "/api/auth/customers/", made, headers=day.staff, status=201)
    await day.ask("DELETE", "/api/auth/me/", {"password": newest}, headers=mine_now)


async def counters(day: Day) -> None:
    """Orders, payments with a card's number where none is asked for, notifications of the provider, devices, sheets."""
    plant = day.canaries.plant
    category = (await day.ask("POST", "/api/categories/", {"name": "Ropa"}, headers=day.staff, status=201)).json()
    product = {"name": "Remera", "category": category["id"], "price": "100.00", "stock": 50}
    made = (await day.ask("POST", "/api/products/", product, headers=day.staff, status=201)).json()
    wanted = {
        "recipient_name": "Ana Paz", "customer_email": "ana@example.com", "payment_method": "online",
        "delivery_type": "pickup", "products_data": [{"product_id": made["id"], "quantity": 1}],
        "card_number": plant("card", CARD), "cvv": plant("cvv", "canaria-cvv-0008"),
    }  # fmt: skip
    answer = await day.ask("POST", "/api/orders/", wanted, headers=day.owner, status=201)
    order_id = answer.json().get("id") or answer.json()["order"]["id"]
    await day.ask("GET", f"/api/products/?search={plant('card in a search', CARD_SPACED)}")
    card = {"order_id": order_id, "card": {"number": CARD}, "token": plant("card's token", "canaria-card-0009-token")}
    await day.ask("POST", "/api/payments/create/", card, headers=day.owner, status=200)
    signed = plant("signature", "c0ffee" * 10 + "0010")
    hook = {"X-Signature": f"ts=1,v1={signed}", "X-Request-Id": "canaria"}
    await day.ask("POST", "/api/payments/?data.id=1&type=payment", {"data": {"id": "1"}}, headers=hook, status=401)
    for name, device in (("device", DEVICE), ("dead device", DEAD_DEVICE)):
        plant(name, device, *DEVICES)
        about = {"token": device, "platform": "android"}
        await day.ask("POST", "/api/notifications/register-token/", about, headers=day.owner)
        await day.ask("POST", "/api/notifications/register-token/", about)
    await day.ask("GET", "/api/notifications/devices/", headers=day.owner, status=200)
    await day.ask("GET", "/api/notifications/debug/", headers=day.staff, status=200)
    await day.ask("POST", "/api/notifications/send-test/", {"title": "a", "body": "b"}, headers=day.owner)
    shipped = {"status": "shipped"}
    await day.ask("PATCH", f"/api/orders/{order_id}/update_status/", {"status": "processing"}, headers=day.staff)
    await day.ask("PATCH", f"/api/orders/{order_id}/update_status/", shipped, headers=day.staff)
    await day.ask("DELETE", "/api/notifications/remove-token/", {"token": DEVICE}, headers=day.owner)
    picture = {"image": ("a.png", b"no picture", "image/png")}
    await day.ask("PATCH", f"/api/products/{made['id']}/", headers=day.staff, files=picture)


async def office(day: Day, cron_key: str) -> None:
    """Maintenance and its password, webhooks and their secrets, the keys of schedulers."""
    plant = day.canaries.plant
    bypass = plant("bypass password", "Paso-Canaria-0013-uvwx")
    config = {
        "min_purchase_amount": "0",
        "maintenance_mode": False,
        "maintenance_message": "",
        "bypass_password": bypass,
    }
    await day.ask("PUT", "/api/site-config/", config, headers=day.staff, status=200)
    await day.ask("GET", "/api/site-config/", headers=day.staff, status=200)
    path = "/api/maintenance/validate-bypass/"
    await day.ask("POST", path, {"password": plant("mistyped bypass", "Paso-Canaria-0014-uvwx")}, status=401)
    given = (await day.ask("POST", path, {"password": bypass}, status=200)).json()["token"]
    past = {"X-Maintenance-Bypass": plant("bypass token", given, f"answer POST {path}")}
    await day.ask("POST", "/api/maintenance/toggle/", {"maintenance_mode": True}, headers=day.staff, status=200)
    await day.ask("GET", "/api/products/", headers=past, status=200)
    await day.ask("POST", "/api/maintenance/toggle/", {"maintenance_mode": False}, headers=day.staff, status=200)
    hook = {"url": f"{day.sandbox.url}/webhooks/erp", "event_types": []}
    made = (await day.ask("POST", "/api/webhooks/", hook, headers=day.staff, status=201)).json()
    plant("webhook's secret", made["signing_secret"], "answer POST /api/webhooks/")
    rotate = f"/api/webhooks/{made['id']}/rotate_secret/"
    turned = (await day.ask("POST", rotate, headers=day.staff)).json()
    plant("webhook's newer secret", turned["signing_secret"], f"answer POST {rotate}")
    await day.ask("POST", f"/api/webhooks/{made['id']}/test/", headers=day.staff, status=201)
    await day.until(lambda: day.sandbox.world.ledger.hooks.total)
    await day.ask("GET", f"/api/webhooks/{made['id']}/deliveries/", headers=day.staff, status=200)
    await day.ask("POST", "/api/cronjob/test_connection/", headers={"Authorization": cron_key}, status=200)
    await day.ask("GET", f"/api/payments/update-dollar-rate/?api_key={cron_key}", status=200)
    await day.ask("GET", f"/api/payments/update-dollar-rate/?api_key={plant('wrong key', 'llave-canaria-0015-uvwx')}")
    for where in ("/api/cronjob-sync/", "/api/sync/pull/", "/api/sync-sheets/"):
        await day.ask("POST", where, {"auth_key": cron_key, "direction": "push"}, headers=day.staff)
        await day.ask("POST", where, {"auth_key": "llave-canaria-0015-uvwx"})
    await day.ask("POST", "/api/email/test/", {"email": "x@example.com"}, headers=day.staff)
    for where in ("/api/activity-logs/", "/api/events/", "/api/visitors/", "/api/email/config-check/", "/api/config/"):
        await day.ask("GET", where, headers=day.staff)


async def requests_while_broken(day: Day) -> None:
    """What bears secrets once more, in the hands of an application that cannot do its work."""
    password, device = "Clave-Canaria-0001-uvwx", "ok-canaria-0016-device-token"
    if "third device" not in day.canaries.values:
        day.canaries.plant("third device", device, *DEVICES)
    who = {"username": "nueva", "email": "nueva@example.com", "first_name": "A", "last_name": "B"}
    await day.ask("POST", "/api/auth/register/", {**who, "password": password, "password2": password})
    await day.ask("POST", "/api/auth/login/", {"username": "cliente", "password": "Clave-Canaria-0007-uvwx"})
    await day.ask("POST", "/api/auth/request-password-reset/", {"email": "c@example.com"})
    about = {"token": device, "platform": "android"}
    await day.ask("POST", "/api/notifications/register-token/", about, headers=day.owner)
    hook = {"url": f"{day.sandbox.url}/webhooks/erp", "event_types": []}
    made = await day.ask("POST", "/api/webhooks/", hook, headers=day.staff)
    if made.status_code == 201:
        secret = made.json()["signing_secret"]
        day.canaries.plant(f"secret {len(day.answers)}", secret, "answer POST /api/webhooks/")
    config = {"bypass_password": "Paso-Canaria-0013-uvwx", "min_purchase_amount": "0"}
    await day.ask("PUT", "/api/site-config/", config | {"maintenance_mode": False}, headers=day.staff)
