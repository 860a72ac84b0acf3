"""Somebody at a terminal answers the questions of `setup`, and another time gives up.

Started by `run` next to this file.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

from terminal import Judge, Terminal, untidy

ENTER, ESCAPE, DOWN = b"\r", b"\x1b", b"\x1b[B"
TOKEN = "oh.meter.canary"


class Dialogue:
    """`setup` in a terminal, and what is typed there."""

    def __init__(self, binary, directory, arguments, columns=80, rows=24):
        self.config = pathlib.Path(directory, "config.yaml")
        command = [binary, "setup", *arguments, "--config", str(self.config), "--port", "5502"]
        self.terminal = Terminal(command, columns, rows)

    def answer(self, question, keys):
        self.terminal.until(question)
        os.write(self.terminal.master, keys)

    def written(self):
        return self.config.read_text() if self.config.exists() else ""


@contextlib.contextmanager
def openhab(binary, *arguments):
    """An openHAB with a solar day, and its address."""
    command = [binary, "simulate", "--listen", "127.0.0.1:0", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **streams) as process:
        try:
            begin = "http://"
            line = next(line for line in process.stdout if begin in line)
            yield line.partition(begin)[2].split()[0].strip("/.,")
        finally:
            process.kill()


@contextlib.contextmanager
def dialogue(binary, arguments, **size):
    with tempfile.TemporaryDirectory() as directory:
        made = Dialogue(binary, directory, arguments, **size)
        try:
            yield made
        finally:
            made.terminal.close()


def questions(asked):
    """All questions about a generator, answered as proposed but for the size."""
    asked.answer("What does the meter measure?", ENTER)
    asked.answer("? Energy generated so far:", ENTER)
    asked.answer("? Power generated now:", ENTER)
    asked.answer("? Voltage:", ENTER)
    # None, which is above the one that is proposed.
    asked.answer("? Current:", b"\x1b[A" + ENTER)
    asked.answer("? Frequency:", ENTER)
    asked.answer("? Phase", DOWN + ENTER)
    asked.answer("? Maximum power", b"99\r")
    asked.answer("from 100 to", b"\x7f\x7f800\r")


def missing(text, lines):
    """Which of the lines are not there."""
    return ", ".join(line for line in lines if line not in text.splitlines())


def all_answered(judge, binary, size):
    with openhab(binary) as address, dialogue(binary, [address], **size) as asked:
        name = f"setup in {size['columns']}x{size['rows']}"
        questions(asked)
        code = asked.terminal.ended(within=30)
        judge.check(f"{name} ends well", "" if code == 0 else f"{code}\n{asked.terminal.text()}")
        wanted = [
            "energy_counter_out: inverter_energy",
            "current_power: inverter_power",
            "current_voltage: inverter_voltage",
            "current_frequency: inverter_frequency",
            "connected_phase: 2",
            "max_power: 800",
            "modbus_listen: 5502",
        ]
        judge.check(f"{name} writes what was chosen", missing(asked.written(), wanted))
        judge.check(f"{name} leaves out the rest", "current" if "current_current" in asked.written() else "")
        judge.check(f"{name} leaves the terminal as before", untidy(asked.terminal))
        check = [binary, "check", "--offline", "--config", str(asked.config)]
        judge.check(f"{name} writes a valid file", "" if subprocess.run(check).returncode == 0 else "check fails")


def given_up(judge, binary):
    for keys in [ESCAPE, b"\x03"]:
        with openhab(binary) as address, dialogue(binary, ["openhab", address]) as asked:
            asked.answer("What does the meter measure?", ENTER)
            asked.answer("? Energy generated so far:", keys)
            code = asked.terminal.ended()
            judge.check(f"{keys} ends it", "" if code == 130 else f"exit code {code}")
            judge.check(f"{keys}: nothing is written", asked.written())
            judge.check(f"{keys}: the terminal is as before", untidy(asked.terminal))


def not_replaced(judge, binary):
    with openhab(binary) as address, tempfile.TemporaryDirectory() as directory:
        pathlib.Path(directory, "config.yaml").write_text("mine")
        asked = Dialogue(binary, directory, [address])
        try:
            asked.answer("exists. Replace it?", ENTER)
            code = asked.terminal.ended()
            judge.check("Enter alone replaces no file", "" if code == 130 else f"exit code {code}")
            judge.check("which is as before", "" if asked.written() == "mine" else asked.written())
        finally:
            asked.terminal.close()


def a_token(judge, binary):
    with tempfile.NamedTemporaryFile("w") as token:
        token.write(TOKEN)
        token.flush()
        with (
            openhab(binary, "--token-file", token.name) as address,
            dialogue(binary, ["openhab", address]) as asked,
        ):
            asked.answer("API token for openHAB:", TOKEN.encode() + ENTER)
            questions(asked)
            code = asked.terminal.ended(within=30)
            judge.check("with a token it ends well", "" if code == 0 else asked.terminal.text())
            path = asked.config.with_name("openhab_token")
            wanted = [f"openhab_token_file: {path}"]
            judge.check("the file of the token is named", missing(asked.written(), wanted))
            kept = path.exists() and (path.read_text().strip(), path.stat().st_mode & 0o777)
            judge.check("which only its owner may read", "" if kept == (TOKEN, 0o600) else repr(kept))
            shown = TOKEN.encode() in asked.terminal.raw or TOKEN in asked.written()
            judge.check("and the token is not shown", "it is" if shown else "")


def main(binary):
    judge = Judge()
    for columns, rows in [(80, 24), (40, 16)]:
        all_answered(judge, binary, {"columns": columns, "rows": rows})
    given_up(judge, binary)
    not_replaced(judge, binary)
    a_token(judge, binary)
    return judge.exit_code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
