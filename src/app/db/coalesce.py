"""Coalescing: calls that arrive while one is under way travel together as the next one.

An idle process sends at once, no call waits for a timer, and the order of arrival is the order in the batch. It
removes the commit for each buyer, which is what limits a hot row.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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
        self, send: Send[AskT, AnswerT], *, limit: int, splits: Callable[[Exception], bool] = lambda _error: True
    ) -> None:
        """`send` answers a batch in its order; `splits` says which failures are worth the calls one by one."""
        self._send = send
        self._limit = limit
        self._splits = splits
        self._waiting: deque[tuple[AskT, asyncio.Future[AnswerT]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, ask: AskT) -> AnswerT:
        """The answer to one call. Raises what its batch, or the call alone, raised."""
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                size = min(self._limit, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(size)]
                # Whoever has gone away is not sent: nobody would learn of the answer.
                await self._answer([entry for entry in batch if not entry[1].done()])
        finally:
            self._runner = None

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
