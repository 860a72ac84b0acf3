# The functions of nixpkgs' lib that its stand-in lacks; ./run adds them to the copy's lib.nix.
let
  special = [
    "."
    "["
    "("
    "{"
    "|"
    "*"
    "+"
    "?"
    "$"
  ];
  literally = builtins.replaceStrings special (map (character: "[${character}]") special);
in
{
  inherit (builtins)
    all
    any
    concatLists
    elemAt
    ;
  hasInfix = infix: text: builtins.length (builtins.split (literally infix) text) > 1;
  toInt = builtins.fromJSON;
}
