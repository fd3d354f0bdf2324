"""Names that some parsers read as a cookie of this site, and that a sibling host could set."""

import sys

# Every blank that Python strips, every control character, and what only looks like a blank.
CONTROLS = [chr(number) for number in (*range(32), *range(127, 160))]
BLANKS = sorted({*filter(str.isspace, map(chr, range(sys.maxunicode + 1))), *CONTROLS, *"\ufeff\u200b\u180e\xad"})
# gunicorn refuses these in any header (RFC 9110 section 5.5).
REFUSED = [*(character for character in CONTROLS[:32] if character != "\t"), "\x7f"]


def look_alikes(name: str, blank: str) -> list[str]:
    """`name` with a blank before, inside or behind it. A space and a tab around a name are no part of it."""
    inside = [name.replace("-", f"-{blank}"), name.replace("__", f"_{blank}_")]
    around = [] if blank in " \t" else [blank + name, name + blank, f" {blank} {name}", f"{blank}{name}{blank}"]
    return inside + around


def as_wsgi(line: str) -> str:
    """A header as WSGI hands it over: the bytes of its UTF-8, each as one character."""
    return line.encode().decode("latin-1")
