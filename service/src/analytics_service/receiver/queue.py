"""Requests that wait to be written. Organisations take turns: none of them waits behind a flood of another."""

import contextlib
from collections import OrderedDict, deque
from collections.abc import Iterator

from analytics_service.receiver.submission import Submission


class Queue:
    """In the order of their arrival by organisation; `rows` counts those of all requests."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Submission]] = OrderedDict()
        """None of them is empty; the first organisation is the next one."""
        self.rows = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, submission: Submission) -> None:
        self._waiting.setdefault(submission.caller.organisation, deque()).append(submission)
        self.rows += len(submission.rows)

    def remove(self, submission: Submission) -> None:
        """Does nothing where the request was taken."""
        organisation = submission.caller.organisation
        with contextlib.suppress(KeyError, ValueError):
            self._waiting[organisation].remove(submission)
            self.rows -= len(submission.rows)
            if not self._waiting[organisation]:
                del self._waiting[organisation]

    def take(self, *, max_rows: int, max_bytes: int) -> list[Submission]:
        """The next requests that somebody waits for: one at least, and as many as fit."""
        group: list[Submission] = []
        rows = size = 0
        while self._waiting:
            organisation, waiting = next(iter(self._waiting.items()))
            first = waiting[0]
            if not first.done.done():
                rows += len(first.rows)
                size += first.size
                if group and (rows > max_rows or size > max_bytes):
                    break
                group.append(first)
            self._waiting.move_to_end(organisation)
            self.remove(first)
        return group

    def __iter__(self) -> Iterator[Submission]:
        return (each for waiting in self._waiting.values() for each in waiting)
