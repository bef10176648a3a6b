"""The service account that the sandbox hands out, as Google's console would."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from launcher.project import write_private

PROJECT = "relampago-sandbox"
EMAIL = f"notifier@{PROJECT}.iam.gserviceaccount.com"
KEY_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0a1b2c3d4"


def ensure_account(path: Path, token_uri: str) -> dict[str, Any]:
    """The account in this file, made on first use. A new address keeps the key; else the file is left alone."""
    account = _read(path)
    if account is None or account.get("token_uri") != token_uri:
        private_key = account["private_key"] if account else _new_key()
        account = _account(private_key, token_uri)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, msgspec.json.format(msgspec.json.encode(account), indent=2).decode() + "\n")
    return account


def public_key(account: dict[str, Any]) -> rsa.RSAPublicKey:
    key = serialization.load_pem_private_key(str(account["private_key"]).encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("a service account signs with RSA")
    return key.public_key()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        account: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        public_key(account)
    except (OSError, msgspec.DecodeError, ValueError, TypeError, KeyError):
        return None
    return account


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def _account(private_key: str, token_uri: str) -> dict[str, Any]:
    return {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": KEY_ID,
        "private_key": private_key,
        "client_email": EMAIL,
        "client_id": "104000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{quote(EMAIL, safe='')}",
        "universe_domain": "googleapis.com",
    }
