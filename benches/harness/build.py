"""Builds everything that is measured, and says what it needs for that."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

BENCHES = Path(__file__).resolve().parents[1]
ROOT = BENCHES.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
WORK = TARGET / "benches"
BUILT = WORK / "build" / "release"

# The version of the original, and the newest when this was written. The former does not start
# without its packages for serial lines.
PYMODBUS = {
    "original": ("3.0.0", ["pyserial==3.5", "pyserial-asyncio==0.6"]),
    "newest": ("3.16.1", []),
}


def has_library() -> bool:
    """Whether a C program can be built with libmodbus."""
    command = ["cc", "-x", "c", "-include", "modbus/modbus.h", "-E", os.devnull]
    return has("cc") and subprocess.run(command, check=False, capture_output=True).returncode == 0


def has(tool: str) -> bool:
    return shutil.which(tool) is not None


def has_venv() -> bool:
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True


def require(packages: dict[str, bool]) -> None:
    """Checks Debian packages, given with whether their content is there. As root it installs the rest."""
    if not has("cargo"):
        sys.exit("needs Rust: https://rustup.rs")
    missing = [name for name, there in packages.items() if not there]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        sys.exit(f"needs: sudo {' '.join(command)}")
    say(f"installing: {' '.join(missing)}")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def say(text: str) -> None:
    print(f"==== {text}", flush=True)


def cargo(directory: Path, target: Path, *arguments: str) -> None:
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", str(target)]
    subprocess.run([*command, *arguments], cwd=directory, check=True)


def program() -> Path:
    """The program itself, as it is shipped."""
    say("building the program")
    cargo(ROOT, TARGET)
    return TARGET / "release" / "fronius-smartmeter"


def tools(*names: str) -> None:
    """Builds the Rust part of this directory into `BUILT`."""
    say("building the tools")
    cargo(BENCHES, WORK / "build", *(f"--bin={name}" for name in names))


def peer(name: str, *libraries: str) -> Path:
    """A server in C."""
    say(f"building the {name} server")
    binary = WORK / name
    source = BENCHES / "peers" / f"{name}.c"
    command = ["cc", "-O2", "-s", "-Wall", "-Wextra", "-o", str(binary), str(source), *libraries]
    subprocess.run(command, check=True)
    return binary


def pymodbus(version: str, more: list[str]) -> Path:
    """The interpreter of a virtual environment with this pymodbus. It is a copy: if it
    were shared with the Python that runs this, its memory would seem smaller than it is."""
    home = WORK / f"pymodbus-{version}"
    python = home / "bin" / "python"
    # Written last, so that an incomplete environment is made again.
    done = home / "installed.txt"
    wanted = " ".join([f"pymodbus=={version}", *more])
    if not done.exists() or done.read_text() != wanted:
        say(f"installing {wanted} from PyPI into {home}")
        venv.create(home, clear=True, symlinks=False, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted.split()], check=True)
        done.write_text(wanted)
    return python
