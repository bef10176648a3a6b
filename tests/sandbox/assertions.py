"""What a service account signs."""

import time
from functools import cache
from typing import Any

import jwt

FORM = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}


@cache
def _key(pem: str) -> Any:
    return jwt.get_algorithm_by_name("RS256").prepare_key(pem)


def assertion_of(account: dict[str, Any], **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": account["client_email"],
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now,
        "exp": now + 3600,
    }
    return jwt.encode(claims | changes, _key(account["private_key"]), algorithm="RS256")
