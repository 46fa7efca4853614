"""What becomes of the lines that guests write."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.ports.store import LogLevel, LogRecord, levels_from
from obelisk_runtime.service.guests.log import CUT, FULL, LINE_BYTES_MAX, GuestLog, LogPlace
from obelisk_runtime.service.process.logs import BATCH_RECORDS_MAX, LogWriter

ID = ExecutionId("E_01M7XWK6395MQGY4CARP47FW5Q")
OTHER = ExecutionId("E_01M7XWK6395MQGY4CARP47FW5R")
HERE = LogPlace(1, Instant(1_000))


class Records(LogWriter):
    """Keeps what would be written."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.redact = str

    def write(self, record: LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [record.message for record in self.records]


@pytest.fixture
def writer() -> Records:
    return Records()


def log_of(writer: LogWriter, records: int = 100, size: int = 10**6) -> GuestLog:
    return GuestLog(writer, ID, RuntimeLimits(log_records_max=records, log_bytes_max=size))


def test_a_line_is_a_record_with_its_level_wherever_the_writes_end(writer: Records) -> None:
    log = log_of(writer)
    for part in (b"o", b"ne\ntw", b"o\n\nthree"):
        log.output(HERE, "stdout", part)
    log.output(HERE, "stderr", b"wrong\n")
    log.message(HERE, LogLevel.DEBUG, "a message\nof two lines")
    log.end(HERE)
    assert [(record.level.value, record.source, record.message) for record in writer.records] == [
        ("info", "stdout", "one"),
        ("info", "stdout", "two"),
        ("info", "stdout", ""),
        ("warn", "stderr", "wrong"),
        ("debug", "log", "a message\nof two lines"),
        ("info", "stdout", "three"),
    ]
    assert [record.ordinal for record in writer.records] == list(range(6))


@given(text=st.text(st.sampled_from("aä\n"), max_size=60), cuts=st.lists(st.integers(0, 100), max_size=5))
def test_how_a_guest_cuts_its_writes_does_not_matter(text: str, cuts: list[int]) -> None:
    writer, data = Records(), text.encode()
    log = log_of(writer)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in pairwise(places):
        log.output(HERE, "stdout", data[start:end])
    log.end(HERE)
    expected = text.split("\n")
    assert writer.lines == (expected if expected[-1] else expected[:-1])


@pytest.mark.parametrize("piece", [1_000, LINE_BYTES_MAX, 10**6])
def test_a_line_that_is_too_long_is_cut_with_a_mark_and_the_next_one_is_whole(writer: Records, piece: int) -> None:
    log = log_of(writer)
    data = b"x" * (3 * LINE_BYTES_MAX) + b"\nnext\n"
    for start in range(0, len(data), piece):
        log.output(HERE, "stdout", data[start : start + piece])
    first, second = writer.lines
    assert first == "x" * LINE_BYTES_MAX + CUT
    assert second == "next"


def test_a_secret_across_the_cut_of_a_line_is_taken_out(writer: Records) -> None:
    secret = "a secret of many characters"
    writer.redact = lambda text: text.replace(secret, "[secret]")
    for before in range(LINE_BYTES_MAX - len(secret), LINE_BYTES_MAX + 2):
        log = log_of(writer)
        log.output(HERE, "stdout", b"." * before + secret[:9].encode())
        log.output(HERE, "stdout", secret[9:].encode() + b"." * 40_000)
        log.end(HERE)
        (line,) = writer.lines
        assert set(line.removesuffix(CUT)) <= {".", *"[secret]"}
        assert "a s" not in line
        writer.records.clear()


def test_a_message_is_cut_between_characters(writer: Records) -> None:
    log = log_of(writer)
    log.message(HERE, LogLevel.INFO, "ä" * LINE_BYTES_MAX)
    log.message(HERE, LogLevel.INFO, "ä" * (LINE_BYTES_MAX // 2))
    assert writer.lines == ["ä" * (LINE_BYTES_MAX // 2) + CUT, "ä" * (LINE_BYTES_MAX // 2)]


def test_bytes_that_are_no_text_are_shown_as_such(writer: Records) -> None:
    log_of(writer).output(HERE, "stdout", b"a\xff\n")
    assert writer.lines == ["a\ufffd"]


@pytest.mark.parametrize(("records", "size"), [(3, 10**6), (100, 2)])
def test_a_guest_that_writes_too_much_is_cut_with_a_mark(writer: Records, records: int, size: int) -> None:
    log = log_of(writer, records, size)
    for number in range(10):
        log.output(HERE, "stdout", b"%d\n" % number)
    log.message(HERE, LogLevel.ERROR, "too late")
    log.end(HERE)
    assert writer.lines == ["0", "1", FULL]
    assert (writer.records[-1].level, writer.records[-1].source) == (LogLevel.WARN, "host")


def test_a_replay_writes_what_is_new_and_is_cut_where_it_was_cut_before() -> None:
    """Lines of the first life that a crash kept from the store come again with the same identity."""

    def live(known: int) -> list[LogRecord]:
        """A workflow that writes; the first `known` places are replayed."""
        writer = Records()
        log = log_of(writer, records=5)
        for run in range(8):
            log.output(LogPlace(run, Instant(run), known=run < known), "stdout", b"begin %d; " % run)
            log.output(LogPlace(run, Instant(run), known=run < known), "stdout", b"end\nrest of %d, " % run)
        return writer.records

    whole = live(0)
    assert whole[-1].message == FULL
    for known in range(9):
        assert live(known) == [record for record in whole if record.run >= known]


def test_levels_are_ordered() -> None:
    assert levels_from(LogLevel.WARN) == {LogLevel.WARN, LogLevel.ERROR}
    assert levels_from(LogLevel.TRACE) == set(LogLevel)


class Catalog:
    """Only what the writer needs of one; it writes when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.pending: list[asyncio.Future[None]] = []

    def write_logs(self, records: Sequence[LogRecord]) -> "asyncio.Future[None]":
        self.batches.append([record.message for record in records])
        self.pending.append(asyncio.get_running_loop().create_future())
        return self.pending[-1]

    async def written(self, error: Exception | None = None) -> None:
        for future in self.pending:
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self.pending = []
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


def writer_to(catalog: Catalog) -> LogWriter:
    return LogWriter(catalog, str)  # type: ignore[arg-type]


async def test_the_records_of_a_turn_are_one_batch_and_listeners_hear_of_it(catalog: Catalog) -> None:
    told = list[frozenset[ExecutionId]]()
    writer = writer_to(catalog)
    unsubscribe = writer.subscribe(told.append)
    log = log_of(writer)
    log.output(HERE, "stdout", b"one\ntwo\n")
    log.message(HERE, LogLevel.INFO, "three")
    await asyncio.sleep(0)
    assert (catalog.batches, told) == ([["one", "two", "three"]], [])
    await catalog.written()
    assert told == [frozenset({ID})]
    log.message(HERE, LogLevel.INFO, "lost")
    await asyncio.sleep(0)
    await catalog.written(OSError())
    assert len(told) == 1
    unsubscribe()


async def test_many_records_are_written_a_batch_at_a_time_and_others_are_not_behind_them(catalog: Catalog) -> None:
    writer = writer_to(catalog)
    noisy = GuestLog(writer, ID, RuntimeLimits())
    for number in range(2 * BATCH_RECORDS_MAX + 1):
        noisy.message(HERE, LogLevel.INFO, str(number))
    drained = writer.drained(ID)
    assert drained is not None
    await asyncio.sleep(0)
    assert [len(batch) for batch in catalog.batches] == [BATCH_RECORDS_MAX]
    quiet = GuestLog(writer, OTHER, RuntimeLimits())
    quiet.message(HERE, LogLevel.INFO, "before my commit")
    assert writer.drained(OTHER) is None
    writer.flush(OTHER)
    assert catalog.batches[1:] == [["before my commit"]]
    assert not drained.done()
    await catalog.written()
    assert drained.done()
    assert [len(batch) for batch in catalog.batches] == [BATCH_RECORDS_MAX, 1, BATCH_RECORDS_MAX]
    writer.flush(ID)
    assert catalog.batches[-1] == [str(2 * BATCH_RECORDS_MAX)]
    await catalog.written()
    assert catalog.pending == []


async def test_who_waits_for_records_to_drain_is_told_when_they_are_flushed_instead(catalog: Catalog) -> None:
    writer = writer_to(catalog)
    log = GuestLog(writer, ID, RuntimeLimits())
    for _ in range(BATCH_RECORDS_MAX + 1):
        log.message(HERE, LogLevel.INFO, "")
    drained = writer.drained(ID)
    assert drained is not None
    writer.flush(ID)
    assert drained.done()
    await catalog.written()


async def test_a_server_that_stops_hands_over_everything(catalog: Catalog) -> None:
    writer = writer_to(catalog)
    for execution_id in (ID, OTHER):
        GuestLog(writer, execution_id, RuntimeLimits()).message(HERE, LogLevel.INFO, execution_id)
    writer.flush_all()
    assert catalog.batches == [[ID], [OTHER]]
    await catalog.written()
