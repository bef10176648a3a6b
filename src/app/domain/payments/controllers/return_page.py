"""Where MercadoPago sends the buyer back to, for a shop whose pages are elsewhere or not there yet.

Whatever stands in the address is not looked at: what became of the payment the provider tells us, not its buyer.
"""

from base64 import b64encode
from hashlib import sha256
from string import Template

from litestar import Controller, Response, get

from app.errors import NotFound
from app.http.guards import door

STYLE = (
    "body{margin:0;padding:48px 16px;background:#f4f5f7;color:#1b1f2a;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{max-width:440px;margin:0 auto;padding:28px;background:#fff;border:1px solid #e4e6eb;border-radius:12px}"
    "h1{margin:0 0 12px;font-size:20px}p{margin:0}"
)
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = Template(f"""\
<!doctype html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>$title</title>
<style>{STYLE}</style>
</head>
<body><main>
<h1>$title</h1>
<p>$text</p>
</main></body>
</html>
""")
_WORDS: dict[str, tuple[str, str]] = {
    "ok": ("Gracias por tu compra", "Cuando MercadoPago confirme el pago te avisamos por correo."),
    "error": ("El pago no se hizo", "Tu pedido sigue esperando: podés intentarlo de nuevo desde la tienda."),
    "pendiente": ("El pago está pendiente", "Cuando MercadoPago lo confirme te avisamos por correo."),
}
PAGES = {name: _PAGE.substitute(title=title, text=text) for name, (title, text) in _WORDS.items()}


class ReturnController(Controller):
    """A page for each of the three ways back."""

    path = "/pago"
    include_in_schema = False

    @get("/{outcome:str}", guards=[door], sync_to_thread=False)
    def show(self, outcome: str) -> Response[str]:
        if outcome not in PAGES:
            raise NotFound
        return Response(PAGES[outcome], media_type="text/html", headers={"Content-Security-Policy": POLICY})
