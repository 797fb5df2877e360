"""Text that may end up in a spreadsheet. Pure.

Source: OWASP, CSV Injection. A cell that begins with one of these is taken for a formula by some program.
"""

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: such a one has an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULAS) else text
