"""Other people's words made fit for a terminal, and our own for one that lacks their characters.

A prompt, a reason or a name may hold escape sequences that move the cursor, retitle the window
or write to the clipboard, and marks that turn the direction of the text around.
"""

from __future__ import annotations

import codecs
from typing import Final

from rich.text import Text
from underpaint.contract.terminal_text import safe

ERRORS: Final = "underpaint.legible"
"""The name of `_spelled_out` where an encoding's error handler is asked for."""

_PLAIN: Final = str.maketrans("✓✗→·…“”▀█▉▊▋▌▍▎▏", '+x>.~""######---')


def safe_lines(text: str) -> str:
    """Text safe for a terminal: lines stay, other control characters are spelled out."""
    lines = text.replace("\r\n", "\n").expandtabs().split("\n")
    return "\n".join(map(safe, lines))


def one_line(text: str) -> str:
    """Text on a single line, safe to show."""
    return safe(" ".join(text.split()))


def safe_text(text: Text) -> Text:
    """A rich Text, safe to show; if anything had to be spelled out, it loses its styles but one."""
    plain = safe_lines(text.plain)
    if plain == text.plain:
        return text
    return Text(
        plain, text.style, justify=text.justify, overflow=text.overflow, no_wrap=text.no_wrap
    )


def marked(template: str, *values: object) -> Text:
    """A template with rich's markup; values are put in at each {} and are not read as markup."""
    rest, whole = Text.from_markup(template, emoji=False), Text()
    for value in values:
        at = rest.plain.index("{}")
        before, place, rest = rest.divide([at, at + 2])
        filled = value.copy() if isinstance(value, Text) else Text(safe(str(value)))
        for span in place.spans:
            filled.stylize_before(span.style)
        whole.append_text(before).append_text(filled)
    return whole.append_text(rest)


def _spelled_out(error: UnicodeError) -> tuple[str, int]:
    """An error handler of encodings: our marks in ASCII, the rest as \\u2603."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wanted = error.object[error.start : error.end].translate(_PLAIN)
    return wanted.encode("ascii", "backslashreplace").decode("ascii"), error.end


codecs.register_error(ERRORS, _spelled_out)
