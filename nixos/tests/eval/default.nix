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
  module = self.nixosModules.default;
  evaluate = import ./evaluate.nix { inherit lib module system; };
  cases = import ./cases.nix;
  isSound = _: case: !(case ? fails || case ? type);
in
{
  mistakes = import ./mistakes.nix { inherit lib module system; };
  sound = lib.mapAttrs (_: case: (evaluate case.config).texts) (lib.filterAttrs isSound cases);
  # What a wrong type makes Nix say.
  types = lib.mapAttrs (_: case: (evaluate case.config).texts) (
    lib.filterAttrs (_: case: case ? type) cases
  );
  # A configuration with a mistake that only the program notices.
  wrong = (evaluate { settings = cases.minimal.config.settings // wrong; }).texts.config;
  count = lib.length (lib.attrNames cases);
  trees = lib.mapAttrs (_: lib.mapAttrs (_: import ./tree.nix { inherit lib system; })) (
    removeAttrs (import ../nodes.nix { inherit lib module; }) [
      "evcc"
      "switch"
    ]
  );
}
