# The checks of `nix flake check`: the package's own tests, which boot virtual machines, and others.
{
  lib,
  modules,
  packages,
  pkgs,
}:

let
  package = packages.default;

  # The package's vendored crates and all sources, with another command instead of the build.
  withSources =
    name: tools: command:
    package.overrideAttrs (old: {
      name = "fronius-smartmeter-${name}";
      src = ../.;
      nativeBuildInputs = old.nativeBuildInputs ++ tools;
      buildPhase = command;
      installPhase = "touch $out";
      dontFixup = true;
    });

  # benches/ and fuzz/ have crates of their own.
  clippyIn =
    folder:
    (withSources "clippy-${folder}" [
      pkgs.clippy
    ] "cargo clippy --manifest-path ${folder}/Cargo.toml --offline --all-targets -- -D warnings")
    .overrideAttrs
      {
        cargoRoot = folder;
        cargoDeps = pkgs.rustPlatform.importCargoLock { lockFile = ../. + "/${folder}/Cargo.lock"; };
      };

  mistakes = import ./tests/eval/mistakes.nix {
    inherit lib modules;
    inherit (pkgs.stdenv.hostPlatform) system;
  };
in
{
  inherit package;
  inherit (packages) docs;
  tests = withSources "tests" [ ] "cargo test --offline";
  clippy = withSources "clippy" [ pkgs.clippy ] "cargo clippy --offline --all-targets -- -D warnings";
  clippy-benches = clippyIn "benches";
  clippy-fuzz = clippyIn "fuzz";
  rustfmt = withSources "rustfmt" [ pkgs.rustfmt ] ''
    cargo fmt --all --check
    cargo fmt --manifest-path benches/Cargo.toml --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check
  '';
  formatting =
    pkgs.runCommand "fronius-smartmeter-formatting"
      {
        nativeBuildInputs = [
          pkgs.deadnix
          pkgs.nixfmt
        ];
      }
      ''
        find ${../.} -name '*.nix' -exec nixfmt --check {} +
        deadnix --fail --no-lambda-pattern-names ${../.}
        touch $out
      '';
  module =
    if mistakes == [ ] then
      pkgs.runCommand "fronius-smartmeter-module" { } "touch $out"
    else
      throw "The module does not do what nixos/tests/eval/cases.nix expects:\n${lib.concatStringsSep "\n" mistakes}";
}
// package.tests
