"""The providers, asked for something that changes nothing; and whether they can reach us."""

import datetime as dt
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from app.cli.doctor.findings import Finding, fail, graver, ok, warn
from app.clients.errors import NotConfigured, ProviderError
from app.clients.google_auth import FCM_SCOPE, GoogleAuth
from app.clients.google_sheets import SheetsClient
from app.clients.mercadopago import MercadoPagoClient
from app.clients.smtp import SmtpClient
from app.environment import is_loopback
from app.settings import Settings

SECONDS = 10.0
CLOCK_SECONDS = 30.0
# No payment has it, so that a search by it is empty.
NO_REFERENCE = "relampago-doctor"


async def mercadopago(settings: Settings) -> Finding:
    async with MercadoPagoClient.from_settings(settings) as client:
        await client.find(NO_REFERENCE)
    return ok("MercadoPago", f"answers at {settings.mercadopago_base_url}")


async def notifications(settings: Settings) -> Finding:
    """MercadoPago's notifications are refused without the secret; then only the reconciliation sees payments."""
    if settings.mercadopago_webhook_secret:
        return ok("payment notifications", "their secret is set")
    advice = "set MERCADOPAGO_WEBHOOK_SECRET to the one that MercadoPago shows for this address"
    said = "MERCADOPAGO_WEBHOOK_SECRET is not set: they are refused"
    return graver("payment notifications", said, advice, production=settings.production)


async def pushes(settings: Settings) -> Finding:
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        await GoogleAuth(http, settings.google_service_account_file, [FCM_SCOPE]).token()
    return ok("pushes (FCM)", "Google takes the service account")


async def sheets(settings: Settings) -> Finding:
    async with SheetsClient.from_settings(settings) as client:
        tabs = await client.tabs()
    return ok("Google Sheets", f"the spreadsheet is readable, {len(tabs)} tabs")


async def mail(settings: Settings) -> Finding:
    await SmtpClient.from_settings(settings).greet()
    return ok("mail", f"{settings.smtp_host}:{settings.smtp_port} takes the connection")


async def rates(settings: Settings) -> Finding:
    """One of three sources is enough."""
    sources = (settings.dolarapi_base_url, settings.bluelytics_base_url, settings.argentinadatos_base_url)
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        there = [source for source in sources if await _reaches(http, source)]
    said = f"{len(there)} of {len(sources)} sources can be reached"
    if not there:
        return warn("exchange rates", said, "let this machine reach them; until then the last rates stay, marked stale")
    return ok("exchange rates", said)


async def pictures(settings: Settings) -> Finding:
    if settings.media_backend == "local":
        return ok("pictures", f"kept in {settings.media_root}")
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        if await _reaches(http, settings.cloudinary_upload_prefix):
            return ok("pictures", f"answers at {settings.cloudinary_upload_prefix}")
    said = f"{settings.cloudinary_upload_prefix} cannot be reached"
    return fail("pictures", said, "let this machine reach it: uploads are refused until then")


async def public_address(settings: Settings) -> Finding:
    """Where providers send their notifications. Asked from here, which is not quite what they see."""
    name, address = "public address", settings.public_url
    parts = urlsplit(address)
    if settings.production and (parts.scheme != "https" or is_loopback(parts.hostname or "")):
        return fail(name, f"{address} is not reachable from outside", "set PUBLIC_URL to the shop's https address")
    advice = "start the API, or let the name and the proxy in front lead to it; notifications would be lost"
    async with httpx.AsyncClient(timeout=SECONDS) as http:
        try:
            answer = await http.get(f"{address}/livez")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return fail(name, f"{address} does not answer ({type(error).__name__})", advice)
    if answer.status_code != 200:
        return fail(name, f"{address}/livez answers {answer.status_code}", advice)
    return _clock(name, address, answer)


def _clock(name: str, address: str, answer: httpx.Response) -> Finding:
    """A proxy's clock is seldom ours; where it says its time, the difference is worth a word."""
    date = answer.headers.get("date")
    apart = abs((dt.datetime.now(dt.UTC) - parsedate_to_datetime(date)).total_seconds()) if date else 0.0
    if apart > CLOCK_SECONDS:
        return warn(name, f"{address} answers, its clock is {apart:.0f} s away", "keep all machines' clocks by NTP")
    return ok(name, f"{address} answers")


async def _reaches(http: httpx.AsyncClient, address: str) -> bool:
    """Whether somebody speaks HTTP there, whatever they say."""
    try:
        await http.head(address)
    except httpx.HTTPError:
        return False
    return True


Ask = Callable[[Settings], Awaitable[Finding]]
# Under each check: its name when it does not come to an answer, and what to do then.
ASKED: dict[Ask, tuple[str, str]] = {
    mercadopago: ("MercadoPago", "check MERCADOPAGO_ACCESS_TOKEN and the way out; buyers get 503 when they pay"),
    pushes: ("pushes (FCM)", "check GOOGLE_SERVICE_ACCOUNT_FILE and the way out; pushes wait or fail"),
    sheets: ("Google Sheets", "check GOOGLE_SHEETS_SPREADSHEET_ID and that the account may edit it"),
    mail: ("mail", "check SMTP_HOST, its account and SMTP_TLS_MODE; mails wait"),
}
ALWAYS: tuple[Ask, ...] = (notifications, rates, pictures, public_address)


async def asked(ask: Ask, settings: Settings) -> Finding:
    """One provider's answer; what is not configured is a warning, what does not answer a failure."""
    if ask not in ASKED:
        return await ask(settings)
    name, advice = ASKED[ask]
    try:
        return await ask(settings)
    except NotConfigured as error:
        return warn(name, f"not configured: {error}", "set it, if the shop is to use it")
    except ProviderError as error:
        return fail(name, str(error), advice)
