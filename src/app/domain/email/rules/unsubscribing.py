"""The address at which one click ends marketing mails: its token, and the page that a person sees there. Pure."""

import hmac
import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from string import Template

PATH = "/api/email/unsubscribe/"
_ID_BYTES, _MAC_BYTES = 8, 16
# 24 bytes are 32 characters: no padding, each token has one spelling.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)

STYLE = (
    "body{margin:0;padding:48px 16px;background:#f4f5f7;color:#1b1f2a;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{max-width:440px;margin:0 auto;padding:28px;background:#fff;border:1px solid #e4e6eb;border-radius:12px}"
    "h1{margin:0 0 12px;font-size:20px}p{margin:0 0 20px}"
    "button{font:inherit;padding:12px 20px;border:0;border-radius:8px;background:#2f4bd8;color:#fff;cursor:pointer}"
)
# Nothing from elsewhere, no script; the form leads back here.
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
$content
</main></body>
</html>
""")
ASK = _PAGE.substitute(
    title="¿No querés más recordatorios?",
    content=(
        "<p>No vamos a escribirte más por carritos sin terminar. "
        "Los mensajes sobre tu cuenta y tus pedidos siguen llegando.</p>\n"
        '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
        "<button>Darme de baja</button></form>"
    ),
)
DONE = _PAGE.substitute(title="Listo", content="<p>No te vamos a mandar más recordatorios.</p>")


def token_of(secret: str, mail_id: int) -> str:
    """The token of a mail that was sent: unguessable, and it tells nothing about the recipient."""
    head = mail_id.to_bytes(_ID_BYTES)
    return urlsafe_b64encode(head + _mac(secret, head)).decode()


def mail_of(secrets: Sequence[str], token: str) -> int | None:
    """The mail whose token this is, signed by any of the secrets; None for anything else."""
    if not _TOKEN.fullmatch(token):
        return None
    raw = urlsafe_b64decode(token)
    head, mac = raw[:_ID_BYTES], raw[_ID_BYTES:]
    if any(hmac.compare_digest(mac, _mac(secret, head)) for secret in secrets):
        return int.from_bytes(head)
    return None


def _mac(secret: str, head: bytes) -> bytes:
    return hmac.digest(secret.encode(), b"unsubscribe\0" + head, "sha256")[:_MAC_BYTES]
