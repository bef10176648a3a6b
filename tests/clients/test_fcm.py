"""Sending to the sandbox: what FCM says, and what the caller learns from it."""

import asyncio

import pytest

from app.clients.errors import (
    BadRequestError,
    NotPermitted,
    OutcomeUnknown,
    ProviderError,
    ThirdPartyAuth,
    Throttled,
    TokenRejected,
    Unavailable,
)
from app.clients.fcm import FcmClient, Push
from sandbox.faults import Fault
from sandbox.server import Sandbox

PUSH = Push(title="Promo", body="20 %", collapse_id="promo-17", data={"promo": "17"})


def tokens_pushed(sandbox: Sandbox) -> list[str]:
    return [push.token for push in sandbox.world.ledger.pushes.newest_first()][::-1]


def requests_to(sandbox: Sandbox, provider: str) -> int:
    return sum(arrival.provider == provider for arrival in sandbox.world.ledger.requests)


async def failure_of(fcm: FcmClient, token: str, push: Push = PUSH) -> ProviderError:
    with pytest.raises(ProviderError) as failure:
        await fcm.send(push, token)
    return failure.value


async def test_a_push_arrives_as_it_was_sent(fcm: FcmClient, sandbox: Sandbox) -> None:
    result = await fcm.send(PUSH, "fGx3:APA91bH")
    assert result.message_id.startswith("0:")
    assert "/" not in result.message_id
    (push,) = sandbox.world.ledger.pushes.newest_first()
    assert (push.token, push.title, push.body, push.data) == ("fGx3:APA91bH", "Promo", "20 %", {"promo": "17"})


async def test_fifty_at_once_need_one_access_token_each_time_it_runs_out(fcm: FcmClient, sandbox: Sandbox) -> None:
    await asyncio.gather(*(fcm.send(PUSH, f"first-{number}") for number in range(50)))
    assert requests_to(sandbox, "google") == 1
    sandbox.world.access_tokens.clear()
    await asyncio.gather(*(fcm.send(PUSH, f"second-{number}") for number in range(50)))
    assert requests_to(sandbox, "google") == 2
    assert requests_to(sandbox, "fcm") == 150
    expected = [f"{round_}-{number}" for round_ in ("first", "second") for number in range(50)]
    assert sorted(tokens_pushed(sandbox)) == sorted(expected)


@pytest.mark.parametrize(
    ("token", "code", "status"),
    [
        ("unregistered-1", "UNREGISTERED", 404),
        ("mismatch-1", "SENDER_ID_MISMATCH", 403),
        ("invalid-1", "INVALID_ARGUMENT", 400),
    ],
)
async def test_tokens_to_forget(fcm: FcmClient, sandbox: Sandbox, token: str, code: str, status: int) -> None:
    failure = await failure_of(fcm, token)
    assert type(failure) is TokenRejected
    assert (failure.code, failure.status, failure.retryable, failure.outcome_unknown) == (code, status, False, False)
    assert requests_to(sandbox, "fcm") == 1


async def test_our_own_errors_leave_the_token_alone(fcm: FcmClient, sandbox: Sandbox) -> None:
    wrong = Push(title="a", body="b", collapse_id="c", data={"promo": 12})  # type: ignore[dict-item]
    failure = await failure_of(fcm, "good", wrong)
    assert type(failure) is BadRequestError
    assert failure.message == "Invalid value at 'message.data[0].value' (TYPE_STRING), 12"
    reserved = await failure_of(fcm, "good", Push(title="a", body="b", collapse_id="c", data={"from": "us"}))
    assert type(reserved) is BadRequestError
    large = await failure_of(fcm, "good", Push(title="a", body="b" * 4096, collapse_id="c"))
    assert type(large) is BadRequestError
    assert not large.retryable
    assert tokens_pushed(sandbox) == []


async def test_quota(fcm: FcmClient) -> None:
    failure = await failure_of(fcm, "quota-1")
    assert isinstance(failure, Throttled)
    assert (failure.code, failure.status, failure.retryable) == ("QUOTA_EXCEEDED", 429, True)
    assert failure.retry_after == 60.0


async def test_down_for_a_while_is_the_callers_to_wait_for(fcm: FcmClient, sandbox: Sandbox) -> None:
    failure = await failure_of(fcm, "unavail-1:1")
    assert type(failure) is Unavailable
    assert (failure.code, failure.status, failure.retry_after) == ("UNAVAILABLE", 503, 10.0)
    assert requests_to(sandbox, "fcm") == 1
    await fcm.send(PUSH, "unavail-1:1")
    assert tokens_pushed(sandbox) == ["unavail-1:1"]


async def test_a_refusal_by_apple_does_not_renew_the_access_token(fcm: FcmClient, sandbox: Sandbox) -> None:
    failure = await failure_of(fcm, "thirdparty-1")
    assert type(failure) is ThirdPartyAuth
    assert isinstance(failure, NotPermitted)
    assert failure.code == "THIRD_PARTY_AUTH_ERROR"
    assert (requests_to(sandbox, "google"), requests_to(sandbox, "fcm")) == (1, 1)


async def test_access_that_stays_refused_is_not_tried_for_ever(fcm: FcmClient, sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(provider="fcm", status=401, times=10))
    failure = await failure_of(fcm, "good")
    assert type(failure) is NotPermitted
    assert (failure.code, failure.status) == ("UNAUTHENTICATED", 401)
    assert (requests_to(sandbox, "google"), requests_to(sandbox, "fcm")) == (2, 2)


@pytest.mark.parametrize(
    ("status", "kind", "retry_after"),
    [
        (429, Throttled, 1.0),
        (503, Unavailable, 1.0),
        (500, Unavailable, 10.0),
        (502, Unavailable, 10.0),
        (504, Unavailable, 10.0),
        (403, NotPermitted, None),
        (400, BadRequestError, None),
        (409, BadRequestError, None),
    ],
)
async def test_every_status(
    fcm: FcmClient, sandbox: Sandbox, status: int, kind: type[ProviderError], retry_after: float | None
) -> None:
    sandbox.world.faults.add(Fault(provider="fcm", status=status))
    failure = await failure_of(fcm, "good")
    assert type(failure) is kind
    assert failure.status == status
    assert getattr(failure, "retry_after", None) == retry_after
    assert not failure.outcome_unknown
    assert tokens_pushed(sandbox) == []


async def test_a_dropped_answer_is_unknown_and_the_push_is_not_repeated(fcm: FcmClient, sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(provider="fcm", drop=True))
    failure = await failure_of(fcm, "good")
    assert type(failure) is OutcomeUnknown
    assert (failure.outcome_unknown, failure.retryable) == (True, False)
    assert tokens_pushed(sandbox) == ["good"]
    await fcm.send(PUSH, "next")
    assert tokens_pushed(sandbox) == ["good", "next"]


async def test_checking_a_token_sends_nothing(fcm: FcmClient, sandbox: Sandbox) -> None:
    assert (await fcm.send(PUSH, "good", validate_only=True)).message_id == "fake_message_id"
    with pytest.raises(TokenRejected):
        await fcm.send(PUSH, "unregistered-1", validate_only=True)
    assert tokens_pushed(sandbox) == []


async def test_one_bad_token_of_five_hundred(fcm: FcmClient, sandbox: Sandbox) -> None:
    tokens = [f"good-{number}" for number in range(250)]
    tokens += ["unregistered-1", *(f"fine-{number}" for number in range(249))]
    results = await asyncio.gather(*(fcm.send(PUSH, token) for token in tokens), return_exceptions=True)
    rejected = [token for token, result in zip(tokens, results, strict=True) if isinstance(result, TokenRejected)]
    assert rejected == ["unregistered-1"]
    assert sorted(tokens_pushed(sandbox)) == sorted(set(tokens) - {"unregistered-1"})
