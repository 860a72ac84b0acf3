# Opens the firewall for the ports of the meter: for everybody, or for its clients alone.
{ config, lib }:
{ ports, clients }:

let
  inherit (config.networking) enableIPv6 firewall;
  isIPv6 = lib.hasInfix ":";

  # Names that systemd has for addresses. To itself a machine is always open.
  named = {
    link-local = [
      "169.254.0.0/16"
      "fe80::/64"
    ];
    localhost = [ ];
  };
  addresses = lib.unique (lib.concatMap (client: named.${client} or [ client ]) clients);

  # For other firewalls NixOS has no rules by address; there the socket alone refuses strangers.
  byAddress =
    clients != null
    && !lib.elem "any" clients
    && lib.elem firewall.backend [
      "iptables"
      "nftables"
    ];
  nftables = address: ''
    ${if isIPv6 address then "ip6" else "ip"} saddr ${address} tcp dport { ${
      lib.concatMapStringsSep ", " toString ports
    } } accept
  '';
  iptables =
    address:
    lib.concatMapStrings (port: ''
      ${
        if isIPv6 address then "ip6tables" else "iptables"
      } -w -A nixos-fw -p tcp -s ${address} --dport ${toString port} -j nixos-fw-accept
    '') ports;
in
{
  allowedTCPPorts = lib.mkIf (!byAddress) ports;
  extraInputRules = lib.mkIf (byAddress && firewall.backend == "nftables") (
    lib.concatMapStrings nftables addresses
  );
  extraCommands = lib.mkIf (byAddress && firewall.backend == "iptables") (
    lib.concatMapStrings iptables (lib.filter (address: enableIPv6 || !isIPv6 address) addresses)
  );
}
