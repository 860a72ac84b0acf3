{
  description = "A Fronius Smart Meter on Modbus TCP, with the values of any generator in openHAB or Home Assistant";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      eachSystem =
        make:
        lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: make nixpkgs.legacyPackages.${system});
      ourPackages = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system};
    in
    {
      packages = eachSystem (pkgs: rec {
        default = fronius-smartmeter;
        fronius-smartmeter = pkgs.callPackage ./nixos/package.nix { };
        # One file that runs on any Linux of that architecture, such as a Raspberry Pi's.
        static = pkgs.pkgsStatic.callPackage ./nixos/package.nix { };
        static-aarch64 =
          pkgs.pkgsCross.aarch64-multiplatform.pkgsStatic.callPackage ./nixos/package.nix
            { };
        static-armv7 =
          pkgs.pkgsCross.armv7l-hf-multiplatform.pkgsStatic.callPackage ./nixos/package.nix
            { };
        docs = import ./nixos/docs.nix {
          inherit pkgs;
          module = self.nixosModules.default;
        };
      });

      apps = eachSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe (ourPackages pkgs).default;
          meta = { inherit ((ourPackages pkgs).default.meta) description; };
        };
      });

      overlays.default = final: _: {
        fronius-smartmeter = final.callPackage ./nixos/package.nix { };
      };

      nixosModules = {
        default = self.nixosModules.fronius-smartmeter;
        # By its path, so that whoever imports both names gets one module.
        fronius-smartmeter.imports = [ ./nixos/module.nix ];
      };

      devShells = eachSystem (pkgs: {
        default = pkgs.mkShell {
          inputsFrom = [ (ourPackages pkgs).default ];
          # What .ci/run would otherwise install.
          packages = [
            pkgs.cargo-deb
            pkgs.cargo-deny
            pkgs.cargo-fuzz
            pkgs.clippy
            pkgs.deadnix
            pkgs.git
            pkgs.iproute2
            pkgs.iptables
            pkgs.jq
            pkgs.mbpoll
            pkgs.mmdebstrap
            pkgs.nftables
            pkgs.nixfmt
            pkgs.procps
            pkgs.python3
            pkgs.rustfmt
            pkgs.shellcheck
            pkgs.systemd
            pkgs.valgrind
          ];
        };
      });

      formatter = eachSystem (pkgs: pkgs.nixfmt-tree);

      checks = eachSystem (
        pkgs:
        import ./nixos/checks.nix {
          inherit lib pkgs;
          modules = lib.attrValues self.nixosModules;
          packages = ourPackages pkgs;
        }
      );
    };
}
