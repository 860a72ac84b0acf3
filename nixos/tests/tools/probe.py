"""Tries what a sandbox should forbid, and prints what came of it as JSON: "ok" or the error's name.

probe.py OPENHAB STRANGER TOKEN_FILE. Each attempt runs in a process of its own and undoes what it did, so the
probe may run outside of any sandbox, too: that shows what fails even there.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

OPENHAB, STRANGER, TOKEN_FILE = sys.argv[1:]
OWN = os.environ.get("STATE_DIRECTORY") or "/var/tmp"
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
QUERY_PERSONALITY, SHORT_INODE = 0xFFFFFFFF, 0x1000000
TRACE_ME = 0


def call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def bind(kind: socket.SocketKind, port: int, family: socket.AddressFamily = socket.AF_INET) -> None:
    socket.socket(family, kind).bind(("", port))


def connect(host: str) -> None:
    socket.create_connection((host, 8080), timeout=3)


def send(host: str) -> None:
    """Whether it leaves is enough."""
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", (host, 9))


def write(folder: str) -> None:
    path = Path(folder, f"probe-{os.getpid()}")
    path.write_text("probe")
    path.unlink()


def make_cgroup() -> None:
    os.mkdir("/sys/fs/cgroup/probe")
    os.rmdir("/sys/fs/cgroup/probe")


def execute_own(folder: str) -> None:
    """A program that it brings along."""
    program = Path(folder, f"probe-{os.getpid()}")
    shutil.copy("/proc/self/exe", program)
    program.chmod(0o700)
    try:
        subprocess.run([program, "-c", ""], check=True)
    finally:
        program.unlink()


def make_setuid() -> None:
    path = Path(OWN, f"probe-{os.getpid()}")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def change_memory() -> None:
    """Writable memory becomes executable."""
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    call(LIBC.mprotect, ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC)


def names(folder: str) -> None:
    if not os.listdir(folder):
        raise FileNotFoundError(errno.ENOENT, "empty")


FORBIDDEN: dict[str, Callable[[], object]] = {
    "bind a TCP port": lambda: bind(socket.SOCK_STREAM, 9999),
    "bind any TCP port": lambda: bind(socket.SOCK_STREAM, 0),
    "bind a TCP port, IPv6": lambda: bind(socket.SOCK_STREAM, 9999, socket.AF_INET6),
    "connect to a stranger": lambda: connect(STRANGER),
    "send a datagram to a stranger": lambda: send(STRANGER),
    "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "vsock socket": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM, 0),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "write to /etc": lambda: write("/etc"),
    "write to /var": lambda: write("/var"),
    "write to /run": lambda: write("/run"),
    "write to /root": lambda: write("/root"),
    "write to /sys/fs/cgroup": make_cgroup,
    "see homes": lambda: names("/root"),
    "read a home": lambda: Path("/home/somebody/notes").read_text(),
    "read root's token": lambda: Path(TOKEN_FILE).read_text(),
    "execute a program": lambda: subprocess.run([shutil.which("true") or "true"], check=True),
    "execute its own file": lambda: execute_own(OWN),
    "execute a file in /tmp": lambda: execute_own("/tmp"),
    "execute a file in /var/tmp": lambda: execute_own("/var/tmp"),
    "execute a file in /dev/shm": lambda: execute_own("/dev/shm"),
    "map writable and executable": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "make memory executable": change_memory,
    "new user namespace": lambda: call(LIBC.unshare, CLONE_NEWUSER),
    "new mount namespace": lambda: call(LIBC.unshare, CLONE_NEWNS),
    "see PID 1": lambda: Path("/proc/1/status").read_text(),
    "see /proc/meminfo": lambda: Path("/proc/meminfo").read_text(),
    "see /proc/sys": lambda: Path("/proc/sys/kernel/ostype").read_text(),
    "become root": lambda: os.setresuid(0, 0, 0),
    "make a setuid file": make_setuid,
    "realtime priority": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "set its priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0)),
    "be traced": lambda: call(LIBC.ptrace, TRACE_ME, 0, None, None),
    "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096)),
    "another personality": lambda: call(LIBC.personality, LIBC.personality(QUERY_PERSONALITY) | SHORT_INODE),
    "set the hostname": lambda: socket.sethostname(socket.gethostname()),
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "open a kernel log": lambda: call(LIBC.klogctl, 10, None, 0),
}  # fmt: skip
ALLOWED: dict[str, Callable[[], object]] = {
    "connect to openHAB": lambda: connect(OPENHAB),
    "write its own state": lambda: write(OWN),
    "write to /tmp": lambda: write("/tmp"),
    "resolve a name": lambda: socket.getaddrinfo("openhab", 8080),
}


def outcome(attempt: Callable[[], object]) -> str:
    """Runs it in a child."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            attempt()
            said = "ok"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, type(error).__name__)
        except Exception as error:
            said = type(error).__name__
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    os.wait()
    return said or "killed"


def devices() -> list[str]:
    nodes = [path for path in Path("/dev").rglob("*") if not path.is_symlink()]
    return sorted(str(path) for path in nodes if path.is_char_device() or path.is_block_device())


def credential() -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder, "openhab_token").read_text() if folder else ""


print(
    json.dumps(
        {
            "forbidden": {name: outcome(attempt) for name, attempt in FORBIDDEN.items()},
            "allowed": {name: outcome(attempt) for name, attempt in ALLOWED.items()},
            "uid": os.getuid(),
            "umask": os.umask(0),
            "credential": credential(),
            "devices": devices(),
            "processes": sum(name.isdecimal() for name in os.listdir("/proc")),
            "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
    ),
    flush=True,
)
