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
  # They are declared at a path in the store, which means nothing to a reader.
  transformOptions = option: option // { declarations = [ ]; };
}).optionsCommonMark
