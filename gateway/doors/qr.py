"""A link as a QR code: an SVG document without scripts or styles, which any page may show. Pure."""

from __future__ import annotations

import io

TITLE = "QR code: scan it to open the invitation"
QUIET_MODULES = 4  # ISO/IEC 18004, 6.3.8


def qr_svg(url: str) -> str:
    """The address as a QR code of level M, which is read with 15 % of it spoilt.

    Dark on light with its quiet zone, whatever lies behind it; it takes the size that a page gives it.
    """
    import segno  # with the first one: a gateway starts without it

    out = io.BytesIO()
    code = segno.make_qr(url, error="m", boost_error=False)
    code.save(
        out,
        kind="svg",
        border=QUIET_MODULES,
        light="#fff",
        title=TITLE,
        omitsize=True,
        xmldecl=False,
        nl=False,
    )
    return out.getvalue().decode()
