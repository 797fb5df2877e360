"""The process that fuzzes: imports everything once, instrumented, then forks a child for each target.

`python -m tests.prove.fuzzers.nursery`, with its orders as JSON on stdin. A child ends with its fuzzing, so
what it did is read from the memory that it shares (``Tally``), its log, and the lines about faults. In the
law's arm a fault is kept and the fuzzing goes on, to find the next; in the control arm, and where a
target hangs or takes too much memory, it ends there.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from tests.prove.fuzzers.mutation import Change
    from tests.prove.fuzzers.target import Place, Target

UNDER_TEST = (
    *("scoregate.proof", "scoregate.client", "scoregate.words", "scoregate.cli", "consent.keys"),
    *(
        "gateway.doors",
        "gateway.pki",
        "gateway.settings",
        "gateway.engine",
        "gateway.answer",
        "gateway.pages",
    ),
    *(
        "gateway.cli.doorstep",
        "gateway.cli.quota",
        "scoring.artefact",
        "scoring.population",
        "scoring.records",
    ),
    *("scoring.remote", "tests.prove.fuzzers", "tomllib"),
)
"""What is instrumented: the parsers, with their targets, and the one library in Python that they rest on."""

NOT_UNDER_TEST = ("tests.prove.fuzzers.mutation", "tests.prove.fuzzers.der")

ROOT = Path(__file__).parents[3]
SECONDS_FOR_ONE_INPUT = 10
MEBIBYTES_FOR_ONE_TARGET = 1_024
MOST_FAULTS = 20  # of different kinds, in one target
RAN, TAKEN, REFUSED, FAULTY = range(4)


@dataclass(frozen=True, slots=True)
class Order:
    """One target in one arm."""

    target: str
    guarded: bool  # False: the control arm
    runs: int
    seed: int
    folder: str  # the child's own
    kept: str  # where inputs go that broke the law
    engine_folder: str

    @property
    def tally(self) -> Path:
        """How far it is."""
        return Path(self.folder) / "tally"

    @property
    def log(self) -> Path:
        """What the fuzzer said."""
        return Path(self.folder) / "log"

    @property
    def faults(self) -> Path:
        """A line of JSON for each kind of fault: what it was, and the input."""
        return Path(self.folder) / "faults"

    @property
    def ending(self) -> Path:
        """The child's exit code, once it has ended."""
        return Path(self.folder) / "ending"


def open_tally(path: Path, *, fresh: bool = False) -> memoryview:
    """Four counters that processes share: ran, taken, refused, faulty."""
    if fresh:
        path.write_bytes(bytes(32))
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 32)).cast("Q")


def written(orders: Sequence[Order]) -> str:
    """Orders as the nursery reads them."""
    return json.dumps([asdict(order) for order in orders])


def main() -> None:
    """Run every order, two at a time."""
    atheris: Any = import_module("atheris")  # which has no types
    orders = [Order(**each) for each in json.load(sys.stdin)]
    with atheris.instrument_imports(include=list(UNDER_TEST), exclude=list(_not_under_test())):
        from tests.prove.fuzzers.targets import BY_NAME
    running: dict[int, Order] = {}

    def give_up(*_: object) -> NoReturn:
        for child in running:
            os.kill(child, signal.SIGKILL)
        os._exit(1)

    signal.signal(signal.SIGTERM, give_up)
    waiting = list(reversed(orders))
    while waiting or running:
        while waiting and len(running) < 2:
            order = waiting.pop()
            child = os.fork()
            if child == 0:
                _fuzz(BY_NAME[order.target], order)
            running[child] = order
        ended, status = os.wait()
        running.pop(ended).ending.write_text(str(os.waitstatus_to_exitcode(status)))


def _not_under_test() -> Iterator[str]:
    """Every other module of the same packages: atheris looks at the first name alone."""
    yield from NOT_UNDER_TEST
    for package in {name.partition(".")[0] for name in UNDER_TEST}:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not any(f"{name}.".startswith(f"{each}.") for each in UNDER_TEST):
                yield name


def _fuzz(target: Target, order: Order) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with order.log.open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        _fuzz_to_the_end(target, order)
    except BaseException:
        traceback.print_exc()
    os._exit(2)


def _fuzz_to_the_end(target: Target, order: Order) -> None:
    atheris: Any = import_module("atheris")
    from tests.prove.fuzzers.target import Place

    folder, corpus = Path(order.folder), Path(order.folder) / "corpus"
    scratch = folder / "scratch"
    for each in (corpus, scratch):
        each.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    place: Place = Place(scratch, Path(order.engine_folder))
    take = (target.open if order.guarded else target.unguarded)(place)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-runs={order.runs}",
            f"-seed={order.seed}",
            f"-max_len={target.most_bytes}",
            *([f"-dict={words}"] if target.words else []),
            f"-artifact_prefix={order.kept}/{target.name}-",
            f"-timeout={SECONDS_FOR_ONE_INPUT}",
            f"-rss_limit_mb={MEBIBYTES_FOR_ONE_TARGET}",
            "-print_final_stats=1",
            "-verbosity=0",
        ],
        _counted(take, order),
        **({"custom_mutator": _mutating(target.change, atheris)} if target.change else {}),
    )
    atheris.Fuzz()


def _counted(take: Callable[[bytes], bool], order: Order) -> Callable[[bytes], None]:
    tally, known = open_tally(order.tally), set[str]()

    def one(data: bytes) -> None:
        tally[RAN] += 1
        try:
            tally[TAKEN if take(data) else REFUSED] += 1
        except BaseException as error:  # a Rust panic is no Exception
            tally[FAULTY] += 1
            if not order.guarded:
                raise
            kind = _kind(error)
            if kind not in known and len(known) < MOST_FAULTS:
                known.add(kind)
                _keep(order, kind, error, data)

    return one


def _mutating(change: Change, atheris: Any) -> Callable[[bytes, int, int], bytes]:
    """The fuzzer's own mutation, and every other time the one that knows the format."""

    def bytewise(data: bytes, most_bytes: int) -> bytes:
        changed: bytes = atheris.Mutate(data, most_bytes)  # looked up anew: Setup replaces it
        return changed

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        chance = Random(seed)  # noqa: S311  # chance, not a secret
        if chance.random() < 0.5:
            return bytewise(data, most_bytes)
        try:
            changed = change(data, chance)
        except Exception:
            return bytewise(data, most_bytes)
        return changed if len(changed) <= most_bytes else bytewise(data, most_bytes)

    return mutate


def _kind(error: BaseException) -> str:
    """Faults are alike if they are of one class and leave one line of ours."""
    frames = [(Path(each.filename), each.lineno) for each in traceback.extract_tb(error.__traceback__)]
    ours = [(path, line) for path, line in frames if ROOT in path.parents and ".venv" not in path.parts]
    path, line = ours[-1]
    return f"{type(error).__name__} at {path.relative_to(ROOT)}:{line}"


def _keep(order: Order, kind: str, error: BaseException, data: bytes) -> None:
    name = hashlib.sha256(data).hexdigest()[:12]
    path = Path(order.kept) / f"{order.target}-{type(error).__name__}-{name}"
    path.write_bytes(data)
    line = json.dumps({"kind": kind, "error": str(error)[:200], "input": str(path)})
    with order.faults.open("a") as file:
        file.write(f"{line}\n")
    traceback.print_exception(error)


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main()
