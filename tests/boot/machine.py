"""One machine: what NixOS' test driver offers of it, as far as the scripts use that.

Names, signatures and meaning are those of `test_driver.machine.Machine`, so that a script cannot
tell which driver runs it. Behind them is not a VM but systemd in namespaces.
"""

import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BOOT_WITHIN = 60.0
SHUTDOWN_WITHIN = 60.0
INIT = Path(__file__).with_name("init")
ENVIRONMENT = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "USER=root",
    "TERM=dumb", "PAGER=", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
]  # fmt: skip


def retry(attempt: Callable[[bool], bool], timeout: float = 900) -> None:
    """Calls it every second until it returns True; its argument tells the last time."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if attempt(False):
            return
        time.sleep(1)
    if not attempt(True):
        raise Exception(f"action timed out after {timeout} seconds")


class Machine:
    """A machine in its network namespace of the same name."""

    def __init__(self, name: str, root: Path, cgroup: Path, console: Path, verbose: bool = False) -> None:
        self.name = name
        self._root = root
        self._cgroup = cgroup
        self._console = console
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    # --- power ---------------------------------------------------------------

    def start(self, allow_reboot: bool = False) -> None:
        """Switches it on, if it is off; the first command waits until it has booted."""
        if self._process is not None:
            return
        enter: list[str | Path] = ["nsenter", f"--net=/run/netns/{self.name}"]
        with self._console.open("wb") as console:
            self._process = subprocess.Popen(
                [*enter, INIT, self._root, self._cgroup, self.name],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
            )  # fmt: skip

    def shutdown(self) -> None:
        """Shuts down in good order."""
        if self._process is None:
            return
        self.execute("systemctl poweroff")
        self.wait_for_shutdown()

    def wait_for_shutdown(self) -> None:
        if self._process is not None:
            self._process.wait(SHUTDOWN_WITHIN)
            self._process, self._leader = None, 0

    def crash(self) -> None:
        """Pulls the plug."""
        if self._process is not None:
            # unshare kills its child, PID 1 of the machine, and with that all goes.
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(SHUTDOWN_WITHIN)
            self._await_emptiness()
            self._process, self._leader = None, 0

    def connect(self) -> None:
        """Waits until it takes commands."""
        self.start()
        if self._leader:
            return
        end = time.monotonic() + BOOT_WITHIN
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                break
            if leader := self._find_leader():
                self._leader = leader
                if self._shell("systemctl is-active --quiet basic.target", 10)[0] == 0:
                    return
                self._leader = 0
            time.sleep(0.05)
        console = self._console.read_text(errors="replace")
        raise Exception(f"{self.name} did not boot:\n{console[-3000:]}")

    def block(self) -> None:
        """Unplugs the network cable."""
        self._cable("down")

    def unblock(self) -> None:
        """Plugs it in again."""
        self._cable("up")

    # --- commands ------------------------------------------------------------

    def execute(
        self, command: str, check_return: bool = True, check_output: bool = True, timeout: int | None = 900
    ) -> tuple[int, str]:
        """Exit status and standard output of a command of bash."""
        self.connect()
        if self._verbose:
            print(f"    {self.name}$ {command}", flush=True)
        status, output, _ = self._shell(command, timeout)
        return status, output

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        return self._expect(True, commands, timeout)

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        return self._expect(False, commands, timeout)

    def wait_until_succeeds(self, command: str, timeout: int = 900) -> str:
        return self._wait_until(True, command, timeout)

    def wait_until_fails(self, command: str, timeout: int = 900) -> str:
        return self._wait_until(False, command, timeout)

    def copy_from_host(self, source: str, target: str) -> None:
        """Copies a file or folder into the running machine."""
        self.connect()
        into = Path(f"/proc/{self._leader}/root", target.lstrip("/"))
        into.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_dir():
            shutil.copytree(source, into, dirs_exist_ok=True)
        else:
            shutil.copy(source, into)

    # --- units and ports -----------------------------------------------------

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        assert user is None, "the machines have no users' managers"
        return self.execute(f"systemctl {q}")

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        status, lines = self.systemctl(f'--no-pager show "{unit}"', user)
        if status != 0:
            raise Exception(f'retrieving systemctl info for unit "{unit}" failed with exit code {status}')
        return dict(line.split("=", 1) for line in lines.splitlines() if re.match("[^=]+=", line))

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:
        status, line = self.systemctl(f'--no-pager show "{unit}" --property="{property}"', user)
        if status != 0 or not line.startswith(f"{property}="):
            raise Exception(f'retrieving systemctl property "{property}" for unit "{unit}" failed: {line}')
        return line.split("=", 1)[1].removesuffix("\n")

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: int = 900) -> None:
        """Waits until it is active; raises where it has failed, or nothing will start it."""

        def check_active(_last_try: bool) -> bool:
            state = self.get_unit_property(unit, "ActiveState", user)
            if state == "failed":
                raise Exception(f'unit "{unit}" reached state "{state}"')
            if state == "inactive" and "No jobs" in self.systemctl("list-jobs --full 2>&1", user)[1]:
                if self.get_unit_property(unit, "ActiveState", user) == state:
                    raise Exception(f'unit "{unit}" is inactive and there are no pending jobs')
            return state == "active"

        retry(check_active, timeout)

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: int = 900) -> None:
        retry(lambda _: self.execute(f"nc -z {addr} {port}")[0] == 0, timeout)

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: int = 900) -> None:
        retry(lambda _: self.execute(f"nc -z {addr} {port}")[0] != 0, timeout)

    def wait_for_file(self, filename: str, timeout: int = 900) -> None:
        retry(lambda _: self.execute(f"test -e {filename}")[0] == 0, timeout)

    # --- behind it -----------------------------------------------------------

    def _shell(self, command: str, timeout: float | None) -> tuple[int, str, str]:
        """Runs it inside. What it writes to standard error comes from a file: nobody waits until a
        process that it left in the background closes that."""
        limit = [] if timeout is None else ["timeout", "--kill-after=5", str(timeout)]
        enter = ["nsenter", f"--target={self._leader}", "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]
        script = ["bash", "-c", f"set -euo pipefail; {command}"]
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                [*enter, "env", "-i", *ENVIRONMENT, *limit, *script],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
            errors.seek(0)
            return done.returncode, done.stdout.decode(errors="replace"), errors.read().decode(errors="replace")

    def _expect(self, success: bool, commands: tuple[str, ...], timeout: int | None) -> str:
        self.connect()
        output = ""
        for command in commands:
            if self._verbose:
                print(f"    {self.name}$ {command}", flush=True)
            status, out, errors = self._shell(command, timeout)
            if (status == 0) != success:
                result = f"failed (exit code {status})" if success else "unexpectedly succeeded"
                raise Exception(f"{self.name}: command `{command}` {result}\n{out}{errors}".rstrip())
            output += out
        return output

    def _wait_until(self, success: bool, command: str, timeout: int) -> str:
        output = ""

        def check(last_try: bool) -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            if last_try and (status == 0) != success:
                wanted = "succeed" if success else "fail"
                raise Exception(f"{self.name}: command `{command}` did not {wanted} within {timeout} s\n{output}")
            return (status == 0) == success

        retry(check, timeout)
        return output

    def _find_leader(self) -> int:
        """The process that is PID 1 inside, once it is systemd and listens."""
        assert self._process is not None
        pid = self._process.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            is_systemd = Path(f"/proc/{child}/comm").read_text().strip() == "systemd"
            if is_systemd and Path(f"/proc/{child}/root/run/systemd/private").exists():
                return int(child)
        return 0

    def _await_emptiness(self) -> None:
        events = self._cgroup / "cgroup.events"
        end = time.monotonic() + SHUTDOWN_WITHIN
        while "populated 1" in events.read_text() and time.monotonic() < end:
            time.sleep(0.02)

    def _cable(self, state: str) -> None:
        subprocess.run(["ip", "link", "set", self.name, state], check=True)

    def __repr__(self) -> str:
        return f"<Machine {shlex.quote(self.name)}>"
