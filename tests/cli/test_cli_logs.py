"""What a running gateway writes, and what it never writes.

Each case configures a process of its own: log lines are a matter of the whole process.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gateway
from gateway.cli.logs import FIELDS

PERSON = "uci-00001"
SETUP = "import logging, structlog, threading, warnings\nfrom gateway.cli.logs import configure\n"


def written(program: str, *, development: bool = False) -> str:
    code = f"{SETUP}configure(development={development})\nlog = structlog.get_logger()\n{program}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    return ended.stderr


def lines(program: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(program).splitlines()]


def test_production_writes_one_json_object_a_line() -> None:
    (line,) = lines("log.error('unexpected failure', method='/a.B/C', request_id='7')")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "unexpected failure",
        "level": "error",
        "method": "/a.B/C",
        "request_id": "7",
    }


def test_a_field_that_is_not_on_the_list_is_withheld() -> None:
    (line,) = lines(f"log.error('x', subject='{PERSON}', score=700)")
    assert (line["subject"], line["score"]) == ("[withheld]", "[withheld]")
    assert PERSON in written(f"log.error('x', path='{PERSON}')")  # the control: a listed field is written
    assert PERSON not in written(f"log.error('x', subject='{PERSON}')", development=True)


def test_an_exception_shows_its_kind_and_place_and_none_of_its_words() -> None:
    program = f"""
def fail():
    try:
        raise KeyError('{PERSON}')
    except KeyError as error:
        raise ValueError('row {PERSON}') from error
try:
    fail()
except ValueError as error:
    log.error('unexpected failure', exc_info=error)
"""
    (line,) = lines(program)
    assert PERSON not in json.dumps(line)
    assert [each.split(" < ")[0] for each in line["exception"]] == [
        "builtins.ValueError",
        "builtins.KeyError",
    ]
    assert "fail" in line["exception"][0]
    assert PERSON in written(program, development=True)


def test_a_message_loses_what_its_contract_calls_personal() -> None:
    program = f"""
from scoregate.admin.v1 import consent_admin_pb2 as pb
from scoregate.partner.v1 import consent_pb2
consent = consent_pb2.Consent(consent_id='c', subject_ref='{PERSON}')
log.info('asked', message=pb.AllowInvitationRequest(handle='h', subject='{PERSON}'))
log.info('nested', message=pb.ListSubjectConsentsResponse(
    consents=[pb.SubjectConsent(partner_id='acme', consent=consent)]))
log.info('repeated', message=consent_pb2.ConsentTerms(disclosures=[1, 2]))
"""
    asked, nested, repeated = (line["message"] for line in lines(program))
    assert asked == {"handle": "h", "subject": "[pii]"}
    assert nested == {
        "consents": [{"partner_id": "acme", "consent": {"consent_id": "c", "subject_ref": "[pii]"}}]
    }
    assert repeated == {"disclosures": [1, 2]}
    assert PERSON not in written(program)


def test_other_libraries_are_told_by_their_place_alone() -> None:
    program = f"logging.getLogger('sqlalchemy.pool').error('row %s', '{PERSON}')"
    (line,) = lines(program)
    assert (line["logger"], line["level"]) == ("sqlalchemy.pool", "error")
    assert PERSON not in json.dumps(line)
    assert PERSON in written(program, development=True)


def test_our_own_rooms_speak_for_themselves() -> None:
    (line,) = lines("logging.getLogger('scoring.remote').error('engine call failed: %s', 'KeyError')")
    assert line["event"] == "engine call failed: KeyError"


def test_a_warning_and_a_dead_thread_are_lines_too() -> None:
    program = f"""
def die():
    raise RuntimeError('{PERSON}')
warnings.warn('{PERSON}')
thread = threading.Thread(target=die)
thread.start()
thread.join()
"""
    warned, died = lines(program)
    assert warned["logger"] == "py.warnings"
    assert (died["event"], died["exception"][0].split(" < ")[0]) == (
        "a thread ended unexpectedly",
        "builtins.RuntimeError",
    )
    assert PERSON not in written(program)


def test_development_is_for_reading() -> None:
    text = written("log.info('serving', partner='127.0.0.1:8443')", development=True)
    assert "serving" in text
    assert "partner=127.0.0.1:8443" in text


def test_every_field_that_our_rooms_log_is_on_the_list() -> None:
    named: set[str] = set()
    for file in Path(gateway.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                named |= {keyword.arg for keyword in node.keywords if keyword.arg}
    assert {"method", "request_id"} <= named <= FIELDS
