"""A terminal emulator, pyte, shows what the program draws, and judges it.

Started by `run` next to this file, which installs what requirements.txt names.
`picture.py` makes the README's picture with the same terminal.
"""

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pyte

READY_WITHIN = 20.0
STOP_WITHIN = 15.0


class Terminal:
    """A program in a pseudo-terminal, and what a user of it sees."""

    def __init__(self, command, columns=80, rows=24, **environment):
        self.screen = Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.raw = b""
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.resize(columns, rows)
        env = {"TERM": "xterm-256color", "PATH": os.environ["PATH"], **environment}
        self.program = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, preexec_fn=lambda: own(slave)
        )
        self.slave = slave

    def resize(self, columns, rows):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Shows what comes within that time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                data = os.read(self.master, 65536)
                self.raw += data
                self.stream.feed(self.decoder.decode(data))

    def until(self, text, within=READY_WITHIN):
        """Shows what comes until there is that text."""
        deadline = time.monotonic() + within
        while text not in self.text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} within {within} s:\n{self.text()}")
            self.read(0.05)
        # The rest of that picture.
        self.read(0.1)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def stop(self, by=signal.SIGINT):
        """Ends the program, and returns its exit code."""
        self.program.send_signal(by)
        return self.ended()

    def ended(self, within=STOP_WITHIN):
        deadline = time.monotonic() + within
        while self.program.poll() is None:
            if time.monotonic() > deadline:
                self.program.kill()
                raise TimeoutError("it does not end")
            self.read(0.05)
        self.read(0.1)
        return self.program.returncode

    def close(self):
        if self.program.poll() is None:
            self.program.kill()
        self.program.wait()
        os.close(self.master)
        os.close(self.slave)


class Screen(pyte.Screen):
    """With the alternate screen, which pyte lacks, and an eye on what scrolls."""

    def __init__(self, columns, rows):
        self.scrolled = 0
        self.main = None
        super().__init__(columns, rows)

    def set_mode(self, *modes, **options):
        if options.get("private") and 1049 in modes and self.main is None:
            self.main = (self.display, self.cursor.x, self.cursor.y)
            self.erase_in_display(2)
        super().set_mode(*modes, **options)

    def reset_mode(self, *modes, **options):
        if options.get("private") and 1049 in modes and self.main is not None:
            lines, x, y = self.main
            self.main = None
            self.erase_in_display(2)
            for row, line in enumerate(lines[: self.lines]):
                self.cursor_position(row + 1, 1)
                self.draw(line.rstrip()[: self.columns])
            self.cursor_position(y + 1, x + 1)
        super().reset_mode(*modes, **options)

    def select_graphic_rendition(self, *attributes, **options):
        # pyte knows no faint text: italics, which are not used otherwise, take its place.
        super().select_graphic_rendition(*(3 if a == 2 else a for a in attributes), **options)

    def index(self):
        if self.cursor.y == self.lines - 1:
            self.scrolled += 1
        super().index()


def own(terminal):
    """Makes the terminal that of a new session, as a terminal window does."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


class Judge:
    """Prints a line for each verdict."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, problem):
        """A problem is any text but an empty one."""
        if problem:
            self.failed += 1
            print(f"FAIL {what}: {problem}", flush=True)
        else:
            self.passed += 1
            print(f"ok   {what}", flush=True)

    def exit_code(self):
        """Sums up: 0 if nothing has failed."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


SIZES = [(40, 10), (80, 24), (200, 60), (300, 12), (41, 11), (39, 80)]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def untidy(terminal):
    """What a program that has ended has left on the terminal."""
    left = []
    if terminal.screen.main is not None:
        left.append("the alternate screen")
    if terminal.screen.cursor.hidden:
        left.append("no cursor")
    if pyte.modes.DECAWM not in terminal.screen.mode:
        left.append("lines that do not wrap")
    if termios.tcgetattr(terminal.slave) != terminal.before:
        left.append("another mode")
    if terminal.screen.cursor.attrs != terminal.screen.default_char:
        left.append("a colour")
    return ", ".join(left)


def picture_problem(terminal, needed):
    """What is wrong with a picture, which must have these texts, each in its line."""
    lines = terminal.lines()
    missing = [text for text in needed if sum(text in line for line in lines) != 1]
    if missing:
        return f"not once each: {missing}\n{terminal.text()}"
    if terminal.screen.scrolled:
        return f"it scrolled {terminal.screen.scrolled} lines"
    if not terminal.screen.cursor.hidden:
        return "the cursor is in the way"
    return ""


def sizes(judge, name, command, ready, needed):
    """One program in windows of all sizes, one after another, as somebody drags them."""
    terminal = Terminal(command, *SIZES[0])
    try:
        terminal.until(ready)
        for columns, rows in [*SIZES, SIZES[0], SIZES[2]]:
            terminal.resize(columns, rows)
            # What a terminal makes of the old picture is not the program's doing.
            terminal.screen.erase_in_display(2)
            terminal.screen.scrolled = 0
            terminal.until(ready)
            terminal.read(0.6)
            judge.check(f"{name} fits {columns}x{rows}", picture_problem(terminal, needed))
    finally:
        terminal.close()


def remains(judge, name, command, ready, needed):
    """A window that becomes smaller and larger again, of which nothing is erased by others."""
    terminal = Terminal(command, 120, 40)
    try:
        terminal.until(ready)
        for columns, rows in [(60, 20), (120, 40), (40, 10), (120, 40)]:
            terminal.resize(columns, rows)
            terminal.read(1.5)
        judge.check(f"{name} leaves no remains", picture_problem(terminal, needed))
    finally:
        terminal.close()


def endings(judge, name, command, ready, said):
    """Whatever ends it, the terminal is as before, and what was said last stays."""
    for by in SIGNALS:
        terminal = Terminal(command)
        try:
            terminal.until(ready)
            # Typed blindly: neither shown, nor left for the shell.
            os.write(terminal.master, b"rm -rf\n")
            terminal.read(0.5)
            code = terminal.stop(by)
            judge.check(f"{name} ends by {by.name}", "" if code == 0 else f"exit code {code}")
            judge.check(f"{name}, {by.name}: the terminal is as before", untidy(terminal))
            text = terminal.text()
            judge.check(f"{name}, {by.name}: the last picture stays", "" if said in text else text)
            judge.check(f"{name}, {by.name}: nothing typed is shown", text if "rm -rf" in text else "")
        finally:
            terminal.close()


def colours(judge, name, command, ready):
    """Colours unless they are not wanted, and nothing but text on a dumb terminal."""
    for what, environment, wrong in [
        ("NO_COLOR", {"NO_COLOR": "1"}, rb"\x1b\[[0-9;]*[1-9][0-9;]*m"),
        ("an empty NO_COLOR", {"NO_COLOR": ""}, None),
        ("TERM=dumb", {"TERM": "dumb"}, rb"\x1b"),
    ]:
        terminal = Terminal(command, 120, 40, **environment)
        try:
            terminal.until(ready)
            terminal.stop()
            if wrong is None:
                problem = "" if b"\x1b[32m" in terminal.raw else "no green"
            else:
                found = re.search(wrong, terminal.raw)
                problem = repr(found.group()) if found else ""
            judge.check(f"{name} with {what}", problem)
        finally:
            terminal.close()


def outage(judge, binary):
    """What the demo is for: openHAB goes away, and comes back."""
    terminal = Terminal([binary, "demo", "--listen", "127.0.0.1:0"])
    try:
        terminal.until("openHAB is away", within=40)
        reading = [line for line in terminal.lines() if "  power " in line]
        judge.check("while openHAB is away the meter serves 0 W", "" if " 0.0 W" in reading[0] else reading[0])
        energy = exported(terminal)
        terminal.until("openHAB is back", within=20)
        stands = exported(terminal)
        judge.check("and its energy stands", "" if stands == energy else f"{energy}, then {stands}")
        terminal.until(" live", within=20)
        judge.check("and it is live again", "")
    finally:
        terminal.close()


def exported(terminal):
    return [line.split()[-2] for line in terminal.lines() if "exported energy" in line]


def lost_meter(judge, binary):
    """A meter that goes away: its last values stay, marked as old, with the error in the picture."""
    with meter(binary) as (process, address):
        terminal = Terminal([binary, "read", address, "--watch"], 40, 10)
        try:
            terminal.until("just read")
            process.terminate()
            terminal.until("old: 3 s")
            needed = ["current   ", "exported energy", "old: ", "refused"]
            judge.check("old values stay, with the error", picture_problem(terminal, needed))
        finally:
            terminal.close()


def silent_host(judge, binary):
    """While a host keeps silent, a line says so, and goes away again."""
    with socket.create_server(("127.0.0.1", 0)) as host:
        terminal = Terminal([binary, "read", f"127.0.0.1:{host.getsockname()[1]}"])
        try:
            terminal.until("… 2 s")
            judge.check("what takes its time is said", "")
            code = terminal.ended(within=30)
            judge.check("a silent host is no meter", "" if code == 69 else f"exit code {code}")
            left = "…" in terminal.text()
            judge.check("and the line is gone", terminal.text() if left else untidy(terminal))
        finally:
            terminal.close()


@contextlib.contextmanager
def meter(binary):
    """A meter to read, and its address."""
    command = [binary, "demo", "--listen", "127.0.0.1:0"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, **streams) as process:
        try:
            begin = "The meter is at "
            lines = (line for line in process.stdout if line.startswith(begin))
            yield process, next(lines).removeprefix(begin).split(",")[0]
        finally:
            process.kill()


def main(binary):
    judge = Judge()
    demo = [binary, "demo", "--listen", "127.0.0.1:0"]
    needed = ["A solar day in a minute", "openHAB ─", "roof_power", "balcony_energy", "page http://"]
    sizes(judge, "demo", demo, "page http://", needed)
    remains(judge, "demo", demo, "page http://", needed)
    endings(judge, "demo", demo, "page http://", "page http://")
    colours(judge, "demo", demo, " live")
    outage(judge, binary)

    with meter(binary) as (_, address):
        read = [binary, "read", address, "--watch"]
        needed = ["just read", "current   ", "exported energy", "frequency"]
        sizes(judge, "read --watch", read, "just read", needed)
        remains(judge, "read --watch", read, "just read", [*needed, "serial number"])
        endings(judge, "read --watch", read, "just read", "exported energy")
        colours(judge, "read --watch", read, "exported energy")
    lost_meter(judge, binary)
    silent_host(judge, binary)
    return judge.exit_code()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
