"""Exports as Parquet: a row for each entry, a column for each field, the seal in the file's own metadata.

Source: Apache Parquet. Not pure: it reads and writes files. It needs pyarrow (the extra "export").

What is read here has the one shape that is written: columns are flat, stored plain and not packed, so that
no reader is made to unpack more than it was given; and there are no statistics or indexes, by which other
readers would skip rows that are there. The rows are counted against the signed manifest before any is read.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from scoregate.auditing.exports.columns import COLUMNS, Cell
from scoregate.auditing.exports.entries import BY_WORD, MAX_PROOF_HASHES, Exported, PartState
from scoregate.auditing.exports.manifest import Manifest
from scoregate.auditing.exports.seal import MAX_SEAL_BYTES, Seal
from scoregate.proof import leaf
from scoregate.tlog import files
from scoregate.tlog.faults import LogIncomplete, LogInvalid
from scoregate.tlog.merkle import HASH_BYTES

MAGIC = b"PAR1"
SEAL = b"scoregate.export"
GROUP_ROWS = 16_384
BATCH_ROWS = 1_024
BATCH_BYTES = 64 * 2**20
MAX_FOOTER_BYTES = MAX_SEAL_BYTES + (64 << 20)  # a million row groups have less


class PyarrowMissing(Exception):
    """It is not installed."""


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise PyarrowMissing from error
    return pyarrow, parquet


def require_installed() -> None:
    """Return only if Parquet can be written and read here.

    Raises:
        PyarrowMissing: It can't.
    """
    _pyarrow()


def _schema() -> Any:
    pa, _ = _pyarrow()
    types = {
        "binary": pa.binary(),
        "string": pa.string(),
        "int64": pa.int64(),
        "uint64": pa.uint64(),
        "instant": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([(column.name, types[column.type]) for column in COLUMNS])


def write(file: BinaryIO, seal: Seal, entries: Iterable[Exported]) -> None:
    """Write a file of these entries.

    Raises:
        LeafInvalid: A leaf is none.
        OSError: The disk refuses.
    """
    pa, pq = _pyarrow()
    schema, rows = _schema(), iter(entries)
    with pq.ParquetWriter(
        file,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression="NONE",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        writer.add_key_value_metadata({SEAL: seal.encode()})
        while group := list(islice(rows, GROUP_ROWS)):
            cells = [row(entry) for entry in group]
            arrays = [
                pa.array([each[place] for each in cells], type=schema.field(place).type)
                for place in range(len(COLUMNS))
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def row(entry: Exported) -> list[Cell]:
    """Return an entry's cells, in the order of the columns.

    Raises:
        LeafInvalid: The leaf is none.
        DecodeError: The private part is none.
    """
    said = leaf.decode(entry.leaf)
    return [column.derive(entry, said) for column in COLUMNS]


@dataclass(frozen=True, slots=True)
class Rows:
    """An open file: an Export, as check.py has it."""

    seal: Seal
    _file: Any

    def entries(self, manifest: Manifest) -> Iterator[Exported]:
        """As Export has it."""
        pa, _ = _pyarrow()
        held, due = self._file.metadata.num_rows, manifest.tally.entries
        if held != due:
            fault = LogIncomplete if held < due else LogInvalid
            raise fault(f"{held:,} entries are here, and the manifest counts {due:,}; export again")
        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=_rows_at_once(self._file), use_threads=False):
                columns = [_plain(pa, column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield _read(cells, f"row {number:,}")
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise LogInvalid(f"row {number + 1:,} or one behind it can't be read; export again") from error


def _rows_at_once(file: Any) -> int:
    """So many that a batch fits into memory, even if each of its cells were all that its column has.

    A footer can lie about dictionaries, by which a value that is there once becomes one in each row.
    """
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    sizes: Iterator[int] = (
        group.column(n).total_compressed_size for group in groups for n in range(group.num_columns)
    )
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, max(sizes, default=1))))


def _plain(pa: Any, column: Any) -> list[Cell]:
    """A column's cells; an instant as microseconds, for not every one is within Python's years."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    cells: list[Cell] = column.to_pylist()
    return cells


def _read(cells: tuple[Cell, ...], where: str) -> Exported:
    index, data, proof, word, part, blind = cells[:6]
    if not isinstance(index, int) or index < 0:
        raise LogInvalid(f"{where}: leaf_index must be an index")
    state = BY_WORD.get(str(word))
    if not isinstance(data, bytes) or not isinstance(proof, bytes) or state is None:
        raise LogInvalid(f"{where}: leaf, proof and private_part must be as an export has them", index=index)
    if len(proof) > MAX_PROOF_HASHES * HASH_BYTES:
        raise LogInvalid(f"{where}: proof is longer than any", index=index)
    hashes = tuple(proof[at : at + HASH_BYTES] for at in range(0, len(proof), HASH_BYTES))
    opened = state is PartState.OPENED
    given = [each if opened and isinstance(each, bytes) else b"" for each in (part, blind)]
    entry = Exported(index, data, hashes, state, *given)
    try:
        due = row(entry)
    except leaf.LeafInvalid as error:
        raise LogInvalid(f"{where}, entry {index:,}: {error}", index=index) from error
    except DecodeError as error:
        raise LogInvalid(f"{where}, entry {index:,}: private is no private part", index=index) from error
    for column, one, other in zip(COLUMNS, due, cells, strict=True):
        if one != other:
            told = f"column {column.name} is not what follows from the leaf"
            raise LogInvalid(f"{where}, entry {index:,}: {told}", index=index)
    return entry


@contextmanager
def opened(path: Path) -> Iterator[Rows]:
    """Open a file.

    Raises:
        PyarrowMissing: It is not installed.
        LogInvalid: It is none, or of another shape than exports are written in.
        LogIncomplete: It ends early, or can't be read.
    """
    try:
        with files.opened(path, str(path)) as file:
            yield _open(file)
    except OSError as error:
        raise LogIncomplete(f"{path} can't be read: {error.strerror or error}") from error


def _open(file: BinaryIO) -> Rows:
    pa, pq = _pyarrow()
    _require_footer(file)
    try:
        read = pq.ParquetFile(
            file,
            thrift_string_size_limit=MAX_FOOTER_BYTES,
            thrift_container_size_limit=1 << 20,
            pre_buffer=False,
            arrow_extensions_enabled=False,
        )
        _require_shape(read)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LogInvalid("it is no Parquet file that can be read; export again") from error
    return Rows(Seal.decode(read.metadata.metadata[SEAL], "the file's metadata"), read)


def _require_footer(file: BinaryIO) -> None:
    """Return only if the file ends as Parquet does: first its magic, the footer's length before it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    end = file.read(8)
    if size < 12 or end[4:] != MAGIC:
        raise LogIncomplete("the file does not end as Parquet does: it was cut off; export again")
    if int.from_bytes(end[:4], "little") > min(size - 12, MAX_FOOTER_BYTES):
        raise LogInvalid("the file's footer is longer than any export's")
    file.seek(0)


def _require_shape(read: Any) -> None:
    found = read.metadata
    if set(found.metadata or {}) != {SEAL}:
        raise LogInvalid("the file's metadata must hold the export's seal, and nothing else")
    if not read.schema_arrow.remove_metadata().equals(_schema()):
        raise LogInvalid("the file has other columns than an export")
    rows = 0
    for number in range(found.num_row_groups):
        group = found.row_group(number)
        rows += group.num_rows
        for place, column in enumerate(COLUMNS):
            _require_plain(group.column(place), column.name, group.num_rows)
        if group.sorting_columns:
            raise LogInvalid("the file says that it is sorted, which no export does")
    if rows != found.num_rows:
        raise LogInvalid("the file's row groups do not add up to its rows")


def _require_plain(chunk: Any, name: str, rows: int) -> None:
    plain = (
        chunk.compression == "UNCOMPRESSED"
        and set(chunk.encodings) <= {"PLAIN", "RLE"}
        and chunk.num_values == rows
        and not chunk.has_dictionary_page
        and not chunk.file_path
    )
    if not plain:
        raise LogInvalid(f"column {name} is packed or stored otherwise than exports are")
    if chunk.is_stats_set or chunk.has_column_index or chunk.has_offset_index or chunk.bloom_filter_offset:
        raise LogInvalid(f"column {name} has statistics or an index, which exports have not")
