"""`scoregate init` and `scoregate upgrade`: the first day of an installation, and its later ones."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import home, named, settings
from gateway.cli.ending import ending_calmly, show
from gateway.cli.failures import REFUSED, Problem, Stopped, interrupted, misconfigured
from gateway.cli.tables import facts
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from gateway.founding import Credentials
    from gateway.settings import Settings


GO_ON = "Go on with `scoregate serve`, or found another with --home DIR."
PUT_BACK = (
    "Remove none of them: as far as can be seen, they are in use. Put the settings file back from your copy. "
    "Without a copy, `scoregate init --home OTHER` writes a new one: set there what yours had, and move it."
)
FOUNDING_ENTRIES = 4  # two keys, the operator and its certificate; the first start writes the fifth

IN_USE = Problem(
    "database.url",
    "the database holds an installation. Nothing was touched.",
    "Name an empty one; a second gateway for the same ledger gets a copy of the first one's home instead.",
)
RESTORE = "Restore it from your copy, or correct the address: `scoregate init` makes no second one."


@dataclass(frozen=True, slots=True)
class Founded:
    """A new installation."""

    settings: Settings
    file: Path
    operator: Credentials


def init(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--home", metavar="DIR", parser=named, help=r"Where. \[default: SCOREGATE_HOME, else .scoregate]"
        ),
    ] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Make an installation: settings, authorities, keys, an empty ledger, the first operator.

    It is for development as it stands; the settings file says what production
    needs. An installation that is there already is left untouched (exit code
    1).

    Example:
      scoregate init
      scoregate engine train
      scoregate serve
    """
    with ending_calmly(output):
        founded = found_in((folder or home()).absolute(), os.environ)
    there, operator = founded.settings, founded.operator
    place = there.home
    show(
        output,
        {
            "home": str(place),
            "settings": str(founded.file),
            "database": str(there.database.file or "elsewhere"),
            "operator": {
                "certificate": str(operator.certificate),
                "key": str(operator.key),
                "server_ca": str(operator.server_ca),
            },
        },
        facts(
            "An installation for development",
            (
                ("settings", f"{founded.file}\nevery setting, with its default; change what you need"),
                ("authorities", f"{there.tls.authorities}\nthree: server, partner, staff; keys 0600"),
                ("signing keys", f"{there.attestation.key_folder}\nthe current one and the next"),
                (
                    "secrets",
                    f"{there.secrets.pairwise_key}\n{there.secrets.master_key}\n"
                    "keep copies apart: losing them loses data",
                ),
                ("ledger", f"{there.database.file or 'in the database that the settings name'}\nempty"),
                ("operator", f"{operator.certificate}\nthe first one; every command below finds it here"),
            ),
        ),
        _next_steps(place),
    )


def _next_steps(place: Path) -> str:
    steps = [
        "scoregate engine train    the model, from real card records",
        "scoregate serve           the gateway",
        "scoregate serve --pages   people's own pages, in one more terminal",
        'scoregate partner add acme --name "Acme Ltd" --daily 1000 --monthly 20000',
    ]
    if place != home():
        steps.insert(0, f"export SCOREGATE_HOME={place}")
    return "\n".join(["Next:", *(f"  {step}" for step in steps)])


def found_in(place: Path, environ: Mapping[str, str]) -> Founded:
    """Make an installation in ``place``.

    The settings file takes its name last, and nothing starts without it: whatever breaks this off
    leaves pieces, never something that looks whole.

    Raises:
        Stopped: There is an installation, or what is left of one.
        SettingsInvalid, FileRefused, StoreUnavailable: As founding does.
    """
    from gateway.founding import AlreadyFounded, DatabaseInUse, found
    from gateway.pki import create_public
    from gateway.settings import load, template
    from gateway.settings.load import FILE_NAME, FILE_VARIABLE

    file = Path(environ.get(FILE_VARIABLE) or place / FILE_NAME).absolute()
    if file.exists():
        raise Stopped(
            REFUSED, [Problem("", f"There is an installation: {file}. Nothing was touched.", GO_ON)]
        )
    draft, before = file.with_name(f".{file.name}.{os.getpid()}"), _held(place)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_public(draft, template(place).encode())
        made = load({**environ, FILE_VARIABLE: str(draft)}, home=place)
        operator = found(made, now=datetime.now(UTC))
        # From here it is an installation; a crash before this line left pieces that `init` names.
        draft.rename(file)
    except KeyboardInterrupt as error:
        left = sorted(_held(place) - before - {draft})
        remedy = f"Remove {', '.join(map(str, left))}, and run it again." if left else "Nothing was made."
        raise interrupted("There is no installation yet.", remedy) from error
    except AlreadyFounded as error:
        raise Stopped(REFUSED, [_leftover(file, made, set(error.pieces))]) from error
    except DatabaseInUse as error:
        raise Stopped(REFUSED, [IN_USE]) from error
    except OSError as error:
        what = f"can't be written ({error.strerror})."
        raise misconfigured(str(error.filename or place), what, "Name another --home.") from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return Founded(made, file, operator)


def _held(place: Path) -> set[Path]:
    return set(place.iterdir()) if place.is_dir() else set()


def _leftover(file: Path, there: Settings, pieces: set[Path]) -> Problem:
    what = f"There are pieces of an installation, and no {file}. Nothing was touched."
    if not _is_untouched(there.database.file):
        return Problem("", what, PUT_BACK)

    def is_whole(folder: Path) -> bool:
        return folder != there.home and pieces.issuperset(folder.iterdir())

    while whole := set(filter(is_whole, {piece.parent for piece in pieces})):
        # A folder that holds nothing else stands for its files.
        pieces = whole | {piece for piece in pieces if piece.parent not in whole}
    return Problem(
        "",
        what,
        "If that file was moved, put it back. If an earlier `scoregate init` was broken off, nobody has used "
        f"them yet: remove {', '.join(map(str, sorted(pieces)))}, and run it again.",
    )


def _is_untouched(ledger: Path | None) -> bool:
    """Whether a ledger holds no more than founding wrote; False for one that can't be looked into."""
    if ledger is None or not ledger.exists():
        return False  # founding makes it before any key: this one is elsewhere, or lost
    try:
        # Without a WAL nobody has it open, and nothing is written beside it.
        how = "mode=ro" if ledger.with_name(f"{ledger.name}-wal").exists() else "immutable=1"
        with closing(sqlite3.connect(f"{ledger.as_uri()}?{how}", uri=True)) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'log_head'").fetchall()
            sizes = connection.execute("SELECT size FROM log_head").fetchall() if tables else []
    except sqlite3.Error:
        return False
    return all(size <= FOUNDING_ENTRIES for (size,) in sizes)


def upgrade(output: Shown = Output.TABLE) -> None:
    """Bring the database of an installation to what this version of scoregate needs.

    Stop every gateway that uses it and make a backup first; then upgrade,
    then start them again. A database that is up to date is left as it is.

    Example:
      scoregate upgrade
    """
    with ending_calmly(output):
        before, after = _upgrade(settings())
    done = (
        "The database was up to date." if before == after else f"The database went from {before} to {after}."
    )
    show(output, {"before": before, "after": after}, done, "Next: scoregate serve")


def _upgrade(there: Settings) -> tuple[str, str]:
    from sqlalchemy.exc import SQLAlchemyError

    from gateway import founding, migrations
    from gateway.store import open_store

    file = there.database.file
    if file is not None and not file.exists():
        raise misconfigured("database.url", f"there is no {file}.", RESTORE)
    store = open_store(there.database.url)
    try:
        before = founding.revision(store)
        if before is None:
            raise misconfigured("database.url", "the database is empty.", RESTORE)
        migrations.upgrade(store)
        founding.publish_what_is_there(store, there)
        return before, founding.revision(store) or before
    except SQLAlchemyError as error:
        problem = "the database can't be changed; nothing was."
        raise misconfigured("database.url", problem, "Check its disk, and who else uses it.") from error
    finally:
        store.close()
