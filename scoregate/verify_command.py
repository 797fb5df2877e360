"""`scoregate verify`: a kept answer, or a person's own file, up to the log's witnesses and offline."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from scoregate.errors import KeysInvalid, VerificationFailed
from scoregate.proof.results import NotScored, Scored, ThresholdAnswer
from scoregate.showing import Output, Shown, count, refuse, second, shown
from scoregate.tlog.faults import LogError, LogIncomplete, LogInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoregate.proof.claims import ScoreClaims, ThresholdClaims
    from scoregate.proof.digest import Json
    from scoregate.proof.jwk import VerificationKeys
    from scoregate.proof.kept import Checked
    from scoregate.tlog.policy import Policy

Vkeys = Annotated[
    list[str] | None,
    typer.Option(
        "--vkey",
        metavar="VKEY",
        help="The log's public key (C2SP signed-note). Again for each witness that must have cosigned.",
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Logs, witnesses and how many of these are needed (C2SP tlog-policy).",
    ),
]


def policy_of(vkeys: list[str] | None, file: Path | None) -> "Policy | None":
    """Return the policy that both options make; None where neither is given. Wrong ones are wrong usage."""
    from scoregate.pinned import read_policy  # here, so that help is quick: it takes cryptography
    from scoregate.tlog.policy import PolicyInvalid

    if not vkeys and file is None:
        return None
    try:
        return read_policy(vkeys or [], file)
    except PolicyInvalid as error:
        raise typer.BadParameter(f"{error}.", param_hint="--policy" if file else "--vkey") from error


def verify_file(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What the client's `keep` wrote, a person's receipt or report, or an officer's report.",
        ),
    ],
    jwks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The issuer's public keys (a JWK Set): a kept answer needs them.",
        ),
    ] = None,
    vkeys: Vkeys = None,
    policy: PolicyFile = None,
    issuer: Annotated[str | None, typer.Option(metavar="URL", help="Who must have issued it.")] = None,
    audience: Annotated[
        str | None, typer.Option(metavar="ID", help="The partner whom it must have been issued to.")
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Check a kept answer, a person's receipt, or a report about them.

    Of an answer: attestation, question, entry, proof, checkpoint, witnesses.
    Of a receipt or a report, a year's or what `scoregate audit report` wrote:
    that each entry is opened by its private part, says each word that stands
    beside it, and is in the log. What no entry shows is told apart.

    It needs no server and trusts nothing but the keys that it is given: the
    issuer's, the log's and the witnesses'. An answer that is no longer fresh
    is checked all the same, years after.

    Exit codes
      0  All of it holds.
      2  The command was not called like this, or a key is none.
      3  Invalid: changed, signed by another key, or against a rule.
      4  Diverged: the proof is of another log.
      5  Incomplete: witnesses, proofs or private parts are missing, or the
         file can't be read.

    Example:
      scoregate verify receipts/41.json --jwks jwks.json --policy policy
      scoregate verify report.json --policy policy
    """
    pinned = policy_of(vkeys, policy)
    if pinned is None:
        raise typer.BadParameter("give the log's --vkey, or a --policy file.", param_hint="--vkey")
    keys = None if jwks is None else _keys(jwks)
    as_json = output is Output.JSON
    try:
        data = _read(file)
        members = _personal(data)
        if members is None:
            _verify_kept(data, keys, pinned, issuer, audience, as_json=as_json)
        else:
            from scoregate import personal_files

            for option, given in (("--issuer", issuer), ("--audience", audience)):
                if given is not None:
                    raise typer.BadParameter("it is of an answer that a lender kept.", param_hint=option)
            personal_files.checked(members, pinned)(as_json)
    except (LogError, VerificationFailed) as error:
        refuse(error, as_json=as_json)


def _keys(jwks: Path) -> "VerificationKeys":
    from scoregate.consent_receipts import read_keys

    try:
        return read_keys(jwks)
    except KeysInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--jwks") from error


def _personal(data: bytes) -> "Mapping[str, Json] | None":
    """The members of a person's file; None for what a lender kept, or nobody knows."""
    from scoregate.personal_files import is_personal
    from scoregate.proof.personal import read_members

    try:
        members = read_members(data, "the file")
    except LogInvalid:
        return None  # which is then said of it in the words of a kept answer
    return members if is_personal(members) else None


def _verify_kept(
    data: bytes,
    keys: "VerificationKeys | None",
    policy: "Policy",
    issuer: str | None,
    audience: str | None,
    *,
    as_json: bool,
) -> None:
    from scoregate.proof.kept import Kept
    from scoregate.proof.receipts import MAX_RECEIPT_BYTES

    if len(data) > MAX_RECEIPT_BYTES:
        raise LogInvalid(f"the kept answer has more than {MAX_RECEIPT_BYTES:,} bytes")
    kept = Kept.decode(data)
    if keys is None:
        raise typer.BadParameter("an answer is checked with its issuer's keys.", param_hint="--jwks")
    checked = kept.verify(keys=keys, policy=policy, now=datetime.now(UTC), issuer=issuer, audience=audience)
    if as_json:
        typer.echo(json.dumps(_plain(checked), indent=2))
    else:
        Console().print(shown("The answer holds", _rows(checked, issuer, audience)))


def _read(file: Path) -> bytes:
    from scoregate.proof.personal_report import MAX_REPORT_BYTES
    from scoregate.tlog import files

    try:
        return files.read(file, "the file", MAX_REPORT_BYTES)
    except OSError as error:
        raise LogIncomplete(f"{file} can't be read: {error.strerror}") from error


def _plain(checked: "Checked") -> dict[str, object]:
    claims, judged = checked.claims, checked.judged
    return {
        "result": "ok",
        "kind": claims.typ,
        "issuer": claims.iss,
        "partner_id": claims.aud,
        "answer": json.loads(claims.result.form),
        "purpose": claims.purpose,
        "request_id": checked.request.request_id,
        "issued_at": _second(claims.issued_at),
        "expires_at": _second(claims.expires_at),
        "log_origin": claims.log,
        "leaf_index": checked.leaf_index,
        "tree_size": judged.checkpoint.size,
        "root_hash": judged.checkpoint.root.hex(),
        "signed_by": str(judged.log),
        "cosigned": {name: second(seconds) for name, seconds in judged.cosigned.items()},
        "unchecked_signatures": checked.unchecked,
    }


def _rows(checked: "Checked", issuer: str | None, audience: str | None) -> list[tuple[str, str]]:
    claims, judged = checked.claims, checked.judged
    found = judged.checkpoint
    witnesses = ", ".join(f"{name} on {second(seconds)}" for name, seconds in judged.cosigned.items())
    rows = [
        ("attestation", f"a {claims.typ}; its signature holds, and every claim is inside its bounds"),
        ("issuer", f"{claims.iss}{_COMPARED if issuer else '; its own word, add --issuer URL to compare'}"),
        (
            "partner",
            f"{claims.aud}{_COMPARED if audience else '; its own word, add --audience ID to compare'}",
        ),
        ("answer", f"{_answer(claims)}, for {claims.purpose}"),
        ("time", f"issued {_second(claims.issued_at)}, fresh until {_second(claims.expires_at)}"),
        ("question", f"{checked.request.request_id}; its digest is the one that was answered"),
        ("entry", f"{checked.leaf_index:,} of {claims.log}; it names this very attestation"),
        (
            "proof",
            f"the entry is in the tree of {count(found.size, 'entry')} with the root\n{found.root.hex()}",
        ),
        ("checkpoint", f"of {found.origin}; signed by {judged.log}"),
        ("witnesses", witnesses or "none; no witness was asked for"),
    ]
    if checked.unchecked:
        lines = count(checked.unchecked, "signature")
        rows.append(("not checked", f"{lines} by keys that were not given; believe none of them"))
    return rows


_COMPARED = ", as expected"


def _answer(claims: "ScoreClaims | ThresholdClaims") -> str:
    match claims.result:
        case Scored(score=None, band=band):
            return f"band {band}"
        case Scored(score=score, band=band):
            return f"score {score}, band {band}"
        case ThresholdAnswer(threshold=threshold, reached=reached):
            return f"{threshold} is {'reached' if reached else 'not reached'}"
        case NotScored(reason=reason):
            return f"not scored: {reason}"


def _second(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
