"""MercadoPago's signature: the vectors of its own validator, and what is never good."""

import pytest

from app.clients.mercadopago_signature import BadSignature, Signed, manifest, sign, verify

SECRET = "emu_webhook_secret_0123456789abcdef"
REQUEST_ID = "b2c3d4e5-0000-4000-8000-000000000001"
NOW = 1_760_000_000.0
VECTORS = [
    ("123456789012", REQUEST_ID, "1760000000", "ad45c79edf7e80009b8d26494245f1749508e40834c222e90e1e54cdb19784c4"),
    ("123456789012", "", "1760000000", "15431c3742f3a622e95087c0803613aa177fed6036539857acdba11469b07f32"),
    ("", REQUEST_ID, "1760000000", "2b6f71f256a97743d853b93cb55c728b38079a46339d1c71e49d157e905d96b0"),
    ("123456789012", REQUEST_ID, "1760000000123", "370ea5081a0782a045e7b20f1f51f516974288534c11944f389769cfa5417474"),
    ("ORD01ABC", REQUEST_ID, "1760000000", "92a002f29854002c1a8427dc599b83bfd9d479d801418fbf070a60ffa43fefc7"),
    ("ord01abc", REQUEST_ID, "1760000000", "51f0fbba6cd460dfced91c55c1c3249bfd665c5be949a2cb39d4c31088196dbb"),
]


@pytest.mark.parametrize(("data_id", "request_id", "timestamp", "digest"), VECTORS)
def test_vectors(data_id: str, request_id: str, timestamp: str, digest: str) -> None:
    parts = Signed(data_id, request_id)
    assert sign(SECRET, parts, timestamp) == digest
    verify(SECRET, f"ts={timestamp},v1={digest}", parts, NOW)


def test_an_id_may_be_signed_in_lower_case() -> None:
    lower = VECTORS[5][3]
    verify(SECRET, f"ts=1760000000,v1={lower}", Signed("ORD01ABC", REQUEST_ID), NOW)
    upper = VECTORS[4][3]
    with pytest.raises(BadSignature):
        verify(SECRET, f"ts=1760000000,v1={upper}", Signed("ord01abc", REQUEST_ID), NOW)


def test_absent_parts_are_left_out_whole() -> None:
    assert manifest(Signed("1", "r"), "2") == "id:1;request-id:r;ts:2;"
    assert manifest(Signed("", "r"), "2") == "request-id:r;ts:2;"
    assert manifest(Signed("1", ""), "2") == "id:1;ts:2;"


@pytest.mark.parametrize("spaces", ["ts={ts},v1={v1}", " ts = {ts} , v1 = {v1} ", "v1={v1},ts={ts}", "TS={ts},V1={v1}"])
def test_ways_to_write_the_header(spaces: str) -> None:
    data_id, request_id, timestamp, digest = VECTORS[0]
    verify(SECRET, spaces.format(ts=timestamp, v1=digest), Signed(data_id, request_id), NOW)


@pytest.mark.parametrize("seconds", [-601, 601])
def test_out_of_tolerance(seconds: int) -> None:
    data_id, request_id, timestamp, digest = VECTORS[0]
    header, parts = f"ts={timestamp},v1={digest}", Signed(data_id, request_id)
    verify(SECRET, header, parts, NOW + seconds * 599 / 601)
    with pytest.raises(BadSignature, match="tolerance"):
        verify(SECRET, header, parts, NOW + seconds)


GOOD = VECTORS[0][3]
BAD_HEADERS = [
    "",
    "v1=" + GOOD,
    "ts=1760000000",
    "ts=1760000000,v1=",
    "ts=,v1=" + GOOD,
    "ts=1760000000;v1=" + GOOD,
    "ts=1760000000,v1=" + GOOD.upper(),
    "ts=1760000000,v1=" + GOOD[:-1],
    "ts=1760000000,v1=" + GOOD + "0",
    "ts=1760000000,ts=1760000000,v1=" + GOOD,
    "ts=1760000000,v1=" + GOOD + ",v1=" + GOOD,
    "ts=\u0661\u0667\u0666\u0660000000,v1=" + GOOD,
    "ts=+1760000000,v1=" + GOOD,
    "ts=1760000000.0,v1=" + GOOD,
    "ts=1_760_000_000,v1=" + GOOD,
    "ts=1760000001,v1=" + GOOD,
    "ts=1760000000,v2=" + GOOD,
    "ts=1760000000,v1=" + "0" * 64,
    "ts=1760000000,v1=" + GOOD + "," + "x" * 600,
]


@pytest.mark.parametrize("header", BAD_HEADERS)
def test_headers_that_are_not_good(header: str) -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, header, Signed("123456789012", REQUEST_ID), NOW)


def test_other_secrets_and_none() -> None:
    data_id, request_id, timestamp, _ = VECTORS[0]
    parts = Signed(data_id, request_id)
    for secret in ("", "other"):
        header = f"ts={timestamp},v1={sign(secret or 'x', parts, timestamp)}"
        with pytest.raises(BadSignature):
            verify(SECRET, header, parts, NOW)
    with pytest.raises(BadSignature, match="no secret"):
        verify("", f"ts={timestamp},v1={sign('', parts, timestamp)}", parts, NOW)
