"""Agreed terms: the digest of a consent to them, and how a column holds them. Pure."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import lru_cache

from consent.grant import Frequency, Grant, Terms, window
from scoregate.errors import JsonRefused
from scoregate.instants import micros, moment
from scoregate.proof.digest import TermsForm, terms_form
from scoregate.words import CalendarUnit, ConsentMode, Disclosure, InputFamily, Purpose

NOTICE_VERSION = "2026-12"
"""The version of the words that the person saw; those of a page add their language, as in 2026-12.zh-Hans."""


def consent_digest(grant: Grant, notice_version: str) -> bytes:
    """SHA-256 over the RFC 8785 form of what one person agreed to, with one partner, in one consent.

    The register keeps it from the grant on, so a row of an earlier form keeps the digest that it had.
    """
    form = _form(dump(grant.terms), notice_version).of(
        consent_id=grant.consent_id,
        partner_id=grant.partner_id,
        subject_ref=grant.subject_ref,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
    )
    return hashlib.sha256(form).digest()


@lru_cache(maxsize=16_384)
def is_intact(
    consent_id: str,
    partner_id: str,
    subject_ref: str,
    text: str,
    notice_version: str,
    sha256: bytes,
    granted_us: int,
    begins_us: int,
    ends_us: int,
) -> bool:
    """Whether a row still says what was agreed: its window follows from its terms, and its digest from both.

    Rows of the earlier form are intact, too. Each row is worked out once, as long as nothing of it changes:
    some 20 MB for those that are asked about most.
    """
    begin, end = moment(begins_us), moment(ends_us)
    if window(load(text), moment(granted_us)) != (begin, end):
        return False
    try:
        form = _form(text, notice_version)
        whole = form.of(
            consent_id=consent_id,
            partner_id=partner_id,
            subject_ref=subject_ref,
            not_before=begin,
            expires_at=end,
        )
        if hashlib.sha256(whole).digest() == sha256:
            return True
        earlier = form.of_terms_alone(not_before=begin, expires_at=end)
    except JsonRefused:  # nothing that was ever agreed to
        return False
    return earlier is not None and hashlib.sha256(earlier).digest() == sha256


@lru_cache(maxsize=4_096)
def _form(text: str, notice_version: str) -> TermsForm:
    """The form of the consents to these terms, of which there are many."""
    terms = load(text)
    return terms_form(
        purpose=terms.purpose,
        disclosures=terms.disclosures,
        mode=terms.mode,
        frequency=(terms.frequency.uses, terms.frequency.unit) if terms.frequency else None,
        time_zone=terms.time_zone,
        data_life=terms.data_life,
        excluded_families=terms.excluded_families,
        notice_version=notice_version,
        thresholds=terms.thresholds,
    )


def dump(terms: Terms) -> str:
    """The terms as a column holds them."""
    raw: dict[str, object] = {
        "purpose": terms.purpose,
        "disclosures": sorted(terms.disclosures),
        "mode": terms.mode,
        "not_before_us": micros(terms.not_before) if terms.not_before else None,
        "valid_for_s": int(terms.valid_for.total_seconds()),
        "frequency": [terms.frequency.uses, terms.frequency.unit] if terms.frequency else None,
        "time_zone": terms.time_zone,
        "data_life_s": int(terms.data_life.total_seconds()),
        "excluded_families": sorted(terms.excluded_families),
    }
    if terms.thresholds is not None:
        raw["thresholds"] = terms.thresholds
    return json.dumps(raw)


@lru_cache(maxsize=4_096)
def load(text: str) -> Terms:
    """What ``dump`` wrote. Many consents share their terms, so parsed ones are kept."""
    raw = json.loads(text)
    return Terms(
        purpose=Purpose.read(raw["purpose"]),
        disclosures=frozenset(map(Disclosure.read, raw["disclosures"])),
        mode=ConsentMode.read(raw["mode"]),
        not_before=None if raw["not_before_us"] is None else moment(raw["not_before_us"]),
        valid_for=timedelta(seconds=raw["valid_for_s"]),
        frequency=_frequency(raw["frequency"]),
        time_zone=raw["time_zone"],
        data_life=timedelta(seconds=raw["data_life_s"]),
        excluded_families=frozenset(map(InputFamily.read, raw["excluded_families"])),
        thresholds=tuple(raw["thresholds"]) if "thresholds" in raw else None,
    )


def _frequency(raw: tuple[int, str] | None) -> Frequency | None:
    return Frequency(raw[0], CalendarUnit.read(raw[1])) if raw else None
