"""Settings: every mistake is named at once, and half-configured security doesn't start."""

from __future__ import annotations

import contextlib
import re
import stat
import tempfile
import tomllib
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.pki import (
    Authority,
    AuthorityRole,
    create_authority,
    create_private,
    new_key_and_request,
    spiffe_uri,
)
from gateway.pki.files import FileRefused, make_private_folder
from gateway.settings import (
    Address,
    Problem,
    Settings,
    SettingsInvalid,
    check_engine_files,
    check_files,
    create_secret,
    load,
    read_secret,
    template,
)
from gateway.settings.load import settings_by_name, variable_for
from scoregate.words import Purpose
from tests.pki_support import SERVER_AUTH, make_authority, make_certificate

NOW = datetime.now(UTC)
OWN_NAMES = """
trust_domain = "credit.example"
issuer = "https://credit.example"
log_origin = "credit.example/log/1"
public_url = "https://credit.example"
[pages]
url = "https://my.credit.example"
"""
DEVELOPMENT = 'mode = "development"\n'


def write(home: Path, toml: str) -> Path:
    (home / "scoregate.toml").write_text(toml)
    return home


def told(home: Path, toml: str = DEVELOPMENT, **variables: str) -> Settings:
    return load(variables, home=write(home, toml))


def problems_of(home: Path, toml: str = DEVELOPMENT, **variables: str) -> list[Problem]:
    with pytest.raises(SettingsInvalid) as refused:
        told(home, toml, **variables)
    return refused.value.problems


def fields_of(problems: list[Problem]) -> list[str]:
    return [problem.field for problem in problems]


# --- where settings come from -----------------------------------------------------------------------------


def test_the_written_file_is_a_development_installation_with_every_default(tmp_path: Path) -> None:
    settings = told(tmp_path, template(tmp_path))

    assert settings == told(tmp_path, DEVELOPMENT)
    assert settings.reflection
    assert settings.listen.partner == Address("127.0.0.1", 8443)
    assert settings.database.url == f"sqlite:///{tmp_path}/ledger.db"


def test_every_line_of_the_written_file_shows_the_true_default(tmp_path: Path) -> None:
    uncommented = re.sub(r"(?m)^#(?=\w+ = )", "", template(tmp_path))

    keys = sum(len(value) if isinstance(value, dict) else 1 for value in tomllib.loads(uncommented).values())
    assert keys == len(list(settings_by_name()))
    assert told(tmp_path, uncommented) == told(tmp_path, DEVELOPMENT)


def test_the_written_file_says_when_another_algorithm_takes_effect(tmp_path: Path) -> None:
    above = template(tmp_path).partition("#algorithm = ")[0].rpartition("[attestation]")[2]
    said = " ".join(above.replace("#", " ").split())
    assert "the first `scoregate keys rotate` makes such a key, and the second lets it sign" in said


def test_a_home_with_odd_characters_cannot_break_out_of_the_files_comment() -> None:
    assert tomllib.loads(template(Path('/srv/a\n[evil]\n"x')))["mode"] == "development"


def test_every_setting_is_documented_with_the_ends_of_its_range() -> None:
    for name, field in settings_by_name():
        assert field.description, name
        for rule in field.metadata:
            for end in (getattr(rule, "ge", None), getattr(rule, "le", None)):
                assert end is None or re.search(rf"\b{end}\b", field.description), (name, end)


def test_a_variable_wins_over_the_file_and_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    toml = DEVELOPMENT + "[limits]\ndefault_deadline_ms = 700\nmax_queue = 9\n"

    limits = told(tmp_path, toml, SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS="800").limits

    assert (limits.default_deadline_ms, limits.max_queue, limits.worker_threads) == (800, 9, 32)


def test_every_setting_has_its_variable(tmp_path: Path) -> None:
    for name, field in settings_by_name():
        told(
            tmp_path,
            DEVELOPMENT,
            **{variable_for(name): "development" if name == "mode" else str(field.default)},
        )


def test_relative_paths_are_taken_from_home_and_absolute_ones_are_kept(tmp_path: Path) -> None:
    settings = told(tmp_path, DEVELOPMENT + '[tls]\nkey = "my/server.key"\ncertificate = "/etc/server.pem"\n')

    assert settings.home == tmp_path
    assert settings.tls.key == tmp_path / "my/server.key"
    assert settings.tls.certificate == Path("/etc/server.pem")
    assert settings.secrets.master_key == tmp_path / "keys/master.key"


def test_home_is_the_argument_then_the_variable_then_a_folder_here(tmp_path: Path) -> None:
    one, two, three = tmp_path / "one", tmp_path / "two", tmp_path / "three/.scoregate"
    for home in (one, two, three):
        home.mkdir(parents=True)
        write(home, DEVELOPMENT)

    assert load({"SCOREGATE_HOME": str(one)}, home=two).home == two
    assert load({"SCOREGATE_HOME": str(one)}).home == one
    with contextlib.chdir(three.parent):
        assert load({}).home == three


def test_another_file_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(DEVELOPMENT + "[limits]\ndefault_deadline_ms = 500\n")

    assert (
        load({"SCOREGATE_CONFIG": str(tmp_path / "other.toml")}, home=tmp_path).limits.default_deadline_ms
        == 500
    )


def test_other_programs_variables_are_none_of_our_business(tmp_path: Path) -> None:
    assert told(tmp_path, DEVELOPMENT, PATH="/bin", SCORE="1", XSCOREGATE_MODE="production").reflection


def test_nothing_is_read_from_the_environment_of_the_process(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="home"):
        Settings()  # type: ignore[call-arg]  # HOME is set wherever tests run


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = told(tmp_path)
    for owner, name in ((settings, "mode"), (settings.limits, "default_deadline_ms")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(owner, name, 3)


# --- mistakes ---------------------------------------------------------------------------------------------


def test_every_mistake_is_named_at_once_with_its_source_and_remedy(tmp_path: Path) -> None:
    toml = """
mode = "staging"
log_orign = "x"
[limits]
worker_threads = 8
default_deadline_ms = 60
[listen]
admin = "127.0.0.1:8443"
"""
    problems = problems_of(
        tmp_path, toml, SCOREGATE_ENGINE__TIMEOUT_MS="soon", SCOREGATE_DEFAULT_DEADLINE_MS="3"
    )

    assert sorted(fields_of(problems)) == [
        "SCOREGATE_DEFAULT_DEADLINE_MS",
        "engine.timeout_ms",
        "limits.default_deadline_ms",
        "limits.max_in_flight_per_partner",
        "listen.admin",
        "log_orign",
        "mode",
    ]
    by_field = {problem.field: problem for problem in problems}
    assert by_field["limits.default_deadline_ms"].problem == "60 in scoregate.toml; it is less than 100"
    assert by_field["limits.default_deadline_ms"].remedy.endswith("in milliseconds: 100 to 60000.")
    assert by_field["engine.timeout_ms"].problem.startswith("'soon' in SCOREGATE_ENGINE__TIMEOUT_MS; ")
    assert (
        by_field["listen.admin"].problem
        == "'127.0.0.1:8443' in scoregate.toml; it is taken by listen.partner"
    )
    text = str(SettingsInvalid(problems))
    assert text.startswith("7 mistakes in the settings:\n")
    assert all(f"  {p.field}: {p.problem}\n      {p.remedy}" in text for p in problems)


@pytest.mark.parametrize(
    ("toml", "field", "meant"),
    [
        ('trustdomain = "x"', "trustdomain", "trust_domain"),
        ("[limit]\ndefault_deadline_ms = 3", "limit", "limits"),
        ("default_deadline_ms = 3", "default_deadline_ms", "limits.default_deadline_ms"),
        ("[limits]\ndeadline_ms = 3", "limits.deadline_ms", "limits.default_deadline_ms"),
        (
            "[engine]\ndefault_deadline_ms = 3",
            "engine.default_deadline_ms",
            "limits.default_deadline_ms",
        ),  # the same name, another table
        ('[limits]\nkey = "x"', "limits.key", "tls.key"),
        ('[tls]\ncert = "x"', "tls.cert", "tls.certificate"),
        ('reflection = "on"', "reflection", "retention"),
    ],
)
def test_an_unknown_name_in_the_file_is_refused_with_the_nearest_one(
    tmp_path: Path, toml: str, field: str, meant: str | None
) -> None:
    (problem,) = problems_of(tmp_path, DEVELOPMENT + toml)

    assert problem.field == field
    assert problem.remedy.startswith(f"Did you mean {meant}?" if meant else "Remove it")


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("SCOREGATE_ENGINE__DEFAULT_DEADLINE_MS", "Did you mean SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS?"),
        ("SCOREGATE_LIMITS__DEFAULT_DEADLINE", "Did you mean SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS?"),
        ("SCOREGATE_LIMITS_DEFAULT_DEADLINE_MS", "Did you mean SCOREGATE_LIMITS__DEFAULT_DEADLINE_MS?"),
        ("SCOREGATE_DATABASE_URL", "Did you mean SCOREGATE_DATABASE__URL?"),
        ("SCOREGATE_MODUS", "Did you mean SCOREGATE_MODE?"),
        ("scoregate_mode", "Did you mean SCOREGATE_MODE?"),
        ("SCOREGATE_mode", "Did you mean SCOREGATE_MODE?"),
        ("SCOREGATE_TLS", "Add a setting, as in SCOREGATE_TLS__NAME."),
        ("SCOREGATE_QQQQQ", "Remove it; `scoregate init` writes a file of all names."),
        ("SCOREGATE_", "Remove it; `scoregate init` writes a file of all names."),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_one(
    tmp_path: Path, variable: str, remedy: str
) -> None:
    (problem,) = problems_of(tmp_path, DEVELOPMENT, **{variable: "development"})

    assert (problem.field, problem.remedy) == (variable, remedy)


def test_the_file_cannot_move_home(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, DEVELOPMENT + 'home = "/"\n')
    assert problem == Problem("home", "the file can't set it", "Set SCOREGATE_HOME instead.")


def test_a_table_is_not_a_value(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, DEVELOPMENT + "limits = 3\n")
    assert (problem.field, problem.remedy) == ("limits", "Write [limits] and its settings below it.")


BOUNDS = [
    ("attestation.life_seconds", 60, 86_400),
    ("log.interval_ms", 100, 60_000),
    ("log.witness_timeout_ms", 50, 10_000),
    ("database.patience_seconds", 1, 60),
    ("pages.session_minutes", 5, 720),
    ("pages.entries_per_hour", 10, 1_000_000),
    ("engine.timeout_ms", 10, 10_000),
    ("limits.max_queue", 1, 10_000),
    ("limits.default_deadline_ms", 100, 60_000),
    ("limits.drain_seconds", 0, 60),
    ("limits.max_connection_age_seconds", 10, 86_400),
    ("limits.worker_threads", 2, 512),
    ("limits.max_in_flight_per_partner", 1, 511),
    *((f"retention.{purpose.lower()}_days", 30, 3_653) for purpose in (*Purpose, "OTHER")),
    ("retention.backup_days", 1, 400),
]


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_a_number_counts_through_both_ends_of_its_range_and_not_beyond(
    tmp_path: Path, name: str, low: int, high: int
) -> None:
    # The other half of the one rule between two numbers stays out of the way.
    other = {"limits.worker_threads": "max_in_flight_per_partner = 1"}.get(name, "worker_threads = 512")
    section, key = name.split(".")

    def given_as(value: int) -> str:
        extra = "" if section == "limits" else f"[{section}]\n"
        return f"{DEVELOPMENT}[limits]\n{other}\n{extra}{key} = {value}\n"

    for value in (low, high):
        assert getattr(getattr(told(tmp_path, given_as(value)), section), key) == value
    for value in (low - 1, high + 1):
        assert fields_of(problems_of(tmp_path, given_as(value))) == [name]


def test_the_ranges_above_are_all_ranges_there_are() -> None:
    ranged = [n for n, field in settings_by_name() if any(hasattr(rule, "ge") for rule in field.metadata)]
    assert sorted(ranged) == sorted(name for name, _, _ in BOUNDS)


@pytest.mark.parametrize(("cap", "good"), [(7, True), (8, False), (9, False)])
def test_one_partner_may_not_hold_every_thread(tmp_path: Path, cap: int, *, good: bool) -> None:
    toml = f"{DEVELOPMENT}[limits]\nworker_threads = 8\nmax_in_flight_per_partner = {cap}\n"
    if good:
        assert told(tmp_path, toml).limits.max_in_flight_per_partner == cap
    else:
        (problem,) = problems_of(tmp_path, toml)
        assert "one partner could hold all of the 8 worker_threads" in problem.problem


@pytest.mark.parametrize("value", ["true", '"many"', "2.5", "[2]", '""', "1e9", "9" * 30])
def test_what_is_no_whole_number_is_refused(tmp_path: Path, value: str) -> None:
    toml = f"{DEVELOPMENT}[limits]\ndefault_deadline_ms = {value}\n"
    assert fields_of(problems_of(tmp_path, toml)) == ["limits.default_deadline_ms"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[limits]\ndefault_deadline_ms = "many"', "it isn't a whole number"),
        ("[limits]\ndefault_deadline_ms = 2.5", "it isn't a whole number"),
        ("[limits]\ndefault_deadline_ms = [2]", "it isn't a whole number"),
        (f"[limits]\ndefault_deadline_ms = {'9' * 30}", "it is more than 60000"),
        (f"[limits]\ndefault_deadline_ms = '{'9' * 5000}'", "it has too many digits"),
        ("[limits]\ndefault_deadline_ms = -1", "it is less than 100"),
        ('[engine]\nkind = "none"', "it is not 'embedded' or 'remote'"),
        ('[attestation]\nalgorithm = "RS256"', "it is not 'ES256' or 'Ed25519'"),
        ("[tls]\nkey = 3", "it isn't a path"),
        ("issuer = 3", "it isn't text"),
        (f"log_origin = 'a{'b' * 255}'", "it has more than 255 characters"),
        ('issuer = "ftp://x"', "it has another form"),
        ('[listen]\npartner = "nowhere"', "it isn't HOST:PORT with a port of 0 to 65535"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_in_our_words(tmp_path: Path, toml: str, said: str) -> None:
    (problem,) = problems_of(tmp_path, DEVELOPMENT + toml)
    assert problem.problem.endswith(f"; {said}"), problem


@pytest.mark.parametrize("value", ['""', '"a\\u0000b"', "3", "false"])
def test_what_is_no_path_is_refused(tmp_path: Path, value: str) -> None:
    assert fields_of(problems_of(tmp_path, f"{DEVELOPMENT}[tls]\nkey = {value}\n")) == ["tls.key"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),  # noqa: S104
        ("localhost:1", Address("localhost", 1)),
        ("[::1]:8443", Address("::1", 8443)),
        ("gateway-1.example:8443", Address("gateway-1.example", 8443)),
    ],
)
def test_an_address_reads_as_it_is_written(tmp_path: Path, text: str, address: Address) -> None:
    assert told(tmp_path, f'{DEVELOPMENT}[listen]\npartner = "{text}"\n').listen.partner == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "localhost", ":8443", "localhost:", "localhost:65536", "localhost:-1", "::1:8443", "[::g]:1",
     "[::1:2:]:1", "a b:1", "localhost:8443\n", "localhost:８443", "http://localhost:1", "localhost:1/x",
     "a\u0000:1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(tmp_path: Path, text: str) -> None:
    variables = {"SCOREGATE_LISTEN__PARTNER": text}
    assert fields_of(problems_of(tmp_path, DEVELOPMENT, **variables)) == ["listen.partner"]


@pytest.mark.parametrize(
    ("partner", "admin", "good"),
    [
        ("127.0.0.1:9000", "127.0.0.1:9000", False),
        ("0.0.0.0:9000", "127.0.0.1:9000", False),
        ("127.0.0.1:9000", "[::]:9000", False),
        ("127.0.0.1:9000", "127.0.0.2:9000", True),
        ("127.0.0.1:9000", "127.0.0.1:9001", True),
        ("127.0.0.1:0", "127.0.0.1:0", True),
    ],
)
def test_two_doors_do_not_share_an_address(tmp_path: Path, partner: str, admin: str, *, good: bool) -> None:
    toml = f'{DEVELOPMENT}[listen]\npartner = "{partner}"\nadmin = "{admin}"\n'
    if good:
        assert str(told(tmp_path, toml).listen.admin) == admin
    else:
        assert fields_of(problems_of(tmp_path, toml)) == ["listen.admin"]


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///ledger.db", "HOME/ledger.db"),
        ("sqlite:///data/ledger.db", "HOME/data/ledger.db"),
        ("sqlite:////var/lib/ledger.db", "/var/lib/ledger.db"),
        ("postgresql+psycopg://scoregate:pw@db.example/ledger", None),
        ("postgresql+psycopg:///ledger?host=/run/postgresql", None),
    ],
)
def test_a_ledger_lies_in_a_file_or_on_a_server(tmp_path: Path, url: str, file: str | None) -> None:
    database = told(tmp_path, DEVELOPMENT, SCOREGATE_DATABASE__URL=url).database

    expected = file and file.replace("HOME", str(tmp_path))
    assert database.file == (Path(expected) if expected else None)
    assert database.url == (f"sqlite:///{expected}" if expected else url)


@pytest.mark.parametrize(
    "url",
    ["", "ledger.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/ledger.db",
     "sqlite:///ledger.db?mode=memory", "sqlite:///a\u0000b", "postgresql://u:hunter2@h/d", "mysql://u:hunter2@h/d",
     "postgresql+asyncpg://u:hunter2@h/d", "postgresql+psycopg://u:hunter2@h", "postgresql+psycopg://u:hunter2@[h/d",
     "postgresql+psycopg://u:hunter2℀@h/d"],
)  # fmt: skip
def test_a_wrong_ledger_address_is_refused_and_never_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        told(tmp_path, DEVELOPMENT, SCOREGATE_DATABASE__URL=url)

    assert fields_of(refused.value.problems) == ["database.url"]
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("toml", "variables"),
    [
        ('database = "postgresql+psycopg://u:hunter2@h/d"', {}),
        ('[database]\npassword = "hunter2"', {}),
        ('[database]\nurl = ["hunter2"]', {}),
        ('public_url = "http://u:hunter2@h"', {}),
        ("", {"SCOREGATE_DATABASE": "postgresql+psycopg://u:hunter2@h/d"}),
        ("", {"SCOREGATE_DATABASE_URL": "postgresql+psycopg://u:hunter2@h/d"}),
        ("", {"SCOREGATE_MASTER_KEY": "hunter2"}),
        ('[database\nurl = "hunter2"', {}),
    ],
)
def test_no_mistake_puts_a_secret_on_the_screen(tmp_path: Path, toml: str, variables: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        told(tmp_path, DEVELOPMENT + toml, **variables)
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


def test_the_text_of_the_settings_holds_no_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://u:hunter2@h/d"
    assert "hunter2" not in repr(told(tmp_path, DEVELOPMENT, SCOREGATE_DATABASE__URL=url))


def test_a_long_value_is_shown_in_part(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, DEVELOPMENT, SCOREGATE_ISSUER="x" * 10_000)
    assert len(problem.problem) < 200


# --- a broken file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'mode = "develop', "line 1, column 16"),
        (b'mode = "development"\n[limits', "line 2, column 8"),
        (b'mode = "development"\n[limits]\ndefault_deadline_ms =', "line 3, column 22"),
        (b'mode = "development"\n[limits]\ndefault_deadline_ms = = 3\n', "line 3, column 23"),
        (b"mode\n", "line 1, column 5"),
        (b'mode = "a"\nmode = "b"\n', "line 2, column 11"),
        (b'mode = "development"\n# caf\xe9\n', "line 2, column 6"),
        (b'\xef\xbb\xbfmode = "development"\n', "line 1, column 1"),
    ],
)
def test_a_half_written_file_is_refused_with_line_and_column(
    tmp_path: Path, content: bytes, where: str
) -> None:
    file = tmp_path / "scoregate.toml"
    file.write_bytes(content)

    with pytest.raises(SettingsInvalid) as refused:
        load({}, home=tmp_path)

    (problem,) = refused.value.problems
    assert problem.field == str(file)
    assert problem.problem.startswith(f"{where}: ")


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (
            "[limits]\ndefault_deadline_ms = 3\n[limits]\n",
            "line 3, column 8: the table [limits] was given before",
        ),
        ("[a.b]\n[a.b]\n", "line 2, column 5: the table [a.b] was given before"),
        (
            "limits.default_deadline_ms = 3\n[limits]\n",
            "line 2, column 8: the table [limits] was given before",
        ),
        ("limits = {}\n[limits.a]\n", "line 2, column 10: the table [limits.a] was given before"),
        ("[a]\nb.c = 1\n[a.b]\nd = 1\n", "line 3, column 5: the table [a.b] was given before"),
        ("mode = 1\nmode = 2\n", "line 2, column 9: this name was given before"),
    ],
)
def test_a_name_that_is_given_twice_is_told_in_toml_and_not_in_python(
    tmp_path: Path, toml: str, told: str
) -> None:
    (problem,) = problems_of(tmp_path, toml)
    assert (problem.field, problem.problem) == (str(tmp_path / "scoregate.toml"), told)


def test_a_broken_file_does_not_hide_a_wrong_variable(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, "mode =", SCOREGATE_MODUS="x")
    assert fields_of(problems) == ["SCOREGATE_MODUS", str(tmp_path / "scoregate.toml")]


def test_a_missing_file_is_refused_with_the_command_that_writes_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"No such file or directory[\s\S]*scoregate init"):
        load({"SCOREGATE_MODE": "development"}, home=tmp_path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scoregate.toml").mkdir()
    with pytest.raises(SettingsInvalid, match=r"can't be read[\s\S]*Correct the path"):
        load({}, home=tmp_path)


def test_a_file_cut_off_anywhere_is_refused_or_complete(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("cut")
    whole = re.sub(r"(?m)^#(?=\w+ = )", "", template(home))
    for size in range(0, len(whole), 7):
        with contextlib.suppress(SettingsInvalid):
            told(home, whole[:size])


@given(st.one_of(st.binary(max_size=200), st.sampled_from([b"a=" + b"[" * 5000, b"a=" + b"9" * 5000])))
def test_no_file_at_all_escapes_as_anything_but_a_refusal(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "scoregate.toml").write_bytes(content)
        with contextlib.suppress(SettingsInvalid):
            load({}, home=home)


@given(
    st.dictionaries(
        st.sampled_from([variable_for(name) for name, _ in settings_by_name()]),
        st.text(),
        min_size=1,
        max_size=3,
    )
)
def test_no_variable_at_all_escapes_as_anything_but_a_refusal(variables: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(SettingsInvalid):
        told(Path(folder), DEVELOPMENT, **variables)


# --- production -------------------------------------------------------------------------------------------


def test_production_is_what_an_empty_file_means_and_it_asks_for_names_of_its_own(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, "")

    assert fields_of(problems) == ["trust_domain", "issuer", "log_origin", "public_url", "pages.url"]
    assert problems[0].problem == "left at 'scoregate.local'; production refuses the names of development"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('provider = "http://login.credit.example"', "pages.provider"),
        ('provider = "login.credit.example"', "pages.provider"),
        ('time_zone = "Asia/Peking"', "pages.time_zone"),
        ('time_zone = "../etc/passwd"', "pages.time_zone"),
        ('phone_region = "cn"', "pages.phone_region"),
        ('client_id = ""', "pages.client_id"),
    ],
)
def test_what_the_pages_can_not_use_is_named(tmp_path: Path, line: str, field: str) -> None:
    assert fields_of(problems_of(tmp_path, OWN_NAMES + line)) == [field]


@pytest.mark.parametrize(
    ("lines", "told"), [("", "left at"), ('url = "http://me.example"\n', "in scoregate.toml")]
)
def test_plain_http_is_told_by_the_address_and_not_by_its_table(
    tmp_path: Path, lines: str, told: str
) -> None:
    table = OWN_NAMES.partition('url = "https://my')[0] + f'{lines}time_zone = "Asia/Shanghai"\n'
    (problem,) = problems_of(tmp_path, table)
    address = "http://me.example" if lines else "http://127.0.0.1:8081"
    said = f"{told} {address!r}" if told == "left at" else f"{address!r} {told}"
    assert (problem.field, problem.problem) == ("pages.url", f"{said}; production refuses plain http")


def test_production_with_names_of_its_own_does_not_describe_itself(tmp_path: Path) -> None:
    settings = told(tmp_path, OWN_NAMES)
    assert settings.mode == "production"
    assert not settings.reflection


@pytest.mark.parametrize(
    ("field", "own", "developments"),
    [
        ("trust_domain", 'trust_domain = "credit.example"', 'trust_domain = "scoregate.local"'),
        ("issuer", 'issuer = "https://credit.example"', 'issuer = "https://eu.scoregate.local"'),
        ("log_origin", 'log_origin = "credit.example/log/1"', 'log_origin = "scoregate.local/log/2026h2"'),
        ("public_url", 'public_url = "https://credit.example"', 'public_url = "http://credit.example"'),
        ("pages.url", 'url = "https://my.credit.example"', 'url = "http://my.credit.example"'),
    ],
)
def test_production_refuses_each_name_of_development(
    tmp_path: Path, field: str, own: str, developments: str
) -> None:
    assert own in OWN_NAMES
    problems = problems_of(tmp_path, OWN_NAMES.replace(own, developments))
    assert fields_of(problems) == [field]


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("postgresql+psycopg://u@db.example/d", False),
        ("postgresql+psycopg://u@db.example/d?sslmode=prefer", False),
        ("postgresql+psycopg://u@db.example/d?sslmode=require&sslmode=disable", False),
        ("postgresql+psycopg://u@db.example/d?sslmode=require", True),
        ("postgresql+psycopg://u@db.example/d?sslmode=verify-full", True),
        ("postgresql+psycopg://u@localhost/d", True),
        ("postgresql+psycopg://u@[::1]/d", True),
        ("postgresql+psycopg:///d?host=/run/postgresql", True),
        ("postgresql+psycopg:///d?host=db.example", False),
        ("postgresql+psycopg://localhost/d?host=db.example", False),
        ("postgresql+psycopg://localhost/d?hostaddr=10.0.0.1", False),
        ("sqlite:///ledger.db", True),
    ],
)
def test_production_reaches_a_database_over_the_network_by_tls_alone(
    tmp_path: Path, url: str, *, good: bool
) -> None:
    if good:
        assert told(tmp_path, OWN_NAMES, SCOREGATE_DATABASE__URL=url)
    else:
        (problem,) = problems_of(tmp_path, OWN_NAMES, SCOREGATE_DATABASE__URL=url)
        assert problem.field == "database.url"
        assert "sslmode=verify-full" in problem.remedy
    assert told(tmp_path, DEVELOPMENT, SCOREGATE_DATABASE__URL=url)


@pytest.mark.parametrize(
    "url", ["https://h/", "https://", "ftp://h", "https://h?x", "https://h#x", "https://u@h", "h"]
)
@pytest.mark.parametrize("name", ["issuer", "public_url"])
def test_a_public_address_has_a_host_and_no_slash_at_its_end(tmp_path: Path, name: str, url: str) -> None:
    assert fields_of(problems_of(tmp_path, f'{DEVELOPMENT}{name} = "{url}"\n')) == [name]
    assert told(tmp_path, f'{DEVELOPMENT}{name} = "https://h:8/a/b"\n')


@pytest.mark.parametrize(
    "url", ["https://h/", "https://h/a", "https://", "ftp://h", "https://h?x", "https://u@h"]
)
def test_the_pages_have_a_name_of_their_own(tmp_path: Path, url: str) -> None:
    """Their links know no path before theirs."""
    assert fields_of(problems_of(tmp_path, f'{DEVELOPMENT}[pages]\nurl = "{url}"\n')) == ["pages.url"]
    assert told(tmp_path, f'{DEVELOPMENT}[pages]\nurl = "https://h:8"\n')


# --- secrets ----------------------------------------------------------------------------------------------


def test_a_secret_is_32_random_bytes_for_its_owner_alone(tmp_path: Path) -> None:
    one, two = create_secret(tmp_path / "one.key"), create_secret(tmp_path / "two.key")

    assert read_secret(tmp_path / "one.key") == one
    assert len(one) == 32
    assert one != two
    assert stat.S_IMODE((tmp_path / "one.key").stat().st_mode) == 0o600
    assert (tmp_path / "one.key").read_text() == one.hex() + "\n"


def test_a_secret_is_never_made_over_another(tmp_path: Path) -> None:
    secret = create_secret(tmp_path / "one.key")
    with pytest.raises(FileRefused, match="exists already"):
        create_secret(tmp_path / "one.key")
    assert read_secret(tmp_path / "one.key") == secret


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ab" * 31 + b"a",
        b"ab" * 32 + b"a",
        b"ab" * 33,
        b"ab" * 31,
        b"zz" * 32,
        b"ab" * 32 + b"\n\n",
        b" " + b"ab" * 32,
    ],
)
def test_a_secret_of_another_form_is_refused_and_never_shown(tmp_path: Path, content: bytes) -> None:
    create_private(tmp_path / "one.key", content)
    with pytest.raises(FileRefused, match="isn't 64 hexadecimal digits") as refused:
        read_secret(tmp_path / "one.key")
    assert "abab" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o700])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    create_secret(tmp_path / "one.key")
    (tmp_path / "one.key").chmod(mode)
    with pytest.raises(FileRefused, match="chmod 600"):
        read_secret(tmp_path / "one.key")


def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"one\.key is missing; restore it from your copy"):
        read_secret(tmp_path / "one.key")


# --- half-configured security -----------------------------------------------------------------------------


def put(folder: Path, name: str, pair: tuple[bytes, bytes]) -> None:
    for ending, content in zip((".pem", ".key"), pair, strict=True):
        (folder / (name + ending)).unlink(missing_ok=True)
        create_private(folder / (name + ending), content)


def install(home: Path, toml: str = DEVELOPMENT) -> Settings:
    """Everything that a development installation needs, a remote engine included."""
    pki = home / "pki"
    server, _, _ = (create_authority(pki, role, now=NOW) for role in AuthorityRole)
    put(pki, "server", server.issue_server((), now=NOW, days=30))
    put(pki, "engine", server.issue_server((), now=NOW, days=30))
    key, csr = new_key_and_request("gateway")
    uri = spiffe_uri("scoregate.local", "gateway", "gateway")
    put(pki, "gateway", (server.sign_request(csr, spiffe_uri=uri, now=NOW, days=30), key))
    make_private_folder(home / "keys/attestation")
    create_private(home / "keys/attestation/first.pem", new_key_and_request("x")[0])
    make_private_folder(home / "keys/log")
    create_private(home / "keys/log/first.pem", new_key_and_request("x")[0])
    (home / "log").mkdir()
    (home / "log/policy").write_text("quorum none\n")
    create_secret(home / "keys/pairwise.key")
    create_secret(home / "keys/master.key")
    (home / "engine").mkdir()
    return told(home, toml)


def found(settings: Settings, *, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(problem.field, problem.problem) for problem in check_files(settings, now=now)]


@pytest.mark.parametrize("kind", ["embedded", "remote"])
def test_a_complete_installation_starts(tmp_path: Path, kind: str) -> None:
    settings = install(tmp_path, f'{DEVELOPMENT}[engine]\nkind = "{kind}"\n')

    assert check_files(settings, now=NOW) == []
    assert check_engine_files(settings, now=NOW) == []


def test_an_installation_that_never_was_made_is_one_mistake_not_ten(tmp_path: Path) -> None:
    write(tmp_path, DEVELOPMENT)
    settings = load({"SCOREGATE_CONFIG": str(tmp_path / "scoregate.toml")}, home=tmp_path / "absent")
    assert check_files(settings, now=NOW) == [
        Problem(
            "home",
            f"there is no folder {tmp_path}/absent",
            "Set SCOREGATE_HOME to the installation's folder, or restore that from your copy.",
        )
    ]


Break = Callable[[Path], None]


def remove(name: str) -> Break:
    return lambda home: (home / name).unlink()


def open_up(name: str, mode: int) -> Break:
    return lambda home: (home / name).chmod(mode)


def fill(name: str, content: bytes) -> Break:
    def breaks(home: Path) -> None:
        (home / name).write_bytes(content)

    return breaks


def copy(source: str, target: str) -> Break:
    def breaks(home: Path) -> None:
        (home / target).write_bytes((home / source).read_bytes())

    return breaks


def ended_server(home: Path) -> None:
    old = NOW - timedelta(days=400)
    for name in ("server-ca.key", "server-ca.pem"):
        (home / "pki" / name).unlink()
    authority = create_authority(home / "pki", AuthorityRole.SERVER, now=old)
    put(home / "pki", "server", authority.issue_server((), now=old, days=30))


def ed25519_server(home: Path) -> None:
    authority = make_authority(AuthorityRole.SERVER, "some CA")
    made = make_certificate(authority, usages=(SERVER_AUTH,), key=ed25519.Ed25519PrivateKey.generate())
    put(home / "pki", "server", (made.certificate_pem, made.key_pem))


def no_engine(home: Path) -> None:
    (home / "engine").rmdir()


def no_log_folder(home: Path) -> None:
    (home / "log").rename(home / "elsewhere")


def no_signing_folder(home: Path) -> None:
    (home / "keys/attestation").rename(home / "keys/elsewhere")


# What is done to a complete installation; the fields that must be named then, with words about each.
MATRIX: dict[str, tuple[tuple[Break, ...], tuple[tuple[str, str], ...]]] = {
    "no server key": ((remove("pki/server.key"),), (("tls.key", "is missing"),)),
    "no server pair": (
        (remove("pki/server.key"), remove("pki/server.pem")),
        (("tls.key", "is missing"), ("tls.certificate", "is missing")),
    ),
    "open server key": ((open_up("pki/server.key", 0o640),), (("tls.key", "mode 0640, wider than 0600"),)),
    "half a key": ((fill("pki/server.key", b"-----BEGIN"),), (("tls.key", "private key in PEM"),)),
    "another key": ((copy("pki/engine.key", "pki/server.key"),), (("tls.certificate", "doesn't fit"),)),
    "a client's pair": (
        (copy("pki/gateway.key", "pki/server.key"), copy("pki/gateway.pem", "pki/server.pem")),
        (("tls.certificate", "lacks the serverAuth usage"),),
    ),
    "a certificate that ended": ((ended_server,), (("tls.certificate", "ended on "),)),
    "a key gRPC can't use": ((ed25519_server,), (("tls.certificate", "of a kind that gRPC can't use"),)),
    "no partner CA": (
        (remove("pki/partner-ca.pem"),),
        (("tls.partner_ca", "is missing"), ("tls.authorities", "is missing")),
    ),
    "an empty staff CA": (
        (fill("pki/staff-ca.pem", b""),),
        (("tls.staff_ca", "isn't a certificate"), ("tls.authorities", "isn't a certificate")),
    ),
    "one development CA for both doors": (
        (copy("pki/staff-ca.pem", "pki/partner-ca.pem"), copy("pki/staff-ca.key", "pki/partner-ca.key")),
        (("tls.partner_ca", "is the staff CA"), ("tls.authorities", "is the staff CA")),
    ),
    "a server certificate as a CA": (
        (copy("pki/server.pem", "pki/staff-ca.pem"),),
        (("tls.staff_ca", "isn't a CA's"), ("tls.authorities", "isn't a CA's")),
    ),
    "an open CA key": ((open_up("pki/partner-ca.key", 0o644),), (("tls.authorities", "mode 0644"),)),
    "no CA key": ((remove("pki/staff-ca.key"),), (("tls.authorities", "is missing"),)),
    "no pairwise secret": ((remove("keys/pairwise.key"),), (("secrets.pairwise_key", "is missing"),)),
    "an open master secret": ((open_up("keys/master.key", 0o644),), (("secrets.master_key", "mode 0644"),)),
    "a short secret": (
        (fill("keys/master.key", b"abc"),),
        (("secrets.master_key", "64 hexadecimal digits"),),
    ),
    "one secret twice": (
        (copy("keys/master.key", "keys/pairwise.key"),),
        (("secrets.master_key", "equals secrets.pairwise_key"),),
    ),
    "no folder of signing keys": ((no_signing_folder,), (("attestation.key_folder", "is missing"),)),
    "no signing key": (
        (remove("keys/attestation/first.pem"),),
        (("attestation.key_folder", "holds no key"),),
    ),
    "an open signing key": (
        (open_up("keys/attestation/first.pem", 0o604),),
        (("attestation.key_folder", "first.pem has mode 0604"),),
    ),
    "an open folder of signing keys": (
        (open_up("keys/attestation", 0o755),),
        (("attestation.key_folder", "mode 0755, wider than 0700"),),
    ),
    "no key of the log": ((remove("keys/log/first.pem"),), (("log.key_folder", "holds no key"),)),
    "an open key of the log": (
        (open_up("keys/log/first.pem", 0o640),),
        (("log.key_folder", "first.pem has mode 0640"),),
    ),
    "no folder for the last checkpoint": (
        (no_log_folder,),
        (("log.checkpoint", "there is no folder"), ("log.policy", "is missing")),
    ),
    "witnesses that can't be read": (
        (fill("log/policy", b"witness compliance rubbish\nquorum compliance\n"),),
        (("log.policy", "can't be used (policy line 1: "),),
    ),
    "a quorum of nobody": ((fill("log/policy", b""),), (("log.policy", "can't be used"),)),
    "no engine": ((no_engine,), (("engine.folder", "there is no folder"),)),
    "four things at once": (
        (
            remove("keys/master.key"),
            open_up("pki/server.key", 0o644),
            no_engine,
            fill("pki/staff-ca.key", b""),
        ),
        (
            ("tls.key", "mode 0644"),
            ("tls.authorities", "private key in PEM"),
            ("secrets.master_key", "is missing"),
            ("engine.folder", "there is no folder"),
        ),
    ),
}


@pytest.mark.parametrize(("breaks", "expected"), MATRIX.values(), ids=MATRIX.keys())
def test_half_configured_security_does_not_start(
    tmp_path: Path, breaks: tuple[Break, ...], expected: tuple[tuple[str, str], ...]
) -> None:
    settings = install(tmp_path)
    for broken in breaks:
        broken(tmp_path)

    problems = check_files(settings, now=NOW)

    assert fields_of(problems) == [field for field, _ in expected]
    for problem, (_, words) in zip(problems, expected, strict=True):
        assert words in problem.problem
        assert problem.remedy.endswith(".")


@pytest.mark.parametrize(
    ("lose", "remedy"),
    [
        (remove("pki/server.key"), "Restore it from your copy, or correct its path."),
        (remove("pki/staff-ca.key"), "Restore it from your copy, .*: a new CA would lock out everybody "),
        (remove("keys/pairwise.key"), "Restore it from your copy, .*: partners' references to people "),
        (
            remove("keys/master.key"),
            "Restore it from your copy, .*: each person's records are sealed with it",
        ),
        (fill("keys/master.key", b"abc"), "Restore it from your copy, .*: each person's records "),
        (copy("keys/master.key", "keys/pairwise.key"), "Restore both from your copies: "),
        (no_signing_folder, "Restore it from your copy, .*: partners hold the public halves of its keys"),
        (
            remove("keys/attestation/first.pem"),
            "Restore it from your copy, .*: partners hold the public halves",
        ),
        (remove("keys/log/first.pem"), "Restore it from your copy, .*: whoever verifies the log .*upgrade"),
        (remove("log/policy"), "Restore it from your copy, .*upgrade"),
        (no_engine, r"Run `scoregate engine train --out '/.*a home/engine'`, or correct the path\."),
    ],
)
def test_what_was_lost_is_restored_or_trained_and_never_made_by_init(
    tmp_path: Path, lose: Break, remedy: str
) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    settings = install(home)
    lose(home)

    (problem,) = check_files(settings, now=NOW)

    assert re.match(remedy, problem.remedy), problem.remedy
    assert "scoregate init" not in problem.remedy


def test_an_address_of_another_machine_is_named_with_the_rest(tmp_path: Path) -> None:
    toml = '[listen]\nhttp = "192.0.2.1:0"\n[engine]\naddress = "nobody.invalid:1"\n'
    settings = install(tmp_path, DEVELOPMENT + toml)
    remove("keys/master.key")(tmp_path)

    assert found(settings)[0] == ("listen.http", "192.0.2.1 is no address of this machine")
    assert [field for field, _ in found(settings)] == ["listen.http", "secrets.master_key"]
    (problem,) = check_engine_files(settings, now=NOW)
    assert problem.field == "engine.address"
    assert "127.0.0.1" in problem.remedy


def test_doors_that_trust_one_ca_of_any_name_do_not_open(tmp_path: Path) -> None:
    shared = make_authority(AuthorityRole.PARTNER, "Example CA").certificate_pem
    toml = DEVELOPMENT + '[tls]\npartner_ca = "a.pem"\nstaff_ca = "b.pem"\n'
    settings = install(tmp_path, toml)
    development = (tmp_path / "pki/partner-ca.pem").read_bytes()
    (tmp_path / "a.pem").write_bytes(development + shared)
    (tmp_path / "b.pem").write_bytes((tmp_path / "pki/staff-ca.pem").read_bytes() + shared)

    assert found(settings) == [("tls.staff_ca", "the partner door trusts the same CA")]


def test_swapped_ca_files_do_not_open_either_door(tmp_path: Path) -> None:
    toml = DEVELOPMENT + '[tls]\npartner_ca = "pki/staff-ca.pem"\nstaff_ca = "pki/partner-ca.pem"\n'
    assert [field for field, _ in found(install(tmp_path, toml))] == ["tls.partner_ca", "tls.staff_ca"]


def test_an_authority_that_its_own_door_does_not_trust_may_not_sign(tmp_path: Path) -> None:
    settings = install(tmp_path, DEVELOPMENT + '[tls]\npartner_ca = "other.pem"\n')
    (tmp_path / "other.pem").write_bytes(make_authority(AuthorityRole.PARTNER, "Example CA").certificate_pem)

    ((field, problem),) = found(settings)
    assert field == "tls.authorities"
    assert "holds a partner CA that tls.partner_ca doesn't list" in problem


def test_certificates_that_have_ended_or_not_begun_do_not_start(tmp_path: Path) -> None:
    settings = install(tmp_path)

    assert found(settings, now=NOW + timedelta(days=29)) == []
    late = found(settings, now=NOW + timedelta(days=31))
    assert [field for field, _ in late] == ["tls.certificate"]
    early = found(settings, now=NOW - timedelta(hours=1))
    assert [field for field, _ in early] == [
        "tls.certificate", "tls.server_ca", "tls.partner_ca", "tls.staff_ca",
    ]  # fmt: skip
    assert all("isn't valid yet" in problem for _, problem in early)


def test_a_ledger_in_a_folder_that_is_not_there_does_not_start(tmp_path: Path) -> None:
    settings = install(tmp_path, DEVELOPMENT + '[database]\nurl = "sqlite:///absent/ledger.db"\n')
    assert found(settings) == [("database.url", f"there is no folder {tmp_path}/absent")]


REMOTE = DEVELOPMENT + '[engine]\nkind = "remote"\n'


@pytest.mark.parametrize(
    ("name", "gateway_finds", "engine_finds"),
    [
        ("gateway.pem", ["engine.certificate"], []),
        ("gateway.key", ["engine.key"], []),
        ("engine.pem", [], ["engine.server_certificate"]),
        ("engine.key", [], ["engine.server_key"]),
        ("server-ca.pem", ["tls.server_ca", "engine.ca"], ["engine.ca"]),
    ],
)
def test_each_side_of_a_remote_engine_needs_its_own_files(
    tmp_path: Path, name: str, gateway_finds: list[str], engine_finds: list[str]
) -> None:
    settings = install(tmp_path, REMOTE)
    (tmp_path / "pki" / name).unlink()

    assert fields_of(check_files(settings, now=NOW)) == gateway_finds
    assert fields_of(check_engine_files(settings, now=NOW)) == engine_finds


def test_the_gateway_does_not_show_the_engine_a_server_certificate(tmp_path: Path) -> None:
    toml = REMOTE + 'certificate = "pki/server.pem"\nkey = "pki/server.key"\n'
    ((field, problem),) = found(install(tmp_path, toml))
    assert field == "engine.certificate"
    assert "lacks the clientAuth usage" in problem


def test_production_refuses_every_certificate_of_development(tmp_path: Path) -> None:
    settings = install(tmp_path, OWN_NAMES + '[engine]\nkind = "remote"\n')

    assert [field for field, _ in found(settings)] == [
        "tls.certificate", "tls.server_ca", "tls.partner_ca", "tls.staff_ca", "engine.ca",
        "engine.certificate",
    ]  # fmt: skip
    assert all("development CA" in problem for _, problem in found(settings))


def own_authority(pki: Path, role: AuthorityRole) -> Authority:
    authority = make_authority(role, f"Credit Example {role} CA")
    (pki / f"{role}-ca.pem").write_bytes(authority.certificate_pem)
    (pki / f"{role}-ca.key").write_bytes(
        authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return authority


def test_production_starts_on_authorities_of_its_own(tmp_path: Path) -> None:
    settings = install(tmp_path, OWN_NAMES)
    pki = tmp_path / "pki"
    server, _, _ = (own_authority(pki, role) for role in AuthorityRole)
    made = make_certificate(server, usages=(SERVER_AUTH,), uris=())
    put(pki, "server", (made.certificate_pem, made.key_pem))

    assert found(settings) == []
