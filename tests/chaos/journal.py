"""What clients asked for and what they were told, written down in time: the intent reaches the disk before the call."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

# ack: the shop said yes. nack: it said no, for good. unknown: nobody ever said, and either may be true.
End = Literal["ack", "nack", "unknown"]


class Call(msgspec.Struct, kw_only=True):
    """One thing that one client wants, however often it is asked for. `end` is empty while it is asked for."""

    number: int
    kind: str
    user: int
    method: str
    path: str
    key: str
    # What the client knows of it: a token, an order's id, an amount.
    facts: dict[str, Any]
    body: Any = None
    end: End | Literal[""] = ""
    status: int = 0
    answer: Any = None
    tries: int = 0
    # Of the tries that ended in no verdict: what came instead.
    troubles: list[str] = []


class Journal:
    """Append-only, one for a world; several clients write at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[Call] = []
        self._file = path.open("ab")
        self._lock = threading.Lock()

    def intend(self, call: Call) -> Call:
        """Returns when the intent is on the disk."""
        with self._lock:
            call.number = len(self.calls)
            self.calls.append(call)
            self._write({"intent": call})
            os.fsync(self._file.fileno())
        return call

    def end(self, call: Call, end: End) -> Call:
        with self._lock:
            call.end = end
            self._write({end: call.number, "status": call.status, "answer": call.answer, "tries": call.tries})
        return call

    def of(self, kind: str, *ends: End) -> Iterator[Call]:
        """The calls of a kind that ended so; without an end, all of them."""
        return (call for call in self.calls if call.kind == kind and (not ends or call.end in ends))

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Any) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()


def read(path: Path) -> list[Call]:
    """A journal as it stands on the disk, for whoever comes after the writer's death."""
    calls: list[Call] = []
    for line in path.read_bytes().splitlines():
        entry = msgspec.json.decode(line)
        if "intent" in entry:
            calls.append(msgspec.convert(entry["intent"], Call))
            continue
        end = next(name for name in ("ack", "nack", "unknown") if name in entry)
        call = calls[entry[end]]
        call.end, call.status, call.answer, call.tries = end, entry["status"], entry["answer"], entry["tries"]
    return calls
