"""The storage faults campaign, small: some faults once, and the arms that must fail."""

from __future__ import annotations

from tests.prove.campaign import POSTGRESQL, SQLITE, Stage
from tests.prove.storage_faults import storage_faults

ON_FILES = ["full", "hang", "unlinked"]
ON_SERVER = ["full", "hang", "cut during COMMIT", "restarted"]


def test_a_store_in_trouble_lets_no_score_leave_and_all_goes_on(stage: Stage) -> None:
    findings = list(storage_faults(stage))

    for finding in findings:
        assert finding.holds, finding
    tried = {store: [f.law.split(" (")[0] for f in findings if f.store == store] for store in stage.stores}
    assert tried[SQLITE] == ON_FILES
    assert tried[POSTGRESQL] in (ON_SERVER, ON_SERVER[1:])  # no small disk without root
