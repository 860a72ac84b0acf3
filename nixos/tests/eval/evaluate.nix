# What the module makes of one of cases.nix, as a whole system.
{
  lib,
  modules,
  system,
}:
case:

let
  evaluated = lib.nixosSystem {
    inherit system;
    modules = modules ++ [
      {
        system.stateVersion = "26.05";
        services.fronius-smartmeter = case.config // {
          enable = true;
        };
      }
      case.system or { }
    ];
  };
  inherit (evaluated) config;
  ours =
    kind: units:
    map (name: "${name}.${kind}") (
      lib.filter (lib.hasPrefix "fronius-smartmeter") (lib.attrNames units)
    );
  names = ours "service" config.systemd.services ++ ours "socket" config.systemd.sockets;
  # The stand-in for nixpkgs has the texts at another place.
  text = name: evaluated.units.${name} or config.systemd.units.${name}.text;
in
{
  # The assertions of NixOS itself, which wants a disk and a boot loader, are none of ours.
  failures = lib.filter (lib.hasPrefix "services.fronius-smartmeter") (
    map (one: one.message) (lib.filter (one: !one.assertion) config.assertions)
  );
  # Context is dropped: whoever compares the texts needs none of the packages in them.
  texts = {
    firewall = {
      inherit (config.networking.firewall) allowedTCPPorts extraCommands extraInputRules;
    };
    units = lib.genAttrs names (name: builtins.unsafeDiscardStringContext (text name));
    config =
      builtins.unsafeDiscardStringContext
        config.environment.etc."fronius-smartmeter/config.yaml".source.drvPath;
  };
}
