"""What a client of a provider has of its own: its connections."""

from typing import Self

import httpx


class OwnsHttp:
    """A client whose `_http` ends with it: `async with`, or `aclose()` where its life is somebody else's."""

    _http: httpx.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()
