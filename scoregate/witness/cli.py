"""`scoregate witness`: a witness of one's own. It reads arguments and shows results, and loads the rest late.

Exit codes: 0 done; 2 usage or configuration; 3 a file in DIR is not what the witness wrote; 4 something is on
record (`show`).
"""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from scoregate.tlog.note import VerifierKey
    from scoregate.witness.evidence import Record
    from scoregate.witness.folder import Folder
    from scoregate.witness.logs import Cosigned
    from scoregate.witness.witness import Witness

GRACE = timedelta(seconds=5)
LISTEN = "127.0.0.1:8090"

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):([0-9]{1,5})")
_URL = re.compile(r"https?://[!-~]+")  # what a line of a policy can hold
_MEANING = {
    "fork": "two roots for one size. The two notes prove it: go to the log's operator with both",
    "rollback": "it had signed more before. An old note sent again looks like this: ask the operator",
    "unproven": "larger, and not shown to contain what was cosigned: ask the operator for that proof",
}

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's folder.")]

app = typer.Typer(
    name="witness", help="Run a witness, to which a log must show that it only grows.", no_args_is_help=True
)


@app.command()
def init(
    folder: Dir,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What it signs as: an address of yours, without https://.")
    ],
    url: Annotated[
        str, typer.Option(metavar="URL", help="Where the log will reach it.")
    ] = f"http://{LISTEN}",
    output: Shown = Output.TABLE,
) -> None:
    """Make a witness: a folder that only you can enter, with a new key.

    Give the log's operator the vkey, and the lines for the log's policy file.
    No copy of DIR must ever run instead of it: it would have forgotten what was
    cosigned since. Who loses DIR makes a new witness.

    Exit codes
      0  It is made.
      2  The command was not called like this, or DIR can't be used.

    Example:
      scoregate witness init witness --name witness.example/compliance
    """
    with _ending_calmly(output):
        from scoregate.tlog.note import KeyKind, NoteInvalid, VerifierKey
        from scoregate.tlog.policy import Policy, PolicyInvalid
        from scoregate.witness.faults import WitnessMisconfigured
        from scoregate.witness.folder import Folder

        if not _URL.fullmatch(url):
            raise WitnessMisconfigured("--url: an address that begins with http:// or https:// belongs here")
        try:  # before there is a key: whatever is printed is to be of use
            some = VerifierKey(name, KeyKind.COSIGNATURE, bytes(32))
            Policy.parse("".join(f"{line}\n" for line in _policy(some, url)).encode())
        except (NoteInvalid, PolicyInvalid) as error:
            raise WitnessMisconfigured(f"--name: {error}") from error
        made = Folder.make(folder, name)
    lines = _policy(made.vkey, url)
    _show(
        output,
        {"folder": str(folder), "name": name, "vkey": str(made.vkey), "policy": lines},
        f"{folder} holds the witness {name}. Its vkey:",
        f"  {made.vkey}",
        "For the log's policy file, in place of its quorum line:",
        *(f"  {line}" for line in lines),
        f"Next: scoregate witness trust {folder} VKEY, with the log's vkey from its operator.",
    )


@app.command()
def trust(
    folder: Dir,
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="The log's, whose name is the log's origin.")],
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Although another key is trusted for the log already.")
    ] = False,
    output: Shown = Output.TABLE,
) -> None:
    """Trust a log's key. A witness that runs knows it at once.

    Get the vkey from the log's operator over another channel than the log's
    own. To trust a key no longer, take its line out of DIR/logs/.../keys; what
    was cosigned stays.

    Exit codes
      0  It is trusted.
      2  The command was not called like this, or VKEY is no log's.
      3  Invalid: a file in DIR is not what the witness wrote.

    Example:
      scoregate witness trust witness scoregate.local/log+1f2e3d4c+AeK...
    """
    with _ending_calmly(output):
        from scoregate.tlog.note import NoteInvalid, VerifierKey
        from scoregate.witness.faults import WitnessMisconfigured
        from scoregate.witness.folder import Folder, Lock
        from scoregate.witness.logs import Log, origin_hash

        there = Folder.open(folder)
        try:
            key = VerifierKey.parse(vkey)
        except NoteInvalid as error:
            raise WitnessMisconfigured(f"VKEY: {error}") from error
        with Lock(there.path / "lock")():
            new = Log.of(there, key.name).trust(key, beside=new_key)
    _show(
        output,
        {"origin": key.name, "vkey": str(key), "new": new, "path": f"/{origin_hash(key.name)}/checkpoint"},
        f"{'Trusted from now on' if new else 'Trusted already'}: {key.name}.",
        f"Its latest checkpoint, once there is one: /{origin_hash(key.name)}/checkpoint",
    )


@app.command()
def run(
    folder: Dir,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 takes any.")
    ] = LISTEN,
    output: Shown = Output.TABLE,
) -> None:
    """Run the witness in the foreground.

    It speaks plain HTTP: for callers from elsewhere, put a proxy with TLS
    before it. Ctrl-C or SIGTERM ends it, with exit code 0; whatever ends it,
    it goes on where it was. What it refuses and puts on record is a line on
    stderr.

    Exit codes
      0  It was stopped.
      2  The command was not called like this, or DIR or the port can't be used.
      3  Invalid: a file in DIR is not what the witness wrote.

    Example:
      scoregate witness run witness --listen 127.0.0.1:8090
    """
    with _ending_calmly(output):
        from scoregate.witness.door import Door
        from scoregate.witness.faults import WitnessMisconfigured
        from scoregate.witness.witness import Witness

        host, port = _address(listen)
        errors = Console(stderr=True)
        witness = Witness.open(
            folder,
            clock=lambda: datetime.now(UTC),
            tell=lambda line: errors.print(Text(line), soft_wrap=True),
        )
        try:
            door = Door(witness, host, port)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "it is none"
            raise WitnessMisconfigured(f"--listen: {listen} can't be had ({why}); name another") from error
        _serve(door, witness, host, output)


def _serve(door: Any, witness: Witness, host: str, output: Output) -> None:
    serving = threading.Thread(target=door.serve_forever, name="door")
    try:
        # SIGINT by name too: whoever starts us in the background may have it ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        serving.start()
        name, url = witness.folder.vkey.name, f"http://{f'[{host}]' if ':' in host else host}:{door.port}"
        _show(
            output,
            {"name": name, "vkey": str(witness.folder.vkey), "url": url},
            f"Witness {name} at {url}. Ctrl-C ends it.",
        )
        threading.Event().wait()
    except KeyboardInterrupt:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    finally:
        door.stop(GRACE)
    typer.echo("Stopped. What was cosigned is kept.", err=True)


@app.command()
def show(folder: Dir, output: Shown = Output.TABLE) -> None:
    """Show each log, what was cosigned last, and what is on record against it.

    Both notes of what is on record are in DIR/evidence/. Move a folder away
    from there once you have dealt with it. The witness may be running.

    Exit codes
      0  Nothing is on record.
      2  The command was not called like this, or DIR can't be used.
      3  Invalid: a file in DIR is not what the witness wrote.
      4  Diverged: a fork, a rollback or an unproven growth is on record.

    Example:
      scoregate witness show witness
    """
    with _ending_calmly(output):
        from scoregate.witness import evidence
        from scoregate.witness.folder import Folder, Lock
        from scoregate.witness.logs import all_logs

        there = Folder.open(folder)
        with Lock(there.path / "lock")():
            known = [(log.keys(), log.latest()) for log in all_logs(there)]
            found = evidence.records(there)
    logs = [_log(*each) for each in known if any(each)]
    result = "diverged" if found else "ok"
    if output is Output.JSON:
        records = [_record(each) for each in found]
        plain = {"name": there.vkey.name, "vkey": str(there.vkey), "logs": logs, "evidence": records}
        typer.echo(json.dumps({"result": result, **plain}, indent=2))
    else:
        console = Console()
        console.print(_logs_table(there, logs) if logs else Text(f"{there.vkey.name} trusts no log yet."))
        console.print(_records_table(there, found) if found else Text("Nothing is on record."))
    if found:
        raise typer.Exit(4)


def _policy(vkey: VerifierKey, url: str) -> list[str]:
    return [f"witness {vkey.name} {vkey} {url}", f"quorum {vkey.name}"]


def _log(keys: tuple[Any, ...], latest: Cosigned | None) -> dict[str, Any]:
    return {
        "origin": latest.checkpoint.origin if latest else keys[0].name,
        "keys": [str(each) for each in keys],
        "size": latest.checkpoint.size if latest else None,
        "root_hash": latest.checkpoint.root.hex() if latest else None,
        "cosigned_at": _time(latest.at) if latest else None,
    }


def _record(each: Record) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "origin": each.origin,
        "cosigned_size": each.cosigned_size,
        "submitted_size": each.submitted_size,
        "refused_at": _time(each.at),
        "folder": each.name,
    }


def _logs_table(there: Folder, logs: list[dict[str, Any]]) -> Table:
    table = Table("Log", "Entries", "Cosigned at", "Keys", box=box.SIMPLE)
    table.title, table.title_justify, table.title_style = str(there.vkey.name), "left", "bold"
    for each in logs:
        size = "none yet" if each["size"] is None else f"{each['size']:,}"
        cells = (_printable(each["origin"]), size, each["cosigned_at"] or "", f"{len(each['keys'])}")
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table


def _records_table(there: Folder, found: list[Record]) -> Table:
    table = Table("On record", "Log", "Entries", "Instead of", "Refused at", "Folder", box=box.SIMPLE)
    table.title, table.title_justify, table.title_style = str(there.evidence), "left", "bold red"
    kinds = dict.fromkeys(each.kind for each in found)
    table.caption = "\n".join(f"{kind}: {_MEANING[kind]}." for kind in kinds)
    table.caption_justify = "left"
    for each in found:
        sizes = f"{each.submitted_size:,}", f"{each.cosigned_size:,}"
        cells = (each.kind, _printable(each.origin), *sizes, _time(each.at), each.name)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    return table


def _printable(text: str) -> str:
    from scoregate.tlog.faults import printable

    return printable(text)


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # beyond the year 9999: a clock was wrong
        return f"{seconds} s"


def _address(listen: str) -> tuple[str, int]:
    from scoregate.witness.faults import WitnessMisconfigured

    found = _ADDRESS.fullmatch(listen)
    if not found or int(found[3]) > 65535:
        raise WitnessMisconfigured(f"--listen: HOST:PORT belongs here, such as {LISTEN}")
    return found[1] or found[2], int(found[3])


def _show(output: Output, plain: dict[str, Any], *lines: str) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps({"result": "ok", **plain}, indent=2))
    else:
        typer.echo("\n".join(map(_printable, lines)))


@contextmanager
def _ending_calmly(output: Output) -> Iterator[None]:
    """Turn what has a name into one line and an exit code. A traceback means a bug."""
    from scoregate.witness.faults import FolderSpoilt, WitnessMisconfigured

    try:
        yield
    except WitnessMisconfigured as error:
        result, code, message = "failed", 2, str(error)
    except FolderSpoilt as error:
        result, code, message = "invalid", 3, str(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        result, code, message = "failed", 2, f"{where}{error.strerror or error}; check the disk and the owner"
    else:
        return
    if output is Output.JSON:
        typer.echo(json.dumps({"result": result, "message": message}, indent=2))
    else:
        line = Text.assemble((result.capitalize(), "bold red"), f": {message}.")
        Console(stderr=True).print(line, soft_wrap=True)
    raise typer.Exit(code)
