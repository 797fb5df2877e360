"""Two pictures of scores as SVG texts, made by the server: months on a chart, and one number on its scale.

Pure. Neither script nor style is in them, since the pages' policy forbids both inline: classes are for the
style sheet, light and dark, and presentation attributes for where there is none. Both are 328 units wide: one
unit is a pixel on a phone of 360.

Classes: `chart-line` and `chart-dot` for scores, `chart-grid` for the band edges, `chart-band`, and
`chart-here` beside it on the band that holds the number, and `chart-label` for all text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from itertools import dropwhile, groupby

from scoregate.proof.results import SCORE_RANGE, band_of
from scoregate.words import Band

WIDTH = 328
LEFT, RIGHT = 36, 312  # of what is drawn; band edges are written to the left
TOP, BOTTOM = 14, 194
MOST_DAYS_WRITTEN = 4

LOWEST, HIGHEST = SCORE_RANGE
BANDS = tuple((band, int(band[:3]), int(band[-3:])) for band in Band)  # "350_549"; both ends belong to it
EDGES = (*(low for _, low, _ in BANDS), HIGHEST)

Month = tuple[date, int | None]
"""An epoch, and its score; None where there was none."""

Dot = tuple[float, float, date, int]
"""Where it lies, and what it stands for."""


def history(months: Iterable[Month], *, name: str, title: str, desc: str) -> str:
    """Scores over time, from 350 to 950, in any order; the line breaks where there was no score.

    It begins with the first month that has one: those before would leave it half empty.

    ``name`` is for ids: the picture's own on its page. ``title`` and ``desc`` are plain text.
    """
    ordered = list(dropwhile(lambda month: month[1] is None, sorted(months, key=lambda month: month[0])))
    days = [day for day, _ in ordered]
    drawn = [_grid()]
    for known, together in groupby(ordered, key=lambda month: month[1] is not None):
        if known:
            run = [(_x(day, days), _y(score), day, score) for day, score in together if score is not None]
            drawn.append(_line(run))
    drawn.append(_days(days))
    return _picture(name, title, desc, 220, drawn)


def scale(score: int | None, *, name: str, title: str, desc: str) -> str:
    """The five bands from 350 to 950 and the number's place; without a number the bands alone."""
    here = band_of(_held(score)) if score is not None else None
    drawn = [_band(number, *each, is_here=each[0] is here) for number, each in enumerate(BANDS, start=1)]
    drawn += [_text(_along(edge), 74, str(edge), "middle", size=11) for edge in EDGES]
    if score is not None:
        at = _along(_held(score))
        points = f"{at:.1f},36 {at - 6:.1f},26 {at + 6:.1f},26"
        drawn.append(f'<polygon class="chart-dot" points="{points}" fill="currentColor"/>')
        drawn.append(_text(at, 20, str(_held(score)), "middle", size=18))
    return _picture(name, title, desc, 84, drawn)


def _picture(name: str, title: str, desc: str, height: int, drawn: Sequence[str]) -> str:
    title_id, desc_id = escape(f"{name}-title"), escape(f"{name}-desc")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="100%" role="img" '
        f'aria-labelledby="{title_id} {desc_id}">'
        f'<title id="{title_id}">{escape(title)}</title><desc id="{desc_id}">{escape(desc)}</desc>'
        f"{''.join(drawn)}</svg>"
    )


# --- months


def _grid() -> str:
    return "".join(
        f'<line class="chart-grid" x1="{LEFT}" y1="{_y(edge):.1f}" x2="{RIGHT}" y2="{_y(edge):.1f}" '
        f'stroke="currentColor" stroke-opacity="0.25"/>{_text(LEFT - 6, _y(edge) + 4, str(edge), "end")}'
        for edge in EDGES
    )


def _line(run: Sequence[Dot]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in run)
    line = (
        f'<polyline class="chart-line" points="{points}" fill="none" stroke="currentColor" stroke-width="2"/>'
        if len(run) > 1
        else ""
    )
    return line + "".join(
        f'<circle class="chart-dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="currentColor">'
        f"<title>{day:%Y-%m}: {_held(score)}</title></circle>"
        for x, y, day, score in run
    )


def _days(days: Sequence[date]) -> str:
    """The months that are written below: the first, the last, and few enough between to be read."""
    if not days:
        return ""
    steps = min(len(days), MOST_DAYS_WRITTEN) - 1
    written = {days[round(n * (len(days) - 1) / max(steps, 1))] for n in range(steps + 1)}
    shown, reached = list[str](), -float(WIDTH)
    for day in sorted(written):
        x = min(_x(day, days), WIDTH - 28)
        if x - reached >= 56:  # or they would be written over each other
            shown.append(_text(x, BOTTOM + 18, f"{day:%Y-%m}", "middle"))
            reached = x
    return "".join(shown)


def _x(day: date, days: Sequence[date]) -> float:
    span = (days[-1] - days[0]).days
    return LEFT + 8 + (RIGHT - LEFT - 16) * ((day - days[0]).days / span if span else 0.5)


def _y(score: int) -> float:
    return BOTTOM - (BOTTOM - TOP) * (_held(score) - LOWEST) / (HIGHEST - LOWEST)


# --- the scale


def _band(number: int, band: Band, low: int, high: int, *, is_here: bool) -> str:
    left, right = _along(low), _along(high if high == HIGHEST else high + 1)
    here = " chart-here" if is_here else ""
    return (
        f'<rect class="chart-band chart-band-{number}{here}" x="{left:.1f}" y="40" '
        f'width="{right - left:.1f}" height="16" fill="currentColor" '
        f'fill-opacity="{0.6 if is_here else 0.1 + 0.05 * number:.2f}" '
        f'stroke="currentColor" stroke-opacity="0.4"><title>{band.replace("_", "–")}</title></rect>'
    )


def _along(score: int) -> float:
    return 18 + (WIDTH - 36) * (score - LOWEST) / (HIGHEST - LOWEST)


def _held(score: int) -> int:
    return min(max(score, LOWEST), HIGHEST)


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 12) -> str:
    return (
        f'<text class="chart-label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="currentColor">{text}</text>'
    )
