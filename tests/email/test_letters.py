"""The letters: the same in both forms, everything escaped, nothing from elsewhere."""

import datetime as dt
import re
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.domain.email.rules.blocks import Letter, as_html, as_text
from app.domain.email.rules.kinds import CODE_KINDS, ORDER_KINDS, Kind
from app.domain.email.rules.letters import (
    CartSheet,
    Line,
    OrderSheet,
    code_letter,
    order_letter,
    pesos,
    reminder_letter,
    webhook_letter,
)

UNTIL = dt.datetime(2026, 11, 22, 14, 32, tzinfo=ZoneInfo("America/Argentina/Buenos_Aires"))
CART = CartSheet(
    recipient="ana@example.com",
    user_id=7,
    name="Ana Pérez",
    lines=[Line(2, "Maceta", "Color: Rojo", Decimal("2000.00"))],
    subtotal=Decimal("2000.00"),
    discount=Decimal(0),
    total=Decimal("2000.00"),
)
ORDER = OrderSheet(
    id=1042,
    recipient="ana@example.com",
    user_id=7,
    name="Ana Pérez",
    place="Av. Siempre Viva 742, Rosario",
    store="",
    status="paid",
    delivery_type="delivery",
    payment_method="cash",
    lines=[Line(2, "Maceta", "Color: Rojo", Decimal("2000.00"))],
    subtotal=Decimal("2000.00"),
    discount=Decimal(0),
    total=Decimal("2000.00"),
)
NASTY = '<img src=x onerror="alert(1)">&\r\nBcc: a@b.example\x1b[31m\u202e{{7*7}} $shop'
LETTERS: dict[str, Letter] = {
    **{kind: code_letter(kind, "271828", UNTIL) for kind in CODE_KINDS},
    **{kind: order_letter(kind, ORDER, "https://tienda.test") for kind in ORDER_KINDS},
    "cart_reminder": reminder_letter(CART, "https://tienda.test"),
    "webhook_disabled": webhook_letter("https://erp.example/hooks", "failing"),
}


class Elements(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_there_is_a_letter_for_every_kind() -> None:
    assert set(LETTERS) == {name for group in get_args(Kind) for name in (get_args(group) or [group])}


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS.keys())
def test_both_forms_say_the_same(letter: Letter) -> None:
    text = as_text(letter, "Tienda Ñandú")
    words = " ".join(Elements(as_html(letter, "Tienda Ñandú")).words.split())
    for line in text.replace("-- ", "").splitlines():
        for part in re.split(r": (?=\$|-\$|https)", line.strip()):
            if not part.startswith("https"):
                assert part in words
    assert letter.subject in words


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS.keys())
def test_a_page_is_whole_and_loads_nothing(letter: Letter) -> None:
    page = Elements(as_html(letter, "Tienda", "https://api.test/u/?a=1&b=2"))
    assert page.open == []
    assert set(page.tags) <= {"html", "head", "meta", "title", "body", "table", "tr", "td", "p", "a"}
    assert {name for name, _ in page.attributes} & {"src", "background", "onclick"} == set()
    assert not any("url(" in (value or "") for _, value in page.attributes)
    links = [value for name, value in page.attributes if name == "href"]
    assert set(links) <= {"https://tienda.test", "https://api.test/u/?a=1&b=2"}


def test_what_comes_from_outside_is_text_in_one_line() -> None:
    nasty = msgspec.structs.replace(
        ORDER, name=NASTY, place=NASTY, lines=[Line(1, NASTY, NASTY, Decimal(1))], store=NASTY
    )
    for delivery in ("delivery", "pickup"):
        order = msgspec.structs.replace(nasty, delivery_type=delivery)
        letter = order_letter("order_shipped", order, "https://tienda.test")
        page, text = as_html(letter, NASTY), as_text(letter, "Tienda")
        assert "img" not in Elements(page).tags
        assert "Bcc:" not in [line[:4] for line in text.splitlines()]
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
        assert "{{7*7}} $shop" in unescape(page)
        assert letter.subject.isprintable()


def test_a_code_says_until_when_in_the_shops_zone() -> None:
    text = as_text(LETTERS["verification"], "Tienda")
    assert "    271828\n" in text
    assert "hasta las 14:32" in text


def test_where_an_order_goes() -> None:
    def where(**fields: str) -> str:
        order = msgspec.structs.replace(ORDER, **fields)
        return as_text(order_letter("order_created", order, "https://tienda.test"), "Tienda")

    assert "Lo enviamos a Av. Siempre Viva 742, Rosario." in where()
    assert "Lo enviamos" not in where(place="")
    assert "Lo retirás en Palermo." in where(delivery_type="pickup", store="Palermo")
    assert "Lo retirás en la tienda." in where(delivery_type="pickup")
    assert "Lo pagás en efectivo." in where()
    assert "cuanto se acredite" in where(payment_method="online")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$ 0,00"), ("1234567.8", "$ 1.234.567,80"), ("99999999.99", "$ 99.999.999,99"), ("0.05", "$ 0,05")],
)
def test_pesos(amount: str, shown: str) -> None:
    assert pesos(Decimal(amount)) == shown
