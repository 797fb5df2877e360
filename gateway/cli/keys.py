"""`scoregate keys`: the keys that sign answers, and what partners verify them with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import Admin, asks_gateway, listening_at, settings
from gateway.cli.ending import ending_calmly, show, writing_out
from gateway.cli.failures import REFUSED, Problem, Stopped, misconfigured
from gateway.cli.tables import day, facts, instant, listing
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from scoregate.admin.v1 import operations_admin_pb2 as pb

JWKS, LOG_POLICY = "/.well-known/jwks.json", "/.well-known/log-policy"
MAX_PAGE_BYTES = 1 << 20
FETCH_SECONDS = 10

app = typer.Typer(name="keys", help="See, turn and publish the keys that sign answers.", no_args_is_help=True)


@app.command("list")
@asks_gateway
def list_(admin: Admin) -> None:
    """List the keys, newest first.

    The current one signs, the next one is published already, and retired ones
    verify for years.

    Example:
      scoregate keys list
    """
    from scoregate.admin.v1 import operations_admin_pb2 as pb

    _show(admin, "Keys, newest first", list(admin.operations.ListKeys(pb.ListKeysRequest()).keys))


@app.command()
@asks_gateway
def rotate(
    admin: Admin,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit log; no personal data.")],
) -> None:
    """Let the next key sign from now on, and publish a new next one.

    Partners that pinned the JWK Set since the last rotation notice nothing;
    afterwards, give them the new one in time for the next.

    The new key is of the kind that attestation.algorithm names. A change of
    that setting takes two rotations: one to make a key, one to let it sign.

    Example:
      scoregate keys rotate --reason "yearly"
    """
    from scoregate.admin.v1 import operations_admin_pb2 as pb

    keys = list(admin.operations.RotateKeys(pb.RotateKeysRequest(reason=reason)).keys)
    _show(admin, "Keys after the rotation", keys, "Next: scoregate keys export --out jwks.json --force")


@app.command("rotate-master")
@asks_gateway
def rotate_master(
    admin: Admin,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, for the audit log; no personal data.")],
) -> None:
    """Make a new master key, and wrap everybody's key with it.

    Calls go on meanwhile. The new key is a file beside the old one; copy it
    to where you keep the others, for without it nobody's records open. When
    nothing is wrapped with the old one any more, destroy its file and every
    copy: older backups of the database can't be read then.

    Example:
      scoregate keys rotate-master --reason "yearly"
    """
    from scoregate.admin.v1 import operations_admin_pb2 as pb

    turned = admin.operations.RotateMasterKey(pb.RotateMasterKeyRequest(reason=reason)).master_key
    _show_master(admin, turned)


@app.command()
@asks_gateway
def master(admin: Admin) -> None:
    """Show which master key wraps everybody's keys, and which can be destroyed.

    Example:
      scoregate keys master
    """
    from scoregate.admin.v1 import operations_admin_pb2 as pb

    _show_master(admin, admin.operations.GetMasterKey(pb.GetMasterKeyRequest()).master_key)


def _show_master(admin: Admin, found: pb.MasterKey) -> None:
    older = list(found.older_files)
    is_over = found.oldest_version == found.version
    told = "Nothing is wrapped with an older one."
    if not is_over:
        told = "Keys are still being wrapped anew: destroy nothing yet. Next: scoregate keys master"
    elif older:
        told += f" Next: copy {found.file} to a safe place, then destroy {', '.join(older)} and every copy."
    admin.show(
        {
            "version": found.version,
            "oldest_version": found.oldest_version,
            "file": found.file,
            "older_files": older,
        },
        facts(
            "The master key",
            (("wraps", f"version {found.version}, {found.file}"), ("older", "\n".join(older) or "none")),
        ),
        told,
    )


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help=r"Where to. \[default: stdout]")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where the log's keys and witnesses go, by which its proofs are verified."
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help=r"The public pages. \[default: listen.http]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE, if it exists.")] = False,
    output: Shown = Output.TABLE,
) -> None:
    """Fetch the JWK Set, which partners pin and verify every answer with.

    With --policy also the log's own keys and its witnesses (C2SP tlog-policy):
    what checkpoints and proofs are verified with. Whoever verifies may ask for
    other witnesses, or more of them: edit the file.

    It comes over plain HTTP: run this where the gateway runs, and hand it on
    over a channel that partners trust. Where none runs yet, it comes from the
    installation itself, right after `scoregate init`.

    Example:
      scoregate keys export --out jwks.json --policy policy
    """
    with ending_calmly(output):
        for option, file in (("--out", out), ("--policy", policy)):
            if file is not None and file.exists() and not force:
                what = f"{file} exists."
                raise misconfigured(option, what, "Name another file, or replace it with --force.")
        jwks, kids, log = _published(http, with_policy=policy is not None)
        if policy is not None:
            _write("--policy", policy, log)
        if out is not None:
            _write("--out", out, f"{jwks}\n")
    if out is None:
        with writing_out():
            typer.echo(jwks)
        return
    show(
        output,
        {"file": str(out), "kids": kids},
        f"{out} holds {len(kids)} keys.",
        "Next: give it to every partner, who pins it in scoregate.Client.",
    )


def _published(http: str | None, *, with_policy: bool) -> tuple[str, list[str], str]:
    """The JWK Set, the kids in it, and the log's policy: of the gateway, or where none runs, as kept here."""
    address = http or listening_at("http", "--http")
    try:
        return *_jwks(address), _policy(address) if with_policy else ""
    except _Silent:
        kept = None if http else _kept()
        if kept is None:
            raise
        return kept


def _kept() -> tuple[str, list[str], str] | None:
    """What the installation's own gateway would publish; None where there is none to be read."""
    from consent import keyring, keys
    from gateway.audit.tree.tables import read_origins
    from gateway.server.publishing import stated_policy
    from gateway.store import StoreUnavailable, open_store

    there = settings()
    file = there.database.file
    if file is not None and not file.exists():
        return None  # to open it would make it
    try:
        store = open_store(there.database.url)
        try:
            with store.reading() as connection:
                published = keyring.published(connection)
                policy = stated_policy(there, read_origins(connection))
        finally:
            store.close()
    except (StoreUnavailable, OSError):
        return None
    return keys.jwks([key.public_jwk for key in published]), [key.kid for key in published], policy


class _Silent(Stopped):
    """Nobody answers there."""


def _jwks(address: str) -> tuple[str, list[str]]:
    """The JWK Set and the kids in it."""
    from scoregate.errors import JsonRefused, KeysInvalid
    from scoregate.proof.jwk import VerificationKeys

    jwks = _fetch(address, JWKS)
    try:
        return jwks, list(VerificationKeys.from_jwks(jwks).by_kid)
    except (ValueError, JsonRefused, KeysInvalid) as error:
        raise _rubbish(address, "JWK Set") from error


def _policy(address: str) -> str:
    from scoregate.tlog.policy import Policy, PolicyInvalid

    text = _fetch(address, LOG_POLICY)
    try:
        Policy.parse(text.encode())
    except PolicyInvalid as error:
        raise _rubbish(address, "policy of a log") from error
    return text


def _fetch(address: str, page: str) -> str:
    from http.client import HTTPException
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))  # the gateway is here, not behind somebody's proxy
    try:
        with opener.open(f"http://{address}{page}", timeout=FETCH_SECONDS) as answer:
            text: str = answer.read(MAX_PAGE_BYTES).decode()
    except (HTTPException, OSError) as error:
        silent = Problem("--http", f"No keys from {address}.", "Check that `scoregate serve` runs there.")
        raise _Silent(REFUSED, [silent]) from error
    except ValueError as error:
        raise _rubbish(address, "text") from error
    return text


def _rubbish(address: str, wanted: str) -> Stopped:
    sent = Problem("--http", f"{address} sent no {wanted}.", "Name the gateway's own public pages.")
    return Stopped(REFUSED, [sent])


def _write(option: str, file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.draft")
    try:
        draft.write_text(text)
        draft.rename(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise misconfigured(option, f"{file} can't be written ({error.strerror}).") from error


def _show(admin: Admin, title: str, keys: list[pb.AttestationKey], *more: str) -> None:
    plain = [
        {
            "kid": each.kid,
            "algorithm": each.algorithm,
            "state": _state(each),
            "created_at": instant(each.created_at),
        }
        for each in keys
    ]
    rows = ((each.kid, each.algorithm, _state(each), day(each.created_at)) for each in keys)
    admin.show({"keys": plain}, listing(title, ("kid", "alg", "state", "made"), rows), *more)


def _state(key: pb.AttestationKey) -> str:
    from scoregate.admin.v1 import operations_admin_pb2 as pb

    return pb.KeyState.Name(key.state).removeprefix("KEY_STATE_")
