"""Parquet, where pyarrow is installed; a row group for each piece."""

from typing import Any, ClassVar

from api.errors import ProblemError
from api.steps.tables.base import Rows, TableInfo

__all__ = ["ParquetFormat"]


class ParquetFormat:
    """A table as Parquet.

    Parameters
    ----------
    info : TableInfo
        What it is about.

    Raises
    ------
    ProblemError
        406 without pyarrow.
    """

    media_type: ClassVar[str] = "application/vnd.apache.parquet"
    suffix: ClassVar[str] = "parquet"

    def __init__(self, info: TableInfo) -> None:
        try:
            # 50 MB that few installations need.
            import pyarrow as pa  # noqa: PLC0415
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError:
            raise ProblemError(
                406, "Parquet needs pyarrow: pip install 'livetrap[export]'; or take votable"
            ) from None
        self._arrow = pa
        self._columns = info.columns
        self._schema = _to_schema(pa, info)
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd"
        )

    def header(self) -> bytes:
        """Return the first bytes."""
        return self._sink.take()

    def rows(self, rows: Rows) -> bytes:
        """Return a row group."""
        columns = {column.name: [row[column.name] for row in rows] for column in self._columns}
        self._writer.write_table(self._arrow.Table.from_pydict(columns, schema=self._schema))
        return self._sink.take()

    def footer(self) -> bytes:
        """Return the index of the file."""
        self._writer.close()
        return self._sink.take()


def _to_schema(pyarrow: Any, info: TableInfo) -> Any:
    types = {
        "double": pyarrow.float64(),
        "long": pyarrow.int64(),
        "int": pyarrow.int32(),
        "boolean": pyarrow.bool_(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "text": pyarrow.string(),
    }
    fields = [
        pyarrow.field(
            column.name,
            types[column.kind],
            metadata={"unit": column.unit or "", "ucd": column.ucd},
        )
        for column in info.columns
    ]
    facts = {"description": info.description, "query": info.query, "software": info.version}
    return pyarrow.schema(fields, metadata=facts)


class _Sink:
    """A file whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._n_bytes = 0
        self.closed = False

    def write(self, piece: bytes) -> int:
        """Keep some bytes."""
        self._pieces.append(bytes(piece))
        self._n_bytes += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Return how many bytes there were."""
        return self._n_bytes

    def flush(self) -> None:
        """Do nothing: there is nothing behind it."""

    def close(self) -> None:
        """Take no more."""
        self.closed = True

    def take(self) -> bytes:
        """Return the bytes that came since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
