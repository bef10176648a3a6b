"""Reads typed values from the environment and from `.env`; what cannot be read stops the start by its name."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class SettingsError(SystemExit):
    """The settings do not allow a start; the message names the setting."""


def read_env_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    pairs = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*", line)
        if match:
            pairs[match[1]] = match[2].strip("\"'")
    return pairs


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


def is_protected(url: str) -> bool:
    """Whether an address is https, or plain http to this very machine: what is sent there is not read on the way."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
