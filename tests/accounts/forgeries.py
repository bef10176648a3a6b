"""Tokens that nobody was given: each a name and a function from good claims and the secret to a text."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

Claims = dict[str, Any]
Forge = Callable[[Claims, str], str]
GOOD_HEADER = {"alg": "HS256", "typ": "JWT"}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: Any, payload: bytes, secret: bytes, digest: Callable[..., Any] = hashlib.sha256) -> str:
    head = part(header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode())
    signing_input = f"{head}.{part(payload)}"
    return f"{signing_input}.{part(hmac.new(secret, signing_input.encode(), digest).digest())}"


def encode(claims: Claims) -> bytes:
    return json.dumps(claims, separators=(",", ":")).encode()


def good(claims: Claims, secret: str) -> str:
    return sign(GOOD_HEADER, encode(claims), secret.encode())


def _header(**extra: Any) -> Forge:
    return lambda claims, secret: sign(GOOD_HEADER | extra, encode(claims), secret.encode())


def _alg(name: str, digest: Callable[..., Any] = hashlib.sha256) -> Forge:
    return lambda claims, secret: sign({"alg": name, "typ": "JWT"}, encode(claims), secret.encode(), digest)


def _unsigned(name: str) -> Forge:
    return lambda claims, _: f"{part(encode({'alg': name, 'typ': 'JWT'}))}.{part(encode(claims))}."


def _claims(**changed: Any) -> Forge:
    return lambda claims, secret: good(claims | changed, secret)


def _without(name: str) -> Forge:
    return lambda claims, secret: good({key: value for key, value in claims.items() if key != name}, secret)


def _raw(old: str, new: str) -> Forge:
    """A claim as JSON text that `json` would not write."""

    def forge(claims: Claims, secret: str) -> str:
        text = encode(claims).decode()
        assert old in text or "{exp}" in old
        return sign(GOOD_HEADER, text.replace(old.replace("{exp}", str(claims["exp"])), new).encode(), secret.encode())

    return forge


def _text(change: Callable[[str], str]) -> Forge:
    return lambda claims, secret: change(good(claims, secret))


def _other_last_bits(token: str) -> str:
    """Another spelling of the same signature: 32 bytes leave two unused bits in the last character."""
    value = _ALPHABET.index(token[-1])
    return token[:-1] + _ALPHABET[value | 1]


def _swapped_payload(claims: Claims, secret: str) -> str:
    head, _, signature = good(claims, secret).split(".")
    return f"{head}.{part(encode(claims | {'user_id': '1', 'ver': 99}))}.{signature}"


def _soon() -> int:
    return int(time.time()) + 3600


FORGERIES: dict[str, Forge] = {
    "alg none": _unsigned("none"),
    "alg None": _unsigned("None"),
    "alg NONE": _unsigned("NONE"),
    "alg none, signed all the same": _alg("none"),
    "alg missing": lambda claims, secret: sign({"typ": "JWT"}, encode(claims), secret.encode()),
    "alg empty": _alg(""),
    "alg lower case": _alg("hs256"),
    "HS384": _alg("HS384", hashlib.sha384),
    "HS512": _alg("HS512", hashlib.sha512),
    "RS256 with our secret as its key": _alg("RS256"),
    "ES256": _alg("ES256"),
    "another secret": lambda claims, _: good(claims, "another-secret-0123456789abcdef-0123456789"),
    "empty secret": lambda claims, _: good(claims, ""),
    "payload of somebody else": _swapped_payload,
    "kid is a path": _header(kid="../../../../dev/null"),
    "kid is SQL": _header(kid="x' UNION SELECT 'secret' --"),
    "jku": _header(jku="https://attacker.example/keys.json"),
    "x5u": _header(x5u="https://attacker.example/cert.pem"),
    "jwk": _header(jwk={"kty": "oct", "k": "c2VjcmV0"}),
    "crit": _header(crit=["exp"]),
    "b64 false": _header(b64=False, crit=["b64"]),
    "typ of another kind": _header(typ="at+jwt"),
    "typ is a number": _header(typ=1),
    "header is a list": lambda claims, secret: sign(["HS256"], encode(claims), secret.encode()),
    "header is no JSON": lambda claims, secret: sign(b"HS256", encode(claims), secret.encode()),
    "header is nested deeply": lambda claims, secret: sign(b"[" * 1500, encode(claims), secret.encode()),
    "payload is a list": lambda _, secret: sign(GOOD_HEADER, b'["access"]', secret.encode()),
    "payload is no JSON": lambda _, secret: sign(GOOD_HEADER, b"access", secret.encode()),
    "payload is no UTF-8": lambda _, secret: sign(GOOD_HEADER, b'{"jti":"\xff"}', secret.encode()),
    "payload is empty": lambda _, secret: sign(GOOD_HEADER, b"", secret.encode()),
    "no exp": _without("exp"),
    "no jti": _without("jti"),
    "no user_id": _without("user_id"),
    "no token_type": _without("token_type"),
    "exp is text": lambda claims, secret: good(claims | {"exp": str(_soon())}, secret),
    "exp is a float": lambda claims, secret: good(claims | {"exp": _soon() + 0.5}, secret),
    "exp is true": _claims(exp=True),
    "exp is null": _claims(exp=None),
    "exp is 1e400": _raw('"exp":{exp}', '"exp":1e400'),
    "exp is Infinity": _raw('"exp":{exp}', '"exp":Infinity'),
    "exp is beyond 64 bits": _claims(exp=2**70),
    "exp is negative": _claims(exp=-1),
    "nbf in the future": lambda claims, secret: good(claims | {"nbf": _soon()}, secret),
    "nbf is text": _claims(nbf="1"),
    "iat in the future": lambda claims, secret: good(claims | {"iat": _soon()}, secret),
    "iat is text": _claims(iat="1"),
    "issuer": _claims(iss="https://attacker.example"),
    "audience": _claims(aud="another-service"),
    "jti is empty": _claims(jti=""),
    "jti is a list": _claims(jti=["x"]),
    "user_id is true": _claims(user_id=True),
    "user_id is a float": _claims(user_id=1.0),
    "user_id is zero": _claims(user_id="0"),
    "user_id is negative": _claims(user_id=-1),
    "user_id is a list": _claims(user_id=["1"]),
    "user_id is an object": _claims(user_id={"id": 1}),
    "user_id has an underscore": _claims(user_id="1_0"),
    "user_id in Arabic digits": _claims(user_id="\u0661"),
    "user_id has a NUL": _claims(user_id="1\0"),
    "user_id is SQL": _claims(user_id="1 OR 1=1"),
    "user_id is beyond 64 bits": _claims(user_id=2**63),
    "ver is negative": _claims(ver=-1),
    "ver is text": _claims(ver="0"),
    "padding": _text(lambda token: token + "="),
    "other unused bits": _text(_other_last_bits),
    "a fourth part": _text(lambda token: token + ".e30"),
    "two parts": _text(lambda token: token.rpartition(".")[0]),
    "one part": _text(lambda token: token.partition(".")[0]),
    "an empty part": _text(lambda token: token.rpartition(".")[0] + "."),
    "standard base64": _text(lambda token: "+" + token[1:]),
    "100 kB": _text(lambda token: token + "A" * 100_000),
    "signature cut": _text(lambda token: token[:-4]),
    "a character that is not ASCII": _text(lambda token: token + "ä"),
    "a NUL": _text(lambda token: token + "\0"),
}
