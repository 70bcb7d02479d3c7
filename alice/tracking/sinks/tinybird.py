"""The Tinybird sink: the Events API, into the data sources of schema/*.datasource.

With `wait=true` Tinybird responds after the rows are written. It does not deduplicate requests: a row has the
same id at every attempt, and the data sources replace rows by it.
"""

import gzip
import json

from alice.tracking.sinks.sink import TABLES, Batch, Later, Refused, Stopped, Taken
from alice.tracking.sinks.transport import TIMEOUT, Server, SinkResponse, retry_after


class Tinybird:
    name = "tinybird"

    def __init__(self, url: str, token: str, timeout: float = TIMEOUT) -> None:
        self._server = Server(url, timeout)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "gzip",
        }

    def send(self, batch: Batch) -> None:
        answer = self._server.request(
            "POST",
            f"{self._server.path}/v0/events",
            {"name": TABLES[batch.stream], "wait": "true"},
            gzip.compress(batch.body, compresslevel=6, mtime=0),
            self._headers,
        )
        _judge(answer, batch)


def _judge(answer: SinkResponse, batch: Batch) -> None:
    """Raise what the response means."""
    match answer.status:
        case 200 | 202:
            _count(answer, batch)
        case 400 | 413:
            raise Refused(answer.summary)
        case 422:
            raise Taken(f"in part only, a materialized view failed: {answer.summary}")
        case 429:
            raise Later(answer.summary, retry_after(answer.headers))
        case 401 | 403:
            raise Stopped(f"{answer.summary} (the token may not append to {TABLES[batch.stream]})")
        case 404:
            raise Stopped(f"{answer.summary} (another region, or no data source {TABLES[batch.stream]})")
        case status if 300 <= status < 500 and status != 408:
            raise Stopped(answer.summary)
        case _:
            raise Later(answer.summary, retry_after(answer.headers))


def _count(answer: SinkResponse, batch: Batch) -> None:
    """Raise unless every row was written."""
    if answer.status == 202 and not answer.text.strip():
        return  # accepted, but not processed yet
    try:
        counts = json.loads(answer.text)
        good, bad = counts["successful_rows"], counts["quarantined_rows"]
    except (LookupError, RecursionError, TypeError, ValueError):
        good = bad = None
    if not isinstance(good, int) or not isinstance(bad, int):
        # Probably from a proxy. If the rows were written all the same, sending them again replaces them.
        raise Later(f"an answer without row counts: {answer.summary}")
    if bad:
        raise Taken(f"{bad} of {batch.rows} rows are in {TABLES[batch.stream]}_quarantine")
    if good != batch.rows:
        raise Taken(f"{good} of {batch.rows} rows were written: {answer.summary}")
