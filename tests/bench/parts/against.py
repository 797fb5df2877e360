"""GetScore beside that of an earlier revision: the same load in the same rounds, each over its own database.

The earlier one is taken out of git and runs as it was, in processes of its own (``earlier``); it shares the
installed packages.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.store import open_store
from scoregate.partner.v1 import score_pb2
from tests.bench import servers
from tests.bench.contest import Contender, Ground, one_by_one
from tests.bench.failed import BenchFailed
from tests.bench.figures import JOURNEY, Findings, quotients
from tests.bench.honesty import Auditor
from tests.bench.installation import Installation, Lender
from tests.bench.load import Connections
from tests.bench.servers import running
from tests.bench.turn import Turn

ROOT = Path(__file__).parents[3]
EARLIER = Path(__file__).with_name("earlier.py")
FOUND_SECONDS, STOP_SECONDS = 180.0, 15.0


def against(ground: Ground, revision: str) -> Findings:
    """Both, in turn."""
    folder = ground.folder / "earlier"
    tree = folder / "tree"
    tree.mkdir(parents=True)
    commit = _take_out(revision, tree)
    ground.say(f"GetScore beside that of {commit}")
    callers = _found(ground, tree, folder)
    made = ground.made
    name = f"GetScore at {commit}"
    with ExitStack() as stack:
        store = open_store(made.settings.database.url)
        stack.callback(store.close)
        gateway = stack.enter_context(running("gateway", servers.gateway, ground.server_core, made.settings))
        calls = stack.enter_context(Connections([gateway], made, "GetScore"))
        now = Contender(JOURNEY, one_by_one(calls, made), Auditor(store, made).require_singles)
        before = stack.enter_context(_serving(ground, tree, folder))
        calls = stack.enter_context(Connections([before], callers, "GetScore"))
        arms = ground.compete([now, Contender(name, one_by_one(calls, callers), _require_scores)])
    ratios = {
        "getscore_over_before": quotients(arms[name].cpu_us(), arms[JOURNEY].cpu_us()),
        "getscore_over_before_throughput": quotients(arms[JOURNEY].per_second(), arms[name].per_second()),
    }
    named = {f"{JOURNEY} beside it": arms[JOURNEY], name: arms[name]}
    return Findings(named, ratios, {"before": commit})


@dataclass(frozen=True, slots=True)
class Before:
    """The earlier gateway, in its process."""

    port: int
    process: subprocess.Popen[str]

    def cpu_seconds(self) -> float:
        """Processor time of the whole process so far, user and system."""
        return float(_asked(self.process, "cpu"))

    def database_cpu_seconds(self) -> float:
        """None: SQLite works in the process itself."""
        return 0.0


def _take_out(revision: str, tree: Path) -> str:
    """Its files; returns the commit's short name."""
    git = ["git", "-C", str(ROOT)]
    named = subprocess.run(
        [*git, "rev-parse", "--verify", "--short", f"{revision}^{{commit}}"],
        check=False,
        capture_output=True,
        text=True,
    )
    if named.returncode:
        raise BenchFailed(f"git knows no revision {revision!a}; `git log --oneline` lists them.")
    commit = named.stdout.strip()
    packed = subprocess.run([*git, "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")
    return commit


def _command(tree: Path, *words: object) -> tuple[list[str], dict[str, str]]:
    """How to run ``earlier`` with that revision's modules alone."""
    return [sys.executable, "-P", str(EARLIER), *map(str, words)], os.environ | {"PYTHONPATH": str(tree)}


def _found(ground: Ground, tree: Path, folder: Path) -> Installation:
    command, environment = _command(tree, "found", folder)
    ended = subprocess.run(
        command,
        check=False,
        env=environment,
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=FOUND_SECONDS,
    )
    if ended.returncode:
        raise BenchFailed(f"The earlier revision founded nothing: {ended.stderr.strip().splitlines()[-1]}")
    told = json.loads((folder / "callers.json").read_text())
    lenders = tuple(
        Lender(
            each["partner_id"],
            base64.b64decode(each["certificate"]),
            base64.b64decode(each["key"]),
            tuple(each["consent_ids"]),
        )
        for each in told["lenders"]
    )
    return Installation(ground.made.settings, base64.b64decode(told["server_ca"]), lenders)


@contextmanager
def _serving(ground: Ground, tree: Path, folder: Path) -> Iterator[Before]:
    command, environment = _command(tree, "serve", folder, ground.server_core)
    process = subprocess.Popen(
        command, env=environment, cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise BenchFailed("The earlier revision did not start; what it printed says why.")
        yield Before(int(port), process)
        assert process.stdin is not None
        process.stdin.write("stop\n")
        process.stdin.flush()
        process.wait(STOP_SECONDS)
    finally:
        process.kill()  # by its id, and only if it is still there
        process.communicate()


def _asked(process: subprocess.Popen[str], what: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{what}\n")
        process.stdin.flush()
    except OSError as error:
        raise BenchFailed("The earlier gateway ended during the run.") from error
    if not (said := process.stdout.readline()):
        raise BenchFailed("The earlier gateway ended during the run.")
    return said


def _require_scores(turn: Turn) -> None:
    """Each answer is a score with an entry of its own, as far as its receipt says."""
    answers = [score_pb2.GetScoreResponse.FromString(came) for _, _, came in turn.answers]
    places = {answer.receipt.leaf_index for answer in answers}
    if len(places) != len(answers) or any(each.WhichOneof("result") != "scored" for each in answers):
        raise BenchFailed("The earlier gateway answered something else than scores.")
