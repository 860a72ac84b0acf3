# Takes the place of flake.nix in a copy of the stand-in for nixpkgs, and adds what this flake uses
# and the stand-in lacks. The names and their behaviour are those of nixpkgs.
{
  outputs =
    { self }:
    let
      base = import ./lib.nix;
      lib = base // {
        nixosSystem =
          a:
          import ./nixos.nix {
            inherit lib;
            pkgs = pkgsFor (a.system or "x86_64-linux");
          } { modules = [ ./options.nix ] ++ a.modules; };
      };

      # FRONIUS_SMARTMETER is a real program. What is built for a machine of another kind does not run.
      pkgsFor =
        system:
        let
          native = packagesWith system (builtins.getEnv "FRONIUS_SMARTMETER");
          foreign = packagesWith system "";
          cross = foreign // {
            buildPackages = native;
            stdenv = foreign.stdenv // {
              buildPlatform = foreign.stdenv.buildPlatform // {
                canExecute = _: false;
              };
            };
            pkgsStatic = cross;
          };
        in
        native
        // {
          pkgsCross = lib.genAttrs [
            "aarch64-multiplatform"
            "armv7l-hf-multiplatform"
          ] (_: cross);
        };

      packagesWith =
        system: program:
        let
          pkgs =
            let
              known = import ./pkgs.nix { inherit lib system; };
              stub = name: known.placeholder name "0";
            in
            known
            // lib.genAttrs [
              "cargo-deb"
              "cargo-deny"
              "cargo-fuzz"
              "clippy"
              "coreutils"
              "curl"
              "deadnix"
              "evcc"
              "git"
              "installShellFiles"
              "iproute2"
              "iptables"
              "jq"
              "mbpoll"
              "mmdebstrap"
              "netcat"
              "nftables"
              "openssl"
              "procps"
              "rustfmt"
              "shellcheck"
              "systemd"
              "valgrind"
            ] stub
            // {
              stdenv = rec {
                hostPlatform = known.stdenv.hostPlatform // {
                  rust.cargoShortTarget = "";
                };
                buildPlatform = hostPlatform // {
                  canExecute = _: true;
                };
              };
              callPackage =
                f: args: import f (builtins.intersectAttrs (builtins.functionArgs (import f)) pkgs // args);
              pkgsStatic = pkgs;
              python3 = stub "python3" // {
                withPackages =
                  choose:
                  builtins.deepSeq (choose {
                    pymodbus = "";
                    pysunspec2 = "";
                  }) (stub "python3-with-packages");
              };
              # Looks at all its arguments, and can be overridden.
              runCommand =
                name: attributes: script:
                known.runCommand name (removeAttrs attributes [ "meta" ]) script
                // {
                  meta = attributes.meta or { };
                };
              nix-update-script = _: [ "nix-update" ];
              rustPlatform.importCargoLock = { lockFile }: builtins.readFile lockFile;
              rustPlatform.buildRustPackage =
                arguments:
                let
                  make =
                    final:
                    let
                      package =
                        (
                          if program == "" then
                            known.placeholder final.pname final.version
                          else
                            known.runCommand "${final.pname}-${final.version}" { } ''
                              mkdir -p $out/bin
                              cp ${builtins.path { path = program; }} $out/bin/${final.pname}
                            ''
                        )
                        // final.passthru
                        // {
                          inherit (final) meta passthru;
                          overrideAttrs = change: make (final // (if lib.isFunction change then change final else change));
                        };
                    in
                    builtins.deepSeq (removeAttrs final [
                      "nativeBuildInputs"
                      "passthru"
                    ]) package;
                in
                lib.fix (
                  finalPackage:
                  make (
                    { nativeBuildInputs = [ ]; } // lib.fix (final: arguments (final // { inherit finalPackage; }))
                  )
                );
              nixosOptionsDoc =
                { options, transformOptions, ... }:
                let
                  described =
                    name: option:
                    if option._type or null == "option" then
                      (transformOptions option).description or (throw "${name} has no description")
                    else
                      lib.mapAttrs described option;
                in
                builtins.deepSeq (lib.mapAttrs described options) {
                  optionsCommonMark = known.placeholder "options.md" "0";
                };
              testers = {
                runNixOSTest =
                  test: builtins.deepSeq test.testScript (known.testers.runNixOSTest test) // { driver = { }; };
                testVersion = { package }: known.placeholder "${package.meta.mainProgram}-version" "0";
              };
            };
        in
        pkgs;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ] pkgsFor;
    };
}
