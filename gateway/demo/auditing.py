"""The last chapter but one: a compliance officer pulls the log and recomputes it without the gateway."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.demo.commands import why
from gateway.demo.page import Page, StepFailed
from gateway.demo.stage import Stage
from gateway.demo.witness import NAME
from scoregate.auditing.pulled import PulledLog

DIVERGED = 4  # the exit code of `scoregate log verify`


def audit(stage: Stage, page: Page) -> None:
    """A compliance officer pulls the log with a certificate of that role, and recomputes every hash offline,
    up to what the log signed and the witness cosigned, against the receipts of lender and borrower. Then one
    bit is changed, and the hashes made to fit it.
    """
    folder, officer, receipts = stage.home / "officer" / "log", stage.officer, stage.meadow.receipts
    code, pulled = stage.gateway.run(
        *("audit", "pull", folder, "--gateway", stage.gateway.admin_address),
        *("--cert", officer.certificate, "--key", officer.key, "--ca", officer.server_ca),
    )
    if code:
        raise StepFailed("the officer pulls the log", why(pulled))
    stage.after_pull(folder)
    code, report = _verify(stage, folder, "--receipts", receipts)
    if code:
        raise StepFailed("the pulled log recomputes", why(report))
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
    page.check(
        "its checkpoint is the log's, and the witness's",
        report["signed_by"] == stage.vkey and list(report["cosigned"]) == [NAME],
        f"{NAME}, {report['cosigned'].get(NAME)}",
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


def _verify(stage: Stage, folder: Path, *options: str | Path) -> tuple[int, dict[str, Any]]:
    return stage.gateway.run("log", "verify", folder, "--policy", stage.policy, *options)


def _check_consent_receipt(stage: Stage, page: Page, folder: Path) -> None:
    code, told = stage.gateway.run(
        *("consent-receipt", "verify", stage.receipt, "--jwks", stage.meadow.jwks, "--log", folder)
    )
    events = told["receipt"]["events"] if code == 0 else []
    page.check(
        "every event of the borrower's receipt is in it",
        code == 0 and told["log"] is not None,
        f"{len(events)} events" if code == 0 else why(told),
    )


def _check_flipped_bit(stage: Stage, page: Page, folder: Path) -> None:
    """Change one bit in a copy of the log, of the digest in the entry of the borrower's answer; then the hash
    tiles over it, too, as whoever keeps the log could.
    """
    spoilt, index = folder.with_name("spoilt"), stage.answer.receipt.leaf_index
    shutil.copytree(folder, spoilt)
    flip_bit(spoilt, sha256(stage.answer.attestation.encode()).digest())
    code, report = _verify(stage, spoilt)
    found = code == DIVERGED and report["index"] == index
    page.check("one flipped bit is found, and where", found, f"exit code {code}, entry {report['index']}")
    said = [("tiles", why(report))]
    make_fit(spoilt)
    code, report = _verify(stage, spoilt)
    page.check("the tiles made to fit it, the root does not", code == DIVERGED, f"exit code {code}")
    said.append(("root", why(report)))
    code, report = _verify(stage, spoilt, "--receipts", stage.meadow.receipts)
    found = code == DIVERGED and report["index"] == index
    page.check("a receipt shows where", found, f"exit code {code}, entry {report['index']}")
    said.append(("receipt", why(report)))
    page.gap()
    page.facts(said)


def make_fit(folder: Path) -> None:
    """Compute the hash tiles of a pulled log again, from its entries as they are now."""
    for level in (folder / "tile").iterdir():
        if level.name.isdigit():
            shutil.rmtree(level)
    PulledLog(folder).write_tiles()


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
