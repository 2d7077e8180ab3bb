"""Files that are read in processes of their own: each makes the rows of every n-th portion, which arrive in order.

Every process reads all of a file, since where a record ends is only known from its beginning, and makes rows of its
share alone. A process waits until what it has made is taken: so it is at most a portion ahead, and memory stays flat.
"""

import os
import signal
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from analytics_service.errors import ProcessLost, UsageError
from analytics_service.ingest.batches import Options, Share, portions
from analytics_service.ingest.files.input import STDIN, open_input
from analytics_service.ingest.identity import Occurrences
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.reading import Position, Ready, Source, few_collections
from analytics_service.ingest.tally import Tally
from analytics_service.ingest.text import Text, counted, encode

MAX_DEFAULT: Final = 4
"""One connection stores about as many rows as so many processes make of JSON."""
_MIN_BYTES: Final = 16 * 2**20
"""Of files, for which it is worth while: processes take most of a second to start."""


class _Rows(NamedTuple):
    text: Text
    digests: dict[int, bytes]
    position: Position


class _Over(NamedTuple):
    """The end of a portion, or why it cannot be read to its end."""

    counts: Tally
    error: UsageError | None = None


_Message: TypeAlias = _Rows | _Over | None
"""None at the end of a file."""


@dataclass(frozen=True, kw_only=True)
class _Work:
    files: Sequence[Source]
    options: Options
    prices: Prices
    number: int
    """Of this process among them."""


def suitable(files: Sequence[Source], given: int | None) -> int:
    """How many processes are to read the files: as many as the user says, or by the size of the files and the cores;
    zero for none beside this one, which alone can read standard input.
    """
    if any(file.path == STDIN for file in files):
        return 0
    if given is not None:
        return given
    with suppress(OSError):  # a file that is gone is named when it is read; processes need a folder for their socket
        tempfile.gettempdir()
        if sum(Path(file.path).stat().st_size for file in files) >= _MIN_BYTES:
            return min(_cores(), MAX_DEFAULT)
    return 0


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_in_processes(files: Sequence[Source], options: Options, tally: Tally) -> Generator[Ready, None, None]:
    """As `read`: the same batches and counts, however many processes there are."""
    count = options.processes
    with _started(files, options, tally.prices) as readers:
        for number in range(len(files)):
            occurrences = Occurrences()
            turn = number
            while (message := readers[turn % count].take()) is not None:
                match message:
                    case _Rows(text, digests, position):
                        yield Ready(counted(text, digests, occurrences), position)
                    case _Over(counts, error):
                        tally.add(counts)
                        if error is not None:
                            raise error
                        turn += 1
            for other in range(turn + 1, turn + count):
                readers[other % count].take()  # the end too: all portions came before


class _Reader(NamedTuple):
    process: ForkServerProcess
    messages: "Connection[Any, Any]"

    def take(self) -> _Message:
        try:
            message: _Message = self.messages.recv()
        except (EOFError, OSError):
            self.process.join()
            why = f"a process that reads files ended with exit code {self.process.exitcode}"
            raise ProcessLost(f"{why}: give --processes 0 to read them in this one") from None
        return message


@contextmanager
def _started(files: Sequence[Source], options: Options, prices: Prices) -> Iterator[list[_Reader]]:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imported once, and not by each
    options = replace(options, columns=replace(options.columns))  # without what it has cached
    prices = Prices(sources=prices.sources, aliases=prices.aliases)
    readers: list[_Reader] = []
    try:
        for number in range(options.processes):
            work = _Work(files=files, options=options, prices=prices, number=number)
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(work, theirs), daemon=True)
            process.start()
            theirs.close()
            readers.append(_Reader(process, ours))
        yield readers
    finally:
        for reader in readers:
            reader.messages.close()
            if reader.process.is_alive():
                reader.process.terminate()
        for reader in readers:
            reader.process.join()


def _run(work: _Work, messages: "Connection[Any, Any]") -> None:
    """In a process of its own, until all is read or nobody takes it any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes, and the first ends this one
    count = work.options.processes
    with few_collections(), suppress(BrokenPipeError, ConnectionResetError):
        for number, source in enumerate(work.files):
            # another process has the first portion of the next file, so that all have some of many small ones
            share = Share((work.number - number) % count, count)
            tally = Tally(prices=work.prices)
            try:
                with open_input(source.path) as file:
                    for batches in portions(file, source.name, work.options, tally, share):
                        for batch in batches:
                            text = encode(batch.rows, with_ids=batch.with_ids)
                            messages.send(_Rows(text, batch.digests, Position.of(file)))
                        messages.send(_Over(tally.taken()))
            except UsageError as error:
                messages.send(_Over(tally.taken(), error))
                return
            messages.send(None)
