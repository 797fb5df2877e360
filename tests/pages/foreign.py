"""What the pages' tests need and nobody here wrote: a browser, Node, and packages of npm, one a provider."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

BUILD = Path(__file__).parents[2] / "build"
OIDC = Path(__file__).parent / "oidc"
SECRET = "an odd secret: +/%&"
"""By which the provider knows the pages."""
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def unavailable(why: str, remedy: str) -> NoReturn:
    """End a test that lacks something: CI must have it."""
    if os.environ.get("CI"):
        pytest.fail(f"{why}; CI needs it for the tests of the consumers' pages: {remedy}")
    pytest.skip(f"{why}: {remedy}")


def npm_folder(source: Path, *also: str) -> Path:
    """A folder under build/ with the packages of ``source``'s lock file and the files ``also``.

    Installed once for each content of these files; it is there whole, or not at all.
    """
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            unavailable(f"{command} is not installed", "apt-get install nodejs npm")
    files = [source / name for name in ("package.json", "package-lock.json", *also)]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = BUILD / f"{source.name}-{digest}"
    if not folder.exists():
        BUILD.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=BUILD))
        try:
            for file in files:
                shutil.copy(file, made)
            done = subprocess.run(INSTALL, cwd=made, capture_output=True, text=True, check=False, timeout=100)
            if done.returncode:
                unavailable(f"the packages of {source.name} can't be installed", done.stderr.strip()[-300:])
            try:
                made.rename(folder)
            except OSError:
                if not folder.exists():  # where it does, another process made the same meanwhile
                    raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


@contextmanager
def certified(redirect_uri: str, *, signed_by: str = "ES256", host: str = "127.0.0.1") -> Iterator[str]:
    """A running provider, under a name of this machine's; its issuer."""
    told = {"client_secret": SECRET, "redirect_uri": redirect_uri, "signed_by": signed_by, "host": host}
    environ = {"PATH": os.environ["PATH"], "NODE_ENV": "test"}
    with subprocess.Popen(
        ["node", "server.mjs", json.dumps(told)],
        cwd=npm_folder(OIDC, "server.mjs"),
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it warns at length that it is for development
        text=True,
    ) as node:
        try:
            assert node.stdout is not None
            yield node.stdout.readline().strip()
        finally:
            node.terminate()
