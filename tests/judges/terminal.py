"""A terminal emulator, pyte, shows what the program draws, and judges it.

Started by `run` next to this file, which installs what requirements.txt names.
`picture.py` makes the README's picture with the same terminal.
"""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte

READY_WITHIN = 20.0
STOP_WITHIN = 5.0


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

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def stop(self, by=signal.SIGINT):
        """Ends the program, and returns its exit code."""
        self.program.send_signal(by)
        return self.ended()

    def ended(self):
        deadline = time.monotonic() + STOP_WITHIN
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

    def index(self):
        if self.cursor.y == self.lines - 1:
            self.scrolled += 1
        super().index()


def own(terminal):
    """Makes the terminal that of a new session, as a terminal window does."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
