"""Pictures of products: files below the media folder, or Cloudinary's; kept as long as a product shows them."""

import asyncio
import datetime as dt
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from uuid import uuid4

import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.cloudinary import CloudinaryClient
from app.clients.errors import ProviderError
from app.db import clock
from app.domain.catalog import queries
from app.domain.catalog.rules.pictures import (
    FOLDER,
    SUFFIXES,
    BadPicture,
    EncodedPicture,
    PictureHostDown,
    encode,
    is_address,
    key_of,
)
from app.errors import Invalid
from app.http.forms import FormFile
from app.jobs.queue import defer
from app.settings import Settings

log = structlog.get_logger("app.pictures")

LOCAL, CLOUDINARY = "local", "cloudinary"
REMOVE = "pictures:remove"
# When it is looked whether a product shows what was uploaded: long after the request that brought it.
SECOND_LOOK = dt.timedelta(hours=1)
# One at a time: decoding takes tens of megabytes, and the staff of a shop can wait a second.
_DECODER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")
# Whoever writes a file and refers to it holds the lock together with others; whoever removes one, alone.
_SHARED = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:key, 0))")
_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
Sessions = async_sessionmaker[AsyncSession]


class Taken(msgspec.Struct, frozen=True):
    """A picture that was checked, encoded and, at Cloudinary, uploaded. `stored` is for the product's column."""

    key: str
    stored: str
    content: bytes | None


class PictureStore:
    """One for each process. New pictures go where the settings say; old ones are removed from where they are."""

    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self.root = Path(settings.media_root)
        self.remote = settings.media_backend == CLOUDINARY
        self.settings = settings
        self.sessions = sessions
        self._client: CloudinaryClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    @property
    def client(self) -> CloudinaryClient:
        """Made when the first picture goes there: most processes send none."""
        if self._client is None:
            self._client = CloudinaryClient.from_settings(self.settings)
        return self._client

    async def take(self, files: Mapping[str, FormFile]) -> dict[str, Taken]:
        """Check, encode and upload, by field; all or none. The caller has no transaction open meanwhile.

        Raises Invalid under the names of the fields whose files are no pictures, and PictureHostDown.
        """
        if not files:
            return {}
        loop = asyncio.get_running_loop()
        tasks = [loop.run_in_executor(_DECODER, encode, file.content) for file in files.values()]
        done = dict(zip(files, await asyncio.gather(*tasks, return_exceptions=True), strict=True))
        if errors := {field: [str(error)] for field, error in done.items() if isinstance(error, BadPicture)}:
            raise Invalid(errors)
        pictures = {field: _certain(picture) for field, picture in done.items()}
        return await self._uploaded(pictures) if self.remote else await self._named(pictures)

    async def keep(self, session: AsyncSession, taken: Taken) -> str:
        """What the product's column says. A file is there before the transaction that refers to it commits."""
        if taken.content is not None:
            await session.execute(_SHARED, {"key": taken.key})
            await asyncio.to_thread(_write, self.root / taken.stored, taken.content)
        return taken.stored

    async def remove_file(self, session: AsyncSession, key: str) -> bool:
        """Whether a file was there that no product shows; it is gone then. Holds the lock until the commit."""
        await session.execute(_ALONE, {"key": key})
        if await self.is_shown(session, key):
            return False
        return await asyncio.to_thread(_unlink, self.root, key)

    async def is_shown(self, session: AsyncSession, key: str) -> bool:
        """Whether a product, also a deleted one, which orders may still show, has this picture."""
        names = {"key": f"{key}.", "last": key.rpartition("/")[2]}
        return (await session.execute(queries.PICTURE_SHOWN, names)).first() is not None

    async def destroy(self, key: str) -> bool:
        """Whether Cloudinary had it; it has not any more. Raises ProviderError. No transaction is open meanwhile."""
        return await self.client.destroy(key)

    async def _named(self, pictures: Mapping[str, EncodedPicture]) -> dict[str, Taken]:
        taken = {f: Taken(p.key, f"{p.key}.{p.suffix}", p.content) for f, p in pictures.items()}
        await self._look_again(LOCAL, [one.key for one in taken.values()])
        return taken

    async def _uploaded(self, pictures: Mapping[str, EncodedPicture]) -> dict[str, Taken]:
        keys = {field: f"{FOLDER}/{uuid4().hex}" for field in pictures}
        await self._look_again(CLOUDINARY, list(keys.values()))
        try:
            uploads = [self.client.upload(picture.content, keys[field]) for field, picture in pictures.items()]
            done = await asyncio.gather(*uploads)
        except ProviderError as error:
            log.warning("picture_not_uploaded", reason=type(error).__name__, status=error.status)
            raise PictureHostDown from error
        return {field: Taken(keys[field], one.secure_url, None) for field, one in zip(keys, done, strict=True)}

    async def _look_again(self, host: str, keys: Sequence[str]) -> None:
        """Whatever becomes of the request: what no product shows in the end is removed."""
        async with self.sessions() as session, session.begin():
            at = clock.now() + SECOND_LOOK
            for key in keys:
                await defer(session, REMOVE, schedule_at=at, host=host, key=key)


async def let_go(session: AsyncSession, stored: Sequence[str]) -> None:
    """Products of this transaction do not show these any more: if none does, they are removed after it."""
    for one in stored:
        if key := key_of(one):
            await defer(session, REMOVE, host=CLOUDINARY if is_address(one) else LOCAL, key=key)


def _certain(picture: EncodedPicture | BaseException) -> EncodedPicture:
    if isinstance(picture, BaseException):
        raise picture
    return picture


def _write(target: Path, content: bytes) -> None:
    """Whole or not at all, and on the disk before anybody refers to it."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{uuid4().hex}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _unlink(root: Path, key: str) -> bool:
    found = [path for suffix in SUFFIXES if (path := root / f"{key}.{suffix}").is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return bool(found)
