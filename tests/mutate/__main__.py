"""`make mutate`: changes the code that decides, a small place at a time, and counts what the tests notice."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.mutate.copying import Group, copy, groups
from tests.mutate.table import Tried, record, show
from tests.mutate.verdicts import KILLED, TIMEOUT, forget_unnoticed, planned, tally, verdicts

ROOT = Path(__file__).parents[2]
SECONDS_BETWEEN_LINES = 15.0


class Broken(Exception):
    """A group's mutants could not be tried."""


def tried(group: Group, root: Path, *, workers: int, again: bool, console: Console) -> Tried:
    """Try every mutant of one group in a fresh copy, or ``again`` those that nobody noticed before.

    Raises:
        Broken: The tests fail as they are, or mutmut gave up.
    """
    started, spent = time.monotonic(), _processor_seconds()
    folder = root / "build" / "mutate" / group.name
    if again and (folder / "mutants").exists():
        for module in group.modules:
            forget_unnoticed(folder, module)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    copy(root, folder, group)
    # An entry of PYTHONPATH that isn't there when Python starts is never looked at again.
    (folder / "mutants").mkdir(exist_ok=True)
    log = folder.with_suffix(".log")
    # Whatever a test starts shall import the mutated copy too.
    environment = os.environ | {"PYTHONPATH": str(folder / "mutants"), "GRPC_VERBOSITY": "NONE"}
    mutmut = Path(sys.executable).with_name("mutmut")
    with log.open("w") as output:
        running = subprocess.Popen(
            [mutmut, "run", "--max-children", str(workers)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it ends with all that it forked
        )
        try:
            while (code := _waited(running)) is None:
                _say_how_far(group, folder, time.monotonic() - started, console)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
                running.wait()
    found = {module: list(verdicts(folder, module)) for module in group.modules}
    missing = sum(planned(folder, module) for module in group.modules) - sum(map(len, found.values()))
    if code or missing or not any(found.values()):
        raise Broken(
            f"{group.name}: mutmut ended with {code}, {missing} mutants untried; see {log.relative_to(root)}"
        )
    result = Tried(group, found, time.monotonic() - started, _processor_seconds() - spent)
    _write_diffs(result, folder)
    return result


def _processor_seconds() -> float:
    """Of every process that was started from here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _waited(running: subprocess.Popen[bytes]) -> int | None:
    try:
        return running.wait(SECONDS_BETWEEN_LINES)
    except subprocess.TimeoutExpired:
        return None


def _say_how_far(group: Group, folder: Path, seconds: float, console: Console) -> None:
    so_far = tally([each for module in group.modules for each in verdicts(folder, module)])
    whole = sum(planned(folder, module) for module in group.modules)
    caught = so_far.ends[KILLED] + so_far.ends[TIMEOUT]
    line = f"{group.name}: {so_far.mutants:,}/{whole:,} tried, {caught:,} noticed, {seconds:.0f} s"
    console.print(line, highlight=False)


def _write_diffs(result: Tried, folder: Path) -> None:
    """What the tests did not notice, in build/mutate/GROUP.diff."""
    unnoticed = [
        f"{verdict.end.replace(' ', '-')} {verdict.mutant} {module}\n"
        for module, found in result.by_module.items()
        for verdict in found
        if verdict.end not in {KILLED, TIMEOUT}
    ]
    diffs = subprocess.run(
        [sys.executable, Path(__file__).with_name("diffs.py")],
        cwd=folder,
        input="".join(unnoticed),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    folder.with_suffix(".diff").write_text(diffs.stdout)


def main() -> None:
    """Try the groups; exit 1 if one is below its score."""
    known = groups(ROOT)
    names = [group.name for group in known]
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=names)
    parser.add_argument("--workers", type=int, default=1, help="mutants tried at once (default: 1)")
    parser.add_argument(
        "--again", action="store_true", help="try only what nobody noticed before, with today's tests"
    )
    chosen = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # by name: whoever runs in the background ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 140)
    done: list[Tried] = []
    broken: list[str] = []
    try:
        for group in known:
            if group.name in chosen.only:
                try:
                    done.append(
                        tried(group, ROOT, workers=chosen.workers, again=chosen.again, console=console)
                    )
                    record(ROOT / "build" / "mutate.json", done[-1:], names)
                except Broken as error:
                    broken.append(str(error))
    except KeyboardInterrupt:
        broken.append("Interrupted.")
    show(done, console)
    minutes, processor = (
        sum(each.seconds for each in done) / 60,
        sum(each.processor_seconds for each in done) / 60,
    )
    console.print(f"{minutes:.1f} minutes, {processor:.1f} of one processor", highlight=False)
    console.print("build/mutate.json written; what nobody noticed lies in build/mutate/GROUP.diff")
    if broken:
        sys.exit("\n".join(broken))
    sys.exit(0 if all(each.holds for each in done) else 1)


if __name__ == "__main__":
    main()
