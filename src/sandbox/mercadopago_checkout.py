"""The page where a person pays, or does not: each button is one of the provider's test cards."""

import html
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from litestar import Request, Response, get, post

from sandbox import mercadopago
from sandbox.mercadopago_till import OUTCOMES
from sandbox.world import World

PATH = "/mercadopago/checkout/v1"
# What the buttons say; the other cards stand in a list below them.
BUTTONS = {"APRO": "Pay", "CONT": "Leave it pending", "FUND": "No funds", "OTHE": "Refused by the bank"}
RESULT = {"approved": "success", "pending": "pending", "in_process": "pending"}
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Checkout · Relámpago sandbox</title>
  <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/assets/page.css">
  <link rel="stylesheet" href="/assets/checkout.css">
</head>
<body>
  <main class="till">
    <header><img src="/assets/icon.svg" alt="" width="32" height="32"><p>MercadoPago, by the sandbox</p></header>
    {content}
    <footer>No card is charged. <a href="/">What the providers got</a></footer>
  </main>
</body>
</html>
"""


@get(f"{PATH}/redirect", sync_to_thread=False)
def show(request: Request[Any, Any, Any], world: World) -> Response[bytes]:
    found = world.till.preferences.get(request.query_params.get("pref_id", ""))
    if found is None:
        return _page("<h1>No such payment</h1><p>The sandbox has forgotten it, or never knew it.</p>", 404)
    if world.till.is_over(found):
        return _page(f"<h1>This link has expired</h1>{_back(found, 'failure')}", 410, found)
    return _page(_form(found, _paid(found, world)), 200, found)


@post(f"{PATH}/redirect", status_code=303)
async def pay(request: Request[Any, Any, Any], world: World) -> Response[bytes]:
    """A button was pressed: the payment is made, the shop is told, the buyer goes back to it."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    pref_id, outcome = form.get("pref_id", [""])[0], form.get("outcome", [""])[0]
    found = world.till.preferences.get(pref_id)
    if found is None or outcome not in OUTCOMES:
        return _page("<h1>No such payment</h1>", 404)
    if world.till.is_over(found):
        return _page("<h1>This link has expired</h1>", 410, found)
    made = charge(world, pref_id, outcome, {})
    target = return_address(found, made)
    if target is None:
        return _page(f"<h1>{html.escape(made['status'])}</h1><p>The shop was told.</p>", 200, found)
    return Response(b"", status_code=303, headers={"Location": target})


def charge(world: World, pref_id: str, outcome: str, changes: dict[str, Any], *, tell: bool = True) -> dict[str, Any]:
    """A payment by a test card, the shop told of it. Raises Refused."""
    made = world.till.pay(pref_id, outcome, changes)
    mercadopago.show(world, made)
    if tell:
        world.notifier.tell(made, "payment.created")
    return made


def return_address(preference: dict[str, Any], payment: dict[str, Any] | None) -> str | None:
    """Where the buyer goes, with what MercadoPago adds; missing values are the text null. None without an address."""
    status = payment["status"] if payment else None
    base: str = preference["back_urls"].get(RESULT.get(status or "", "failure"), "")
    if not base:
        return None
    number = payment["id"] if payment else None
    values = {
        "collection_id": number,
        "collection_status": status,
        "payment_id": number,
        "status": status,
        "external_reference": preference["external_reference"] or None,
        "payment_type": payment["payment_type_id"] if payment else None,
        "merchant_order_id": payment["order"]["id"] if payment else None,
        "preference_id": preference["id"],
        "site_id": "MLA",
        "processing_mode": "aggregator",
        "merchant_account_id": None,
    }
    added = {name: "null" if value is None else str(value) for name, value in values.items()}
    parts = urlsplit(base)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *added.items()])))


def _form(preference: dict[str, Any], paid: int) -> str:
    item = preference["items"][0]
    total = sum(each["unit_price"] * each["quantity"] for each in preference["items"])
    warning = f'<p class="warn">It was paid {paid} times already; another payment is one too many.</p>' if paid else ""
    buttons = "".join(
        f'<button type="submit" name="outcome" value="{code}" id="{code}">{words}</button>'
        for code, words in BUTTONS.items()
    )
    others = "".join(
        f'<button type="submit" name="outcome" value="{code}" id="{code}">{code} <small>{detail}</small></button>'
        for code, (_, detail) in OUTCOMES.items()
        if code not in BUTTONS
    )
    return f"""
    <h1>{html.escape(str(item["title"]))}</h1>
    <p class="what">{html.escape(str(item["description"]))}</p>
    <p class="sum"><span>ARS</span> {total:,.2f}</p>
    {warning}
    <form method="post" action="{PATH}/redirect">
      <input type="hidden" name="pref_id" value="{html.escape(preference["id"])}">
      <div class="choices">{buttons}</div>
      <details><summary>Other cards</summary><div class="choices few">{others}</div></details>
    </form>
    {_back(preference, "failure")}"""


def _paid(preference: dict[str, Any], world: World) -> int:
    made = [world.till.payments[number] for number, of in world.till.paid_with.items() if of == preference["id"]]
    return sum(one["status"] == "approved" for one in made)


def _back(preference: dict[str, Any], name: str) -> str:
    target = return_address(preference, None) if preference["back_urls"].get(name) else None
    return f'<p><a href="{html.escape(target)}" id="back">Back to the shop without paying</a></p>' if target else ""


def _page(content: str, status: int, preference: dict[str, Any] | None = None) -> Response[bytes]:
    """A form may send the browser on to the shop alone, and only to where the preference says."""
    targets = {_origin(url) for url in (preference or {}).get("back_urls", {}).values() if url}
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {' '.join(sorted(targets))}".rstrip()
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    body = _PAGE.format(content=content).encode()
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


HANDLERS = (show, pay)
