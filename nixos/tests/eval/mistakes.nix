# Where the module does something else than cases.nix expects, in words. The texts of the units are
# compared by ./run.
{
  lib,
  modules,
  system,
}:

let
  evaluate = import ./evaluate.nix { inherit lib modules system; };

  about =
    name: case:
    let
      system = evaluate case;
      inherit (system) failures;
      expected = case.fails or [ ];
      # A wrong type shows when something looks at the value.
      typed = builtins.tryEval (builtins.deepSeq system.texts true);
      said = failure: lib.any (text: lib.hasInfix text failure) expected;
      kept = text: lib.any (lib.hasInfix text) failures;
    in
    if case ? type then
      lib.optional typed.success "${name}: the wrong type of ${case.type} is not noticed"
    else
      map (failure: "${name}: unexpected: ${failure}") (lib.filter (failure: !said failure) failures)
      ++ map (text: "${name}: nothing says: ${text}") (lib.filter (text: !kept text) expected);
in
lib.concatLists (lib.mapAttrsToList about (import ./cases.nix))
