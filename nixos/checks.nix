# The checks of `nix flake check` apart from the virtual machines.
{
  lib,
  modules,
  packages,
  pkgs,
}:

let
  package = packages.default;

  # The package's sources and vendored crates, with another command instead of the build.
  lint =
    name: tools: command:
    package.overrideAttrs (old: {
      name = "fronius-smartmeter-${name}";
      nativeBuildInputs = old.nativeBuildInputs ++ tools;
      buildPhase = command;
      doCheck = false;
      installPhase = "touch $out";
      dontFixup = true;
    });

  mistakes = import ./tests/eval/mistakes.nix {
    inherit lib modules;
    inherit (pkgs.stdenv.hostPlatform) system;
  };
in
{
  inherit package;
  inherit (packages) docs;
  clippy = lint "clippy" [ pkgs.clippy ] "cargo clippy --offline --all-targets -- -D warnings";
  rustfmt = lint "rustfmt" [ pkgs.rustfmt ] "cargo fmt --all --check";
  module =
    if mistakes == [ ] then
      pkgs.runCommand "fronius-smartmeter-module" { } "touch $out"
    else
      throw "The module does not do what nixos/tests/eval/cases.nix expects:\n${lib.concatStringsSep "\n" mistakes}";
}
