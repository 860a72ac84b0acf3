# Options of NixOS that the module reads or sets, and the stand-in lacks.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  text = mkOption {
    type = types.lines;
    default = "";
  };
in
{
  options.specialisation = mkOption {
    type = types.attrsOf types.raw;
    default = { };
  };
  options.system.switch.enable = mkOption {
    type = types.bool;
    default = true;
  };
  options.networking = {
    enableIPv6 = mkOption {
      type = types.bool;
      default = true;
    };
    nftables.enable = mkOption {
      type = types.bool;
      default = false;
    };
    firewall = {
      backend = mkOption {
        type = types.enum [
          "iptables"
          "nftables"
          "firewalld"
        ];
        default = if config.networking.nftables.enable then "nftables" else "iptables";
      };
      extraCommands = text;
      extraInputRules = text;
    };
  };
}
