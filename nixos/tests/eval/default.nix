# All that ./run and ./trees look at, evaluated with a nixpkgs, or with what stands in for it.
{
  nixpkgs,
  system ? builtins.currentSystem,
  wrong ? { },
}:

let
  inputs = {
    inherit self;
    nixpkgs = builtins.getFlake "path:${nixpkgs}";
  };
  self = (import ../../../flake.nix).outputs inputs;
  inherit (inputs.nixpkgs) lib;
  # By all its names, as different parts of a configuration may import it.
  modules = lib.attrValues self.nixosModules;
  evaluate = import ./evaluate.nix { inherit lib modules system; };
  cases = import ./cases.nix;
  nodes = import ../nodes.nix { inherit lib; };
  tree = import ./tree.nix { inherit lib system; };
  # Whether its script runs on other systems than NixOS, too.
  isElsewhere = test: builtins.pathExists (../. + "/${test}.py");
  isSound = _: case: !(case ? fails || case ? type);
in
{
  mistakes = import ./mistakes.nix { inherit lib modules system; };
  sound = lib.mapAttrs (_: case: (evaluate case).texts) (lib.filterAttrs isSound cases);
  # What a wrong type makes Nix say.
  types = lib.mapAttrs (_: case: (evaluate case).texts) (
    lib.filterAttrs (_: case: case ? type) cases
  );
  # A configuration with a mistake that only the program notices, also for a machine of another kind.
  wrong =
    lib.mapAttrs
      (
        _: system:
        (evaluate {
          config.settings = cases.minimal.config.settings // wrong;
          inherit system;
        }).texts.config
      )
      {
        native = { };
        cross._module.args.pkgs =
          lib.mkForce
            inputs.nixpkgs.legacyPackages.${system}.pkgsCross.aarch64-multiplatform;
      };
  # The checks by name: builds, and tests that boot machines, of which tests/boot runs those elsewhere.
  checks =
    let
      checks = self.checks.${system};
      boots = name: checks.${name} ? driver;
      names = lib.attrNames checks;
    in
    {
      builds = lib.filter (name: !boots name) names;
      elsewhere = lib.filter (name: boots name && isElsewhere name) names;
      vmOnly = lib.filter (name: boots name && !isElsewhere name) names;
    };
  count = lib.length (lib.attrNames cases);
  # Of the scripts that run on other systems, too.
  trees = lib.mapAttrs (_: lib.mapAttrs (_: tree)) (
    lib.filterAttrs (test: _: isElsewhere test) nodes
  );
  # All machines, with what they are switched to.
  machines = lib.mapAttrs (
    _:
    lib.mapAttrs (
      _: node:
      let
        own = tree node;
        switchedTo =
          special:
          (tree {
            imports = [
              node
              special.configuration
            ];
          }).files;
      in
      [ own.files ] ++ map switchedTo (lib.attrValues own.specialisation)
    )
  ) nodes;
}
