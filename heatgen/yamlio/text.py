# SPDX-License-Identifier: Apache-2.0
"""Characters and secrets in the text of input files."""

import re

_UNSAFE = re.compile(
    # C0 and C1 control characters, line and paragraph separators, lone surrogates, byte order marks
    # and the characters that change the direction of text, which can hide what a line contains.
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""The line breaks of YAML 1.1, by which its parser counts lines."""

# The repetitions are bounded, because input can be long.
_USER_INFO = re.compile(r"://[^\s/?#@]{0,500}@")
_PASSWORD = re.compile(r"://[^\s/?#@:]{0,200}:[^\s/?#@]{1,300}@")
_BARE_PASSWORD = re.compile(r"(?<![^\s/@:'\"])[^\s/@:'\"]{1,100}:[^\s/@:]{1,100}@(?!sha\d{1,3}:)")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_SECRET_NAME = re.compile(
    r"(?:password|passwd|passphrase|secret|token|credential)[\w-]{0,40}+['\"]?+ ?+[:=] ?+\S",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{65}")


def lines(text: str) -> list[str]:
    """Return the lines of a text, split as YAML parsers count them."""
    return _LINE_BREAK.split(text)


def unsafe_character(text: str, *, multiline: bool = False) -> str:
    """Return the first control character of a text, '' if it has none.

    Args:
        text: the text.
        multiline: whether the text may have line feeds and tabs.
    """
    for found in _UNSAFE.finditer(text):
        if not (multiline and found[0] in "\n\t"):
            return found[0]
    return ""


def escaped(text: str) -> str:
    r"""Return a text with every control character as an escape sequence, such as ``\x1b``."""
    return _UNSAFE.sub(lambda found: _escape(found[0]), text)


def contains_secret(text: str) -> bool:
    """Return whether a text contains a private key, or a URL with a password."""
    return bool(_PRIVATE_KEY.search(text) or _PASSWORD.search(text))


def may_be_secret(text: str) -> bool:
    """Return whether a text looks as if a part of it were a secret, so that it is not shown."""
    patterns = [_PRIVATE_KEY, _SECRET_NAME, _BASE64]
    patterns += [_USER_INFO, _BARE_PASSWORD] if "@" in text else []
    return any(pattern.search(text) for pattern in patterns)


def masked(text: str) -> str:
    """Return a message without the user information of URLs and without private keys."""
    found = _PRIVATE_KEY.search(text)
    if found:
        text = f"{text[: found.start()]}(private key)"
    return _USER_INFO.sub("://***@", text)


def secret_lines(source: list[str]) -> set[int]:
    """Return the indices of the lines of private keys."""
    found = set()
    inside = False
    for number, line in enumerate(source):
        inside = inside or bool(_PRIVATE_KEY.search(line))
        if inside:
            found.add(number)
        inside = inside and not _KEY_END.search(line)
    return found


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
