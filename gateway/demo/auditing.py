"""The last chapter: a compliance officer pulls the log and recomputes it without the gateway."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.demo.page import Page, StepFailed
from gateway.demo.stage import Stage

DIVERGED = 4  # the exit code of `scoregate log verify`


def audit(stage: Stage, page: Page) -> None:
    """A compliance officer pulls the log with a certificate of that role, and recomputes every hash offline,
    against the receipts of lender and borrower. Then one bit is changed.
    """
    folder, officer, receipts = stage.home / "officer" / "log", stage.officer, stage.meadow.receipts
    code, pulled = stage.gateway.run(
        *("audit", "pull", folder, "--gateway", stage.gateway.admin_address),
        *("--cert", officer.certificate, "--key", officer.key, "--ca", officer.server_ca),
    )
    if code:
        raise StepFailed("the officer pulls the log", _why(pulled))
    stage.after_pull(folder)
    code, report = stage.gateway.run("log", "verify", folder, "--receipts", receipts)
    if code:
        raise StepFailed("the pulled log recomputes", _why(report))
    page.facts(
        [
            ("log", str(report["origin"])),
            ("entries", f"{report['tree_size']:,}"),
            ("root", str(report["root_hash"])),
            ("releases", f"{report['releases']:,}, and {report['replays']} given again"),
        ]
    )
    page.gap()
    page.check(
        "the officer pulled the whole log",
        pulled["tree_size"] == report["tree_size"],
        f"{pulled['tree_size']:,} entries",
    )
    page.check(
        "recomputed, its root is the gateway's",
        pulled["root_hash"] == report["root_hash"],
        f"{report['root_hash'][:16]}…",
    )
    filed = len(list(receipts.glob("*.json")))
    page.check(
        "every receipt that the lender filed is in it",
        report["receipts"] == filed == stage.meadow.answers,
        f"{filed:,} receipts for {stage.meadow.answers:,} answers",
    )
    page.check(
        "nothing else was released",
        report["releases"] == stage.meadow.answers,
        f"{report['releases']:,} releases",
    )
    page.check(
        "log, meters and receipts agree on the bill",
        report["units"] == stage.units() == stage.meadow.units,
        f"{report['units']:,} units",
    )
    _check_consent_receipt(stage, page, folder)
    _check_flipped_bit(stage, page, folder)


def _check_consent_receipt(stage: Stage, page: Page, folder: Path) -> None:
    code, told = stage.gateway.run(
        *("consent-receipt", "verify", stage.receipt, "--jwks", stage.meadow.jwks, "--log", folder)
    )
    events = told["receipt"]["events"] if code == 0 else []
    page.check(
        "every event of the borrower's receipt is in it",
        code == 0 and told["log"] is not None,
        f"{len(events)} events" if code == 0 else _why(told),
    )


def _check_flipped_bit(stage: Stage, page: Page, folder: Path) -> None:
    """Change one bit in a copy of the log: of the digest in the entry of the borrower's answer."""
    spoilt = folder.with_name("spoilt")
    shutil.copytree(folder, spoilt)
    flip_bit(spoilt, sha256(stage.answer.attestation.encode()).digest())
    code, report = stage.gateway.run("log", "verify", spoilt)
    page.check("one flipped bit is found", code == DIVERGED, f"exit code {code}, {report['result']}")
    alone = _why(report)
    code, report = stage.gateway.run("log", "verify", spoilt, "--receipts", stage.meadow.receipts)
    index = stage.answer.receipt.leaf_index
    page.check(
        "a receipt shows where",
        report.get("index") == index,
        f"exit code {code}, entry {report.get('index')}",
    )
    page.gap()
    page.facts([("root alone", alone), ("receipt", _why(report))])


def flip_bit(folder: Path, sought: bytes) -> None:
    """Change the first bit of some bytes that a pulled log holds.

    Raises:
        StepFailed: It does not hold them.
    """
    for file in sorted((folder / "tile").rglob("*")):
        data = bytearray(file.read_bytes()) if file.is_file() else bytearray()
        if (at := data.find(sought)) >= 0:
            data[at] ^= 0x80
            file.write_bytes(data)
            return
    raise StepFailed("the pulled log holds the borrower's answer", "no entry names its attestation")


def _why(result: dict[str, Any]) -> str:
    """Return the sentence of a command that did not end well."""
    problems = [f"{each['problem']} {each['remedy']}".strip() for each in result.get("problems", ())]
    return str(result.get("message") or " ".join(problems) or result)
