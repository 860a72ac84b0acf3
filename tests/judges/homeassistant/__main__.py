"""Home Assistant itself judges the meter: what it serves while a real Core changes its entities.

Started by `run --homeassistant` in the folder above; README.md there says what is needed.
"""

import os
import sys
import tempfile
from pathlib import Path

import access
import idle
import latency
import names
import reports
import restart
import values
from core import Core
from verdicts import Verdicts

JUDGES = {module.__name__: module for module in (values, names, reports, latency, idle, restart, access)}


def main(binary, wanted):
    core = Core(os.environ["HOMEASSISTANT_URL"], Path(os.environ["HOMEASSISTANT_TOKEN_FILE"]), os.environ.get("HOMEASSISTANT_CONTROL"))
    title, verdicts = f"Home Assistant {core.version} judges {binary}", Verdicts()
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in wanted or JUDGES:
                verdicts.judge(JUDGES[name].judge, core, folder, os.path.abspath(binary))
        finally:
            core.clean_up()
        logs = {log.name: log.read_text() for log in sorted(Path(folder).glob("*.log"))}
        verdicts.check("nothing has panicked", not any("panicked" in text for text in logs.values()), f"{len(logs)} logs")
        verdicts.check("no token is in any log", not any(token in text for text in logs.values() for token in core.secrets))
        if verdicts.failed():
            for name, text in logs.items():
                print(f"---- {name} ----\n{text}")
    verdicts.show(title)
    return 1 if verdicts.failed() else 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or not {"HOMEASSISTANT_URL", "HOMEASSISTANT_TOKEN_FILE"} <= os.environ.keys():
        sys.exit("usage: HOMEASSISTANT_URL=… HOMEASSISTANT_TOKEN_FILE=… run --homeassistant [BINARY [JUDGE...]]")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
