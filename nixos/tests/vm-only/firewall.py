# The firewall lets the allowed clients in and nobody else, whichever NixOS has.


def is_open_for_the_inverter_alone() -> None:
    inverter.wait_until_succeeds(KNOCK, timeout=PATIENCE)
    t.assertEqual(stranger.execute(KNOCK)[0], 124, "the stranger's connection should time out")


boot()
meter.wait_for_unit(SERVICE, timeout=PATIENCE)

with subtest("iptables"):
    meter.succeed("iptables -S nixos-fw | grep -e '-s 192.168.1.1/32 .*--dport 502'")
    is_open_for_the_inverter_alone()

with subtest("nftables"):
    switch("nftables")
    meter.succeed("nft list chain inet nixos-fw input-allow | grep -F 'ip saddr 192.168.1.1 tcp dport 502 accept'")
    is_open_for_the_inverter_alone()
