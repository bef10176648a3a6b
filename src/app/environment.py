"""Reads typed values from the environment and from `.env`; what cannot be read stops the start by its name."""

import ipaddress
import re
from collections.abc import Mapping
from email.utils import getaddresses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MIN_SECRET_BYTES = 32
DEMO_CRON_KEY = "demo-cron-key"
# Values that appear in examples or in older deployments; production refuses them.
KNOWN_SECRETS = frozenset({"changeme", "secret", "insecure", DEMO_CRON_KEY})
# Each mode of the mail server's connection with its usual port.
SMTP_PORTS = {"none": 25, "starttls": 587, "implicit": 465}
SANDBOX_SENDER = "Relámpago <no-reply@relampago.example>"
_CLOUDINARY = re.compile(r"cloudinary://[\w-]+:[\w-]+@[\w-]+(?:\?upload_prefix=([^&\s]+))?", re.ASCII)
MERCADOPAGO_URL = "https://api.mercadopago.com"
# What the sandbox goes by.
SANDBOX_CLOUDINARY = "cloudinary://123456789012345:sandbox-cloudinary-secret@demo"
SANDBOX_PAYMENT_KEYS = {
    "MERCADOPAGO_ACCESS_TOKEN": "TEST-sandbox-token",
    "MERCADOPAGO_WEBHOOK_SECRET": "sandbox-webhook-secret-0123456789abcdef",
    "MERCADOPAGO_COLLECTOR_ID": "90076076",
}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)

# Under each name: what it is unless set, the lowest and the highest value.
NUMBERS = {
    "HOLD_SECONDS": (60, 1, 3600),
    "ORDER_PAYMENT_MINUTES": (30, 1, 100_000),
    "ORDER_CASH_HOURS": (48, 1, 10_000),
    "CART_ABANDONED_MINUTES": (300, 1, 1_000_000),
    "CART_REMINDERS": (0, 0, 3),
    "TRUSTED_PROXIES": (0, 0, 10),
    "WORKER_CONCURRENCY": (10, 1, 100),
    "WORKER_METRICS_PORT": (0, 0, 65535),
    "WEB_WORKERS": (1, 1, 64),
    "DB_POOL_SIZE": (8, 1, 200),
    "PUSH_DAILY_CAP": (5, 0, 1000),
    "LOW_STOCK_LIMIT": (5, 0, 100_000),
    "EVENT_DAYS": (30, 0, 3650),
    "PUSH_LOG_DAYS": (90, 0, 3650),
    "ACTIVITY_DAYS": (0, 0, 36500),
    "HOLD_DAYS": (30, 0, 3650),
    "HOLD_ARCHIVE_DAYS": (0, 0, 36500),
    "LIVE_LISTENERS": (5000, 1, 100_000),
    "LIVE_PER_ADDRESS": (100, 1, 100_000),
    "REFRESH_REUSE_GRACE_SECONDS": (10, 0, 600),
}


class SettingsError(SystemExit):
    """The settings do not allow a start; the message names the setting."""


def read_env_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    found = (re.fullmatch(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=(.*)", line) for line in lines)
    return {match[1]: match[2].strip().strip("\"'") for match in found if match}


def flag(values: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = values.get(name, str(default)).lower()
    if text not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise SettingsError(f"{name} is either true or false, not {text!r}")
    return text in {"true", "1", "yes", "on"}


def whole(values: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    text = values.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise SettingsError(f"{name} is a whole number from {low} to {high}, not {text!r}")
    return int(text)


def numbers_of(values: Mapping[str, str]) -> dict[str, Any]:
    """The settings that are whole numbers, by their names in lower case."""
    return {name.lower(): whole(values, name, at[0], low=at[1], high=at[2]) for name, at in NUMBERS.items()}


def origins_of(values: Mapping[str, str], *, production: bool) -> tuple[str, ...]:
    """Whose scripts may call; in production nobody's unless set."""
    text = values.get("CORS_ALLOWED_ORIGINS", "" if production else "*")
    return tuple(origin.strip() for origin in text.split(",") if origin.strip())


def secret_of(values: Mapping[str, str], name: str, *, production: bool) -> str:
    """A secret that is there, is long enough, and in production is nobody's example."""
    secret = values.get(name, "")
    if not secret:
        raise SettingsError(f"{name} is not set; `make up` makes one, or: openssl rand -hex 32")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(f"{name} is shorter than {MIN_SECRET_BYTES} bytes")
    if production and any(known in secret.lower() for known in KNOWN_SECRETS):
        raise SettingsError(f"{name} is an example's value; production needs one of its own")
    return secret


def throttles_of(values: Mapping[str, str], rates: Mapping[str, str], *, factor: int) -> dict[str, str]:
    """The rate of each scope, `100/hour` or `off`: as it is set, or `factor` times the usual one."""
    chosen = {}
    for scope, rate in rates.items():
        name, (count, period) = f"THROTTLE_{scope.upper()}", rate.split("/")
        text = values.get(name, f"{int(count) * factor}/{period}")
        if text != "off" and not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour|day)", text):
            raise SettingsError(f"{name} is `off` or of the form 100/hour, not {text!r}")
        chosen[scope] = text
    return chosen


def zone_name(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"TIME_ZONE {name!r} is not a known time zone") from error
    return name


def base_url(values: Mapping[str, str], name: str, default: str) -> str:
    """A provider's address without the last slash. One that would carry credentials in clear is refused."""
    url = values.get(name, default).rstrip("/")
    if not is_protected(url):
        raise SettingsError(f"{name} begins with https://; http:// is for this machine's own addresses")
    return url


def mail_server(values: Mapping[str, str], *, production: bool, sandbox_port: int) -> dict[str, Any]:
    """The mail server and the sender: unless set, none in production and else the sandbox's, behind its pages."""
    host = values.get("SMTP_HOST", "" if production else "127.0.0.1")
    mode = values.get("SMTP_TLS_MODE", "starttls" if production else "none")
    if mode not in SMTP_PORTS:
        raise SettingsError("SMTP_TLS_MODE is none, starttls or implicit")
    if mode == "none" and host and values.get("SMTP_PASSWORD") and not is_protected(f"http://{host}"):
        raise SettingsError("SMTP_TLS_MODE is starttls or implicit where a password leaves this machine")
    usual_port = SMTP_PORTS[mode] if production or "SMTP_HOST" in values else min(sandbox_port + 1, 65535)
    return {
        "smtp_host": host,
        "smtp_port": whole(values, "SMTP_PORT", usual_port, low=1, high=65535),
        "smtp_username": values.get("SMTP_USERNAME", ""),
        "smtp_password": values.get("SMTP_PASSWORD", ""),
        "smtp_tls_mode": mode,
        "mail_from": _sender(values, needed=production and bool(host)),
    }


def picture_host(values: Mapping[str, str], *, production: bool) -> dict[str, Any]:
    """Where pictures are kept: files of our own, or Cloudinary, whose address carries its key."""
    backend = values.get("MEDIA_BACKEND", "local")
    if backend not in {"local", "cloudinary"}:
        raise SettingsError(f"MEDIA_BACKEND is local or cloudinary, not {backend!r}")
    url = values.get("CLOUDINARY_URL", "" if production else SANDBOX_CLOUDINARY)
    if backend == "cloudinary" and not url:
        raise SettingsError("CLOUDINARY_URL is not set: cloudinary://key:secret@cloud")
    found = _CLOUDINARY.fullmatch(url)
    if url and found is None:
        raise SettingsError("CLOUDINARY_URL has the form cloudinary://key:secret@cloud")
    kept = {"media_backend": backend, "media_root": values.get("MEDIA_ROOT", "var/media"), "cloudinary_url": url}
    if found and found[1] and "CLOUDINARY_UPLOAD_PREFIX" not in values:
        kept["cloudinary_upload_prefix"] = base_url({"CLOUDINARY_URL": found[1]}, "CLOUDINARY_URL", "")
    return kept


def mercadopago(values: Mapping[str, str], *, production: bool, sandbox: str) -> dict[str, str]:
    """Where MercadoPago is and who we are to it: unless set, nobody in production, which refuses the sandbox's keys."""
    default = MERCADOPAGO_URL if production else f"{sandbox}/mercadopago"
    found = {"mercadopago_base_url": base_url(values, "MERCADOPAGO_BASE_URL", default)}
    for name, of_the_sandbox in SANDBOX_PAYMENT_KEYS.items():
        value = values.get(name, "" if production else of_the_sandbox)
        if production and value == of_the_sandbox:
            raise SettingsError(f"{name} is the sandbox's; production needs the seller's own")
        found[name.lower()] = value
    return found


def _sender(values: Mapping[str, str], *, needed: bool) -> str:
    """`Name <address>` or the address alone, in one line."""
    sender = values.get("MAIL_FROM", "" if needed else SANDBOX_SENDER)
    if not sender:
        raise SettingsError("MAIL_FROM is not set: the sender that shoppers see, as in: Shop <no-reply@shop.example>")
    addresses = [address for _, address in getaddresses([sender])]
    if len(addresses) != 1 or not _ADDRESS.fullmatch(addresses[0]) or not sender.isprintable():
        raise SettingsError(f"MAIL_FROM is an address, or of the form Shop <no-reply@shop.example>, not {sender!r}")
    return sender


def is_protected(url: str) -> bool:
    """Whether an address is https, or plain http to this very machine: what is sent there is not read on the way."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this very machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
