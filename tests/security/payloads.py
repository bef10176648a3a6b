"""What nobody means well by: each class as JSON would carry it and as text in a path, a query, a form or a header."""

import json
from typing import NamedTuple


class Payload(NamedTuple):
    """`raw` is JSON, or what pretends to be; `text` the bytes elsewhere, before any encoding."""

    raw: bytes
    text: bytes


def _text(value: str) -> Payload:
    encoded = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Payload(encoded, value.encode("utf-8", "surrogatepass"))


def _escaped(value: str) -> Payload:
    """The same, written with JSON's escapes."""
    return Payload(json.dumps(value).encode(), value.encode("utf-8", "surrogatepass"))


def _bare(value: str) -> Payload:
    return Payload(value.encode(), value.encode())


CLASSES: dict[str, Payload] = {
    "NUL": _escaped("a\0b"),
    "NUL alone": _escaped("\0"),
    "lone surrogate": _escaped("a\ud800b"),
    "swapped surrogates": _escaped("\udc00\ud800"),
    "raw surrogate": _text("a\udfffb"),
    "not UTF-8": Payload(b'"a\xff\xfeb"', b"a\xff\xfeb"),
    "overlong UTF-8": Payload(b'"\xc0\xaf\xc0\x80"', b"\xc0\xaf\xc0\x80"),
    "right to left": _text("\u202eabc\u200b\u2066"),
    "noncharacters": _text("\ufffe\uffff\U0010ffff"),
    "combining": _text("e" + "\u0301" * 400),
    "lines": _escaped("a\r\nX-Evil: 1\r\n\r\n<h1>"),
    "other line ends": _text("a\u2028b\u2029c\x85d\x0be\x0cf"),
    "terminal": _escaped("\x1b[2J\x1b]0;owned\x07"),
    "template": _text("{{7*7}}${7*7}#{7*7}<%=7*7%>"),
    "script": _text("<script>alert(1)</script><img src=x onerror=alert(1)>"),
    "percent": _text("%00%0d%0a%s%n%x%p"),
    "SQL quote": _text("' OR '1'='1' --"),
    "SQL stacked": _text("1; DROP TABLE product; --"),
    "SQL dollar": _text("$$; SELECT pg_sleep(10) $$ $1 :id %(id)s ?"),
    "SQL union": _text("1 UNION SELECT password_hash FROM users"),
    "SQL sleep": _text("1 AND (SELECT 1 FROM pg_sleep(10)) IS NOT NULL"),
    "LIKE": _text("%_\\%_\\"),
    "backslashes": _escaped("\\\\\\' \\x00 \\u0000"),
    "full text": _text("a & | ! :* <-> ) ("),
    "shell": _text("$(sleep 10)`sleep 10`|sleep 10;sleep 10"),
    "path": _text("../../../../etc/passwd"),
    "windows path": _text("..\\..\\c:\\windows\\win.ini"),
    "address": _text("http://169.254.169.254/latest/meta-data/"),
    "spreadsheet": _text("=HYPERLINK(\"http://evil.example\")+cmd|' /C calc'!A0"),
    "LDAP and XPath": _text("*)(uid=*))(|(uid=*' or count(/*)=1 or 'a'='b"),
    "XML": _text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    "pickle and YAML": _text("!!python/object/apply:os.system ['sleep 10']"),
    "prototype": Payload(b'{"__proto__": {"is_staff": true}, "constructor": {"a": 1}}', b"__proto__[is_staff]=true"),
    "operator": Payload(b'{"$gt": "", "$ne": null}', b"[$gt]="),
    "kilobytes": _text("x" * 10_000),
    "megabyte": _text("x" * (1 << 20)),
    "empty": _text(""),
    "spaces": _escaped(" \t\r\n\u00a0\u3000"),
    "null": _bare("null"),
    "true": _bare("true"),
    "zero": _bare("0"),
    "negative zero": _bare("-0"),
    "minus one": _bare("-1"),
    "a thousandth": _bare("0.001"),
    "NaN": _bare("NaN"),
    "NaN as text": _text("NaN"),
    "sNaN as text": _text("sNaN"),
    "Infinity": _bare("Infinity"),
    "-Infinity as text": _text("-Infinity"),
    "1e400": _bare("1e400"),
    "1e-400": _bare("1e-400"),
    "1E+1000000 as text": _text("1E+1000000"),
    "2^31": _bare("2147483648"),
    "2^31 below": _bare("-2147483649"),
    "2^63": _bare("9223372036854775808"),
    "2^63 - 1": _bare("9223372036854775807"),
    "thirty digits": _bare("9" * 30),
    "five thousand digits": _bare("9" * 5000),
    "most money": _bare("99999999.99"),
    "underscore": _text("1_0"),
    "Arabic digits": _text("\u0661\u0662"),
    "full width digits": _text("\uff11\uff12"),
    "superscript": _text("\u00b2"),
    "hexadecimal": _text("0x10"),
    "list": _bare('["x"]'),
    "list of lists": _bare("[[[[[[1]]]]]]"),
    "list of a thousand": _bare(json.dumps(list(range(1, 1001)))),
    "list of one twice": _bare("[1, 1, 1]"),
    "list of nothing": _bare("[]"),
    "object": _bare('{"a": "b"}'),
    "object of nothing": _bare("{}"),
    "nested by 100": _bare("[" * 100 + "]" * 100),
    "nested by 5000": _bare('{"a":' * 5000 + "1" + "}" * 5000),
    "open end": Payload(b'"a', b"a&a&&=&"),
    "date before dates": _text("0000-00-00"),
    "first instant": _text("0001-01-01T00:00:00+14:00"),
    "last instant": _text("9999-12-31T23:59:59.999999-14:00"),
    "leap second": _text("2016-12-31T23:59:60Z"),
    "29 February": _text("2023-02-29"),
    "zone of a day": _text("2026-01-01T00:00:00+23:59"),
    "infinity as an instant": _text("infinity"),
    "no UUID": _text("{6f1c2b34-0000-4000-8000-00000000000}"),
    "UUID of zeros": _text("00000000-0000-0000-0000-000000000000"),
    "no base64": _text("====!!!!"),
    "point beyond": _bare('{"type": "Point", "coordinates": [1e308, -1e308]}'),
    "point of NaN": _bare('{"lat": NaN, "lon": Infinity}'),
    "point elsewhere": _bare('{"lat": 91, "lon": 181}'),
    "not a point": _bare('{"type": "Polygon", "coordinates": [[[0,0],[1,1],[0,0]]]}'),
}
# What no server would take in a line: a path, a query or a header has its bounds.
LONGEST_LINE = 16_000
