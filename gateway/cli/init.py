"""`scoregate init` and `scoregate upgrade`: the first day of an installation, and its later ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.console import ending_calmly, home, settings, show
from gateway.cli.failures import REFUSED, Problem, Stopped, misconfigured
from gateway.cli.tables import facts
from scoregate.cli import Output, Shown

if TYPE_CHECKING:
    from gateway.founding import Credentials
    from gateway.settings import Settings


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
        typer.Option("--home", metavar="DIR", help=r"Where. \[default: SCOREGATE_HOME, else .scoregate]"),
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
        raise Stopped(REFUSED, [Problem("", f"There is an installation: {file}.", "Nothing was touched.")])
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_public(draft, template(place).encode())
        made = load({**environ, FILE_VARIABLE: str(draft)}, home=place)
        operator = found(made, now=datetime.now(UTC))
        # From here it is an installation; a crash before this line left pieces that `init` names.
        draft.rename(file)
    except AlreadyFounded as error:
        raise Stopped(REFUSED, [_leftover(file, place, set(error.pieces))]) from error
    except DatabaseInUse as error:
        raise Stopped(REFUSED, [IN_USE]) from error
    except OSError as error:
        what = f"can't be written ({error.strerror})."
        raise misconfigured(str(error.filename or place), what, "Name another --home.") from error
    finally:
        with suppress(OSError):
            draft.unlink()
    return Founded(made, file, operator)


def _leftover(file: Path, place: Path, pieces: set[Path]) -> Problem:
    def is_whole(folder: Path) -> bool:
        return folder != place and pieces.issuperset(folder.iterdir())

    while whole := set(filter(is_whole, {piece.parent for piece in pieces})):
        # A folder that holds nothing else stands for its files.
        pieces = whole | {piece for piece in pieces if piece.parent not in whole}
    return Problem(
        "",
        f"There are pieces of an installation, and no {file}. Nothing was touched.",
        "If that file was moved, put it back. If an earlier `scoregate init` was broken off, nobody has used "
        f"them yet: remove {', '.join(map(str, sorted(pieces)))}, and run it again.",
    )


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
        return before, founding.revision(store) or before
    except SQLAlchemyError as error:
        problem = "the database can't be changed; nothing was."
        raise misconfigured("database.url", problem, "Check its disk, and who else uses it.") from error
    finally:
        store.close()
