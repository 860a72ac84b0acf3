# The reference of the module's options, as Markdown.
{ module, pkgs }:

let
  inherit (pkgs) lib;
  evaluated = lib.evalModules {
    modules = [
      module
      {
        _module.args = { inherit pkgs; };
        # The rest of NixOS is not here.
        _module.check = false;
      }
    ];
  };
in
(pkgs.nixosOptionsDoc {
  options.services = { inherit (evaluated.options.services) fronius-smartmeter; };
  # Where they are declared is a path of the store, which tells nobody anything.
  transformOptions = option: option // { declarations = [ ]; };
}).optionsCommonMark
