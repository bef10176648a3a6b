"""Coalescing: calls that arrive while one is under way travel together as the next one.

An idle process sends at once, and the order of arrival is the order in the batch. It removes the commit for each buyer,
which is what limits a hot row. Whose batches cost much beside a single call has some patience: right after a batch it
waits a moment for as many calls as there were, or they would go in two halves that take turns for ever.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

AskT = TypeVar("AskT")
AnswerT = TypeVar("AnswerT")
# How often the event loop turns before a batch leaves: the answers of the one before go out, and calls that are on
# their way come along. An idle loop turns in microseconds, so that a lone call does not wait.
TURNS = 4
Send = Callable[[Sequence[AskT]], Awaitable[Sequence[AnswerT]]]


class Coalescer(Generic[AskT, AnswerT]):
    """One batch at a time. A batch that fails is sent again one by one, so that one bad call harms nobody else."""

    def __init__(
        self,
        send: Send[AskT, AnswerT],
        *,
        limit: int,
        splits: Callable[[Exception], bool] = lambda _error: True,
        patience: float = 0.0,
    ) -> None:
        """`send` answers a batch in its order; `splits` says which failures are worth the calls one by one. `patience`
        is for how many seconds after a batch the next one waits at most, if there are fewer calls than there were then.
        """
        self._send = send
        self._limit = limit
        self._splits = splits
        self._patience = patience
        # When the last batch was answered, and how many calls there were then.
        self._ended, self._seen = 0.0, 0
        # Somebody waits until there are so many.
        self._wanted, self._enough = 0, asyncio.Event()
        self._waiting: deque[tuple[AskT, asyncio.Future[AnswerT]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, ask: AskT) -> AnswerT:
        """The answer to one call. Raises what its batch, or the call alone, raised."""
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, future))
        if len(self._waiting) >= self._wanted:
            self._enough.set()
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                await self._fill()
                size = min(self._limit, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(size)]
                # Whoever has gone away is not sent: nobody would learn of the answer.
                await self._answer([entry for entry in batch if not entry[1].done()])
                self._ended, self._seen = asyncio.get_running_loop().time(), size + len(self._waiting)
        finally:
            self._runner = None

    async def _fill(self) -> None:
        """Wait for as many calls as there were a moment ago, for that moment."""
        self._wanted = min(self._limit, self._seen)
        until = self._ended + self._patience
        if len(self._waiting) >= self._wanted or asyncio.get_running_loop().time() >= until:
            return
        self._enough.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._enough.wait()

    async def _answer(self, batch: list[tuple[AskT, asyncio.Future[AnswerT]]]) -> None:
        if not batch:
            return
        try:
            answers = await self._send([ask for ask, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' to see
            if len(batch) == 1 or not self._splits(error):
                self._fail(batch, error)
                return
            for entry in batch:
                await self._answer([entry])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    @staticmethod
    def _fail(batch: list[tuple[AskT, asyncio.Future[AnswerT]]], error: Exception) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._runner is not None:
            await asyncio.wait({self._runner})
