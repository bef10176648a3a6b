"""One checker for all suites: what clients were told, what providers did, and what the rows say have to agree."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from app.jobs.invariants import RULES
from tests.chaos.invariants import INVARIANTS
from tests.chaos.journal import Call
from tests.chaos.world import World

SHOWN = 5
# Under which name a keyed call of a kind is known to the shop.
OPERATIONS = {
    "order": "orders_create",
    "reserve": "flash_cart_reserve",
    "confirm": "flash_cart_checkout",
    "release": "flash_cart_cancel",
    "pay": "payments_create",
    "refund": "payments_refund",
    "cancel": "orders_cancel",
}


class Report(msgspec.Struct):
    """What was looked at, and what is wrong: nothing, if all is well."""

    counts: dict[str, int]
    found: list[str]

    def prove(self) -> None:
        """Raises AssertionError with everything that is wrong."""
        assert not self.found, "\n".join(self.found)


async def check(world: World) -> Report:
    """Everything, over all that ever happened in this world; for when nothing is under way."""
    checker = _Checker(world)
    await checker.rows()
    await checker.holds()
    await checker.orders()
    await checker.money()
    await checker.keys()
    await checker.sendings()
    checker.found += [f"a crash: {line[:400]}" for line in world.crashes()[:SHOWN]]
    return Report(dict(checker.counts), checker.found)


def digest_of(call: Call) -> bytes:
    """Under what the shop keeps the answer to a keyed call."""
    place = [OPERATIONS[call.kind]]
    if call.kind == "cancel":
        place.append(f"id={call.facts['order']}")
    return hashlib.sha256("\0".join((f"user {call.user}", call.method, *place, call.key)).encode()).digest()


class _Checker:
    def __init__(self, world: World) -> None:
        self.world, self.journal = world, world.journal
        self.found: list[str] = []
        self.counts: Counter[str] = Counter()
        for call in self.journal.calls:
            self.counts[f"{call.kind} {call.end or 'open'}"] += 1

    def wrong(self, what: str, rows: Iterable[Any]) -> None:
        """Nothing may be among the rows."""
        rows = list(rows)
        if rows:
            self.found.append(f"{what} ({len(rows)}): {rows[:SHOWN]}")

    async def rows(self) -> None:
        """The invariants of the rows, and the shop's own rules."""
        for name, statement in INVARIANTS.items():
            self.wrong(name, [tuple(row) for row in await self.world.sql(statement)])
        for name, question in RULES.items():
            self.wrong(f"the shop's own rule {name}", [n for n in [await self.world.value(question)] if n])

    async def holds(self) -> None:
        """I3: what was confirmed to somebody is there, and nothing is there that nobody asked for."""
        live = {str(row[0]) for row in await self.world.sql("SELECT token FROM reservation")}
        ended = {
            str(row["token"]): row
            for row in await self.world.sql(
                "SELECT token, status, order_id, promo_id, user_id FROM reservation_finished"
            )
        }
        acked = [call for call in self.journal.of("reserve", "ack") if call.answer["token"] not in live | ended.keys()]
        self.wrong("I3: a hold that was promised and is not there", (call.answer for call in acked))
        for call in self.journal.of("confirm", "ack"):
            row = ended.get(call.facts["token"])
            if row is None or row["status"] != "confirmed" or row["order_id"] != call.answer["order"]:
                self.found.append(f"I3: lost: {call.answer} was confirmed, and there is {row}")
        asked = {call.facts["token"] for call in self.journal.of("confirm", "ack", "unknown")}
        ours = {call.answer["token"] for call in self.journal.of("reserve", "ack")}
        confirmed = {token for token, row in ended.items() if row["status"] == "confirmed" and token in ours}
        self.wrong("I3: confirmed, and nobody was told or asks", confirmed - asked)
        for call in self.journal.of("release", "ack"):
            row = ended.get(call.facts["token"])
            if row is None or row["status"] not in {"cancelled", "expired"}:
                self.found.append(f"I3: {call.facts} was let go, and there is {row}")

    async def orders(self) -> None:
        """I3 for orders: each that was promised is there, each wish has led to one at most."""
        rows = await self.world.sql(
            "SELECT id, status, recipient_name, discount FROM orders WHERE recipient_name LIKE 'chaos %'"
        )
        by_tag: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_tag[row["recipient_name"]].append(row)
        self.wrong("I3: one wish, several orders", (tag for tag, found in by_tag.items() if len(found) > 1))
        for call in self.journal.of("order"):
            ids = [row["id"] for row in by_tag.pop(call.facts["tag"], [])]
            if call.end == "ack" and call.answer["id"] not in ids:
                self.found.append(f"I3: lost: order {call.answer['id']}")
            if call.end == "nack" and ids:
                self.found.append(f"I3: refused with {call.status} {call.answer}, and there is order {ids}")
        self.wrong("I3: an order that nobody asked for", by_tag)
        states = {row["id"]: row["status"] for row in rows}
        cancelled = [call.facts["order"] for call in self.journal.of("cancel", "ack")]
        self.wrong("I3: cancelled, and is not", ((n, states.get(n)) for n in cancelled if states.get(n) != "cancelled"))

    async def money(self) -> None:
        """I4: what moved at the provider is what is written here, once for each wish."""
        moves = await self.world.told("/mercadopago/__emu__/ledger")
        charged: Counter[str] = Counter()
        back: Counter[str] = Counter()
        by_key: Counter[str] = Counter()
        for move in moves:
            self.counts[f"provider {move['kind']}"] += 1
            if move["kind"] == "charge":
                charged[str(move["payment_id"])] += Decimal(str(move["amount"]))  # type: ignore[assignment]
            if move["kind"] == "refund":
                back[str(move["payment_id"])] += Decimal(str(move["amount"]))  # type: ignore[assignment]
                by_key[move["key"]] += 1
        self.wrong("I4: a refund twice at the provider", ((key, n) for key, n in by_key.items() if n > 1))
        charges = await self.world.sql("""
            SELECT c.number, c.amount, c.refunded, p.order_id, p.captured_amount, p.refunded_amount, c.settling
              FROM payment_charge c JOIN payment p ON p.id = c.payment_id""")
        known = {row["number"]: row for row in charges}
        self.wrong("I4: paid at the provider, unknown here", charged.keys() - known.keys())
        for number, row in known.items():
            there = (charged[number], back[number])
            if there != (row["amount"], row["refunded"]):
                self.found.append(f"I4: payment {number}: {there} at the provider, {tuple(row)} here")
        kept: Counter[int] = Counter(row["order_id"] for row in charges if charged[row["number"]] > back[row["number"]])
        self.wrong("I4: an order paid twice at the provider", ((order, n) for order, n in kept.items() if n > 1))
        await self._refunds(by_key)

    async def _refunds(self, by_key: Mapping[str, int]) -> None:
        """Each refund that bears a wish's mark is one that was wished for, and its only one.

        Those without a mark are the shop's own, for money that came late or twice, or were asked for without a key.
        """
        rows = await self.world.sql("SELECT id, key, request_mark, state, amount FROM payment_refund")
        marks: dict[bytes, list[Any]] = defaultdict(list)
        for row in rows:
            if row["request_mark"] is not None:
                marks[bytes(row["request_mark"])].append(row)
        self.wrong("I4: one wish, several refunds", (found for found in marks.values() if len(found) > 1))
        done = {str(row["key"]) for row in rows if row["state"] == "done"}
        self.wrong("I4: given back at the provider, not done here", by_key.keys() - done)
        self.wrong("I4: done here, not given back at the provider", done - by_key.keys())
        asked = {digest_of(call): call for call in self.journal.of("refund")}
        others = taken_up(asked, {mark for mark, found in marks.items() if found[0]["state"] == "done"})
        for mark, call in asked.items():
            row = next(iter(marks.pop(mark, ())), None)
            wished = ("done", Decimal(call.facts["amount"]))
            right = mark in others if row is None else (row["state"], row["amount"]) == wished
            if call.end == "ack" and not right:
                self.found.append(f"I4: {call.facts} was given back, and there is {row}")
            if call.end == "nack" and row is not None and row["state"] != "failed":
                self.found.append(f"I4: {call.facts} was refused ({call.answer}), and there is {tuple(row)}")
        self.wrong("I4: a refund nobody asked for", (tuple(row) for found in marks.values() for row in found))

    async def keys(self) -> None:
        """I10: a key has an answer if and only if its work is done. Where it was acked, both are there."""
        stored = {bytes(row[0]) for row in await self.world.sql("SELECT digest FROM idempotency_key")}
        tokens = {
            str(row[0]) for row in await self.world.sql("SELECT token FROM reservation_finished WHERE order_id > 0")
        }
        tags = {row[0] for row in await self.world.sql("SELECT recipient_name FROM orders")}
        led_to = await self._led_to()
        for call in self.journal.calls:
            if call.kind not in OPERATIONS:
                continue
            kept = digest_of(call) in stored
            done = {"order": call.facts.get("tag") in tags, "confirm": call.facts.get("token") in tokens}
            if (call.end == "ack") > kept:
                self.found.append(f"I10: acked and not kept: {call.kind} {call.facts}")
            if call.end == "nack" and kept:
                self.found.append(f"I10: refused and kept: {call.kind} {call.facts}")
            if done.get(call.kind, kept) != kept:
                self.found.append(
                    f"I10: key {'kept' if kept else 'not kept'}, and not so the work: {call.kind} {call.facts}"
                )
            if kept and not led_to(call):
                self.found.append(f"I10: kept, and its work is not there: {call.kind} {call.facts} {call.answer}")

    async def _led_to(self) -> Callable[[Call], bool]:
        """Whether the work of a call whose answer is kept is there.

        The other way round it may be another's work: a page to pay is finished without its key when a process died.
        """
        pages: dict[int, set[str]] = defaultdict(set)
        for order, page in await self.world.sql("""
            SELECT p.order_id, a.init_point FROM payment_attempt a JOIN payment p ON p.id = a.payment_id
             WHERE a.init_point <> ''"""):
            pages[order].add(page)
        gone = {row[0] for row in await self.world.sql("SELECT id FROM orders WHERE status = 'cancelled'")}
        back = {
            bytes(row[0])
            for row in await self.world.sql(
                "SELECT request_mark FROM payment_refund WHERE state = 'done' AND request_mark IS NOT NULL"
            )
        }

        back |= taken_up({digest_of(call): call for call in self.journal.of("refund")}, back)

        def found(call: Call) -> bool:
            if call.kind == "pay":
                there = pages[call.facts["order"]]
                return call.answer["init_point"] in there if call.end == "ack" else bool(there)
            if call.kind == "cancel":
                return call.facts["order"] in gone
            return call.kind != "refund" or digest_of(call) in back

        return found

    async def sendings(self) -> None:
        """I6 and I7 at the providers: nobody reads a push or a mail twice, and what is sent here arrived there.

        A sender that dies between the mail server's yes and its record sends again under the same Message-ID, by which
        whoever receives it knows the copy.
        """
        mails = await self.world.told("/__emu__/mails")
        arrived = {mail["message_id"]: (mail["to"], mail["subject"], mail["text"]) for mail in mails}
        self.counts.update({"mails": len(arrived), "copies of mails": len(mails) - len(arrived)})
        seen = Counter(arrived.values())
        self.wrong("I7: a mail twice", ((key[:2], n) for key, n in seen.items() if n > 1))
        sent = {row[0] for row in await self.world.sql("SELECT message_id FROM mail WHERE status = 'sent'")}
        self.wrong(
            "I7: a mail that is sent by its row and never arrived, or the other way round", sent ^ arrived.keys()
        )
        pushes = await self.world.told("/pushes.json")
        twice = Counter((push["token"], push["title"], push["body"], str(push["data"])) for push in pushes)
        self.counts["pushes"] = len(pushes)
        self.wrong("I6: a push twice", ((key, n) for key, n in twice.items() if n > 1))


def taken_up(asked: Mapping[bytes, Call], done: Collection[bytes]) -> set[bytes]:
    """Of wishes without a refund of their own, those that have ended another's, by their marks.

    Staff who ask for as much of the same order again, under a new key, while nobody knows what became of the first
    time, get that one and no second.
    """
    begun = [call for mark, call in asked.items() if mark in done and (call.tries > 1 or call.end == "unknown")]
    facts = [call.facts for call in begun]
    return {mark for mark, call in asked.items() if mark not in done and call.facts in facts}
