# The tests that boot machines: a script over the machines of nodes.nix. tests/boot runs the scripts
# here over Debian, with the units and drop-ins of the module; those in vm-only need a real NixOS.
{ lib, testers }:

let
  script =
    name:
    let
      here = ./. + "/${name}.py";
    in
    if builtins.pathExists here then here else ./vm-only + "/${name}.py";
in
lib.mapAttrs (
  name: nodes:
  testers.runNixOSTest {
    name = "fronius-smartmeter-${name}";
    inherit nodes;
    testScript = ''
      TOOLS = "${./tools}"
      ${builtins.readFile ./common.py}
      ${builtins.readFile (script name)}
    '';
    globalTimeout = 1800;
  }
) (import ./nodes.nix { inherit lib; })
