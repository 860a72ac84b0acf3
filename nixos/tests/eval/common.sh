# For ./run and ./trees. Sets `nixpkgs`, a folder that Nix can evaluate this flake with.

# prepare NIXPKGS SCRATCH: of a stand-in it takes a copy, and adds what this flake uses besides.
prepare() {
  if [[ -d $1/nixos ]]; then
    nixpkgs=$(realpath "$1")
    export NIX_CONFIG=$'experimental-features = nix-command flakes'
    return
  fi
  nixpkgs=$2/nixpkgs
  cp -rL "$1" "$nixpkgs"
  chmod -R u+w "$nixpkgs"
  cp "$here"/stand-in/*.nix "$nixpkgs"
  # Its lib gets what it lacks, takes a file once, however often it is imported, and definitions in
  # the order of the real one.
  sed -i -e 's|^  // { }$|  // import ./more.nix lib|' -e 's|^    types =$|    baseTypes =|' \
    -e 's|all = concatMap collect modules;|all = lib.breadthFirst (m: norm (load m) // { key = if isPath m then m else null; }) modules;|' \
    -e '/trees = /s|all;|(lib.reverseList all);|' "$nixpkgs/lib.nix"
  # A line of real units that it leaves out, and what their lists do.
  sed -i 's|section = opt (types.attrsOf types.unspecified)|section = opt (types.attrsOf types.unitOption)|' "$nixpkgs/nixos.nix"
  sed -i 's|^ *+ lines s.serviceConfig$|+ lib.optionalString (!s.stopIfChanged) "X-StopIfChanged=false\\n"\n&|' \
    "$nixpkgs/nixos.nix"
  # Its packages are made by /bin/sh, with nothing to download and nobody to be protected from.
  export NIX_CONFIG=$'experimental-features = nix-command flakes\nsubstituters =\nsandbox = false\nbuild-users-group ='
}

# evaluate ATTRIBUTE [OPTION...]: as JSON.
evaluate() {
  nix-instantiate --quiet --eval --strict --json --read-write-mode "$here" --argstr nixpkgs "$nixpkgs" -A "$@"
}
