"""The scorecard as a file: one canonical JSON object, named by its digest. Pure.

Canonical: UTF-8, keys sorted, no white space, whole numbers only; decimals and dates are strings. So equal
scorecards are equal bytes, and the SHA-256 of the bytes is the model's identity. Reading trusts nothing:
size, digest, form and every field are checked, and nothing in the file is ever executed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from scoring.errors import ArtefactInvalid
from scoring.scorecard import Calibration, Characteristic, Family, Scorecard, Trend

FORMAT = "scoregate-scorecard/1"
MAX_BYTES = 256 * 1024
_MOST = 2**31 - 1  # edges and points fit 32 bits, with room for their sum in 64

_FAMILY = re.compile("|".join(Family.__members__))
_TREND = re.compile("|".join(Trend.__members__))
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"1\.[0-9a-f]{8}")
_CODE = re.compile(r"[A-Z][0-9]{2}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"-?[0-9]{1,6}\.[0-9]{1,12}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


def encode(card: Scorecard) -> bytes:
    """The canonical bytes of a scorecard."""
    return _canonical(_plain(card))


def digest(data: bytes) -> str:
    """SHA-256 of an artefact's bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def versioned(card: Scorecard) -> Scorecard:
    """The same scorecard with the version that its content demands: "1." and eight digits of a digest."""
    content = {key: value for key, value in _plain(card).items() if key != "version"}
    return replace(card, version=f"1.{digest(_canonical(content))[:8]}")


def decode(data: bytes, expected_sha256: str) -> Scorecard:
    """The scorecard in `data`, whose digest must be `expected_sha256` (64 hexadecimal digits).

    Raises:
        ArtefactInvalid: Too large, another digest, not canonical JSON, or a field out of shape.
    """
    if len(data) > MAX_BYTES:
        raise ArtefactInvalid(f"The scorecard is {len(data)} bytes long; at most {MAX_BYTES} are read")
    if digest(data) != expected_sha256:
        raise ArtefactInvalid(f"The scorecard's digest is {digest(data)}, not the expected {expected_sha256}")
    try:
        plain = json.loads(data)
        canonical = _canonical(plain) == data
    except (ValueError, RecursionError) as error:
        raise ArtefactInvalid("The scorecard is not JSON in UTF-8") from error
    if not canonical:  # also catches repeated keys, floats written oddly and trailing bytes
        raise ArtefactInvalid("The scorecard is JSON, but not in canonical form")
    card = _scorecard(plain)
    if versioned(card).version != card.version:
        _refuse("version", f"be {versioned(card).version}, which its content demands")
    return card


def _canonical(plain: object) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(card: Scorecard) -> dict[str, Any]:
    scale = card.calibration
    return {
        "format": FORMAT,
        "name": card.name,
        "version": card.version,
        "base_points": card.base_points,
        "calibration": {
            "factor": str(scale.factor),
            "offset": str(scale.offset),
            "sample_log_odds": str(scale.sample_log_odds),
            "reference_bad_rate": str(scale.reference_bad_rate),
            "shift": str(scale.shift),
        },
        "characteristics": [
            {
                "name": each.name,
                "dimension": each.family.name,
                "trend": each.trend.value,
                "edges": list(each.edges),
                "points": list(each.points),
                "missing_points": each.missing_points,
                "average_points": each.average_points,
                "reason_code": each.reason_code,
                "reason_text": each.reason_text,
            }
            for each in card.characteristics
        ],
        "minimum_months": card.minimum_months,
        "epochs": [day.isoformat() for day in card.epochs],
        "window": {"first_month": card.first_month, "last_month": card.last_month},
        "training_data_sha256": card.training_data_sha256,
        "sunset": card.sunset.isoformat(),
    }


def _scorecard(plain: object) -> Scorecard:
    top = _object(plain, "scorecard", _TOP)
    if top["format"] != FORMAT:
        _refuse("format", f'be "{FORMAT}"')
    items = _list(top["characteristics"], "characteristics", least=1, most=64)
    characteristics = tuple(_characteristic(each, f"characteristics[{n}]") for n, each in enumerate(items))
    for what in ("name", "reason_code"):
        if len({getattr(each, what) for each in characteristics}) != len(characteristics):
            _refuse(f"characteristics[].{what}", "be different in each")
    epochs = tuple(_day(day, "epochs") for day in _list(top["epochs"], "epochs", least=1, most=600))
    if not _rising(epochs):
        _refuse("epochs", "rise")
    window = _object(top["window"], "window", _WINDOW)
    return Scorecard(
        name=_text(top["name"], "name", _NAME),
        version=_text(top["version"], "version", _VERSION),
        characteristics=characteristics,
        base_points=_whole(top["base_points"], "base_points"),
        calibration=_calibration(top["calibration"]),
        minimum_months=_whole(top["minimum_months"], "minimum_months", least=1, most=600),
        epochs=epochs,
        first_month=_text(window["first_month"], "window.first_month", _MONTH),
        last_month=_text(window["last_month"], "window.last_month", _MONTH),
        training_data_sha256=_text(top["training_data_sha256"], "training_data_sha256", _DIGEST),
        sunset=_day(top["sunset"], "sunset"),
    )


def _characteristic(plain: object, where: str) -> Characteristic:
    item = _object(plain, where, _CHARACTERISTIC)
    family = _text(item["dimension"], f"{where}.dimension", _FAMILY)
    trend = _text(item["trend"], f"{where}.trend", _TREND)
    edges = tuple(_whole(x, f"{where}.edges") for x in _list(item["edges"], f"{where}.edges", 0, 1000))
    points = tuple(_whole(x, f"{where}.points") for x in _list(item["points"], f"{where}.points", 1, 1001))
    if not _rising(edges):
        _refuse(f"{where}.edges", "rise strictly")
    if len(points) != len(edges) + 1:
        _refuse(f"{where}.points", f"hold {len(edges) + 1} numbers, one more than edges")
    if list(points) != sorted(points, reverse=Trend[trend] is Trend.FALLING):
        _refuse(f"{where}.points", f"never move against the {trend.lower()} trend")
    return Characteristic(
        name=_text(item["name"], f"{where}.name", _NAME),
        family=Family[family],
        trend=Trend[trend],
        edges=edges,
        points=points,
        missing_points=_whole(item["missing_points"], f"{where}.missing_points"),
        average_points=_whole(item["average_points"], f"{where}.average_points"),
        reason_code=_text(item["reason_code"], f"{where}.reason_code", _CODE),
        reason_text=_text(item["reason_text"], f"{where}.reason_text", _TEXT),
    )


def _calibration(plain: object) -> Calibration:
    item = _object(plain, "calibration", _CALIBRATION)
    return Calibration(
        **{key: Decimal(_text(item[key], f"calibration.{key}", _DECIMAL)) for key in _CALIBRATION}
    )


def _object(plain: object, where: str, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(plain, dict):
        _refuse(where, "be an object")
    if absent := sorted(keys - plain.keys()):
        _refuse(where, f"have {', '.join(absent)}")
    if len(plain) != len(keys):  # names from the file are not repeated: they may be anything
        _refuse(where, f"have only {', '.join(sorted(keys))}")
    return plain


def _list(plain: object, where: str, least: int, most: int) -> list[Any]:
    if not isinstance(plain, list) or not least <= len(plain) <= most:
        _refuse(where, f"be a list of {least} to {most} items")
    return plain


def _whole(plain: object, where: str, least: int = -_MOST, most: int = _MOST) -> int:
    if type(plain) is not int or not least <= plain <= most:  # True is an int by inheritance
        _refuse(where, f"be a whole number from {least} to {most}")
    return plain


def _text(plain: object, where: str, form: re.Pattern[str]) -> str:
    if not isinstance(plain, str) or not form.fullmatch(plain):
        _refuse(where, f"be a string of the form {form.pattern}")
    return plain


def _day(plain: object, where: str) -> date:
    try:
        return date.fromisoformat(_text(plain, where, _DAY))
    except ValueError as error:
        raise ArtefactInvalid(f"The scorecard's {where} must be a day of the calendar") from error


def _rising(items: tuple[Any, ...]) -> bool:
    return all(a < b for a, b in itertools.pairwise(items))


def _refuse(where: str, must: str) -> NoReturn:
    raise ArtefactInvalid(f"The scorecard's {where} must {must}")


_CALIBRATION = frozenset({"factor", "offset", "sample_log_odds", "reference_bad_rate", "shift"})
_WINDOW = frozenset({"first_month", "last_month"})
_CHARACTERISTIC = frozenset(
    {
        "name",
        "dimension",
        "trend",
        "edges",
        "points",
        "missing_points",
        "average_points",
        "reason_code",
        "reason_text",
    }
)
_TOP = frozenset(
    {
        "format",
        "name",
        "version",
        "base_points",
        "calibration",
        "characteristics",
        "minimum_months",
        "epochs",
        "window",
        "training_data_sha256",
        "sunset",
    }
)
