"""Group commit: how hot paths write.

One writer thread a process drains a bounded queue and commits what waited as one transaction, each
operation in a savepoint of its own. `submit` returns when its row is committed; `touch` returns at once and
is written every few seconds, the last value of each key only. Whoever submits while nothing is being written
commits in their own thread: handing over and back would take as long as the commit.

Without a writer thread (commands, tests) the caller is the writer: `submit` commits before it returns all
the same, and `flush` writes what was touched.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from operator import attrgetter
from typing import Any, TypeVar

import peewee

from alice import database
from alice.database import Unavailable

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

QUEUE_SIZE = 2000  # operations; beyond it submit() raises Unavailable
BATCH = 200  # operations in one transaction
TOUCH_EVERY = 3.0  # seconds
DRAIN_WITHIN = 20.0  # seconds

# Writes the touched values of one kind; runs inside a transaction.
TouchWriter = Callable[[Iterable[tuple[Hashable, Any]]], None]


class Recorder:
    """The writer of one database.

    Arguments: the database's handle, the advisory lock of the log it appends to, how many operations may
    wait, whether it keeps a connection with which callers who bring none commit at once all the same, and
    after how many seconds touched values are written.
    """

    def __init__(
        self,
        handle: peewee.Database,
        log: int,
        queue_size: int = QUEUE_SIZE,
        shares: bool = False,
        touch_every: float = TOUCH_EVERY,
    ) -> None:
        self._shared = database.Shared(handle) if shares else None
        self._handle = handle
        self._log = log
        self._queue_size = queue_size
        self._touch_every = touch_every
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._touched: dict[TouchWriter, dict[Hashable, Any]] = {}
        self._touched_lock = threading.Lock()
        self._writing = threading.Lock()  # held by the thread that commits
        self._door = threading.Lock()  # nothing enters the queue behind the mark of its end
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the writer thread; in a server, after the fork."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, write what was touched, end the thread."""
        if self._thread is None:
            return
        with self._door:
            self._stopping = True
            self._queue.put(None)  # the last there is: whoever comes later is refused
        self._thread.join(DRAIN_WITHIN)
        if self._thread.is_alive():
            logger.error("the recorder did not drain within %d s", DRAIN_WITHIN)
        self._thread = None
        if self._shared is not None:
            with self._writing:
                self._shared.close()

    def submit(self, operation: Callable[[], Result]) -> Result:
        """Run the operation inside the next transaction; return its result once that is committed.

        Raises what the operation raised (nothing of it is kept), Unavailable when the queue is full or the
        database cannot be written now, RuntimeError inside a transaction (it would wait for its own lock).
        Who brings a connection gets one back, unless there is none left within 10 s.
        """
        db = database.real(self._handle)
        if db.in_transaction():
            raise RuntimeError("submit() inside a transaction would wait for itself")
        if self._thread is None:
            return self._write_here(operation)
        if not db.is_closed():
            return self._submit_with_connection(operation)
        if self._shared is not None and self._writing.acquire(blocking=False):
            try:
                with self._shared:
                    return self._commit_now(operation)
            finally:
                self._writing.release()
        return self._enqueue(operation).wait()

    def touch(self, writer: TouchWriter, key: Hashable, value: Any) -> None:
        """Remember the value for `writer`, which gets the last one of each key within a few seconds."""
        with self._touched_lock:
            self._touched.setdefault(writer, {})[key] = value

    def flush(self) -> None:
        """Write what was touched so far, now, from this thread (tests and the end of a process)."""
        with database.connected(self._handle):
            self._write_touched()

    def _submit_with_connection(self, operation: Callable[[], Result]) -> Result:
        try:
            if self._writing.acquire(blocking=False):
                try:
                    return self._commit_now(operation)
                finally:
                    self._writing.release()
            self._handle.close()  # the pool is small: whoever waits for a commit needs no connection
            return self._enqueue(operation).wait()
        finally:
            self._open_again()

    def _open_again(self) -> None:
        try:
            database.ensure_open(self._handle)
        except Exception as error:
            if not database.is_temporary(error):
                raise
            # What came of the operation stands. Whoever goes on to query hears of the rest then.
            logger.warning("no connection after a submit: %s", error)

    def _commit_now(self, operation: Callable[[], Result]) -> Result:
        try:
            with database.appending(self._handle, self._log):
                return operation()
        except Exception as error:
            told = self._rolled_back(error, 1)
            if told is error:
                raise
            raise told from error

    def _enqueue(self, operation: Callable[[], Any]) -> "_Pending":
        with self._door:
            if self._stopping or self._queue.qsize() >= self._queue_size:
                raise Unavailable("the recorder's queue is full")
            pending = _Pending(operation)
            self._queue.put(pending)
            return pending

    def _write_here(self, operation: Callable[[], Result]) -> Result:
        with database.connected(self._handle), database.appending(self._handle, self._log):
            return operation()

    def _run(self) -> None:
        due = time.monotonic() + self._touch_every
        while True:
            batch = self._next_batch(due - time.monotonic())
            ending = None in batch
            operations = [pending for pending in batch if pending is not None]
            if operations:
                with self._writing:
                    self._commit(operations)
            if ending or time.monotonic() >= due:
                with self._writing:
                    self._try_to_write_touched()
                due = time.monotonic() + self._touch_every
            if ending:
                break
        if not self._handle.is_closed():
            self._handle.close()

    def _next_batch(self, timeout: float) -> "list[_Pending | None]":
        batch: list[_Pending | None] = []
        try:
            batch.append(self._queue.get(timeout=max(timeout, 0)))
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass  # nothing more waits; what is there is the batch
        return batch

    def _commit(self, batch: "list[_Pending]") -> None:
        try:
            database.ensure_open(self._handle)
            with database.appending(self._handle, self._log):
                if len(batch) == 1:
                    batch[0].run()
                else:
                    for pending in batch:
                        self._run_in_savepoint(pending)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            told = self._rolled_back(error, len(batch))
            for pending in batch:
                pending.error = pending.error or told
        for pending in batch:
            pending.release()

    def _run_in_savepoint(self, pending: "_Pending") -> None:
        self._handle.execute_sql("SAVEPOINT operation")
        try:
            pending.run()
        except Exception as error:  # noqa: BLE001 - it is raised again where the operation was submitted
            pending.error = error
            self._handle.execute_sql("ROLLBACK TO SAVEPOINT operation")
        self._handle.execute_sql("RELEASE SAVEPOINT operation")

    def _rolled_back(self, error: Exception, operations: int) -> Exception:
        """Nothing of these operations is kept; answer what their callers are told."""
        self._give_back(error)
        if not database.is_temporary(error):
            return error
        logger.error("the recorder could not commit %d operations: %s", operations, error)
        return Unavailable(str(error))

    def _try_to_write_touched(self) -> None:
        """Write, or log why not: whatever becomes of heartbeats, the thread goes on."""
        try:
            database.ensure_open(self._handle)
            self._write_touched()
        except Exception as error:
            if database.is_temporary(error):
                logger.warning("heartbeats were not written: %s", error)
            else:
                logger.error("heartbeats were lost", exc_info=error)
            self._give_back(error)

    def _give_back(self, error: Exception) -> None:
        """A connection that failed goes to the pool, which rolls back what is open and drops what is dead.

        Not closed here: the last one to close takes SQLite's -wal and -shm along, and on a full disk nobody
        could read again.
        """
        if isinstance(error, peewee.PeeweeException) and not self._handle.is_closed():
            self._handle.close()

    def _write_touched(self) -> None:
        with self._touched_lock:
            touched, self._touched = self._touched, {}
        if not touched:
            return
        try:
            with database.transaction(self._handle):
                # Always in the same order, or two processes could wait for each other's rows.
                for writer in sorted(touched, key=attrgetter("__qualname__")):
                    writer(touched[writer].items())
        except Exception as error:
            if database.is_temporary(error):
                self._take_back(touched)
            raise

    def _take_back(self, touched: dict[TouchWriter, dict[Hashable, Any]]) -> None:
        """Keep what could not be written now for the next time; newer values win."""
        with self._touched_lock:
            for writer, values in touched.items():
                self._touched[writer] = values | self._touched.get(writer, {})


class _Pending:
    """An operation that waits for its transaction, and then its outcome."""

    __slots__ = ("_done", "_operation", "error", "result")

    def __init__(self, operation: Callable[[], Any]) -> None:
        self._operation = operation
        self._done = threading.Lock()  # a bare lock: the cheapest thing a thread can wait for
        self._done.acquire()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        self.result = self._operation()

    def release(self) -> None:
        self._done.release()

    def wait(self) -> Any:
        self._done.acquire()
        if self.error is not None:
            raise self.error
        return self.result
