"""What a mail consists of, and how that looks as text and as HTML. Pure.

A letter is written once, as blocks; both forms are made of the same. Whatever stands in a block is plain text: here is
the only place where it becomes HTML.
"""

from collections.abc import Sequence
from html import escape
from string import Template

import msgspec

# No colour is six digits: a program that looks for a code in a mail must find the code.
INK, QUIET, LINE, PAPER, ACCENT = "#1b1f2a", "#6b7080", "#e4e6eb", "#f4f5f7", "#2f4bd8"


class Paragraph(msgspec.Struct, frozen=True):
    text: str


class Code(msgspec.Struct, frozen=True):
    """Digits to be copied."""

    digits: str


class Rows(msgspec.Struct, frozen=True):
    """A table: what, and how much. The last `totals` rows are the sums."""

    rows: Sequence[tuple[str, str]]
    totals: int = 0


class Link(msgspec.Struct, frozen=True):
    """Something to do. The address is ours, never a visitor's."""

    label: str
    url: str


Block = Paragraph | Code | Rows | Link


class Letter(msgspec.Struct, frozen=True):
    """What a mail says, before it has a recipient. `notes` are the small print."""

    subject: str
    blocks: Sequence[Block]
    notes: Sequence[str] = ()


_PAGE = Template("""\
<!doctype html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
</head>
<body style="margin:0;padding:24px 12px;background:$paper;color:$ink;\
font:16px/1.5 -apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:560px;margin:0 auto">
<tr><td style="padding:0 4px 12px;font-size:18px;font-weight:700;color:$accent">$shop</td></tr>
<tr><td style="background:#fff;border:1px solid $line;border-radius:12px;padding:28px">
$blocks
</td></tr>
<tr><td style="padding:14px 4px 0;font-size:13px;color:$quiet">
$notes
</td></tr>
</table>
</body>
</html>
""")
_COLOURS = {"ink": INK, "quiet": QUIET, "line": LINE, "paper": PAPER, "accent": ACCENT}


def as_text(letter: Letter, shop: str, unsubscribe_url: str = "") -> str:
    """The letter as plain text."""
    parts = [_text_of(block) for block in letter.blocks]
    notes = [
        *letter.notes,
        *([f"Para no recibir más estos recordatorios: {unsubscribe_url}"] if unsubscribe_url else []),
    ]
    return "\n\n".join([*parts, "\n".join([f"-- \n{shop}", *notes])]) + "\n"


def as_html(letter: Letter, shop: str, unsubscribe_url: str = "") -> str:
    """The letter as a page without anything from elsewhere."""
    notes = [f'<p style="margin:0 0 6px">{escape(note)}</p>' for note in letter.notes]
    if unsubscribe_url:
        link = f'<a href="{escape(unsubscribe_url)}" style="color:{QUIET}">No quiero más recordatorios</a>'
        notes.append(f'<p style="margin:0">{link}</p>')
    return _PAGE.substitute(
        _COLOURS,
        title=escape(letter.subject),
        shop=escape(shop),
        blocks="\n".join(_html_of(block) for block in letter.blocks),
        notes="\n".join(notes),
    )


def _text_of(block: Block) -> str:
    match block:
        case Paragraph(text):
            return text
        case Code(digits):
            return f"    {digits}"
        case Rows(rows):
            return "\n".join(f"{what}: {how_much}" for what, how_much in rows)
        case Link(label, url):
            return f"{label}: {url}"


def _html_of(block: Block) -> str:
    match block:
        case Paragraph(text):
            return f'<p style="margin:0 0 16px">{escape(text)}</p>'
        case Code(digits):
            return (
                f'<p style="margin:8px 0 24px;padding:16px;background:{PAPER};border-radius:8px;text-align:center;'
                f'font:700 32px/1 ui-monospace,Menlo,Consolas,monospace;letter-spacing:6px">{escape(digits)}</p>'
            )
        case Rows():
            return _html_of_rows(block)
        case Link(label, url):
            return (
                f'<p style="margin:8px 0 0"><a href="{escape(url)}" style="display:inline-block;padding:12px 20px;'
                f'border-radius:8px;background:{ACCENT};color:#fff;text-decoration:none">{escape(label)}</a></p>'
            )


def _html_of_rows(block: Rows) -> str:
    first_total = len(block.rows) - block.totals
    lines = []
    for number, (what, how_much) in enumerate(block.rows):
        weight = "700" if number == len(block.rows) - 1 and block.totals else "400"
        rule = f"border-top:1px solid {LINE};" if number == first_total else ""
        cell = f"{rule}padding:6px 0;font-weight:{weight};vertical-align:top"
        lines.append(
            f'<tr><td style="{cell}">{escape(what)}</td>'
            f'<td style="{cell};text-align:right;white-space:nowrap;padding-left:16px">{escape(how_much)}</td></tr>'
        )
    table = '<table width="100%" cellpadding="0" cellspacing="0" style="margin:0 0 16px;border-collapse:collapse">'
    return "\n".join([table, *lines, "</table>"])
