"""The life of a picture: named by its content, shared, replaced, removed when no product shows it; here and away."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.trust import trusted
from app.domain.catalog.models import Product
from app.domain.catalog.service.pictures import CLOUDINARY, LOCAL, PictureStore, Taken
from app.jobs.pictures import remove_picture
from app.jobs.work import Work
from app.server import Relampago
from app.settings import Settings
from sandbox import cloud
from sandbox.faults import Fault
from sandbox.server import Sandbox, open_sandbox
from tests.factories_catalog import make_product
from tests.shop import People, stored

PATH = "/api/products/"
URL = "http://testserver/media/"
Sessions = async_sessionmaker[AsyncSession]
JOBS = text("""
    SELECT args->>'host', args->>'key', scheduled_at IS NOT NULL FROM procrastinate_jobs
     WHERE task_name = 'pictures:remove' ORDER BY id
""")


def drawn(colour: int, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 4), (colour, 2, 3)).save(out, kind, **options)
    return out.getvalue()


async def put(client: httpx.AsyncClient, people: People, product: Product, content: bytes | None) -> str | None:
    """The address of the picture that a product shows after it was sent one, or none."""
    path = f"{PATH}{product.id}/"
    sent: Any = {"json": {"image": None}} if content is None else {"files": {"image": ("a.png", content)}}
    answer = await client.patch(path, headers=people.staff, **sent)
    assert answer.status_code == 200, answer.text
    image: str | None = answer.json()["image"]
    return image


async def due(db: AsyncSession) -> list[tuple[str, str]]:
    """The removals that wait for nothing."""
    found = [(host, key) for host, key, later in await db.execute(JOBS) if not later]
    await db.commit()
    return found


async def run_due(db: AsyncSession, work: Work) -> list[object]:
    return [await remove_picture.run(work, host=host, key=key) for host, key in await due(db)]


def key_of(address: str) -> str:
    return "products/" + address.rpartition("/")[2].partition(".")[0]


@pytest.fixture
def work(settings: Settings, sessions: Sessions) -> Work:
    return Work(settings, sessions)


async def test_the_same_picture_is_one_file(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings, work: Work
) -> None:
    one, other = await make_product(db), await make_product(db)
    about = PngInfo()
    about.add_text("Author", "somebody else")
    address = await put(client, people, one, drawn(10))
    assert address is not None
    assert await put(client, people, other, drawn(10, pnginfo=about)) == address
    assert len(address.rpartition("/")[2]) == 36
    file = Path(settings.media_root) / f"{key_of(address)}.png"
    assert file.is_file()
    # Sent once more it stays what it is.
    assert await put(client, people, one, drawn(10)) == address
    assert await due(db) == []
    # As long as one product shows it, it is there.
    assert await put(client, people, one, None) is None
    assert await due(db) == [(LOCAL, key_of(address))]
    assert await run_due(db, work) == [False]
    assert (await client.get(address)).status_code == 200
    replaced = await put(client, people, other, drawn(11))
    assert await run_due(db, work) == [True, False]
    assert not file.exists()
    assert (await client.get(address)).status_code == 404
    assert replaced is not None
    assert (await client.get(replaced)).status_code == 200
    assert await remove_picture.run(work, host=LOCAL, key=key_of(address)) is False


async def test_a_swap_of_both_pictures_removes_none(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db)
    path = f"{PATH}{product.id}/"
    files = {"image": ("a", drawn(20)), "image_2": ("b", drawn(21))}
    first = (await client.patch(path, files=files, headers=people.staff)).json()
    files = {"image": ("b", drawn(21)), "image_2": ("a", drawn(20))}
    second = (await client.patch(path, files=files, headers=people.staff)).json()
    assert (second["image"], second["image_2"]) == (first["image_2"], first["image"])
    assert await due(db) == []


async def test_a_deleted_product_keeps_its_picture_for_its_orders(
    client: httpx.AsyncClient, db: AsyncSession, people: People, work: Work
) -> None:
    product = await make_product(db)
    address = await put(client, people, product, drawn(30))
    assert address is not None
    assert (await client.delete(f"{PATH}{product.id}/", headers=people.staff)).status_code == 204
    assert await remove_picture.run(work, host=LOCAL, key=key_of(address)) is False
    assert (await client.get(address)).status_code == 200


async def test_whatever_becomes_of_the_request_it_is_looked_at_again(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings, work: Work
) -> None:
    product = await make_product(db)
    path = f"{PATH}{product.id}/"
    before = await stored(db)
    headers = people.staff | {"If-Match": '"stale"'}
    answer = await client.patch(path, files={"image": ("a", drawn(40))}, headers=headers)
    assert answer.status_code == 412
    assert await stored(db) == before
    found = (await db.execute(JOBS)).all()
    assert [(row[0], row[2]) for row in found] == [(LOCAL, True)]
    # As after a crash between the file and the commit.
    orphan = Path(settings.media_root) / f"{found[0][1]}.png"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(drawn(40))
    assert await remove_picture.run(work, host=LOCAL, key=found[0][1]) is True
    assert not orphan.exists()


async def test_who_writes_and_who_removes_take_turns(
    db: AsyncSession, sessions: Sessions, settings: Settings, work: Work
) -> None:
    """The same picture is uploaded for one product while it is removed with another."""
    product = await make_product(db)
    store = PictureStore(settings, sessions)
    taken = Taken("products/" + "e" * 32, "products/" + "e" * 32 + ".png", drawn(50))
    file = Path(settings.media_root) / taken.stored
    show = text("UPDATE product SET image = :image WHERE id = :id")
    async with sessions() as writer:
        await store.keep(writer, taken)
        await writer.execute(show, {"image": taken.stored, "id": product.id})
        removal = asyncio.ensure_future(remove_picture.run(work, host=LOCAL, key=taken.key))
        await asyncio.sleep(0.1)
        assert not removal.done()
        await writer.commit()
        assert await removal is False
    assert file.is_file()
    await db.execute(text("UPDATE product SET image = NULL"))
    await db.commit()
    async with sessions() as remover, sessions() as writer:
        assert await store.remove_file(remover, taken.key) is True
        assert not file.exists()
        keeping = asyncio.create_task(store.keep(writer, taken))
        await asyncio.sleep(0.1)
        assert not keeping.done()
        await remover.commit()
        assert await keeping == taken.stored
        assert file.read_bytes() == drawn(50)
    await store.aclose()


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sandbox") / "service-account.json") as sandbox:
        yield sandbox


class Away(NamedTuple):
    """The sandbox that plays Cloudinary, and what jobs are given."""

    sandbox: Sandbox
    work: Work

    @property
    def assets(self) -> dict[str, cloud.Asset]:
        return self.sandbox.world.cloud.assets


@pytest.fixture
async def away(running: Sandbox, app: Relampago, work: Work, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Away]:
    """The application as it is with MEDIA_BACKEND=cloudinary."""
    running.world.reset()
    prefix = f"{running.url}/cloudinary"
    settings = msgspec.structs.replace(work.settings, media_backend=CLOUDINARY, cloudinary_upload_prefix=prefix)
    store = PictureStore(settings, work.sessions)
    monkeypatch.setitem(app.state._state, "pictures", store)
    yield Away(running, Work(settings, work.sessions))
    await store.aclose()


async def test_pictures_at_cloudinary(client: httpx.AsyncClient, db: AsyncSession, people: People, away: Away) -> None:
    product = await make_product(db)
    local = await put(client, people, await make_product(db, image="products/x.png"), None)
    assert local is None
    address = await put(client, people, product, drawn(60))
    assert address is not None
    assert address.startswith(f"{away.sandbox.url}/cloudinary/{cloud.NAME}/image/upload/v")
    assert (await client.get(PATH)).json()["results"][1]["image"] == address
    async with httpx.AsyncClient(verify=trusted()) as web:
        assert (await web.get(address)).content == drawn(60)
    (key,) = away.assets
    # The same picture again is another upload, so that no name is ever used twice.
    again = await put(client, people, product, drawn(60))
    assert again != address
    assert await due(db) == [(LOCAL, "products/x"), (CLOUDINARY, key)]
    assert await run_due(db, away.work) == [False, True]
    assert key not in away.assets
    assert len(away.assets) == 1
    for each in (key, *away.assets):
        assert await remove_picture.run(away.work, host=CLOUDINARY, key=each) is False
    assert len(away.assets) == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"status": 401}, {"drop": True}])
async def test_cloudinary_is_away(
    client: httpx.AsyncClient, db: AsyncSession, people: People, away: Away, fault: dict[str, Any]
) -> None:
    product = await make_product(db)
    before = await stored(db)
    away.sandbox.world.faults.add(Fault("cloudinary", **fault))
    answer = await client.patch(
        f"{PATH}{product.id}/", data={"stock": "3"}, files={"image": ("a", drawn(70))}, headers=people.staff
    )
    assert answer.status_code == 503
    assert answer.json() == {
        "error": "Pictures cannot be stored at the moment. Without one the product can be saved.",
        "code": "provider_unavailable",
    }
    assert int(answer.headers["retry-after"]) > 0
    assert await stored(db) == before
    assert len(away.assets) == (1 if "drop" in fault else 0)
    # What may have arrived nevertheless is found by the second look.
    ((host, key, later),) = (await db.execute(JOBS)).all()
    assert (host, later) == (CLOUDINARY, True)
    await remove_picture.run(away.work, host=host, key=key)
    assert away.assets == {}
    # Without a picture staff go on.
    assert (await client.patch(f"{PATH}{product.id}/", json={"stock": 3}, headers=people.staff)).status_code == 200


async def test_no_connection_is_held_meanwhile(
    client: httpx.AsyncClient, app: Relampago, db: AsyncSession, people: People, away: Away
) -> None:
    product = await make_product(db)
    away.sandbox.world.faults.add(Fault("cloudinary", delay_seconds=0.4))
    sending = asyncio.create_task(put(client, people, product, drawn(80)))
    async with asyncio.timeout(5):
        while not away.sandbox.world.ledger.requests:
            await asyncio.sleep(0.01)
    assert app.state.engine.pool.checkedout() == 0
    assert not sending.done()
    assert await sending is not None
