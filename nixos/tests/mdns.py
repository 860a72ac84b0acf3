# `openhab_host: openhabian.local`: the service finds the names that its machine's resolver finds,
# and no more. Its sandbox must let it ask each of the usual ones.

NAME = "openhabian.local"
AVAHI = "/etc/avahi/avahi-daemon.conf"


def resolve_by(hosts: str) -> None:
    """Lets the meter find names in this way, and the service start over."""
    meter.succeed(f"sed -i 's/^hosts:.*/hosts: {hosts}/' /etc/nsswitch.conf")
    addresses = meter.wait_until_succeeds(f"getent ahosts {NAME} | awk '/STREAM/ {{print $1}}'", timeout=PATIENCE)
    meter.succeed(f"systemctl restart {SERVICE}")
    print(f"    {', '.join(addresses.split())}: served after {await_values(**SERVED):.2f} s", flush=True)


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)

if meter.execute(f"test -e {AVAHI}")[0] != 0:
    not_checked("names in .local: these machines have no resolver that finds them")
else:
    with subtest("without a resolver that finds it, the log has the name"):
        meter.fail(f"getent ahosts {NAME}")
        meter.wait_until_succeeds(f"journalctl -b -u {SERVICE} | grep 'cannot connect to http://{NAME}:8080: '", timeout=PATIENCE)

    with subtest("Avahi finds it"):
        openhab.succeed(f"sed -i 's/^#host-name=.*/host-name=openhabian/' {AVAHI}", "systemctl start avahi-daemon.service")
        meter.succeed("systemctl start avahi-daemon.service")
        resolve_by("files mdns4_minimal [NOTFOUND=return] dns")
        resolve_by("files mdns_minimal [NOTFOUND=return] dns")
        meter.succeed("systemctl stop avahi-daemon.service avahi-daemon.socket")
        meter.fail(f"getent ahosts {NAME}")

    with subtest("systemd-resolved finds it, for whoever asks it itself"):
        meter.succeed(
            "mkdir -p /etc/systemd/resolved.conf.d",
            "printf '[Resolve]\nMulticastDNS=yes\n' >/etc/systemd/resolved.conf.d/mdns.conf",
            "systemctl start systemd-resolved.service",
        )
        resolve_by("files resolve [!UNAVAIL=return] dns")

    with subtest("systemd-resolved finds it, for whoever takes it for a name server"):
        meter.succeed("ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
        resolve_by("files dns")
