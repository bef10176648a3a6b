"""A headless Chromium, driven over its debugging pipe: open a page, ask what is there, click."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio")
SECONDS = 30.0


def program() -> str | None:
    """A Chromium of this machine; none is ever installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. Every wait is bounded."""

    def __init__(self, reader: asyncio.StreamReader, write_end: int) -> None:
        self._reader, self._write_end = reader, write_end
        self._numbers = count(1)
        self._session = ""

    async def attach(self) -> None:
        target = (await self._call("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self._call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await self._call("Page.enable")

    async def open(self, url: str) -> None:
        await self._call("Page.navigate", url=url)
        await self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def value(self, expression: str) -> Any:
        answer = await self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def click(self, selector: str) -> None:
        """With a real mouse, where the element stands."""
        place = f"(r => [r.x + r.width / 2, r.y + r.height / 2])({_find(selector)}.getBoundingClientRect())"
        x, y = await self.value(place)
        for kind in ("mousePressed", "mouseReleased"):
            await self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def wait(self, expression: str) -> None:
        """Until it is true; while a page changes there may be nothing to ask."""
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    if await self.value(expression):
                        return
                except RuntimeError:
                    pass
                await asyncio.sleep(0.02)

    async def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write_end, json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(SECONDS):
            while True:
                answer = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if answer.get("id") == number:
                    break
        if "error" in answer:
            raise RuntimeError(answer["error"]["message"])
        return answer["result"]


def _find(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"


@asynccontextmanager
async def open_page(folder: Path) -> AsyncIterator[Page]:
    """A tab of a browser of its own, which ends with the block. It talks to this machine alone."""
    found = program()
    if found is None:
        raise RuntimeError("there is no Chromium on this machine")
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()
    # Chromium reads commands from descriptor 3 and answers on 4.
    script = f'exec "$0" "$@" 3<&{command_read} 4>&{answer_write}'
    rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    process = await asyncio.create_subprocess_exec(
        "/bin/bash", "-c", script, found, *FLAGS, rules, f"--user-data-dir={folder}", "--remote-debugging-pipe",
        pass_fds=(command_read, answer_write), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(command_read)
    os.close(answer_write)
    reader = asyncio.StreamReader(limit=1 << 24)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(answer_read, "rb")
    )
    try:
        page = Page(reader, command_write)
        await page.attach()
        yield page
    finally:
        os.close(command_write)
        transport.close()
        process.terminate()
        await process.wait()
