"""What a command says when it is refused."""

from typing import Any

import click
import pytest

from app.cli import session
from app.errors import Invalid, NotFound
from app.settings import Settings


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFound("No such thing."), "No such thing."),
        (Invalid("A value is out of range or malformed."), "A value is out of range or malformed."),
        (Invalid({"name": ["Too long.", "Too odd."], "price": ["A valid number is required."]}),
         "name: Too long. Too odd.; price: A valid number is required."),
        (Invalid({"lines": {"1": {"quantity": ["Too few."], "product": ["Required."]}, "2": ["Not an object."]}}),
         "lines.1.quantity: Too few.; lines.1.product: Required.; lines.2: Not an object."),
        (Invalid({"options": [{}, {"name": ["Required."]}]}), "options.1.name: Required."),
        (Invalid({"detail": "Plain.", "code": ["x"]}), "detail: Plain.; code: x"),
    ],
)  # fmt: skip
def test_every_message_is_shown_with_its_path(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    async def refused(*_: Any) -> None:
        raise error

    monkeypatch.setattr(session, "load_settings", lambda: settings)
    with pytest.raises(click.ClickException) as caught:
        session.run(refused)
    assert caught.value.message == message
