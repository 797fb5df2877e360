"""What a lender keeps of an answer: one JSON file from which anybody checks the whole chain, offline.

    {"log_origin": "...", "leaf_index": 7, "leaf": "(base64)", "attestation": "(compact JWS)",
     "request": {"consent_id": "...", "method": "GetScore", ...}, "proof": "(C2SP tlog-proof)"}

It is a receipt (receipts.py) with a proof. Pure. Whoever checks has the issuer's JWK Set and a policy: the
log's key, and the witnesses'. The order, each step only after the one before:

 1. form          exactly these members, each in its one spelling
 2. attestation   signed by the issuer, and every claim inside its bounds (jws.py, claims.py)
 3. question      the request is the one that was answered, word by word
 4. leaf          it records this answer and names this very attestation (verify.py)
 5. proof         the leaf is at this index of the checkpoint's tree (RFC 9162, 2.1.3.2)
 6. checkpoint    signed by the log that the answer names, and cosigned as the policy asks (policy.py)

So every byte of the file is vouched for, but for how JSON spells a text, and for signature lines of keys
that the policy does not name: these are counted, and believed by nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from scoregate.errors import JsonRefused, WordUnknown
from scoregate.partner.v1 import receipt_pb2, score_pb2
from scoregate.proof.claims import ScoreClaims, ThresholdClaims
from scoregate.proof.digest import Json, canonical, parse, request_form
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.verify import Request, verify_archived
from scoregate.tlog.faults import LogDiverged, LogInvalid
from scoregate.tlog.lines import read_base64
from scoregate.tlog.merkle import leaf_hash
from scoregate.tlog.note import Note, VerifierKey
from scoregate.tlog.policy import Judged, Policy
from scoregate.tlog.proof import TlogProof
from scoregate.words import Disclosure, Purpose

MAX_KEPT_BYTES = (
    512 * 1024
)  # more than the longest checkpoint takes in JSON; what a stranger can make us parse

_MEMBERS = {"log_origin", "leaf_index", "leaf", "attestation", "request", "proof"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A kept answer that holds, and what vouches for it."""

    claims: ScoreClaims | ThresholdClaims
    request: Request
    leaf_index: int
    judged: Judged
    unchecked: int  # signature lines of keys that the policy does not name


@dataclass(frozen=True, slots=True)
class Kept:
    """A file's members. Nobody has checked them against each other yet."""

    log_origin: str
    leaf_index: int
    leaf: bytes
    attestation: str
    request: Request
    proof: TlogProof

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return what these bytes of a file hold.

        Raises:
            LogInvalid: They are no kept answer; the message names the member.
        """
        try:
            members = parse(data)
        except JsonRefused as error:
            raise LogInvalid(f"the file is {error}") from error
        if not isinstance(members, dict):
            raise LogInvalid("the file is not a JSON object")
        if missing := _MEMBERS - members.keys():
            raise LogInvalid(f"the file lacks {', '.join(sorted(missing))}; {_KEEP}")
        if unknown := members.keys() - _MEMBERS:
            raise LogInvalid(
                f"the file has more than an answer with its proof: {min(unknown)[:32]!r}; {_KEEP}"
            )
        index = members["leaf_index"]
        if type(index) is not int or index < 0:
            raise LogInvalid("leaf_index is not an index")
        try:
            leaf = read_base64(_text(members, "leaf"))
        except ValueError as error:
            raise LogInvalid(f"leaf: {error}", index=index) from error
        proof = TlogProof.decode(_text(members, "proof").encode(errors="surrogatepass"))
        if proof.extra is not None:
            raise LogInvalid("proof: it has a line `extra`, which nothing vouches for", index=index)
        origin, attestation = _text(members, "log_origin"), _text(members, "attestation")
        return cls(origin, index, leaf, attestation, _question(members["request"]), proof)

    def verify(
        self,
        *,
        keys: VerificationKeys,
        policy: Policy,
        now: datetime,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> Checked:
        """Return what the answer says, only if the whole chain holds. It need not be fresh.

        `issuer` and `audience` are compared where they are given.

        Raises:
            VerificationFailed: The attestation, its question or its leaf.
            LogInvalid: The proof, or a signature over the checkpoint.
            LogDiverged: The checkpoint is of another log.
            LogIncomplete: Too few witnesses cosigned it.
        """
        receipt = receipt_pb2.Receipt(log_origin=self.log_origin, leaf_index=self.leaf_index, leaf=self.leaf)
        claims = verify_archived(
            self.attestation, self.request, receipt, keys=keys, issuer=issuer, audience=audience, now=now
        )
        if self.proof.index != self.leaf_index:
            raise LogInvalid(
                f"the proof is of entry {self.proof.index:,}, and the answer is entry {self.leaf_index:,}",
                index=self.leaf_index,
            )
        judged = require_logged(self.proof, self.leaf, self.log_origin, policy)
        unchecked = len(judged.note.signatures) - len(known_lines(judged.note, policy).signatures)
        return Checked(claims, self.request, self.leaf_index, judged, unchecked)


def require_logged(proof: TlogProof, leaf: bytes, log_origin: str, policy: Policy) -> Judged:
    """Return the checkpoint, only if the policy accepts it and the leaf is in that log's tree.

    A log goes on under a new name now and then, with the same entries. So an answer of one log that is
    believed may be shown by the checkpoint of another one that is.

    Raises:
        LogInvalid, LogIncomplete: As TlogProof.require.
        LogDiverged: The checkpoint is of another log.
    """
    judged = proof.require(leaf_hash(leaf), policy)
    found = judged.checkpoint.origin
    if log_origin not in (found, *(log.vkey.name for log in policy.logs)):
        raise LogDiverged(
            f"the answer is of the log {log_origin[:255]}, and the proof of {found}; if that is its name now,"
            " give the keys of both",
            index=proof.index,
        )
    return judged


def known_lines(note: Note, policy: Policy) -> Note:
    """Return the note with the signature lines of this policy's keys alone.

    Of a note that the policy judged every one of these holds.
    """
    keys = list(_keys(policy))
    return Note(note.text, tuple(line for line in note.signatures if any(map(line.claims, keys))))


_KEEP = "give a file that the client's `keep` wrote"


def _keys(policy: Policy) -> Iterable[VerifierKey]:
    yield from (log.vkey for log in policy.logs)
    yield from (witness.key for witness in policy.witnesses.values())


def _text(members: dict[str, Json], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise LogInvalid(f"{name} is not text")
    return value


def _question(form: Json) -> Request:
    """The message that was sent, read back from the form that its digest covers (digest.py)."""
    try:
        request = _request(form)
        if request_form(request) == canonical(form):
            return request
    except (TypeError, ValueError, KeyError, AttributeError, WordUnknown, JsonRefused):
        pass
    raise LogInvalid("request is not a question in the form that its digest covers")


def _request(form: Json) -> Request:
    if not isinstance(form, dict):
        raise TypeError
    fields = dict(form)
    method, purpose = fields.pop("method"), Purpose.read(fields.pop("purpose")).number
    if method == "CheckThreshold":
        return score_pb2.CheckThresholdRequest(**fields, purpose=purpose)
    disclosure = Disclosure.read(fields.pop("disclosure")).number
    return score_pb2.GetScoreRequest(**fields, purpose=purpose, disclosure=disclosure)
