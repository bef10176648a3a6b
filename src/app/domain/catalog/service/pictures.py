"""Pictures of products, as files below the media folder."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

from app.domain.catalog.rules.pictures import BadPicture, EncodedPicture, encode
from app.errors import Invalid
from app.http.forms import FormFile

FOLDER = "products"
# A decoded picture takes a hundred megabytes; two at a time are enough for the staff of a shop.
_DECODERS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")


class PictureStore:
    """Keeps pictures under random names, so that a name tells nothing and a new picture is a new address."""

    def __init__(self, media_root: str | Path) -> None:
        self.root = Path(media_root)

    async def save(self, files: Mapping[str, FormFile]) -> dict[str, str]:
        """The stored pictures' names below the media folder, by field; all are stored or none.

        Raises Invalid under the names of the fields whose files are no pictures.
        """
        loop = asyncio.get_running_loop()
        tasks = [loop.run_in_executor(_DECODERS, encode, file.content) for file in files.values()]
        done = dict(zip(files, await asyncio.gather(*tasks, return_exceptions=True), strict=True))
        if errors := {field: [str(error)] for field, error in done.items() if isinstance(error, BadPicture)}:
            raise Invalid(errors)
        return {field: await asyncio.to_thread(self._write, picture) for field, picture in done.items()}

    def _write(self, picture: EncodedPicture | BaseException) -> str:
        if isinstance(picture, BaseException):
            raise picture
        name = f"{FOLDER}/{uuid4().hex}.{picture.suffix}"
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.content)
        return name
