# shellcheck shell=bash
# The flake and the NixOS module. nixpkgs is too large to be had everywhere: a stand-in beside this
# checkout takes its place, which knows what they use of it. It evaluates, and builds nothing.

stand_in=$PWD/../shared/nixpkgs-stand-in

step_nix() {
  if [[ -d $stand_in ]]; then
    packages git iptables jq nftables nix-bin systemd
    tool deadnix deadnix@1.3.1
    tool nixfmt nixfmt_rs@0.5.3
    make_once binary
    nixos/tests/eval/run "$stand_in" "$binary" | tee "$scratch/nix"
    cannot_check_in Nix "$scratch/nix"
  else
    cannot_check "Nix: nixpkgs and its stand-in are not here: nixos/check"
  fi
}

# The machines of the VM tests, as the module makes them.
make_trees() {
  packages jq nix-bin
  make_once binary
  nixos/tests/eval/trees "$stand_in" "$binary" "$scratch/trees"
}
