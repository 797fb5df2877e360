"""What a partner installs: the wheel and the client's own dependencies, and nothing else.

The environment is made by hand, without a registry: a folder that holds the unpacked
wheel and the base dependencies' files, and a Python that sees no other packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.attestation.made_answers import JWKS
from tests.client.scripted_log import kept
from tests.signing import policy_text
from tests.witness.made_log import Caller, MadeLog, request

ROOT = Path(__file__).parents[2]
SERVER_ONLY = (
    "sqlalchemy",
    "alembic",
    "pydantic_settings",
    "starlette",
    "uvicorn",
    "numpy",
    "prometheus_client",
)


def base_dependencies() -> set[str]:
    """The distributions that ``pip install scoregate`` brings, by the installed metadata."""
    found: set[str] = set()
    waiting = ["scoregate"]
    while waiting:
        for text in metadata.requires(waiting.pop()) or []:
            requirement = Requirement(text)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and its base dependencies."""
    folder = tmp_path_factory.mktemp("alone")
    build = "from hatchling.build import build_wheel; import sys; print(build_wheel(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    with zipfile.ZipFile(folder / built.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    for name in base_dependencies():
        for file in metadata.files(name) or []:
            source = Path(str(file.locate()))
            if ".." in file.parts or not source.is_file():
                continue
            target = folder / "site" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)
    return folder / "site"


def run(alone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the standard library and that folder alone."""
    start = f"import sys; sys.path.insert(0, {str(alone)!r}); "
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + arguments[0], *arguments[1:]],
        cwd=alone,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_of_the_server_is_there(alone: Path) -> None:
    for name in SERVER_ONLY:
        assert run(alone, f"import {name}").returncode != 0, name


def test_the_client_and_the_proofs_import(alone: Path) -> None:
    done = run(
        alone, "from scoregate import Client; import scoregate.proof.verify, scoregate.cli; print(Client)"
    )
    assert done.stderr == ""
    assert "scoregate.client" in done.stdout


def test_log_verify_works_and_the_help_says_how_to_get_the_rest(alone: Path, tmp_path: Path) -> None:
    main = "import sys; from scoregate.cli import main; sys.exit(main())"
    (tmp_path / "log").mkdir()
    verified = run(alone, main, "log", "verify", str(tmp_path / "log"))
    assert verified.returncode == 5, verified.stderr  # incomplete: there is no checkpoint
    helped = run(alone, main, "--help")
    assert helped.returncode == 0, helped.stderr
    extras = 'with its extras "server" and "engine"'
    assert extras in " ".join(helped.stdout.split())
    served = run(alone, main, "serve")
    assert served.returncode == 2
    assert extras in " ".join(served.stderr.replace("│", " ").split())
    assert run(alone, main, "--version").stdout.startswith("scoregate ")


def test_a_witness_runs_and_cosigns(alone: Path, tmp_path: Path) -> None:
    main = "import sys; from scoregate.cli import main; sys.exit(main())"
    log, folder = MadeLog(), str(tmp_path / "witness")
    made = run(alone, main, "witness", "init", folder, "--name", "witness.example", "-o", "json")
    assert (made.returncode, made.stderr) == (0, "")
    assert run(alone, main, "witness", "trust", folder, str(log.vkey)).returncode == 0
    start = f"import sys; sys.path.insert(0, {str(alone)!r}); {main}"
    words = ["witness", "run", folder, "--listen", "127.0.0.1:0", "-o", "json"]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", start, *words], cwd=alone, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            told = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            caller = Caller(int(told["url"].rpartition(":")[2]))
            assert caller.submit(log.request(0, 8)).status == 200
            assert caller.submit(request(8, [], log.forked(at=3).note(8))).status == 422
        finally:
            process.kill()
    shown = run(alone, main, "witness", "show", folder, "-o", "json")
    assert (shown.returncode, shown.stderr) == (4, "")
    assert [each["kind"] for each in json.loads(shown.stdout)["evidence"]] == ["fork"]


def test_a_kept_answer_is_verified_with_the_clients_dependencies_alone(alone: Path, tmp_path: Path) -> None:
    main = "import sys; from scoregate.cli import main; sys.exit(main())"
    for name, text in (("41.json", json.dumps(kept())), ("jwks", JWKS), ("policy", policy_text("all"))):
        (tmp_path / name).write_text(text)
    words = ("--jwks", str(tmp_path / "jwks"), "--policy", str(tmp_path / "policy"))
    verified = run(alone, main, "verify", str(tmp_path / "41.json"), *words)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "The answer holds" in verified.stdout
    unread = run(alone, main, "log", "verify", "http://127.0.0.1:9/log?")
    assert unread.returncode == 2


def test_the_wheel_holds_the_rooms_and_no_tests(alone: Path) -> None:
    for room in ("scoregate", "gateway", "consent", "scoring"):
        assert (alone / room / "__init__.py").is_file()
    assert (alone / "gateway" / "migrations" / "script.py.mako").is_file()
    assert (alone / "scoring" / "data" / "uci_credit_card.csv.gz").is_file()
    assert not (alone / "tests").exists()


def test_the_wheel_holds_every_template_style_and_catalogue_of_the_pages(alone: Path) -> None:
    kinds = {".html", ".css", ".svg", ".po"}
    pages = ROOT / "gateway" / "pages"
    needed = {file.relative_to(ROOT) for file in pages.rglob("*") if file.suffix in kinds}
    assert {file.suffix for file in needed} == kinds
    assert {file for file in needed if not (alone / file).is_file()} == set()
