"""An export, in each of its forms, is whole or it is refused, with the kind of fault that it is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoregate.audit.v1 import leaf_pb2
from scoregate.auditing.exports import events, parquet
from scoregate.auditing.exports.archive import Member, directory
from scoregate.auditing.exports.cells import cell
from scoregate.auditing.exports.columns import COLUMNS
from scoregate.auditing.exports.entries import Exported, PartState, Tally
from scoregate.auditing.exports.filters import Filter
from scoregate.auditing.exports.manifest import Manifest
from scoregate.auditing.exports.seal import Seal
from scoregate.errors import ScoregateError, VerificationFailed
from scoregate.tlog.faults import LogDiverged, LogError, LogIncomplete, LogInvalid
from scoregate.tlog.policy import Policy
from tests.sample_export import FORMS, SampleExport, checked, part_of, sample, sample_log
from tests.sample_log import VECTORS, SampleLog
from tests.signing import policy_text, signed

SCORED = Filter(partner_id="acme", decisions=frozenset({leaf_pb2.DECISION_SCORED}), purposes=frozenset({1}))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("private_parts", [True, False])
@pytest.mark.parametrize("wanted", [Filter(), SCORED, Filter(partner_id="nobody")])
def test_an_untouched_export_holds(tmp_path: Path, form: str, private_parts: bool, wanted: Filter) -> None:
    export = sample(wanted, private_parts=private_parts)
    report = checked(export.write(tmp_path, form))
    assert report.manifest == export.manifest()
    assert report.manifest.tally.entries == len(export.entries)
    assert set(report.judged.cosigned) == {"w1.example", "w2.example"}


# --- entries that are not what was signed


def without(entries: list[Exported]) -> list[Exported]:
    return [*entries[:3], *entries[4:]]


def cut(entries: list[Exported]) -> list[Exported]:
    return entries[:-1]


def twice(entries: list[Exported]) -> list[Exported]:
    return [*entries[:4], *entries[3:]]


def swapped(entries: list[Exported]) -> list[Exported]:
    return [*entries[:3], entries[4], entries[3], *entries[5:]]


def changed(at: int, **fields: Any) -> Callable[[list[Exported]], list[Exported]]:
    return lambda entries: [*entries[:at], replace(entries[at], **fields), *entries[at + 1 :]]


def refilled(entries: list[Exported]) -> list[Exported]:
    """The leaf says another reason."""
    said = leaf_pb2.Leaf.FromString(entries[3].leaf)
    said.reason = "ANOTHER"
    return changed(3, leaf=said.SerializeToString(deterministic=True))(entries)


def unproved(entries: list[Exported]) -> list[Exported]:
    return changed(3, hashes=(bytes(32), *entries[3].hashes[1:]))(entries)


BENT: dict[str, tuple[Callable[[list[Exported]], list[Exported]], type[LogError], int | None]] = {
    "an entry is left out": (without, LogIncomplete, None),
    "the last entry is left out": (cut, LogIncomplete, None),
    "none is left": (lambda _: [], LogIncomplete, None),
    "an entry comes twice": (twice, LogInvalid, 3),
    "two change places": (swapped, LogInvalid, 3),
    "a leaf is changed": (refilled, LogDiverged, 3),
    "a leaf is none": (changed(3, leaf=b"\x07"), LogDiverged, 3),
    "a leaf's form is another": (changed(0, leaf=b""), LogDiverged, 0),
    "a proof is changed": (unproved, LogDiverged, 3),
    "a proof is longer": (lambda e: changed(3, hashes=(*e[3].hashes, bytes(32)))(e), LogDiverged, 3),
    "a proof is gone": (changed(3, hashes=()), LogDiverged, 3),
    "an index is another": (changed(3, index=2**40), LogInvalid, 2**40),
    "a private part is changed": (changed(1, part=part_of(9)[0]), LogDiverged, 1),
    "a blind is changed": (changed(1, blind=bytes(32)), LogDiverged, 1),
    "a blind is cut": (changed(1, blind=bytes(31)), LogDiverged, 1),
    "a private part is called erased": (
        changed(1, state=PartState.ABSENT, part=b"", blind=b""), LogDiverged, None,
    ),
    "a private part is not spoken of": (
        changed(1, state=PartState.NONE, part=b"", blind=b""), LogInvalid, 1,
    ),
    "there is one that never was": (changed(0, state=PartState.ABSENT), LogInvalid, 0),
}  # fmt: skip


NO_LEAF = {"a leaf is none", "a leaf's form is another"}  # such a leaf has no line of events, and no row
CASES = [(how, form) for how in BENT for form in FORMS if form == "bundle" or how not in NO_LEAF]


@pytest.mark.parametrize(("how", "form"), CASES)
def test_entries_that_were_bent_are_found(tmp_path: Path, how: str, form: str) -> None:
    export = sample()
    seal, (bend, kind, index) = export.seal(), BENT[how]
    bent = replace(export, entries=bend(export.entries))
    if form == "parquet" and len(bent.entries) > len(export.entries):
        index = None  # rows are counted before any is read
    with pytest.raises(LogError) as fault:
        checked(bent.write(tmp_path, form, seal))
    assert (type(fault.value), fault.value.index) == (kind, index)


def test_a_true_entry_in_place_of_another_is_found(tmp_path: Path) -> None:
    """Each is in the log and passes the filter, and there are as many as were counted."""
    export = sample(private_parts=False)
    seal = replace(export, entries=export.entries[:-1]).seal()
    bent = replace(export, entries=export.entries[1:])
    with pytest.raises(LogDiverged, match="these are not the entries"):
        checked(bent.write(tmp_path, "bundle", seal))


def test_one_that_does_not_pass_the_filter_is_found_though_it_was_signed(tmp_path: Path) -> None:
    export = replace(sample(private_parts=False), filter=SCORED)
    with pytest.raises(LogInvalid, match="filter: partner_id") as fault:
        checked(export.write(tmp_path, "bundle"))
    assert fault.value.index == 0


@pytest.mark.parametrize(
    ("wanted", "broken"),
    [
        (Filter(partner_id="basin"), "partner_id"),
        (Filter(since=datetime(2100, 1, 1, tzinfo=UTC)), "since"),
        (Filter(until=datetime(2001, 1, 1, tzinfo=UTC)), "until"),
        (Filter(decisions=frozenset({leaf_pb2.DECISION_REFUSED})), "decisions"),
        (Filter(purposes=frozenset({2})), "purposes"),
        (Filter(kinds=frozenset({leaf_pb2.LEAF_KIND_REPLAY})), "kinds"),
        (Filter(), ""),
    ],
)
def test_a_filter_names_what_a_leaf_does_not_meet(wanted: Filter, broken: str) -> None:
    release = sample_log(2).leaves[1]
    assert wanted.broken_by(release) == broken
    assert Filter.read(wanted.members()) == wanted


def test_since_is_inside_and_until_is_outside() -> None:
    release = sample_log(2).leaves[1]
    at = datetime.fromtimestamp(0, UTC) + (datetime(1970, 1, 1, 0, 0, 0, 1) - datetime(1970, 1, 1)) * (
        release.time_micros
    )
    assert Filter(since=at).broken_by(release) == ""
    assert Filter(until=at).broken_by(release) == "until"


# --- what stands beside the entries


def with_seal(**members: bytes) -> Callable[[SampleExport], Seal]:
    return lambda export: replace(export.seal(), **members)


def other_log(export: SampleExport) -> Seal:
    return replace(export.seal(), checkpoint=signed(SampleLog().fill(40).checkpoint(), export.witnesses))


def unsigned_log(export: SampleExport) -> Seal:
    return replace(export.seal(), checkpoint=export.checkpoint.replace(b"\n40\n", b"\n39\n"))


def fewer_witnesses(export: SampleExport) -> Seal:
    return replace(export.seal(), checkpoint=signed(export.log.checkpoint(), ("w1.example",)))


def spoiled_cosignature(export: SampleExport) -> Seal:
    lines = export.checkpoint.splitlines(keepends=True)
    lines[-1] = lines[-1][:-8] + (b"AAAA" if lines[-1][-8:-4] != b"AAAA" else b"BBBB") + lines[-1][-4:]
    return replace(export.seal(), checkpoint=b"".join(lines))


def spoiled_manifest(export: SampleExport) -> Seal:
    header, payload, signature = export.seal().manifest.split(b".")
    return replace(export.seal(), manifest=b".".join((header, payload[:-4] + b"AAAA", signature)))


BESIDE: dict[str, tuple[Callable[[SampleExport], Seal], type[ScoregateError]]] = {
    "the manifest is changed": (spoiled_manifest, VerificationFailed),
    "the manifest is none": (with_seal(manifest=b"x.y.z"), VerificationFailed),
    "the manifest is of other counts": (
        lambda e: e.seal(tally=replace(e.manifest().tally, entries=39)), LogInvalid,
    ),
    "the checkpoint is another log's": (other_log, LogDiverged),
    "the checkpoint is changed": (unsigned_log, LogInvalid),
    "a cosignature is changed": (spoiled_cosignature, LogInvalid),
    "a cosignature is taken away": (fewer_witnesses, LogDiverged),
    "the policy is another": (with_seal(policy=b"quorum none\n"), LogDiverged),
    "the keys are others": (with_seal(jwks=b'{"keys":[]}'), LogDiverged),
    "another size was signed": (lambda e: e.seal(tree_size=41), LogDiverged),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", BESIDE)
def test_what_stands_beside_the_entries_is_held_to_the_signature(tmp_path: Path, form: str, how: str) -> None:
    export = sample()
    make, kind = BESIDE[how]
    with pytest.raises(kind) as fault:
        checked(export.write(tmp_path, form, make(export)))
    if kind is not VerificationFailed:
        mro = type(fault.value).__mro__
        assert next(each for each in mro if each in {LogInvalid, LogDiverged, LogIncomplete}) is kind


def test_missing_witnesses_are_incomplete(tmp_path: Path) -> None:
    export = replace(sample(), witnesses=("w1.example",))
    file = export.write(tmp_path, "bundle")
    checked(file)  # one of both is enough
    with pytest.raises(LogIncomplete, match=r"w2\.example"):
        checked(file, Policy.parse(policy_text("all").encode()))


def test_another_issuers_manifest_is_not_believed(tmp_path: Path) -> None:
    export = sample()
    manifest = export.seal().manifest
    kid = manifest.split(b".")[0]
    with pytest.raises(VerificationFailed):
        checked(export.write(tmp_path, "bundle", replace(export.seal(), manifest=kid + b".e30.AAAA")))


# --- bytes


def kind_of(file: Path) -> str:
    try:
        checked(file)
    except (LogError, VerificationFailed) as error:
        return type(error).__name__
    return "holds"


@pytest.mark.parametrize("form", ["bundle", "ocsf"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_byte_of_a_file_can_be_changed_put_in_or_taken_out(
    tmp_path: Path, form: str, data: st.DataObject
) -> None:
    file = sample(size=8).write(tmp_path, form)
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["flip", "insert", "delete", "cut"])):
        case "flip":
            bent = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
        case "insert":
            bent = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at:]
        case "delete":
            bent = whole[:at] + whole[at + 1 :]
        case _:
            bent = whole[:at]
    file.write_bytes(bent)
    assert (kind_of(file) == "holds") == (bent == whole)


def test_a_bundle_reads_with_anybodys_unzip(tmp_path: Path) -> None:
    export = sample()
    with zipfile.ZipFile(export.write(tmp_path, "bundle")) as archive:
        assert archive.testzip() is None
        assert len(archive.read("entries.jsonl").splitlines()) == len(export.entries)
        assert archive.read("manifest.json") == export.manifest().encode()
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {each.external_attr >> 16 for each in archive.infolist()} == {0o100600}


def rezipped(file: Path, change: Callable[[zipfile.ZipFile, zipfile.ZipFile], None], **how: Any) -> None:
    """The same members, by somebody else's tool."""
    other = file.with_suffix(".other")
    with zipfile.ZipFile(file) as given, zipfile.ZipFile(other, "w", **how) as made:
        change(given, made)
    other.replace(file)


def copied(given: zipfile.ZipFile, made: zipfile.ZipFile) -> None:
    for each in given.namelist():
        made.writestr(each, given.read(each))


def doubled(given: zipfile.ZipFile, made: zipfile.ZipFile) -> None:
    copied(given, made)
    with pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("entries.jsonl", b"")


def escaping(given: zipfile.ZipFile, made: zipfile.ZipFile) -> None:
    copied(given, made)
    made.writestr("../../evil", b"")


def bomb(given: zipfile.ZipFile, made: zipfile.ZipFile) -> None:
    for each in given.namelist():
        made.writestr(each, b"0" * (1 << 22) if each == "jwks.json" else given.read(each))


@pytest.mark.parametrize("change", [copied, doubled, escaping, bomb])
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_of_another_form_is_refused(
    tmp_path: Path, change: Callable[[zipfile.ZipFile, zipfile.ZipFile], None], packing: int
) -> None:
    file = sample().write(tmp_path, "bundle")
    rezipped(file, change, compression=packing)
    with pytest.raises(LogInvalid, match="as an export writes it"):
        checked(file)


def test_a_member_that_is_longer_than_any_is_not_read(tmp_path: Path) -> None:
    export = sample()
    seal = replace(export.seal(), policy=b"#" * 300_000)
    with pytest.raises(LogInvalid, match="policy has more than"):
        checked(export.write(tmp_path, "bundle", seal))


def test_private_parts_that_are_gone_or_too_many_are_found(tmp_path: Path) -> None:
    export = sample()
    seal = export.seal()
    gone = replace(export, private_parts=False).write(tmp_path, "bundle", seal)
    with pytest.raises(LogIncomplete, match=r"private\.jsonl is missing"):
        checked(gone)
    unasked = replace(sample(private_parts=False), private_parts=True)
    file = unasked.write(tmp_path, "bundle", sample(private_parts=False).seal())
    with pytest.raises(LogInvalid, match="nobody asked for it"):
        checked(file)


def test_a_seal_is_one_line_of_one_form(tmp_path: Path) -> None:
    file = sample().write(tmp_path, "ocsf")
    beside = events.seal_of(file)
    line = beside.read_bytes()
    for bent in (line + b"\n", line[:-1], b"[]", b" " + line, line.replace(b'"jwks"', b'"keys"')):
        beside.write_bytes(bent)
        with pytest.raises(LogInvalid, match=r"seal|one form"):
            checked(file)
    beside.unlink()
    with pytest.raises(LogIncomplete, match="put it beside it"):
        checked(file)


# --- lines and columns follow from the leaf


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("activity_id", 3), ("class_uid", 6004), ("status_id", 2), ("time", 0), ("message", "x"),
        ("severity_id", 1.5), ("unmapped.purpose", "COLLECTION"), ("metadata.version", "9"),
        ("actor.user.uid", "somebody"), ("unmapped.private.subject", "synthetic-9"), ("count", 1),
        ("unmapped.partner_sequence", 1), ("api.operation", "CheckThreshold"), ("unmapped.more", "x"),
    ],
)  # fmt: skip
def test_a_member_of_a_line_that_does_not_follow_from_the_leaf_is_named(
    tmp_path: Path, member: str, value: object
) -> None:
    file = sample().write(tmp_path, "ocsf")
    lines = file.read_bytes().splitlines(keepends=True)
    found = json.loads(lines[1])
    *path, last = member.split(".")
    holder = found
    for name in path:
        holder = holder[name]
    holder[last] = value
    lines[1] = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    file.write_bytes(b"".join(lines))
    with pytest.raises(LogInvalid) as fault:
        checked(file)
    if value != 1.5:  # which is no number of an export at all
        assert f"line 2, entry 1: {member} is not what follows" in str(fault.value)
        assert fault.value.index == 1


def test_every_column_is_derived_anew(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    export = sample()
    file = export.write(tmp_path, "parquet")
    table = pq.read_table(file)
    for place, column in enumerate(COLUMNS):
        cells = table.column(place).to_pylist()
        at = next((i for i, each in enumerate(cells) if each is not None), 1)
        other: Any = {"binary": b"\1" * 32, "string": "x", "int64": 7_000, "uint64": 7_000}.get(
            column.type, datetime(2001, 1, 1, tzinfo=UTC)
        )
        cells[at] = other
        bent = table.set_column(place, table.field(place), pa.array(cells, table.field(place).type))
        write_like_an_export(file, bent, export.seal())
        with pytest.raises(LogError) as fault:
            checked(file)
        if place >= 6:
            assert f"row {at + 1:,}, entry {at:,}: column {column.name}" in str(fault.value)
    write_like_an_export(file, table, export.seal())
    checked(file)  # the control: written again as it was


def write_like_an_export(file: Path, table: Any, seal: Seal | None, **how: Any) -> None:
    from pyarrow import parquet as pq

    plain = {
        "compression": "NONE", "use_dictionary": False, "write_statistics": False, "store_schema": False,
    }  # fmt: skip
    table = table.replace_schema_metadata(None)
    with pq.ParquetWriter(file, table.schema, **(plain | how)) as writer:
        if seal is not None:
            writer.add_key_value_metadata({parquet.SEAL: seal.encode()})
        writer.write_table(table)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"compression": "SNAPPY"}, "packed"),
        ({"use_dictionary": True}, "packed"),
        ({"write_statistics": True}, "statistics"),
        ({"write_page_index": True, "write_statistics": True}, "statistics"),
        ({"store_schema": True}, "nothing else"),
    ],
)
def test_parquet_of_another_shape_is_refused(tmp_path: Path, how: dict[str, Any], words: str) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    export = sample()
    file = export.write(tmp_path, "parquet")
    write_like_an_export(file, pq.read_table(file), export.seal(), **how)
    with pytest.raises(LogInvalid, match=words):
        checked(file)


def test_parquet_without_its_seal_or_with_another_column_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    export = sample()
    file = export.write(tmp_path, "parquet")
    table = pq.read_table(file)
    write_like_an_export(file, table, None)
    with pytest.raises(LogInvalid, match="must hold the export's seal"):
        checked(file)
    write_like_an_export(file, table.drop_columns(["reason"]), export.seal())
    with pytest.raises(LogInvalid, match="other columns"):
        checked(file)
    for cut_to in (0, 3, 100, -1):
        export.write(tmp_path, "parquet")
        file.write_bytes(file.read_bytes()[:cut_to])
        with pytest.raises(LogIncomplete, match="cut off"):
            checked(file)


# --- spreadsheets


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_no_text_of_an_export_begins_as_a_formula_does(tmp_path: Path, begins: str) -> None:
    evil = f'{begins}HYPERLINK("x")'
    log = SampleLog()
    log.add("", kind=leaf_pb2.LEAF_KIND_PARTNER_ADDED, reason=evil, actor=evil, object_id=evil, method=evil)
    export = sample(log=log, private_parts=False)
    (said,) = export.write(tmp_path, "ocsf").read_text().splitlines()
    rows = [parquet.row(entry) for entry in export.entries]
    for text in [*texts(json.loads(said)), *(each for row in rows for each in row if isinstance(each, str))]:
        assert text == cell(text)
    assert checked(export.write(tmp_path, "ocsf")).manifest.tally.entries == 1
    assert f"'{evil}" in [each for row in rows for each in row]


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


# --- bytes for good

REQUIRED = {
    "activity_id", "actor", "api", "category_uid", "class_uid", "metadata", "severity_id", "src_endpoint",
    "time", "type_uid",
}  # fmt: skip
"""What OCSF 1.1.0 requires of API Activity."""


def test_lines_are_events_of_ocsf(tmp_path: Path) -> None:
    for line in sample().write(tmp_path, "ocsf").read_text().splitlines():
        event = json.loads(line)
        assert event.keys() >= REQUIRED
        assert (event["category_uid"], event["class_uid"]) == (6, 6003)
        assert event["type_uid"] == 600_300 + event["activity_id"]
        assert event["metadata"]["product"].keys() >= {"vendor_name", "name"}
        assert event["api"]["operation"]
        assert event["actor"]["user"]["uid"]
        assert event["src_endpoint"]["uid"]
        assert event["status_id"] in {1, 2}


def golden() -> dict[str, bytes]:
    export = sample(SCORED, size=9)
    entry = export.entries[0]
    return {
        "manifest.json": export.manifest().encode(),
        "event.json": events.line(entry, export.manifest().log),
        "directory.hex": directory([Member("manifest.json", 0, 7, 0x01020304)]).hex().encode(),
    }


@pytest.mark.parametrize("name", ["manifest.json", "event.json", "directory.hex"])
def test_the_bytes_are_those_of_the_golden_vectors(name: str) -> None:
    assert golden()[name] == (VECTORS / "export" / name).read_bytes().rstrip(b"\n")


def test_a_manifest_of_another_form_is_none() -> None:
    said = sample().manifest().encode()
    assert Manifest.decode(said).encode() == said
    members = json.loads(said)
    for bent in (
        said + b" ", b"[]", b"{}", said.replace(b'"version":1', b'"version":2'),
        json.dumps(members | {"more": 1}).encode(), json.dumps(members | {"end_index": 41}).encode(),
        json.dumps(members | {"filter": {"kinds": ["NONE"]}}).encode(),
        json.dumps(members | {"private_parts": False}).encode(),
        json.dumps(members | {"log_index": True}).encode(),
    ):  # fmt: skip
        with pytest.raises(VerificationFailed):
            Manifest.decode(bent)


def test_the_tally_tells_what_became_of_every_part() -> None:
    export = sample()
    tally = Tally()
    for entry in export.entries:
        tally = tally.add(entry)
    states = [entry.state for entry in export.entries]
    assert (tally.opened, tally.absent, tally.unreadable) == tuple(
        states.count(state) for state in (PartState.OPENED, PartState.ABSENT, PartState.UNREADABLE)
    )
    assert tally.unreadable == 1
    assert tally.absent


@pytest.mark.parametrize(("cell_bytes", "rows"), [(1, parquet.BATCH_ROWS), (2 * 2**20, 31)])
def test_a_batch_fits_into_memory_even_if_each_cell_were_all_of_its_column(
    tmp_path: Path, cell_bytes: int, rows: int
) -> None:
    file = tmp_path / "x.parquet"
    table = pa.table({"leaf": [b"x" * cell_bytes, b""]})
    pq.write_table(table, file, compression="NONE", use_dictionary=False, write_statistics=False)
    assert parquet._rows_at_once(pq.ParquetFile(file)) == rows
