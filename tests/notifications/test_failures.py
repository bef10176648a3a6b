"""The push service fails in every way it can: nothing is sent twice, and nothing that could be sent is lost."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from app.clients.errors import NotPermitted
from app.domain.notifications.service import sending
from app.domain.notifications.service.sending import Scope, open_sender
from tests.notifications.office import Office
from tests.notifications.test_fan_out import crowd

MANY = 1_000_000


async def counted(office: Office) -> Counter[str]:
    rows = await office.rows("SELECT state, count(*) FROM push_log GROUP BY 1")
    return Counter({str(state): int(count) for state, count in rows})


async def test_down_then_up_again(office: Office) -> None:
    tokens = await crowd(office, 120)
    office.fault(MANY, status=503)
    promo = await office.promo()
    await office.tell(promo)
    # One piece was tried, then the service was left alone.
    assert await counted(office) == {"waiting": 120}
    assert await office.value("SELECT count(*) FROM push_log WHERE attempts = 1") == sending.PIECE
    reasons = await office.rows("SELECT DISTINCT error_message FROM push_log WHERE attempts = 1")
    assert "503" in reasons[0][0] or "unavailable" in reasons[0][0].lower()
    await office.run("notifications:sweep")
    assert await office.value("SELECT max(attempts) FROM push_log") == 1
    office.heal()
    await office.later()
    await office.run("notifications:sweep")
    assert sorted(office.pushes()) == sorted(tokens)
    assert await counted(office) == {"sent": 120}


async def test_nobody_listens(office: Office) -> None:
    tokens = await crowd(office, 10)
    sender = office.sender
    async with open_sender(msgspec.structs.replace(office.settings, fcm_base_url="http://127.0.0.1:9")) as deaf:
        office.sender = deaf
        await office.tell(await office.promo())
    assert await counted(office) == {"waiting": 10}
    office.sender = sender
    await office.later()
    await office.run("notifications:sweep")
    assert sorted(office.pushes()) == sorted(tokens)


async def test_throttled_waits_as_long_as_it_is_told(office: Office) -> None:
    tokens = await crowd(office, 60)
    office.fault(20, status=429)
    await office.tell(await office.promo())
    assert await counted(office) == {"sent": 30, "waiting": 30}
    seconds = await office.rows(
        "SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM push_log"
        " WHERE state = 'waiting' AND attempts = 1"
    )
    assert len(seconds) == 20
    assert all(5 < wait <= 15 for (wait,) in seconds)
    # Nobody knocks before the time is over.
    await office.run("notifications:sweep")
    assert len(office.pushes()) == 30
    await office.later()
    await office.run("notifications:sweep")
    assert sorted(office.pushes()) == sorted(tokens)


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 200}])
async def test_an_answer_that_is_lost_or_unreadable_is_unknown_and_not_repeated(
    office: Office, fault: dict[str, Any]
) -> None:
    await crowd(office, 60)
    office.fault(7, **fault)
    await office.tell(await office.promo())
    assert await counted(office) == {"sent": 53, "unknown": 7}
    before = office.pushes()
    for _ in range(2):
        await office.later()
        await office.run("notifications:sweep")
    assert office.pushes() == before
    assert len(set(before)) == len(before)
    shown = await office.rows("SELECT DISTINCT error_message FROM push_log WHERE state = 'unknown'")
    assert shown[0][0].startswith("FCM's answer ")


async def test_slow_is_waited_for(office: Office) -> None:
    tokens = await crowd(office, 20)
    office.fault(20, delay_seconds=0.4)
    await office.tell(await office.promo())
    assert sorted(office.pushes()) == sorted(tokens)
    assert await counted(office) == {"sent": 20}


async def test_refused_credentials_wait_for_a_person(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = await crowd(office, 5)
    send = office.sender.fcm.send

    async def refuse(*_: Any) -> Any:
        raise NotPermitted("no permission", code="PERMISSION_DENIED", status=403)

    monkeypatch.setattr(office.sender.fcm, "send", refuse)
    await office.tell(await office.promo())
    assert await counted(office) == {"waiting": 5}
    monkeypatch.setattr(office.sender.fcm, "send", send)
    await office.later()
    await office.run("notifications:sweep")
    assert sorted(office.pushes()) == sorted(tokens)


async def test_what_does_not_get_through_until_its_time_is_over_has_failed(office: Office) -> None:
    await office.shopper("unavail-a")
    await office.tell(await office.promo())
    assert await counted(office) == {"waiting": 1}
    await office.later()
    await office.rows("UPDATE push_log SET expires_at = clock_timestamp() + interval '5 seconds'")
    await office.run("notifications:sweep")
    assert await counted(office) == {"failed": 1}
    assert "UNAVAILABLE" in await office.value("SELECT error_message FROM push_log")


async def test_a_sender_that_died_leaves_unknowns(office: Office) -> None:
    await crowd(office, 3)
    await office.tell(await office.promo())
    await office.rows("UPDATE push_log SET state = 'sending', due_at = clock_timestamp() + interval '1 minute'")
    await office.run("notifications:sweep")
    assert await counted(office) == {"sending": 3}
    await office.later()
    await office.run("notifications:sweep")
    assert await counted(office) == {"unknown": 3}
    assert len(office.pushes()) == 3


async def test_a_result_that_comes_late_is_believed_but_no_other_runs(office: Office) -> None:
    await office.shopper("a")
    await office.tell(await office.promo())
    ((push, attempts),) = await office.rows("UPDATE push_log SET state = 'unknown' RETURNING id, attempts")
    stale = sending.Result(push, attempts - 1, "sent", message_id="stale")
    await sending._record(office.sessions, [stale])
    assert await counted(office) == {"unknown": 1}
    await sending._record(office.sessions, [sending.Result(push, attempts, "sent", message_id="late")])
    assert await office.rows("SELECT state, fcm_message_id FROM push_log") == [("sent", "late")]
    await sending._record(office.sessions, [sending.Result(push, attempts, "waiting")])
    assert await counted(office) == {"sent": 1}


async def test_results_survive_a_database_that_is_away(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = await crowd(office, 10)
    monkeypatch.setattr(sending, "RECORD_PAUSE_SECONDS", 0.01)
    record, failures = sending._record, iter(range(3))

    async def away(*arguments: Any) -> Any:
        if next(failures, None) is not None:
            raise OperationalError("away", {}, OSError())
        return await record(*arguments)

    monkeypatch.setattr(sending, "_record", away)
    await office.tell(await office.promo())
    assert sorted(office.pushes()) == sorted(tokens)
    assert await counted(office) == {"sent": 10}


async def test_a_run_that_is_cut_off_writes_what_it_knows(office: Office) -> None:
    await office.shopper("fast", "slow-a:5")
    promo = await office.promo()
    await office.run("notify_promo", promo_id=promo)
    ((args,),) = await office.rows("SELECT args FROM procrastinate_jobs")
    run = asyncio.create_task(office.run("send_push_batch", **args))
    while len(office.pushes()) < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await asyncio.wait(office.sender._writing or {asyncio.create_task(asyncio.sleep(0))})
    assert await office.states() == {"fast": "sent", "slow-a:5": "unknown"}


async def test_a_claim_whose_commit_was_lost_goes_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.shopper("a")
    promo = await office.promo()
    office.sender._closed_until = float("inf")
    await office.tell(promo)
    office.sender._closed_until = 0.0
    claimed = sending._claimed

    def commit_and_vanish(rows: Any) -> Any:
        found = claimed(rows)
        vanished.append(found)
        return found

    vanished: list[Any] = []
    monkeypatch.setattr(sending, "_claimed", commit_and_vanish)

    class Broken:
        """Sessions whose first commit is done, and reported as lost."""

        def __init__(self) -> None:
            self.first = True

        def __call__(self) -> Any:
            session = office.sessions()
            if self.first:
                self.first = False
                begin = session.begin

                def broken_begin() -> Any:
                    return Lossy(begin())

                session.begin = broken_begin  # type: ignore[method-assign]
            return session

    class Lossy:
        def __init__(self, transaction: Any) -> None:
            self.transaction = transaction

        async def __aenter__(self) -> Any:
            return await self.transaction.__aenter__()

        async def __aexit__(self, *error: object) -> None:
            await self.transaction.__aexit__(*error)
            raise OperationalError("the commit's answer was lost", {}, OSError())

    with pytest.raises(OperationalError):
        await office.sender.deliver(Broken(), Scope())  # type: ignore[arg-type]
    await asyncio.wait(office.sender._writing or {asyncio.create_task(asyncio.sleep(0))})
    assert len(vanished) == 1
    assert await counted(office) == {"waiting": 1}
    assert office.pushes() == []
    await office.run("notifications:sweep")
    assert office.pushes() == ["a"]
