"""Boots the machines and runs test scripts over them. Started by `run`, in namespaces of its own:
what is mounted or plugged in here, and every process, goes when this process ends, however it ends.
Only the machines' cgroup has to be removed by hand.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
import unittest
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import trees
from machine import Machine

NODES = ("inverter", "meter", "openhab", "stranger")  # in the order in which NixOS numbers them
SCRIPTS = trees.PROJECT / "nixos/tests"
DEBIAN = Path(__file__).with_name("debian.py")
SCRIPT_WITHIN = 600
CGROUPS = Path("/sys/fs/cgroup")

# What has no place in a machine without hardware, or would reach for the host's.
MASKED = (
    "systemd-modules-load.service", "systemd-sysctl.service", "systemd-logind.service", "console-getty.service",
    "getty@.service", "systemd-journald-audit.socket", "apt-daily.timer", "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
)  # fmt: skip


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


class Bed:
    """Four machines on one switch, made anew for each script."""

    def __init__(self, boot: Path, root: Path, verbose: bool) -> None:
        self.root, self.verbose = root, verbose
        self.work = boot / "work"
        # Fixed for each checkout, so that a run finds what a killed one has left.
        self.cgroup = CGROUPS / f"fronius-smartmeter-boot-{uuid.uuid5(uuid.NAMESPACE_URL, str(boot)).hex[:8]}"
        self.machines: list[Machine] = []

    def __enter__(self) -> "Bed":
        self.work.mkdir(exist_ok=True)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self.work)
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")  # for the names of the network namespaces
        subprocess.run(["umount", "--recursive", "--lazy", CGROUPS], check=True)
        mount("-t", "cgroup2", "cgroup2", CGROUPS)
        remove_cgroup(self.cgroup)
        self.cgroup.mkdir()
        for folder in (CGROUPS, self.cgroup):
            for controller in (folder / "cgroup.controllers").read_text().split():
                try:
                    (folder / "cgroup.subtree_control").write_text(f"+{controller}")
                except OSError:
                    pass  # a script that needs it will tell
        ip("link", "add", "switch", "type", "bridge")
        ip("link", "set", "switch", "up")
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()
        remove_cgroup(self.cgroup)

    def install(self, test: str, overlays: Path) -> None:
        """Makes the machines of a test, switched off; `overlays` has a tree for each."""
        for number, node in enumerate(NODES, 1):
            plug_in(node, number)
            home = self.work / test / node
            (home / "work").mkdir(parents=True)
            (home / "root").mkdir()
            basics(home / "own", node)
            layers = f"lowerdir={home / 'own'}:{overlays / node}:{self.root}"
            (home / "upper").mkdir()
            mount("-t", "overlay", "-o", f"{layers},upperdir={home / 'upper'},workdir={home / 'work'}", "overlay", home / "root")
            cgroup = self.cgroup / f"{test}-{node}"
            cgroup.mkdir()
            self.machines.append(Machine(node, home / "root", cgroup, home / "console", self.verbose))

    def switch_off(self) -> None:
        for machine in self.machines:
            machine.crash()
            ip("link", "delete", machine.name)
            ip("netns", "delete", machine.name)
        self.machines.clear()


def plug_in(node: str, number: int) -> None:
    """Gives a machine a network of its own, with a cable to the switch."""
    ip("netns", "add", node)
    ip("link", "add", node, "type", "veth", "peer", "name", "eth1", "netns", node)
    ip("link", "set", node, "master", "switch", "up")
    ip("-n", node, "link", "set", "lo", "up")
    ip("-n", node, "address", "add", f"192.168.1.{number}/24", "dev", "eth1")
    ip("-n", node, "address", "add", f"2001:db8:1::{number}/64", "dev", "eth1", "nodad")
    ip("-n", node, "link", "set", "eth1", "up")


def basics(tree: Path, node: str) -> None:
    """What every machine has, whatever is tested on it."""
    hosts = "127.0.0.1 localhost\n::1 localhost\n"
    for number, name in enumerate(NODES, 1):
        hosts += f"192.168.1.{number} {name}\n2001:db8:1::{number} {name}\n"
    trees.write(tree / "etc/hosts", hosts)
    trees.write(tree / "etc/hostname", node + "\n")
    trees.write(tree / "etc/machine-id", uuid.uuid4().hex + "\n")  # without one it were a first boot
    trees.write(tree / "etc/systemd/journald.conf.d/boot.conf", "[Journal]\nStorage=persistent\nAudit=\n")
    units = tree / "etc/systemd/system"
    units.mkdir()
    for unit in MASKED:
        (units / unit).symlink_to("/dev/null")


def remove_cgroup(top: Path) -> None:
    """It is empty as soon as the killed processes in it are."""
    end = time.monotonic() + 10
    while top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError as error:
                if time.monotonic() > end:
                    print(f"left behind: {folder}: {error.strerror}", file=sys.stderr)
                    return
        time.sleep(0.02)


@contextmanager
def subtest(name: str) -> Iterator[None]:
    print(f"  {name}", flush=True)
    begin = time.monotonic()
    yield
    print(f"    ok, {time.monotonic() - begin:.1f} s", flush=True)


def perform(script: Path, machines: list[Machine]) -> None:
    """Runs a script with the names that NixOS' driver gives it."""

    def start_all() -> None:
        for machine in machines:
            machine.start()

    names: dict[str, object] = {machine.name: machine for machine in machines}
    names |= {"machines": machines, "start_all": start_all, "subtest": subtest, "t": unittest.TestCase()}
    names |= {"TOOLS": str(SCRIPTS / "tools")}
    for part in (SCRIPTS / "common.py", script):
        exec(compile(part.read_text(), str(part), "exec"), names)


def report(machines: list[Machine]) -> None:
    """What one wants to know after a failure."""
    traceback.print_exc()
    meter = next(machine for machine in machines if machine.name == "meter")
    try:
        for command in (
            "systemctl --no-pager --failed --no-legend",
            "journalctl --sync; journalctl --no-pager -b -n 60 -o short-precise",
        ):
            print(meter.execute(command, timeout=20)[1], flush=True)
    except Exception as error:
        print(f"the meter's journal cannot be had: {error}")


def stopper(why: str) -> Callable[[int, FrameType | None], None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(why)

    return stop


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/boot/run")
    parser.add_argument("--boot", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--binary", type=Path, help="the program (default: the release in target)")
    parser.add_argument("--deb", type=Path, help="Debian package, to be installed and tried too")
    parser.add_argument("--trees", type=Path, help="folder with a tree for each TEST/MACHINE, instead of Debian's")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the commands")
    parser.add_argument("scripts", nargs="*", type=Path, metavar="SCRIPT")
    options = parser.parse_args()
    binary: Path = options.binary or options.boot.parent / "release/fronius-smartmeter"
    if not binary.is_file():
        parser.error(f"no binary {binary}: cargo build --release")
    scripts = options.scripts or sorted(set(SCRIPTS.glob("*.py")) - {SCRIPTS / "common.py"})
    if options.deb:
        scripts = [*scripts, DEBIAN]

    signal.signal(signal.SIGTERM, stopper("terminated"))
    signal.signal(signal.SIGALRM, stopper(f"a script took more than {SCRIPT_WITHIN} s"))
    failed: list[str] = []
    with Bed(options.boot, options.root, options.verbose) as bed:
        for script in scripts:
            test, begin = script.stem, time.monotonic()
            print(f"== {test}", flush=True)
            signal.alarm(SCRIPT_WITHIN)
            overlays = bed.work / test / "trees"
            if script == DEBIAN:
                trees.script_user(binary, options.deb, overlays)
            elif options.trees:
                overlays = options.trees / test
            else:
                trees.debian(test, binary, overlays)
            bed.install(test, overlays)
            try:
                perform(script, bed.machines)
                outcome = "ok"
            except Exception:
                report(bed.machines)
                failed.append(test)
                outcome = "FAILED"
            bed.switch_off()
            signal.alarm(0)
            print(f"== {test}: {outcome}, {time.monotonic() - begin:.1f} s", flush=True)
    print(f"{len(scripts) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
