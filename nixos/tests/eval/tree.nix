# What the configuration of a VM test's machine makes of /etc, for machines that are not NixOS:
# path -> { text or drv, mode }, the links that start the units, and whether the package's units
# are wanted.
{ lib, system }:
node:

let
  evaluated = lib.nixosSystem {
    inherit system;
    modules = [ node ];
  };
  inherit (evaluated) config units;

  # As NixOS does it: a unit that a package has too becomes a drop-in.
  path =
    unit:
    let
      inPackage = lib.elem unit [
        "fronius-smartmeter.service"
        "fronius-smartmeter.socket"
      ];
    in
    "systemd/system/${unit}${lib.optionalString inPackage ".d/overrides.conf"}";

  wants =
    suffix: name: unit:
    map (target: "systemd/system/${target}.wants/${name}.${suffix}") unit.wantedBy;
in
{
  files =
    lib.mapAttrs' (
      unit: text:
      lib.nameValuePair (path unit) {
        inherit text;
        mode = "0644";
      }
    ) units
    // lib.mapAttrs (
      _: file:
      {
        mode = file.mode or "0644";
      }
      // (if file ? text then { inherit (file) text; } else { drv = file.source.drvPath; })
    ) config.environment.etc;
  inherit (config) specialisation;
  packaged = config.systemd.packages != [ ];
  links = lib.concatLists (
    lib.mapAttrsToList (wants "service") config.systemd.services
    ++ lib.mapAttrsToList (wants "socket") config.systemd.sockets
  );
}
