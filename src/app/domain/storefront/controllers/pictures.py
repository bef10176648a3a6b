"""The pictures of products."""

import asyncio
import re
from pathlib import Path

from litestar import Controller, get
from litestar.datastructures import State
from litestar.response import File

from app.domain.catalog.rules.pictures import FOLDER
from app.errors import NotFound
from app.http.guards import door
from app.http.throttling import EXEMPT, THROTTLE


class MediaController(Controller):
    """Pictures of products. A name is made of the picture's content, so an answer may be kept for ever."""

    path = f"/media/{FOLDER}"
    include_in_schema = False
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class

    @get("/{name:str}", guards=[door])
    async def picture(self, state: State, name: str) -> File:
        path = Path(state.settings.media_root) / FOLDER / name
        if not _PICTURE_NAME.fullmatch(name) or not await asyncio.to_thread(path.is_file):
            raise NotFound
        return File(
            path,
            filename=name,
            media_type=_MEDIA_TYPES[path.suffix],
            content_disposition_type="inline",
            headers={
                "Cache-Control": "public, max-age=31536000, immutable",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cross-Origin-Resource-Policy": "cross-origin",
            },
        )


_MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
# The demo's pictures are named after their products.
_PICTURE_NAME = re.compile(r"(?:[0-9a-f]{32}|demo-[a-z0-9_-]{1,110})\.(?:jpg|png|webp)", re.ASCII)
