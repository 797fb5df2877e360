"""Checks a consent receipt as a file, with public keys, and with a pulled log where there is one. Not pure.

    proof/consent_receipt.py    the signature, and what the receipt says
    proof/recompute.py          the log, from its first byte
    here                        that each event's entry is in that log, and says what the receipt says

A person's consent receipt is another thing than the receipt that a lender files beside an answer
(proof/receipts.py): that one is of one answer, this one of a consent and of all that has happened to it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scoregate.auditing import recompute
from scoregate.auditing.recompute import Report
from scoregate.errors import AttestationMalformed, KeysInvalid, TermsAltered
from scoregate.proof import consent_receipt
from scoregate.proof.consent_history import ConsentEvent, event_in
from scoregate.proof.consent_receipt import MAX_COMPACT_CHARACTERS, ConsentReceipt
from scoregate.proof.digest import Json
from scoregate.proof.jwk import MAX_JWKS_CHARACTERS, VerificationKeys
from scoregate.proof.leaf import LeafInvalid
from scoregate.showing import second
from scoregate.tlog import files
from scoregate.tlog.faults import PULL_AGAIN, LogDiverged, LogIncomplete, LogInvalid
from scoregate.tlog.policy import Policy
from scoregate.tlog.sources import Folder


@dataclass(frozen=True, slots=True)
class Checked:
    """A receipt that holds."""

    receipt: ConsentReceipt
    log: Report | None  # None: no log was given

    def rows(self) -> list[tuple[str, str]]:
        """What was checked and what it says, in words for a terminal."""
        receipt, agreed = self.receipt, self.receipt.processing
        often = agreed.frequency
        return [
            ("consent", f"{receipt.consent_id}, {receipt.state} on {_second(receipt.issued_at)}"),
            ("receipt", f"{receipt.receipt_id}, signed for {receipt.issuer}"),
            ("partner", f"{receipt.legal_name} ({receipt.partner_id})"),
            ("person", f"{receipt.subject_ref}, as this partner knows them"),
            ("purpose", f"{agreed.purpose}, a {agreed.inquiry} inquiry"),
            ("shown", ", ".join(sorted(agreed.disclosures)) + _lines(agreed.thresholds)),
            (
                "how often",
                f"{often[0]:,} in each {often[1]} at most, {agreed.time_zone}" if often else "once",
            ),
            ("holds", f"{_second(agreed.not_before)} to {_second(agreed.expires_at)}"),
            ("answers kept", _length(agreed.data_life_seconds)),
            ("left out", ", ".join(sorted(agreed.excluded_families)) or "nothing"),
            ("digest", f"{agreed.consent_sha256}, {_RECOMPUTED[self.recomputed]}"),
            *(
                (f"entry {e.log_index:,}", f"{e.kind} on {_second(e.at)}, begun by the {e.by}")
                for e in receipt.events
            ),
            ("log", f"{receipt.log}; {_LOGGED if self.log else 'not looked at; add --log DIR'}"),
            *_signatures(self.log),
        ]

    def plain(self) -> dict[str, Json]:
        """The same for machines: the receipt's own members, and what was found out about them."""
        found = None if self.log is None else _signed(self.log)
        return {
            "result": "ok",
            "receipt": self.receipt.members(),
            "digest_recomputed": self.recomputed,
            "log": found,
        }

    @property
    def recomputed(self) -> bool:
        """Whether `consent_sha256`, which attestations repeat, follows from all that stands in the receipt.

        If not, it follows from the terms alone: the first consents have that form.
        """
        return self.receipt.terms_sha256() == self.receipt.processing.consent_sha256


def _signed(log: Report) -> dict[str, Json]:
    judged = log.judged
    return {
        "tree_size": log.checkpoint.size,
        "signed_by": None if judged is None else str(judged.log),
        "cosigned": None if judged is None else {name: second(at) for name, at in judged.cosigned.items()},
    }


def _signatures(log: Report | None) -> list[tuple[str, str]]:
    if log is None:
        return []
    if log.judged is None:
        return [("signature", NOT_CHECKED)]
    cosigned = ", ".join(f"{name} on {second(at)}" for name, at in log.judged.cosigned.items())
    return [
        ("signature", f"of the log's checkpoint by {log.judged.log}"),
        ("witnesses", cosigned or "none; no witness was asked for"),
    ]


def _length(seconds: int) -> str:
    """In the largest unit that says it exactly, days at most."""
    unit, name = next(each for each in _UNITS if seconds % each[0] == 0)
    count = seconds // unit
    return f"{count:,} {name}{'' if count == 1 else 's'}"


_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_RECOMPUTED = {
    True: "which follows from the above; attestations under this consent repeat it",
    False: "of the earlier form, which follows from the terms above, and not from whose consent it is",
}
NOT_CHECKED = "NOT CHECKED: anybody can have made the log's checkpoint; add --vkey or --policy"
_LOGGED = "recomputed over every entry; each event is in it, and says the same"


def _lines(thresholds: tuple[int, ...] | None) -> str:
    if thresholds is None:
        return ""
    return f"; yes or no at {', '.join(map(str, thresholds)) or 'no line'}"


def _second(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def read_keys(path: Path) -> VerificationKeys:
    """Return the keys in a JWK Set's file.

    Raises:
        KeysInvalid: Not a JWK Set, or no file.
    """
    try:
        data = files.read(path, "the JWK Set", MAX_JWKS_CHARACTERS)
    except (OSError, LogInvalid) as error:
        raise KeysInvalid(
            f"{getattr(error, 'strerror', None) or error}; give the issuer's document"
        ) from error
    # What is no UTF-8 is no JSON as we write it either, which is then said of it.
    return VerificationKeys.from_jwks(data.decode(errors="replace"))


def check(
    file: Path,
    keys: VerificationKeys,
    *,
    log: Path | None = None,
    policy: Policy | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Return what the receipt in a file says, if one of these keys signed it and the log, if any, agrees.

    With a ``policy``, the log's checkpoint must be signed and cosigned as it asks; without, nobody looks who
    made it.

    Raises:
        TermsAltered: Its digest is of other terms.
        VerificationFailed: It is no consent receipt, or not one of this issuer's.
        LogInvalid: It is no file, or longer than any receipt; or the log's bytes are wrong, or its signature.
        LogDiverged: The log is another, or says otherwise than the receipt.
        LogIncomplete: The log ends before the receipt's last event, or parts of it or witnesses are missing.
    """
    try:
        data = files.read(file, "the consent receipt", MAX_COMPACT_CHARACTERS)
    except OSError as error:
        raise LogIncomplete(f"{file} can't be read: {error.strerror}") from error
    try:
        compact = data.decode("ascii")
    except UnicodeDecodeError:
        raise AttestationMalformed("a consent receipt is ASCII text in three parts joined by dots") from None
    # Editors and mail add a line's end; nothing else may be there.
    receipt = consent_receipt.verify(compact.removesuffix("\n").removesuffix("\r"), keys)
    report = None if log is None else _find(receipt, log, policy, progress)
    if receipt.processing.consent_sha256 not in {receipt.terms_sha256(), receipt.earlier_terms_sha256()}:
        raise TermsAltered(
            "its terms are not those that consent_sha256 is of: they were changed before it was signed; "
            "hold it beside an answer's attestation, and ask the issuer"
        )
    return Checked(receipt, report)


def _find(
    receipt: ConsentReceipt,
    log: Path,
    policy: Policy | None,
    progress: Callable[[int, int], None] | None,
) -> Report:
    wanted, found = {event.log_index for event in receipt.events}, dict[int, bytes]()

    def take(index: int, entry: bytes) -> None:
        if index in wanted:
            found[index] = entry

    report = recompute.verify(Folder(log), policy=policy, progress=progress, taken=take)
    believed = () if policy is None else (each.vkey.name for each in policy.logs)
    if receipt.log not in (report.checkpoint.origin, *believed):
        raise LogDiverged(f"the receipt is of the log {receipt.log}, not {report.checkpoint.origin}")
    for event in receipt.events:
        if event.log_index not in found:
            raise LogIncomplete(
                f"{event.kind} is entry {event.log_index:,}, and the log ends before it; {PULL_AGAIN}",
                index=event.log_index,
            )
        _require_same(event, found[event.log_index], receipt)
    return report


def _require_same(event: ConsentEvent, entry: bytes, receipt: ConsentReceipt) -> None:
    index = event.log_index
    try:
        logged = event_in(entry, index, receipt.partner_id)
    except LeafInvalid as error:
        raise LogDiverged(
            f"entry {index:,} is not the receipt's event {event.kind}: {error}", index=index
        ) from error
    if logged != event:
        said = logged.members()
        differing = [name for name, value in event.members().items() if said[name] != value]
        raise LogDiverged(
            f"entry {index:,} is not the receipt's event {event.kind}: it has another {', '.join(differing)}",
            index=index,
        )
