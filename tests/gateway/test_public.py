"""The public pages over real HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from prometheus_client import CONTENT_TYPE_LATEST

from gateway import metrics
from gateway.pages.public import application
from gateway.query import GET_SCORE
from gateway.server.listening import serve_pages
from gateway.settings import Address


@pytest.fixture
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the pages are served, with or without metrics."""
    pages = application(lambda: '{"keys":[]}', (), is_serving=lambda: True, metrics=request.param)
    with ExitStack() as serving:
        port = serve_pages(pages, Address("127.0.0.1", 0), serving)
        yield f"http://127.0.0.1:{port}"


def fetch(url: str) -> tuple[int, str, str]:
    """(status, content type, body) of a page."""
    try:
        answer = urllib.request.urlopen(url, timeout=5)  # noqa: S310
    except urllib.error.HTTPError as error:
        answer = error
    with closing(answer):
        return answer.status, answer.headers["content-type"], answer.read().decode()


@pytest.mark.parametrize("base", [True], indirect=True)
def test_metrics_count_calls_by_method_and_outcome(base: str) -> None:
    metrics.CALLS.labels(GET_SCORE, "OK").inc()
    status, kind, body = fetch(f"{base}/metrics")
    assert (status, kind) == (200, CONTENT_TYPE_LATEST)
    assert f'scoregate_calls_total{{method="{GET_SCORE}",outcome="OK"}}' in body


@pytest.mark.parametrize("base", [False], indirect=True)
def test_without_metrics_no_spelling_finds_them_and_the_other_pages_stay(base: str) -> None:
    for path in ("/metrics", "/metrics/", "//metrics", "/METRICS", "/metrics?name[]=x"):
        status, _, body = fetch(base + path)
        assert status == 404
        assert "scoregate_" not in body
    for page in ("/healthz", "/.well-known/jwks.json", "/errors", "/errors/CONSENT_EXPIRED"):
        assert fetch(base + page)[0] == 200
