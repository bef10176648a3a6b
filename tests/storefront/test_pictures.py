"""Pictures over HTTP: multipart in, an address out, served with care; everything else refused."""

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.factories_catalog import make_category, make_product
from tests.shop import People, stored

PATH = "/api/products/"
BAD = ["Upload a valid image. The file you uploaded was either not an image or a corrupted image."]


def drawn(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 4), (1, 2, 3)).save(out, kind)
    return out.getvalue()


def files(settings: Settings) -> set[str]:
    return {path.name for path in (Path(settings.media_root) / "products").glob("*")}


async def test_upload_serve_replace_remove(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings
) -> None:
    category = await make_category(db)
    form = {"name": "Maceta", "price": "10", "category": str(category.id)}
    sent = {"image": ("../../etc/passwd.svg", drawn(), "image/svg+xml"), "image_2": ("b.jpg", drawn("JPEG"), "x/y")}
    answer = await client.post(PATH, data=form, files=sent, headers=people.staff)
    assert answer.status_code == 201, answer.text
    product = answer.json()
    assert product["image"].startswith("http://testserver/media/products/")
    assert product["image"].endswith(".png")
    assert product["image_2"].endswith(".jpg")
    listed = (await client.get(PATH)).json()["results"][0]
    assert listed["image"] == product["image"]
    picture = await client.get(product["image"])
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert picture.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert picture.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert picture.headers["content-disposition"].startswith("inline")
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.size == (8, 4)
    assert (await client.get(product["image_2"])).headers["content-type"] == "image/jpeg"

    path = f"{PATH}{product['id']}/"
    answer = await client.patch(path, files={"image": ("c.webp", drawn("WEBP"))}, headers=people.staff)
    assert answer.json()["image"].endswith(".webp")
    assert answer.json()["image_2"] == product["image_2"]
    answer = await client.put(path, json={**form, "price": "11"}, headers=people.staff)
    assert answer.json()["image_2"] == product["image_2"]
    answer = await client.patch(path, json={"image": None}, headers=people.staff)
    assert (answer.json()["image"], answer.json()["image_2"]) == (None, product["image_2"])
    answer = await client.patch(path, files={"image_2": (None, "")}, headers=people.staff)
    assert answer.json()["image_2"] is None
    assert (await client.get(product["image"])).status_code == 200
    assert len(files(settings)) >= 3


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html>",
        drawn()[: len(drawn()) // 2],
        drawn("JPEG")[:300],
        drawn("BMP"),
        b"GIF89a" + b"\x00" * 20,
    ],
)
async def test_what_is_no_picture_changes_nothing(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings, content: bytes
) -> None:
    product = await make_product(db)
    before, kept = await stored(db), files(settings)
    sent = {"image": ("a.png", content, "image/png"), "image_2": ("b.png", drawn(), "image/png")}
    answer = await client.patch(f"{PATH}{product.id}/", data={"stock": "77"}, files=sent, headers=people.staff)
    assert (answer.status_code, answer.json()) == (400, {"image": BAD})
    assert (await stored(db), files(settings)) == (before, kept)


async def test_a_bad_picture_is_named_beside_the_other_fields(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    answer = await client.post(
        PATH, data={"price": "x"}, files={"image": ("a.png", b"no"), "image_2": ("b", b"")}, headers=people.staff
    )
    required = ["This field is required."]
    assert answer.json() == {
        "name": required,
        "category": required,
        "price": ["A valid number is required."],
        "image": BAD,
        "image_2": ["The submitted file is empty."],
    }


async def test_text_in_a_pictures_place(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    for sent in ("http://169.254.169.254/x.png", 7, ["x"], {"a": 1}):
        answer = await client.patch(f"{PATH}{product.id}/", json={"image": sent}, headers=people.staff)
        message = "The submitted data was not a file. Check the encoding type on the form."
        assert (answer.status_code, answer.json()) == (400, {"image": [message]})


async def test_an_empty_file_field_of_a_browser_is_absent(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db, image="products/x.png")
    part = 'Content-Disposition: form-data; name="image"; filename=""\r\nContent-Type: application/octet-stream'
    answer = await client.patch(
        f"{PATH}{product.id}/",
        content=f"--b\r\n{part}\r\n\r\n\r\n--b--\r\n".encode(),
        headers=people.staff | {"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert (answer.status_code, answer.json()["image"]) == (200, "http://testserver/media/products/x.png")


async def test_a_refused_product_leaves_no_file(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings
) -> None:
    kept = files(settings)
    form = {"name": "Maceta", "price": "10", "category": "999999"}
    answer = await client.post(PATH, data=form, files={"image": ("a.png", drawn())}, headers=people.staff)
    assert (answer.status_code, set(answer.json())) == (400, {"category"})
    assert files(settings) == kept


@pytest.mark.parametrize(
    "name",
    [
        "x.png",
        "..%2f..%2fsecret",
        "%2e%2e/%2e%2e/etc/passwd",
        "0" * 32 + ".png",
        "0" * 32 + ".svg",
        "%00.png",
        "a" * 3000,
    ],
)
async def test_names_that_are_none(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/media/products/{name}")
    assert answer.status_code == 404


async def test_head_and_conditional_reads(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    answer = await client.patch(f"{PATH}{product.id}/", files={"image": ("a.png", drawn())}, headers=people.staff)
    head = await client.head(answer.json()["image"])
    assert (head.status_code, head.content) == (200, b"")


async def test_the_demos_pictures_are_served(client: httpx.AsyncClient, settings: Settings) -> None:
    folder = Path(settings.media_root) / "products"
    folder.mkdir(exist_ok=True)
    (folder / "demo-lampara-led_100w.webp").write_bytes(drawn("WEBP"))
    answer = await client.get("/media/products/demo-lampara-led_100w.webp")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    (folder / "demo-lampara-led_100w.webp").unlink()
