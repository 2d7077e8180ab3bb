"""The files of an import as batches that are ready to be stored."""

import gc
import glob
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from analytics_service.errors import UsageError
from analytics_service.ingest.batches import Options, batches
from analytics_service.ingest.files.input import STDIN, Input, open_input, source_name
from analytics_service.ingest.tally import Tally
from analytics_service.ingest.text import Text, encode


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file, and the name that releases before 0.4 made the ids of its rows from."""

    path: str
    name: str


def sources(paths: Sequence[str], name: str | None) -> list[Source]:
    """The files, those of folders and patterns in the order of their names.

    UsageError where there are none, before anything is imported, and when one name is given to several.
    """
    found = {path: _files(path) for path in paths}
    if missing := [path for path, files in found.items() if not files]:
        raise UsageError(f"{', '.join(missing)}: no such file")
    files = [file for path in paths for file in found[path]]
    if name is not None and len(files) > 1:
        raise UsageError("--source: names one file; import the others with commands of their own")
    return [Source(path=file, name=name or source_name(file)) for file in files]


def _files(path: str) -> list[str]:
    if path == STDIN:
        return [path]
    given = Path(path)
    if given.exists() and not given.is_dir():
        return [path]
    matching = map(str, given.iterdir()) if given.is_dir() else glob.glob(path)  # noqa: PTH207 - relative to where we are
    return sorted(file for file in matching if Path(file).is_file())


class Position(NamedTuple):
    """How far a file was read, in bytes of what is stored."""

    name: str
    position: int
    size: int | None
    """None where it is not known, as of standard input."""

    @classmethod
    def of(cls, file: Input) -> "Position":
        return cls(file.name, file.position(), file.size)


class Ready(NamedTuple):
    """A batch, and how far its file was read for it."""

    text: Text
    position: Position


def read(files: Sequence[Source], options: Options, tally: Tally) -> Generator[Ready, None, None]:
    """The batches of the files in order, counted into `tally`; UsageError where a file cannot be used."""
    for source in files:
        with open_input(source.path) as file:
            for batch in batches(file, source.name, options, tally):
                yield Ready(encode(batch.rows, with_ids=batch.with_ids), Position.of(file))


@contextmanager
def few_collections() -> Iterator[None]:
    """The rows of a batch are many objects without cycles: looking for these takes a tenth of the time of reading."""
    thresholds = gc.get_threshold()
    gc.set_threshold(10_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
