"""A page is sent at once. How long each takes with a long history is measured by `make bench`."""

from __future__ import annotations

import statistics
import time
from http.client import HTTPConnection

from tests.pages.place import Place

DELAYED_ACKNOWLEDGEMENT_MS = 40.0  # Linux's least


def test_a_page_does_not_wait_for_the_acknowledgement_of_its_headers(place: Place) -> None:
    line = HTTPConnection(place.url.partition("//")[2], timeout=30)
    taken = []
    for _ in range(30):
        began = time.perf_counter()
        line.request("GET", "/healthz")
        assert line.getresponse().read() == b"serving\n"
        taken.append((time.perf_counter() - began) * 1e3)
    line.close()

    assert statistics.median(taken) < DELAYED_ACKNOWLEDGEMENT_MS
