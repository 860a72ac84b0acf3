"""openHAB itself judges the meter: what it serves while a real openHAB changes its items.

Started by `run --openhab` in the folder above; README.md there says what is needed.
"""

import os
import sys
import tempfile
from pathlib import Path

import access
import items
import pushes
import restart
from server import OpenHab
from verdicts import Verdicts


def main(binary):
    openhab = OpenHab(os.environ["OPENHAB_URL"], os.environ["OPENHAB_CONTROL"])
    title, verdicts = f"openHAB {openhab.version()} judges {binary}", Verdicts()
    with tempfile.TemporaryDirectory() as folder:
        for judgement in (items.judge, pushes.judge, restart.judge, access.judge):
            verdicts.judge(judgement, openhab, folder, os.path.abspath(binary))
        logs = {log.name: log.read_text() for log in sorted(Path(folder).glob("*.log"))}
        verdicts.check("nothing has panicked", not any("panicked" in text for text in logs.values()), f"{len(logs)} logs")
        if verdicts.failed():
            for name, text in logs.items():
                print(f"---- {name} ----\n{text}")
    openhab.clean_up()
    verdicts.show(title)
    return 1 if verdicts.failed() else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not {"OPENHAB_URL", "OPENHAB_CONTROL"} <= os.environ.keys():
        sys.exit("usage: OPENHAB_URL=… OPENHAB_CONTROL=… run --openhab [BINARY]")
    sys.exit(main(sys.argv[1]))
