"""A page of a few words for a person who follows a link out of a mail or comes back from the payment; no script."""

from base64 import b64encode
from hashlib import sha256
from string import Template

from litestar import Response

STYLE = (
    "body{margin:0;padding:48px 16px;background:#f4f5f7;color:#1b1f2a;"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    "main{max-width:440px;margin:0 auto;padding:28px;background:#fff;border:1px solid #e4e6eb;border-radius:12px}"
    "h1{margin:0 0 12px;font-size:20px}p{margin:0}form{margin:20px 0 0}"
    "button{font:inherit;padding:12px 20px;border:0;border-radius:8px;background:#2f4bd8;color:#fff;cursor:pointer}"
)
# Nothing from elsewhere, no script; a form leads back to where it stands.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action {}; base-uri 'none'; frame-ancestors 'none'"
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


def plain_page(title: str, content: str, *, form: bool = False) -> Response[str]:
    """The page as an answer; with `form` what it holds may be sent back to its address.

    Both texts are put in as they are: they come from our code, never from a caller.
    """
    return Response(
        _PAGE.substitute(title=title, content=content),
        media_type="text/html",
        headers={"Content-Security-Policy": _POLICY.format("'self'" if form else "'none'")},
    )
