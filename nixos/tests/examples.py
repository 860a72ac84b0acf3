# Every example of eval/cases.nix, as the module makes it, on a machine that boots with it: the ports
# are open and the service is ready. It has no openHAB to talk to.

EXAMPLES = "/etc/examples"
UNITS = "/etc/systemd/system"


def units(example: str) -> list[str]:
    return meter.succeed(f"cd {EXAMPLES}/{example}; ls -d *.service *.socket").split()


def install(example: str) -> None:
    """Puts its files where NixOS would, and the secrets where it expects them."""
    meter.succeed(
        f"rm -rf {UNITS}/fronius-smartmeter* /etc/tmpfiles.d/secrets.conf",
        f"install -D -m 644 {EXAMPLES}/{example}/config.yaml /etc/fronius-smartmeter/config.yaml",
    )
    for unit in units(example):
        target = f"{UNITS}/{unit}"
        if unit in (SERVICE, SOCKET):
            target += ".d/overrides.conf"
        meter.succeed(f"install -D -m 644 {EXAMPLES}/{example}/{unit} {target}")
        for kind, name, path in credentials(example, unit):
            if kind == "LoadCredential":
                meter.succeed(f"echo 'f {path} 0600 root root - secret' >>/etc/tmpfiles.d/secrets.conf")
            else:
                meter.succeed(
                    f"mkdir -p {path.rpartition('/')[0]}",
                    f"echo secret | systemd-creds encrypt --with-key=host --name={name} - {path}",
                )
    meter.succeed("systemctl daemon-reload", f"systemctl enable {' '.join(units(example))}")


def credentials(example: str, unit: str) -> list[list[str]]:
    lines = meter.succeed(f"sed -n 's/^\\(LoadCredential[A-Za-z]*\\)=\\(..*\\)/\\1:\\2/p' {EXAMPLES}/{example}/{unit}")
    return [line.split(":") for line in lines.splitlines()]


def listen_streams(example: str, socket: str) -> list[str]:
    streams = meter.succeed(f"sed -n 's/^ListenStream=\\(..*\\)/\\1/p' {EXAMPLES}/{example}/{socket}").split()
    return streams or ["502"]


def is_well(example: str) -> None:
    for unit in units(example):
        meter.wait_for_unit(unit, timeout=PATIENCE)
    t.assertEqual(show(SERVICE, "NRestarts"), "0")
    t.assertEqual(meter.succeed("systemctl --failed --no-legend --plain").strip(), "")
    listening = meter.succeed("ss --no-header --listening --tcp --numeric | awk '{print $4}'").split()
    streams = [stream for unit in units(example) if unit.endswith(".socket") for stream in listen_streams(example, unit)]
    expected = [stream if ":" in stream else f"*:{stream}" for stream in streams]
    t.assertEqual(sorted(listening), sorted(expected))


if meter.execute(f"test -d {EXAMPLES}")[0] != 0:
    not_checked("the examples of the NixOS module: its output is not here")
else:
    for example in meter.succeed(f"ls {EXAMPLES}").split():
        with subtest(example):
            install(example)
            meter.shutdown()
            meter.start()
            is_well(example)
