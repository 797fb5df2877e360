"""The last chapter: who vouches for one answer, link after link, once nobody is there to be asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.demo.commands import is_listening, why
from gateway.demo.page import Page, StepFailed
from gateway.demo.stage import Stage
from gateway.demo.witness import NAME
from scoregate.errors import VerificationFailed
from scoregate.proof.jwk import VerificationKeys
from scoregate.proof.kept import Kept
from scoregate.showing import second
from scoregate.tlog import tree_tiles
from scoregate.tlog.checkpoint import Checkpoint
from scoregate.tlog.faults import LogError
from scoregate.tlog.merkle import leaf_hash
from scoregate.tlog.note import Note
from scoregate.tlog.policy import Judged, Policy
from scoregate.tlog.proof import TlogProof
from scoregate.tlog.sources import Folder
from scoregate.tlog.tiles import tile_path

INVALID = 3  # the exit code of `scoregate verify`
FLIPPED = "a letter of the proof's first hash"


def vouch(stage: Stage, page: Page) -> None:
    """Gateway, pages and witness are gone, and the lender still has its file. With the keys that it pinned
    everything in it is checked, from the attestation to the witness, and so is the borrower's own proof.
    """
    borrowed = _download(stage)
    addresses = stage.go_dark()
    page.facts(
        [
            ("file", f"{stage.kept.parent.name}/{stage.kept.name}, {stage.kept.stat().st_size:,} bytes"),
            ("keys", f"{stage.meadow.jwks.name} of the issuer, policy of the log and its witness"),
        ]
    )
    page.gap()
    page.check(
        "nobody is there to be asked",
        not any(map(is_listening, addresses)),
        f"{len(addresses)} addresses, at which nobody listens any more",
    )
    stage.after_keep(stage.kept)
    code, told = _verify(stage, stage.kept)
    if code:
        raise StepFailed("the lender's file holds", f"exit code {code}: {why(told)}")
    _check_links(stage, page, told)
    _check_borrowed(stage, page, *borrowed)
    _check_flipped_byte(stage, page)


def _download(stage: Stage) -> tuple[Path, Path]:
    """Have the borrower download proof and leaf of the answer, from their page about that entry."""
    index, browser = stage.answer.receipt.leaf_index, stage.borrower.browser
    entry = browser.open(f"/asked/{index}")
    files = []
    for name in ("proof", "leaf"):
        files.append(stage.home / "borrower" / f"entry-{index}.{name}")
        files[-1].write_bytes(browser.download(entry.link(f"/asked/{index}/{name}")))
    proof, leaf = files
    return proof, leaf


def _verify(stage: Stage, file: Path) -> tuple[int, dict[str, Any]]:
    meadow, issuer = stage.meadow, stage.gateway.settings.issuer
    return stage.gateway.run(
        *("verify", file, "--jwks", meadow.jwks, "--policy", stage.policy),
        *("--issuer", issuer, "--audience", meadow.partner_id),
    )


def _check_links(stage: Stage, page: Page, told: dict[str, Any]) -> None:
    """Compare each link that `scoregate verify` followed with what the story knows of it."""
    answer, size, root = stage.answer, told["tree_size"], told["root_hash"]
    said = told["answer"]["scored"]["score"]
    page.check(
        "attestation: the issuer's word, to this lender",
        (told["issuer"], told["partner_id"], said)
        == (stage.gateway.settings.issuer, stage.meadow.partner_id, answer.score),
        f"score {said}, for {told['purpose']}",
    )
    page.check(
        "question: the one that was asked",
        told["request_id"] == stage.query.request_id,
        f"request {told['request_id']}",
    )
    page.check(
        "leaf: it names this very attestation",
        (told["log_origin"], told["leaf_index"]) == (answer.receipt.log_origin, answer.receipt.leaf_index),
        f"entry {told['leaf_index']} of {told['log_origin']}",
    )
    page.check(
        "inclusion proof: the leaf is in the tree",
        root == _root_as_pulled(stage.home / "officer" / "log", size),
        f"{size:,} entries, root {root[:8]}…, as pulled",
    )
    key_id = stage.vkey.split("+")[1]
    page.check("checkpoint: signed by the log", told["signed_by"] == stage.vkey, f"key {key_id}, as pinned")
    cosigned = told["cosigned"]
    page.check(
        "cosignature: the witness saw that tree",
        list(cosigned) == [NAME],
        f"{NAME}, {cosigned.get(NAME)}",
    )


def _root_as_pulled(log: Path, size: int) -> str:
    """Return the root over the first entries of the log that compliance pulled and recomputed."""
    folder = Folder(log)
    widths = {(each.level, each.number): each.width for each in folder.listing()}

    def read(level: int, number: int, _: int) -> bytes:
        return (log / tile_path(level, number, widths[level, number])).read_bytes()

    return tree_tiles.root(size, read).hex()


def _check_borrowed(stage: Stage, page: Page, proof: Path, leaf: Path) -> None:
    entry = leaf.read_bytes()
    page.check(
        "the borrower downloaded the very same leaf",
        entry == stage.answer.receipt.leaf,
        f"{len(entry):,} bytes, all equal",
    )
    judged = _judge(stage, proof, entry)
    page.check(
        "their proof of it holds by the same policy",
        list(judged.cosigned) == [NAME],
        f"{judged.checkpoint.size:,} entries, cosigned {second(judged.cosigned[NAME])}",
    )


def _judge(stage: Stage, proof: Path, entry: bytes) -> Judged:
    policy = Policy.parse(stage.policy.read_bytes())
    try:
        return TlogProof.decode(proof.read_bytes()).require(leaf_hash(entry), policy)
    except LogError as error:
        raise StepFailed("the borrower's proof holds", f"{error}") from error


def _check_flipped_byte(stage: Stage, page: Page) -> None:
    """Flip a bit of one byte for the command to find; then of each byte of the file, one after the other."""
    kept, changed = stage.kept.read_bytes(), stage.meadow.folder / f"changed-{stage.kept.name}"
    at = flip_byte(stage.kept, changed)
    code, told = _verify(stage, changed)
    page.check(
        "one flipped byte of the file is found", code == INVALID, f"exit code {code}, {told['result']}"
    )
    with page.progress("flipping each byte", len(kept)) as done:
        refused = _refused(stage, kept, done)
    page.check("so is any other", refused == len(kept), f"each of {len(kept):,} bytes, one at a time")
    page.gap()
    page.facts([("flipped", f"byte {at:,}, {FLIPPED}"), ("it says", why(told))])


def covered(kept: Path) -> int:
    """Return how many entries the log had by the checkpoint in a kept file; the client has verified it."""
    proof = Kept.decode(kept.read_bytes()).proof
    return Checkpoint.decode(Note.decode(proof.checkpoint).text).size


def flip_byte(kept: Path, changed: Path) -> int:
    """Write a kept file with one letter of a hash in its proof changed; return which byte."""
    data = kept.read_bytes()
    line = data.index(b"\\nindex ", data.index(b'"proof"')) + 2  # of a text in JSON: newlines are escaped
    first = data.index(b"\\n", line) + 2
    at = next(each for each in range(first, len(data)) if chr(data[each] ^ 1).isalnum())
    changed.write_bytes(_flipped(data, at))
    return at


def _refused(stage: Stage, kept: bytes, done: Callable[[int], None]) -> int:
    """Return how many of the file's bytes can't be another."""
    keys = VerificationKeys.from_jwks(stage.meadow.client.jwks)
    policy, now, refused = Policy.parse(stage.policy.read_bytes()), datetime.now(UTC), 0
    for at in range(len(kept)):
        try:
            Kept.decode(_flipped(kept, at)).verify(keys=keys, policy=policy, now=now)
        except (LogError, VerificationFailed):
            refused += 1
        done(at + 1)
    return refused


def _flipped(kept: bytes, at: int) -> bytes:
    return kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :]
