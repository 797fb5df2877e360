"""`scoregate statement`: what a month came to, fetched and recomputed by the partner itself."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from scoregate.errors import ClientMisconfigured, KeysInvalid, Refused, VerificationFailed
from scoregate.showing import Output, Shown, count, progress, refuse, second, shown
from scoregate.tlog.faults import LogError
from scoregate.verify_command import PolicyFile, Vkeys, policy_of

if TYPE_CHECKING:
    from scoregate.proof.jwk import VerificationKeys
    from scoregate.statements import Checked
    from scoregate.tlog.policy import Policy

CALL_SECONDS = 60  # a page of a thousand entries over a slow line

app = typer.Typer(
    name="statement", help="Fetch a month's quota statement, and recompute it.", no_args_is_help=True
)

Jwks = Annotated[
    Path,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="The issuer's public keys (a JWK Set)."),
]
Issuer = Annotated[str | None, typer.Option(metavar="URL", help="Who must have issued it.")]
Receipts = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Filed answers: each one of that month must be among its entries.",
    ),
]


def _identity_file(what: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(metavar="FILE", exists=True, dir_okay=False, help=what)
    return made


@app.command()
def fetch(
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="In the contract's time zone.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where statements lie; made if need be.")],
    gateway: Annotated[str, typer.Option(metavar="HOST:PORT", help="The partners' door.")],
    cert: Annotated[Path, _identity_file("The certificate that was enrolled.")],
    jwks: Jwks,
    vkeys: Vkeys = None,
    policy: PolicyFile = None,
    key: Annotated[Path | None, _identity_file(r"Its private key. \[default: key.pem beside --cert]")] = None,
    ca: Annotated[
        Path | None, _identity_file(r"The gateway's authority. \[default: server-ca.pem beside --cert]")
    ] = None,
    issuer: Issuer = None,
    receipts: Receipts = None,
    output: Shown = Output.TABLE,
) -> None:
    """Fetch a month's signed statement with your own entries, and recompute it.

    DIR gets YYYY-MM.statement: the statement, the checkpoint that it rests on
    and every entry of yours that it is of, with proofs. All of it was checked
    as `scoregate statement verify` does, offline and years after. What does
    not hold is kept as YYYY-MM.statement.refused.

    A month that still runs has a provisional statement; fetch it again later.

    Exit codes
      0  It is there, and all of it holds.
      1  The gateway refused, or does not answer.
      2  The command was not called like this, or a file can't be used.
      3  Invalid: changed, signed by another key, or against a rule.
      4  Diverged: the entries come to something else, or a receipt is not
         among them.
      5  Incomplete: entries or witnesses are missing.

    Example:
      scoregate statement fetch 2026-11 --out statements \
        --gateway gateway.example:8443 --cert acme/certificate.pem \
        --jwks jwks.json --policy policy --receipts receipts
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # grpc-core's own lines have addresses in them
    from scoregate.client import identity
    from scoregate.client.connection import Clock, Connection
    from scoregate.client.statements import fetch as bring

    keys, pinned = _trusted(jwks, vkeys, policy)
    as_json = output is Output.JSON
    try:
        whose = identity.partner_id(cert)
        credentials = identity.credentials(
            cert, key or cert.with_name("key.pem"), ca or cert.with_name("server-ca.pem")
        )
        connection = Connection(gateway, credentials, timeout=timedelta(seconds=CALL_SECONDS), clock=Clock())
    except ClientMisconfigured as error:
        raise typer.BadParameter(f"{error}.") from error
    try:
        with progress(quiet=as_json) as bar:
            file, checked = bring(
                connection,
                month,
                out,
                keys=keys,
                policy=pinned,
                issuer=issuer,
                partner_id=whose,
                receipts=receipts,
                progress=bar,
            )
    except (LogError, VerificationFailed, Refused) as error:
        refuse(error, as_json=as_json)
    except OSError as error:
        raise typer.BadParameter(f"{out} can't be written: {error.strerror}.", param_hint="--out") from error
    finally:
        connection.close()
    _show(checked, file, as_json=as_json)


@app.command()
def verify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="What `scoregate statement fetch` wrote."
        ),
    ],
    jwks: Jwks,
    vkeys: Vkeys = None,
    policy: PolicyFile = None,
    issuer: Issuer = None,
    partner: Annotated[str | None, typer.Option(metavar="ID", help="Whose statement it must be.")] = None,
    receipts: Receipts = None,
    previous: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help=r"The statement before, where this one must go on. \[default: that of the month before, "
            "beside FILE]",
        ),
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Recompute a month's statement from the entries that it is of, offline.

    It needs no server and trusts nothing but the keys that it is given: the
    issuer's, the log's and the witnesses'. Each entry is in the log's tree,
    none is missing between the first and the last, and they come to what the
    statement says, line by line.

    Exit codes
      0  All of it holds.
      2  The command was not called like this, or a key is none.
      3  Invalid: changed, signed by another key, or against a rule.
      4  Diverged: the entries come to something else, a receipt is not among
         them, or the statement before ends elsewhere.
      5  Incomplete: entries or witnesses are missing, or the file can't be
         read.

    Example:
      scoregate statement verify statements/2026-11.statement \
        --jwks jwks.json --policy policy --receipts receipts
    """
    from scoregate.statements import check

    keys, pinned = _trusted(jwks, vkeys, policy)
    as_json = output is Output.JSON
    try:
        with progress(quiet=as_json) as bar:
            checked = check(
                file,
                keys=keys,
                policy=pinned,
                issuer=issuer,
                partner_id=partner,
                receipts=receipts,
                previous=previous,
                progress=bar,
            )
    except (LogError, VerificationFailed) as error:
        refuse(error, as_json=as_json)
    _show(checked, file, as_json=as_json)


def _trusted(jwks: Path, vkeys: list[str] | None, policy: Path | None) -> "tuple[VerificationKeys, Policy]":
    from scoregate.consent_receipts import read_keys

    pinned = policy_of(vkeys, policy)
    if pinned is None:
        raise typer.BadParameter("give the log's --vkey, or a --policy file.", param_hint="--vkey")
    try:
        return read_keys(jwks), pinned
    except KeysInvalid as error:
        raise typer.BadParameter(str(error), param_hint="--jwks") from error


def _show(checked: "Checked", file: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_plain(checked, file), indent=2))
    else:
        Console().print(shown("The statement holds", _rows(checked, file)))


def _plain(checked: "Checked", file: Path) -> dict[str, object]:
    cosigned = {name: second(at) for name, at in checked.judged.cosigned.items()}
    return {
        "result": "ok",
        "file": str(file),
        "statement": checked.statement.members(),
        "signed_by": str(checked.judged.log),
        "cosigned": cosigned,
        "previous": checked.previous.month if checked.previous else None,
        "receipts": checked.receipts,
        "receipts_later": checked.later,
    }


def _rows(checked: "Checked", file: Path) -> list[tuple[str, str]]:
    said = checked.statement
    witnesses = ", ".join(f"{name} on {second(at)}" for name, at in checked.judged.cosigned.items())
    state = "final" if said.is_final else "PROVISIONAL: the month still runs, or not all of it is published"
    return [
        ("file", str(file)),
        ("partner", f"{said.legal_name} ({said.partner_id})"),
        ("issuer", said.issuer),
        ("month", f"{said.month}, {said.time_zone}; {state}"),
        ("contract", f"{said.daily_units:,} units a day, {said.monthly_units:,} a month"),
        *((f"{kind} {decision}".lower(), told) for kind, decision, told in _by_decision(checked)),
        ("units", f"{said.units:,}; recomputed, entry by entry, day by day"),
        ("entries", _entries(checked)),
        ("before", _before(checked)),
        ("receipts", _receipts(checked)),
        (
            "checkpoint",
            f"of {count(said.tree_size, 'entry')} of {said.origin}; signed by {checked.judged.log}",
        ),
        ("witnesses", witnesses or "none; no witness was asked for"),
    ]


def _by_decision(checked: "Checked") -> list[tuple[str, str, str]]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for group, line in checked.statement.lines:
        decision = "" if group.kind == "REPLAY" else group.decision
        calls, units = sums.get((group.kind, decision), (0, 0))
        sums[group.kind, decision] = calls + line.calls, units + line.units
    return [
        (*about, f"{count(calls, 'call')}, {count(units, 'unit')}") for about, (calls, units) in sums.items()
    ]


def _entries(checked: "Checked") -> str:
    said = checked.statement
    if not said.count:
        return f"none; number {said.first_sequence:,} of the partner's is due next"
    return (
        f"{said.count:,}, numbers {said.first_sequence:,} to {said.last_sequence:,} of the partner's own; "
        "none is missing, and each is in the log's tree"
    )


def _before(checked: "Checked") -> str:
    if checked.previous is None:
        return "not looked at; the statement before is not beside it, or is provisional: fetch that one again"
    return f"it goes on from that of {checked.previous.month}"


def _receipts(checked: "Checked") -> str:
    if checked.receipts is None:
        return "not looked at; add --receipts DIR"
    later = f"; {checked.later:,} came later than its checkpoint" if checked.later else ""
    return f"{checked.receipts:,} of this month, each among the entries{later}"
