"""Staff subscribe, look at what became of messages, and never see a secret twice."""

import dataclasses

import msgspec
import pytest
from sqlalchemy import text

from app.domain.webhooks.rules.addresses import is_public, literal, problem_of
from app.domain.webhooks.service.sealing import Seals
from app.jobs import webhooks as jobs
from app.settings import Settings
from tests.webhooks.post_office import PostOffice

SECRET = "s" * 40


async def test_a_subscriptions_life(office: PostOffice) -> None:
    made = await office.subscribe(description="ERP", event_types=["order.paid"])
    assert made["signing_secret"].startswith("whsec_")
    assert len(office.sandbox.world.hook_secrets[-1]) == 32
    listed = await office.reader.ask("GET", "/api/webhooks/")
    assert [one["id"] for one in listed["results"]] == [made["id"]]
    assert "secret" not in str(listed["results"]).replace("previous_secret_until", "")
    changed = await office.reader.ask("PATCH", f"/api/webhooks/{made['id']}/", {"event_types": []})
    assert (changed["event_types"], changed["description"]) == ([], "ERP")
    off = await office.reader.ask("PATCH", f"/api/webhooks/{made['id']}/", {"is_active": False})
    assert (off["is_active"], off["disabled_reason"]) == (False, "")
    await office.happen()
    assert await office.deliveries(made["id"]) == []
    await office.reader.ask("POST", f"/api/webhooks/{made['id']}/test/", status=409)
    renewed = await office.reader.ask("POST", f"/api/webhooks/{made['id']}/rotate_secret/")
    await office.reader.ask("DELETE", f"/api/webhooks/{made['id']}/", status=204)
    await office.reader.ask("GET", f"/api/webhooks/{made['id']}/", status=404)
    rows = await office.reader.db.execute(
        text("SELECT action, changes::text FROM activity_log WHERE content_type = 'webhook' ORDER BY id")
    )
    logged = rows.all()
    assert [row.action for row in logged] == ["create", "update", "update", "update", "delete"]
    assert made["signing_secret"] not in str(logged)
    assert renewed["signing_secret"] not in str(logged)


async def test_a_trial(office: PostOffice) -> None:
    webhook = await office.subscribe(event_types=["order.paid"])
    trial = await office.reader.ask("POST", f"/api/webhooks/{webhook['id']}/test/", status=201)
    assert (trial["event_type"], trial["event_number"], trial["state"]) == ("webhook.test", None, "pending")
    await office.deliver()
    assert [(got.type, got.verdict) for got in office.got()] == [("webhook.test", "verified")]
    listed = await office.reader.ask("GET", f"/api/webhooks/{webhook['id']}/deliveries/?state=delivered")
    assert [one["id"] for one in listed["results"]] == [trial["id"]]
    await office.reader.ask("GET", f"/api/webhooks/{webhook['id']}/deliveries/?state=nonsense", status=400)


async def test_what_can_be_subscribed_to(office: PostOffice) -> None:
    types = await office.reader.ask("GET", "/api/webhooks/event_types/")
    assert {"type": "order.paid", "description": "An order was paid."} in types
    body = {"url": "https://example.com/x", "event_types": ["order.nonsense"]}
    refused = await office.reader.ask("POST", "/api/webhooks/", body, 400)
    assert refused == {"event_types": ['"order.nonsense" is not a valid choice.']}
    assert await office.reader.db.scalar(text("SELECT count(*) FROM webhook")) == 0


BAD = ("ftp://example.com", "https://", "nothing", "https://u:p@example.com/", "https://example.com/#x",
       "https://a b.c/", "https://example.com:0/", "https://[::1", "https://exa\\mple.com/")  # fmt: skip


@pytest.mark.parametrize("url", BAD)
async def test_what_is_no_address(office: PostOffice, url: str) -> None:
    refused = await office.reader.ask("POST", "/api/webhooks/", {"url": url}, 400)
    assert list(refused) == ["url"]


INSIDE = ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
          "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
          "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "192.0.0.192", "fec0::1",
          "::ffff:192.0.0.192", "64:ff9b:1::7f00:1")  # fmt: skip


@pytest.mark.parametrize("host", INSIDE)
def test_addresses_that_are_nobodys_on_the_internet(host: str) -> None:
    address = literal(host)
    assert address is not None
    assert not is_public(address)
    url = f"https://[{host}]/" if ":" in host else f"https://{host}/"
    assert problem_of(url, allow_http=False, allow_private=False)


@pytest.mark.parametrize("host", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(host: str) -> None:
    address = literal(host)
    assert address is not None
    assert is_public(address)


def test_production_wants_https_and_public_addresses() -> None:
    strict = {"allow_http": False, "allow_private": False}
    assert problem_of("https://hooks.example.com:8443/x?y=1", **strict) == ""
    assert problem_of("http://hooks.example.com/", **strict) == "The URL begins with https://."
    assert problem_of("https://localhost/", **strict) == "The address is not a public one."


async def test_secrets_are_sealed_and_follow_the_key(office: PostOffice, settings: Settings) -> None:
    made = await office.subscribe()
    secret = office.sandbox.world.hook_secrets[-1]
    stored = await office.reader.db.scalar(text("SELECT secret FROM webhook"))
    assert isinstance(stored, bytes)
    assert secret not in stored
    rotated = msgspec.structs.replace(settings, secret_key=SECRET, secret_key_previous=settings.secret_key)
    assert Seals(rotated).open(stored) == secret
    office.work = dataclasses.replace(office.work, settings=rotated)
    # One that no key opens is in nobody's way.
    await office.subscribe("lost")
    await office.reader.run("UPDATE webhook SET secret = 'lost', is_active = false WHERE url LIKE '%/lost'")
    assert await jobs.reseal.run(office.work) == 1
    await office.reader.db.rollback()
    again = await office.reader.db.scalar(text("SELECT secret FROM webhook WHERE is_active"))
    alone = msgspec.structs.replace(settings, secret_key=SECRET, secret_key_previous="")
    assert Seals(alone).open(again) == secret
    await office.happen()
    await office.deliver()
    assert [got.verdict for got in office.got()] == ["verified"]
    # With a key that has sealed nothing, the message waits and says why.
    office.work = dataclasses.replace(office.work, settings=settings)
    await office.happen()
    await office.deliver()
    newest = (await office.deliveries(made["id"]))[0]
    assert (newest["state"], newest["last_error"]) == ("pending", "the secret was sealed with another SECRET_KEY")
