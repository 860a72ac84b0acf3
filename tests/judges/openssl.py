"""OpenSSL plays an openHAB behind TLS, with certificates as homes have them.

Started by `run` next to this file; needs `openssl` on the PATH. `openssl s_server`
serves the files of a folder, and `check` of the binary reads an item from it: with
the server's own certificate in `openhab_ca_file` it must succeed, whatever is in
the certificate; with another one it must say what is wrong.
Everything happens on 127.0.0.1; every process started here is ended here.
"""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HOST = "127.0.0.1"
ITEMS = {"E": "12345.678 kWh", "P": "800 W"}
CONFIG = """\
openhab_host: https://{address}
openhab_ca_file: {trusted}
energy_counter_out: E
current_power: P
modbus_listen: 127.0.0.1:0
"""

KEYS = {
    "RSA": ["rsa:2048"],
    "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
    "Ed25519": ["ed25519"],
}
VERSIONS = ("tls1_2", "tls1_3")

# What is said of a certificate that is not in openhab_ca_file.
UNKNOWN = "signed by an unknown authority"
REFUSALS = {
    "as openHAB's documentation makes it": "its certificate is self-signed",
    "openHAB's own, which names no host": UNKNOWN,
    "of another name": UNKNOWN,
    "expired": "a certificate that it shows expired on 2001-02-03",
    "of X.509 version 1": "its certificate has an old form",
}
# What `openssl ca` needs to give a certificate the dates that one wants.
CA = """\
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = version_3
[any]
commonName = supplied
[version_3]
subjectKeyIdentifier = hash
"""


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificate(folder, kind, algorithm):
    """Makes a key and a certificate, and returns their files."""
    key, file, request = (str(Path(folder, name)) for name in ("key.pem", "certificate.pem", "request.pem"))
    fresh = ["-newkey", *algorithm, "-nodes", "-keyout", key]
    plain = ["-config", os.devnull, "-subj", "/CN=openhab.org"]
    match kind:
        case "as openHAB's documentation makes it":
            openssl("req", "-x509", "-days", "365", *fresh, "-out", file, "-subj", "/CN=openhab")
        case "openHAB's own, which names no host":
            openssl("req", "-x509", *fresh, *plain, "-addext", "subjectKeyIdentifier=hash", "-out", file)
        case "of another name":
            openssl("req", "-x509", *fresh, *plain, "-addext", "subjectAltName=DNS:elsewhere", "-out", file)
        case "expired":
            config = Path(folder, "ca.cnf")
            config.write_text(CA.format(folder=folder))
            Path(folder, "index").touch()
            openssl("req", "-new", *fresh, *plain, "-out", request)
            openssl(
                "ca", "-batch", "-notext", "-selfsign", "-config", str(config), "-keyfile", key,
                "-startdate", "20000102000000Z", "-enddate", "20010203000000Z", "-in", request, "-out", file,
            )  # fmt: skip
        case "of X.509 version 1":
            openssl("req", "-new", *fresh, *plain, "-out", request)
            openssl("x509", "-req", "-days", "365", "-in", request, "-signkey", key, "-out", file)
    return key, file


def check(folder, binary, address, trusted):
    """What `check` says: the exit code, and the text in one line."""
    config = Path(folder, "config.yaml")
    config.write_text(CONFIG.format(address=address, trusted=trusted))
    done = subprocess.run([binary, "check", "--config", config], capture_output=True, text=True, timeout=30)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def judge(folder, binary, kind, algorithm, version):
    """The faults found with a server that shows such a certificate."""
    key, file = certificate(folder, kind, algorithm)
    other = Path(folder, "other.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", os.devnull, "-subj", "/CN=other", "-out", other)
    for item, state in ITEMS.items():
        path = Path(folder, "rest/items", f"{item}?metadata=&recursive=false")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"state":"{state}"}}')
    server = subprocess.Popen(
        ["openssl", "s_server", "-WWW", "-accept", f"{HOST}:0", "-key", key, "-cert", file, f"-{version}"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        address = next(found[1] for line in server.stdout if (found := re.match(r"ACCEPT (\S+)", line)))
        code, text = check(folder, binary, address, file)
        if code != 0 or "800" not in text:
            yield f"in openhab_ca_file, and yet refused with {code}: {text}"
        code, text = check(folder, binary, address, other)
        if code != 69 or REFUSALS[kind] not in text:
            yield f"not in openhab_ca_file, and expected {REFUSALS[kind]!r}: {code}: {text}"
    finally:
        server.kill()
        server.wait()


def main(binary):
    binary = os.path.abspath(binary)
    failed = 0
    for kind, key, version in itertools.product(REFUSALS, KEYS, VERSIONS):
        with tempfile.TemporaryDirectory() as folder:
            faults = list(judge(folder, binary, kind, KEYS[key], version))
        failed += bool(faults)
        print(f"{'FAIL' if faults else 'ok  '} a certificate {kind}, {key}, {version}", flush=True)
        for fault in faults:
            print(f"     {fault}")
    print(f"openssl: {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: openssl.py BINARY")
    sys.exit(main(sys.argv[1]))
