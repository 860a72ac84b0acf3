# What nixpkgs' lib has and its stand-in lacks; ../common.sh adds it to the copy's lib.nix.
lib:
let
  inherit (builtins)
    any
    concatMap
    elemAt
    filter
    foldl'
    fromJSON
    genList
    isAttrs
    isList
    length
    mapAttrs
    replaceStrings
    sort
    split
    stringLength
    substring
    ;
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
  literally = replaceStrings special (map (character: "[${character}]") special);
  ordered = sort (a: b: (a.order or 1000) < (b.order or 1000));
in
{
  inherit (builtins)
    all
    any
    concatLists
    elemAt
    ;
  concatMapStrings = lib.concatMapStringsSep "";
  filterAttrsRecursive =
    keep: set:
    mapAttrs (_: value: if isAttrs value then lib.filterAttrsRecursive keep value else value) (
      lib.filterAttrs keep set
    );
  hasInfix = infix: text: length (split (literally infix) text) > 1;
  # Row by row of the matrix of distances.
  levenshtein =
    a: b:
    let
      characters = text: genList (index: substring index 1 text) (stringLength text);
      least = foldl' (x: y: if y < x then y else x) 9999;
      next =
        row: character:
        foldl' (
          begun: index:
          begun
          ++ [
            (least [
              (elemAt begun index + 1)
              (elemAt row (index + 1) + 1)
              (elemAt row index + (if substring index 1 b == character then 0 else 1))
            ])
          ]
        ) [ (elemAt row 0 + 1) ] (genList (index: index) (stringLength b));
    in
    elemAt (foldl' next (genList (index: index) (stringLength b + 1)) (characters a)) (stringLength b);
  toInt = fromJSON;
  allUnique = list: length (lib.unique list) == length list;
  last = list: elemAt list (length list - 1);
  take = count: list: genList (elemAt list) (if count < length list then count else length list);
  splitString = separator: text: filter (part: !isList part) (split (literally separator) text);
  reverseList = list: genList (index: elemAt list (length list - 1 - index)) (length list);
  # Modules with all that they import, level by level.
  breadthFirst =
    load: modules:
    let
      level = map load modules;
      isKnown = known: module: module.key != null && any (other: other.key == module.key) known;
      once = foldl' (known: module: if isKnown known module then known else known ++ [ module ]) [ ];
    in
    if level == [ ] then
      [ ]
    else
      once (level ++ lib.breadthFirst load (concatMap (module: module.imports) level));

  mkOrder = order: content: {
    _type = "order";
    inherit content order;
  };
  mkBefore = lib.mkOrder 500;
  mkAfter = lib.mkOrder 1500;
  discharge =
    value:
    let
      inside = lib.discharge value.content;
    in
    {
      merge = concatMap lib.discharge value.contents;
      "if" = if value.condition then inside else [ ];
      override = map (definition: definition // { inherit (value) priority; }) inside;
      order = map (definition: definition // { inherit (value) order; }) inside;
    }
    .${value._type or ""} or [
      {
        priority = 100;
        inherit value;
      }
    ];
  best =
    definitions:
    let
      priority = foldl' (
        least: one: if one.priority < least then one.priority else least
      ) 9999 definitions;
    in
    map (one: one.value) (ordered (filter (one: one.priority == priority) definitions));

  types = lib.baseTypes // {
    # Of a unit: lists are joined.
    unitOption = lib.baseTypes.unspecified // {
      merge =
        path: values:
        if any isList values then
          concatMap lib.toList values
        else
          lib.baseTypes.unspecified.merge path values;
    };
    package = lib.baseTypes.package // {
      merge =
        path: values:
        if length values == 1 then
          elemAt values 0
        else
          throw "${lib.concatMapStringsSep "." (name: name) path} is defined multiple times";
    };
    externalPath = lib.types.addCheck lib.baseTypes.path (path: !lib.isStorePath path) // {
      name = "absolute path not in the Nix store";
    };
    nonEmptyListOf = element: lib.types.addCheck (lib.baseTypes.listOf element) (list: list != [ ]);
    numbers = {
      nonnegative = lib.types.addCheck lib.baseTypes.number (number: number >= 0);
      between =
        least: most: lib.types.addCheck lib.baseTypes.number (number: number >= least && number <= most);
    };
  };
}
