"""Where MercadoPago sends the buyer back to, for a shop whose pages are elsewhere or not there yet.

Whatever stands in the address is not looked at: what became of the payment the provider tells us, not its buyer.
"""

from litestar import Controller, Response, get

from app.errors import NotFound
from app.http.guards import door
from app.http.plain_page import plain_page

_WORDS: dict[str, tuple[str, str]] = {
    "ok": ("Gracias por tu compra", "Cuando MercadoPago confirme el pago te avisamos por correo."),
    "error": ("El pago no se hizo", "Tu pedido sigue esperando: podés intentarlo de nuevo desde la tienda."),
    "pendiente": ("El pago está pendiente", "Cuando MercadoPago lo confirme te avisamos por correo."),
}


class ReturnController(Controller):
    """A page for each of the three ways back."""

    path = "/pago"
    include_in_schema = False

    @get("/{outcome:str}", guards=[door], sync_to_thread=False)
    def show(self, outcome: str) -> Response[str]:
        if outcome not in _WORDS:
            raise NotFound
        title, text = _WORDS[outcome]
        return plain_page(title, f"<p>{text}</p>")
