"""`scoregate keys`: the keys that sign answers, and what partners verify them with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import Admin, asks_gateway, listening_at
from gateway.cli.ending import ending_calmly, show, writing_out
from gateway.cli.failures import REFUSED, Problem, Stopped, misconfigured
from gateway.cli.tables import day, instant, listing
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from scoregate.admin.v1 import operations_admin_pb2 as pb

PAGE = "/.well-known/jwks.json"
MAX_JWKS_BYTES = 1 << 20
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


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help=r"Where to. \[default: stdout]")] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help=r"The public pages. \[default: listen.http]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE, if it exists.")] = False,
    output: Shown = Output.TABLE,
) -> None:
    """Fetch the JWK Set, which partners pin and verify every answer with.

    It comes over plain HTTP: run this where the gateway runs, and hand it on
    over a channel that partners trust.

    Example:
      scoregate keys export --out jwks.json
    """
    with ending_calmly(output):
        if out is not None and out.exists() and not force:
            raise misconfigured("--out", f"{out} exists.", "Name another file, or replace it with --force.")
        jwks, kids = _fetch(http or listening_at("http", "--http"))
        if out is not None:
            _write(out, jwks)
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


def _fetch(address: str) -> tuple[str, list[str]]:
    """The JWK Set and the kids in it."""
    from http.client import HTTPException
    from urllib.request import ProxyHandler, build_opener

    from scoregate.errors import JsonRefused, KeysInvalid
    from scoregate.proof.jwk import VerificationKeys

    opener = build_opener(ProxyHandler({}))  # the gateway is here, not behind somebody's proxy
    try:
        with opener.open(f"http://{address}{PAGE}", timeout=FETCH_SECONDS) as answer:
            jwks = answer.read(MAX_JWKS_BYTES).decode()
        return jwks, list(VerificationKeys.from_jwks(jwks).by_kid)
    except (HTTPException, OSError) as error:
        silent = Problem("--http", f"No keys from {address}.", "Check that `scoregate serve` runs there.")
        raise Stopped(REFUSED, [silent]) from error
    except (ValueError, JsonRefused, KeysInvalid) as error:
        rubbish = Problem("--http", f"{address} sent no JWK Set.", "Name the gateway's own public pages.")
        raise Stopped(REFUSED, [rubbish]) from error


def _write(out: Path, jwks: str) -> None:
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(f"{jwks}\n")
        draft.rename(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise misconfigured("--out", f"{out} can't be written ({error.strerror}).") from error


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
