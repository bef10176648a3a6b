import json
from base64 import urlsafe_b64decode
from typing import Any
from uuid import UUID

import pytest

from app.domain.accounts import tokens
from app.domain.accounts.tokens import BadToken
from tests.accounts.forgeries import FORGERIES, Claims, Forge, good

SECRET = "only-for-tests-0123456789abcdef-0123456789abcdef"
OLDER = "an-older-secret-0123456789abcdef-0123456789abcdef"
JTI = UUID("4afbababef92431a9c7b787334d70a8c")
NOW = 1_760_000_000


def part_of(token: str, number: int) -> Any:
    piece = token.split(".")[number]
    return json.loads(urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))


def claims(**changed: Any) -> Claims:
    return {"token_type": "access", "exp": NOW + 60, "iat": NOW, "jti": JTI.hex, "user_id": "7", "ver": 3} | changed


def minted(kind: tokens.Kind) -> str:
    return tokens.mint(SECRET, kind, user_id=7, version=3, jti=JTI, now=NOW)


@pytest.mark.parametrize(("kind", "seconds"), [("access", 3600), ("refresh", 7 * 24 * 3600)])
def test_claims_are_those_of_simplejwt_in_its_order(kind: tokens.Kind, seconds: int) -> None:
    token = minted(kind)
    assert part_of(token, 0) == {"alg": "HS256", "typ": "JWT"}
    assert list(part_of(token, 1).items()) == [
        ("token_type", kind),
        ("exp", NOW + seconds),
        ("iat", NOW),
        ("jti", JTI.hex),
        ("user_id", "7"),
        ("ver", 3),
    ]


def test_a_minted_token_is_read_back() -> None:
    token = tokens.read([SECRET], minted("refresh"), "refresh", now=NOW)
    assert token == tokens.Token("refresh", 7, 3, JTI.hex, NOW + 7 * 24 * 3600)


@pytest.mark.parametrize("user_id", [7, "7"])
def test_user_id_is_accepted_as_a_number_and_as_text(user_id: object) -> None:
    assert tokens.read([SECRET], good(claims(user_id=user_id), SECRET), "access", now=NOW).user_id == 7


def test_a_token_without_a_version_counts_as_version_zero() -> None:
    old = claims()
    del old["ver"]
    assert tokens.read([SECRET], good(old, SECRET), "access", now=NOW).version == 0


def test_the_previous_secret_is_read_and_a_third_one_is_not() -> None:
    text = good(claims(), OLDER)
    assert tokens.read(tokens.signing_secrets(SECRET, OLDER), text, "access", now=NOW).user_id == 7
    with pytest.raises(BadToken, match=r"^Token is invalid$"):
        tokens.read(tokens.signing_secrets(SECRET, ""), text, "access", now=NOW)


def test_a_token_lives_until_the_second_before_exp() -> None:
    text = minted("access")
    assert tokens.read([SECRET], text, "access", now=NOW + 3599).user_id == 7
    with pytest.raises(BadToken, match=r"^Token is expired$"):
        tokens.read([SECRET], text, "access", now=NOW + 3600)


@pytest.mark.parametrize(("made", "wanted"), [("access", "refresh"), ("refresh", "access")])
def test_one_kind_does_not_serve_as_the_other(made: tokens.Kind, wanted: tokens.Kind) -> None:
    with pytest.raises(BadToken, match=r"^Token has wrong type$"):
        tokens.read([SECRET], minted(made), wanted, now=NOW)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_forgeries_are_refused(forge: Forge) -> None:
    # Soundness of the test: the same claims, honestly signed, are good.
    assert tokens.read([SECRET], good(claims(), SECRET), "access", now=NOW).user_id == 7
    with pytest.raises(BadToken, match=r"^Token is (invalid|expired)$"):
        tokens.read([SECRET], forge(claims(), SECRET), "access", now=NOW)
