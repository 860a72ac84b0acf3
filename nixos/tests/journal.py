# A journal that hangs costs lines, which are counted; never an answer, never the stop. Here each
# poll is a line, and the watchdog has 3 s.

from collections.abc import Iterator
from contextlib import contextmanager

POLLS = 12_000
LOST = "log lines lost because they were not written in time: "


def cursor() -> str:
    """Where the journal ends now."""
    shown = meter.succeed("journalctl --sync; journalctl --no-pager --lines=0 --show-cursor")
    return shown.splitlines()[-1].removeprefix("-- cursor: ")


def since(begin: str) -> str:
    """The command that shows what the process has logged since then."""
    where = f"_SYSTEMD_UNIT={SERVICE} --after-cursor={shlex.quote(begin)}"
    return f"journalctl --sync; journalctl --no-pager --quiet --output=cat {where}"


@contextmanager
def stopped_journal() -> Iterator[None]:
    """Within it, a command that logs may wait."""
    journald = show("systemd-journald.service", "MainPID")
    meter.succeed(f"kill -STOP {journald}")
    try:
        yield
    finally:
        meter.succeed(f"kill -CONT {journald}")


def measure(polls: int) -> float:
    """Lets the inverter poll; returns the milliseconds that the slowest answer took."""
    seen = inverter.succeed(f"python3 /tmp/tools/client.py measure {METER} {polls}", timeout=300)
    print(f"    {seen.strip()}", flush=True)
    slowest_ms: float = json.loads(seen)["slowest_ms"]
    return slowest_ms


def count(begin: str) -> tuple[int, int]:
    """How many lines were written or lost since then beyond one for each poll; how many were lost."""
    lines = meter.succeed(since(begin)).splitlines()
    lost = sum(int(line.removeprefix(LOST)) for line in lines if line.startswith(LOST))
    print(f"    {len(lines)} lines written, {lost} lost", flush=True)
    return len(lines) + lost - POLLS, lost


def stop() -> float:
    """Stops the service; returns the seconds from the signal to the end of the process."""
    meter.succeed(f"systemctl stop {SOCKET} {SERVICE}", timeout=PATIENCE)
    t.assertEqual(show(SERVICE, "Result"), "success")
    signalled, ended = (int(show(SERVICE, f"{event}TimestampMonotonic")) for event in ("ActiveExit", "ExecMainExit"))
    print(f"    ended {(ended - signalled) / 1000:.0f} ms after the signal", flush=True)
    return (ended - signalled) / 1e6


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)
await_values(**SERVED)
pid = show(SERVICE, "MainPID")

with subtest("undisturbed"):
    begin = cursor()
    measure(POLLS)
    usual, _ = count(begin)

with subtest("with a journal that is stopped, each poll gets its answer, and the watchdog its report"):
    begin = cursor()
    with stopped_journal():
        slowest_ms = measure(POLLS)
        t.assertEqual((show(SERVICE, "MainPID"), show(SERVICE, "NRestarts")), (pid, "0"))
    t.assertLess(slowest_ms, 1000, "an answer waited for the log")

with subtest("afterwards each line is there, or among those that the journal says are lost"):
    meter.wait_until_succeeds(f"{since(begin)} | grep '^{LOST}'", timeout=PATIENCE)
    others, lost = count(begin)
    t.assertGreater(lost, 0)
    t.assertAlmostEqual(others, usual, delta=50)

with subtest("with a journal that is stopped, it stops at once"):
    with stopped_journal():
        measure(POLLS // 4)
        took = stop()
    t.assertLess(took, 1)
