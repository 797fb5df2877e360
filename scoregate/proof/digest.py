"""Canonical JSON, and the digests that bind an attestation to a request and to a consent.

Pure. Source: RFC 8785 (JCS) without floating-point numbers, so that every value has one spelling:
objects with string keys, arrays, strings, booleans, null, and integers within ±(2^53 - 1).

A digest covers the canonical form of named fields, never wire bytes, so any language can make it:

    request_sha256 = SHA-256 of {"consent_id":…,"disclosure":"SCORE","method":"GetScore","nonce":…,
                     "purpose":"CREDIT_APPLICATION","request_id":…,"subject_ref":"","with_reasons":false}

Every field is always there; an absent subject_ref is "". An item of a batch digests as GetScore. The
request id is digested in lower case, however it was sent: one UUID is one id (RFC 9562, 4).

    consent_sha256 = SHA-256 of {"consent_id":…,"data_life_seconds":…,"disclosures":[…],
                     "excluded_families":[…],"expires_at":…,"frequency":…,"mode":…,"not_before":…,
                     "notice_version":…,"partner_id":…,"purpose":…,"subject_ref":…,"time_zone":…}

It covers whose consent it is and for whom, beside the terms, so no two consents share a digest. Where the
person agreed to be told yes or no, there is "thresholds":[…] too: the lines that they read, rising. The
first consents have an earlier form, of the terms alone: without consent_id, partner_id and subject_ref, and
never with thresholds.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from scoregate.errors import JsonRefused
from scoregate.partner.v1 import score_pb2
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None

LONE_SURROGATE = "a text holds a lone surrogate, which UTF-8 cannot spell; remove it"
MAX_INTEGER = 2**53 - 1  # RFC 8785, 3.2.2.3: beyond it, an IEEE 754 double loses digits

# Escapes exactly what RFC 8785, 3.2.2.2 escapes, in C.
quote = json.encoder.encode_basestring
"""Return a text as JSON spells it."""

_speller = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def canonical(value: Json) -> bytes:
    """Return the one canonical UTF-8 form of a value (RFC 8785).

    Raises:
        JsonRefused: A float, an integer beyond ±(2^53 - 1), a key that is not a string,
            a lone surrogate, any other type, or nesting too deep to walk.
    """
    try:
        return _write(value).encode()
    except UnicodeEncodeError:
        raise JsonRefused(LONE_SURROGATE) from None
    except RecursionError:
        raise JsonRefused("nested too deeply; flatten it") from None


def spell(value: Json) -> str:
    """Return, as text, the canonical form of what its maker has checked: what `canonical` returns, in C.

    It holds no float, no integer beyond ±(2^53 - 1), no lone surrogate, and keys in ASCII alone.
    """
    return _speller.encode(value)


def parse(data: bytes | str) -> Json:
    """Return the value of a JSON text in the subset above; its spelling need not be canonical.

    Raises:
        JsonRefused: Not JSON, not UTF-8, a repeated key, a float, NaN, or an integer beyond ±(2^53 - 1).
    """
    try:
        value: Json = _reader.decode(data.decode() if isinstance(data, bytes) else data)
    except (ValueError, RecursionError):
        raise JsonRefused("not JSON as this package writes it; fetch it again from its source") from None
    return value


def request_form(request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest) -> bytes:
    """Return the canonical form of a question, which `request_sha256` covers.

    Raises:
        WordUnknown: Purpose or disclosure is unset or newer than this contract.
    """
    request_id, nonce = quote(request.request_id.lower()), quote(request.nonce)
    person = f'"request_id":{request_id},"subject_ref":{quote(request.subject_ref)}'
    purpose = quote(Purpose.of(request.purpose))
    # Members in the order of RFC 8785, 3.2.3.
    if isinstance(request, score_pb2.GetScoreRequest):
        reasons = "true" if request.with_reasons else "false"
        form = (
            f'{{"consent_id":{quote(request.consent_id)},"disclosure":{quote(Disclosure.of(request.disclosure))},'
            f'"method":"GetScore","nonce":{nonce},"purpose":{purpose},{person},"with_reasons":{reasons}}}'
        )
    else:
        form = (
            f'{{"consent_id":{quote(request.consent_id)},"method":"CheckThreshold","nonce":{nonce},'
            f'"purpose":{purpose},{person},"threshold":{request.threshold}}}'
        )
    return form.encode()


def request_sha256(request: score_pb2.GetScoreRequest | score_pb2.CheckThresholdRequest) -> bytes:
    """Return the 32-byte digest that binds an answer to its question.

    Raises:
        WordUnknown: Purpose or disclosure is unset or newer than this contract.
    """
    return hashlib.sha256(request_form(request)).digest()


def consent_form(
    *,
    consent_id: str,
    partner_id: str,
    subject_ref: str,
    purpose: Purpose,
    disclosures: Iterable[Disclosure],
    mode: ConsentMode,
    not_before: datetime,
    expires_at: datetime,
    frequency: tuple[int, CalendarUnit] | None,
    time_zone: str,
    data_life: timedelta,
    excluded_families: Iterable[InputFamily],
    notice_version: str,
    thresholds: Iterable[int] | None = None,
) -> bytes:
    """Return the canonical form of a consent, which `consent_sha256` covers.

    Args:
        consent_id: The consent's own id.
        partner_id: The one partner that it is for: an attestation's `aud`.
        subject_ref: That partner's reference for the person.
        purpose: What the person agreed to.
        disclosures: What an answer may show, in any order.
        mode: One time or periodic.
        not_before: The first instant at which it holds; any time zone.
        expires_at: Dead at this instant; any time zone.
        frequency: Uses in each calendar unit; None for one-time consents.
        time_zone: The IANA name in which the frequency's periods run.
        data_life: How long the partner may keep an answer; whole seconds.
        excluded_families: Families that the score leaves out, in any order.
        notice_version: The version of the text that the person saw.
        thresholds: The lines that the person read, in any order; None for a consent to no yes or no.

    Raises:
        JsonRefused: An instant without time zone, or a data life with a fraction of a second.
    """
    agreed = terms_form(
        purpose=purpose,
        disclosures=disclosures,
        mode=mode,
        frequency=frequency,
        time_zone=time_zone,
        data_life=data_life,
        excluded_families=excluded_families,
        notice_version=notice_version,
        thresholds=thresholds,
    )
    return agreed.of(
        consent_id=consent_id,
        partner_id=partner_id,
        subject_ref=subject_ref,
        not_before=not_before,
        expires_at=expires_at,
    )


@dataclass(frozen=True, slots=True)
class TermsForm:
    """The canonical form of all consents to the same terms, without what is each one's own.

    Its fields are members in the order of RFC 8785, 3.2.3, as they stand around those.
    """

    to_excluded_families: str
    to_mode: str
    notice_version: str
    purpose: str
    to_time_zone: str
    has_thresholds: bool

    def of(
        self,
        *,
        consent_id: str,
        partner_id: str,
        subject_ref: str,
        not_before: datetime,
        expires_at: datetime,
    ) -> bytes:
        """Return the form of one consent, as `consent_form` does."""
        begin, end = spell_instant("not_before", not_before), spell_instant("expires_at", expires_at)
        form = (
            f'{{"consent_id":{quote(consent_id)},{self.to_excluded_families},"expires_at":"{end}",{self.to_mode},'
            f'"not_before":"{begin}",{self.notice_version},"partner_id":{quote(partner_id)},{self.purpose},'
            f'"subject_ref":{quote(subject_ref)},{self.to_time_zone}}}'
        )
        try:
            return form.encode()
        except UnicodeEncodeError:
            raise JsonRefused(LONE_SURROGATE) from None

    def of_terms_alone(self, *, not_before: datetime, expires_at: datetime) -> bytes | None:
        """Return the earlier form; None: with these terms no consent has it."""
        if self.has_thresholds:
            return None
        begin, end = spell_instant("not_before", not_before), spell_instant("expires_at", expires_at)
        return (
            f'{{{self.to_excluded_families},"expires_at":"{end}",{self.to_mode},"not_before":"{begin}",'
            f"{self.notice_version},{self.purpose},{self.to_time_zone}}}"
        ).encode()


def terms_form(
    *,
    purpose: Purpose,
    disclosures: Iterable[Disclosure],
    mode: ConsentMode,
    frequency: tuple[int, CalendarUnit] | None,
    time_zone: str,
    data_life: timedelta,
    excluded_families: Iterable[InputFamily],
    notice_version: str,
    thresholds: Iterable[int] | None = None,
) -> TermsForm:
    """Return the part of `consent_form` that many consents share; its arguments and errors are the same."""
    if data_life % timedelta(seconds=1):
        raise JsonRefused("data_life: give whole seconds")
    often: Json = None if frequency is None else {"uses": frequency[0], "unit": frequency[1]}
    lines: dict[str, Json] = {} if thresholds is None else {"thresholds": sorted(thresholds)}

    def members(told: Mapping[str, Json]) -> str:
        return canonical(dict(told)).decode()[1:-1]

    return TermsForm(
        to_excluded_families=members(
            {
                "data_life_seconds": data_life // timedelta(seconds=1),
                "disclosures": sorted(disclosures),
                "excluded_families": sorted(excluded_families),
            }
        ),
        to_mode=members({"frequency": often, "mode": mode}),
        notice_version=members({"notice_version": notice_version}),
        purpose=members({"purpose": purpose}),
        to_time_zone=members(lines | {"time_zone": time_zone}),
        has_thresholds=bool(lines),
    )


def spell_instant(field: str, instant: datetime) -> str:
    """Return an instant as every form here spells it: RFC 3339, UTC, six digits of a second.

    Raises:
        JsonRefused: It has no time zone.
    """
    if instant.tzinfo is None:
        raise JsonRefused(f"{field}: give the instant with its time zone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _write(value: Json) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{quote(key)}:{_write(value[key])}" for key in _in_order(value)]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_write(item) for item in value]) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(_bounded(value))
    if value is None:
        return "null"
    raise JsonRefused(f"{type(value).__name__} has no canonical form here; use text or an integer")


def _in_order(members: dict[str, Json]) -> list[str]:
    """Return the keys in order of their UTF-16 code units (RFC 8785, 3.2.3)."""
    try:
        # Code points and code units order ASCII alike, and ASCII is the common case.
        return sorted(members) if "".join(members).isascii() else sorted(members, key=_utf16)
    except TypeError:
        raise JsonRefused("a key is not a string; spell it as text") from None


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _bounded(number: int) -> int:
    if not -MAX_INTEGER <= number <= MAX_INTEGER:
        raise JsonRefused("an integer lies beyond ±(2^53 - 1); spell it as text")
    return number


def _without_repeats(members: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a key is repeated")
    return found


def _refuse(_: str) -> Json:
    raise ValueError("a number is not an integer")


_reader = json.JSONDecoder(
    object_pairs_hook=_without_repeats,
    parse_float=_refuse,
    parse_constant=_refuse,
    parse_int=lambda digits: _bounded(int(digits)),
)
