"""What a server may make of a key that it sends back."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus


def every(form: str) -> Callable[[str], str]:
    """Each character in this form."""
    return lambda key: "".join(form.format(ord(one)) for one in key)


def based(before: bytes, after: bytes = b"", *, url: bool = False) -> Callable[[str], str]:
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return lambda key: encode(before + key.encode() + after).decode()


def lines(width: int, between: str) -> Callable[[str], str]:
    return lambda key: between.join(key[at : at + width] for at in range(0, len(key), width))


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with escaped slashes": lambda key: json.dumps(key).replace("/", "\\/"),
    "JSON in JSON": lambda key: json.dumps(json.dumps({"key": key})),
    "unicode escapes": every("\\u{:04x}"),
    "unicode escapes in JSON": lambda key: json.dumps(every("\\u{:04X}")(key)),
    "unicode escapes with braces": every("\\u{{{:x}}}"),
    "escapes of Python": every("\\x{:02x}"),
    "octal escapes": every("\\{:03o}"),
    "URL": lambda key: quote(key, safe=""),
    "URL, every character": every("%{:02X}"),
    "URL in small letters": every("%{:02x}"),
    "URL of a form": quote_plus,
    "URL in URL": lambda key: quote(quote(key, safe=""), safe=""),
    "JSON in a URL": lambda key: quote(json.dumps({"key": key})),
    "base64": based(b""),
    "base64 after one byte": based(b"x", b"yz"),
    "base64 after two bytes": based(b"xy", b"z"),
    "Basic": based(b"user:"),
    "base64 of a URL": based(b"a", url=True),
    "base64 of a header": based(b"Authorization: Bearer ", b"\r\n"),
    "base64 in lines": lambda key: lines(16, "\r\n")(based(b"")(key)),
    "base64 in JSON": lambda key: json.dumps(based(b"??>")(key)).replace("/", "\\/"),
    "hexadecimal": lambda key: key.encode().hex(),
    "capital hexadecimal": lambda key: key.encode().hex().upper(),
    "hexadecimal with colons": lambda key: key.encode().hex(":"),
    "hexadecimal with blanks": lambda key: key.encode().hex(" "),
    "byte values": lambda key: str(list(key.encode())),
    "lines": lines(5, "\n"),
    "indented lines": lines(7, "\r\n    "),
    "lines in JSON": lambda key: json.dumps(lines(6, "\n")(key)),
    "soft line ends": lines(9, "=\r\n"),
    "quoted-printable": every("={:02X}"),
    "HTML": html.escape,
    "HTML, every character": every("&#{};"),
    "HTML, hexadecimal": every("&#x{:x};"),
    "zero-width characters": lines(1, "\u200b"),
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1"),
    "capitals": str.upper,
    "small letters": str.lower,
    "beginning": lambda key: key[:8],
    "beginning and stars": lambda key: key[:20] + "****",
    "end": lambda key: "****" + key[-8:],
    "long end": lambda key: key[-17:],
    "beginning in base64": lambda key: based(b"")(key[:9]),
    "end in base64": lambda key: based(b"pq")(key[-8:]),
    "beginning, escaped": lambda key: every("\\u{:04x}")(key[:8]),
    "end in a URL": lambda key: every("%{:02x}")(key[-10:]),
    "end in hexadecimal": lambda key: key[-8:].encode().hex(),
}


def leaks(text: str, key: str) -> list[str]:
    """Parts of the key that can be read in a text: eight characters of either end, or all of it in any encoding."""
    bare, small = "".join(text.replace("\u200b", "").split()), text.lower()
    found = [part for part in (key[:8], key[-8:]) if part.lower() in bare.lower()]
    for name, encode in ENCODINGS.items():
        made = encode(key)
        if len(made) >= 8 and (made in text or made.lower() in small):
            found.append(name)
    return found
