# The keys of docs/configuration.md as options: `known` are those that `settings` takes; `assertions` says
# what is wrong with the settings. What only the program can notice, it notices when the system is
# built.
{
  freeformType,
  lib,
  prefix,
}:

let
  inherit (lib) mkOption types;

  # Null means "not given", so that the program's own default applies.
  key =
    type: default: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      defaultText = lib.literalMD default;
      inherit description;
    };
  word = key types.nonEmptyStr;
  oneOf = values: key (types.enum values);
  duration = key (
    types.either types.ints.positive types.nonEmptyStr // { description = "duration"; }
  );

  name = types.nonEmptyStr;
  # A submodule, so that its parts may come from several places.
  partsOf =
    parts:
    types.submodule {
      options = lib.mapAttrs (
        _: type:
        mkOption {
          type = types.nullOr type;
          default = null;
        }
      ) parts;
    };
  withUnit = {
    item = name;
    entity = name;
    unit = name;
    factor = types.number;
  };
  one = types.either name (partsOf withUnit);
  listOfOne = types.listOf one;
  phases = lib.genAttrs [ "l1" "l2" "l3" ] (_: types.either one listOfOne);
  itemType = types.either (types.either name (partsOf (withUnit // phases))) listOfOne // {
    description = "name of an item or entity, { item or entity, unit, factor }, a list of such, or { l1, l2, l3 }";
  };
  item =
    default: description:
    key itemType default description
    // {
      apply = given;
    };
  given =
    value:
    if lib.isList value then
      map given value
    else if lib.isAttrs value then
      lib.mapAttrs (_: given) (lib.filterAttrs (_: isGiven) value)
    else
      value;
  isGiven = value: value != null;

  # What is given once, however many meters there are.
  atTop = {
    openhab_host = word "none; required without `homeassistant_host`" ''
      Address of openHAB: `host`, `host:port`, `[v6]:port` or `http(s)://host[:port][/path]`. The port
      is 8080 unless given, with `https://` 443.
    '';
    openhab_username = word "none" ''
      User name for basic authentication. It needs {option}`${prefix}.passwordFile` or
      {option}`${prefix}.encryptedPasswordFile`.
    '';
    openhab_ca_file = key types.path "the system's certificates" ''
      PEM file with the certificates to trust for `https://`: openHAB's own, or that of your
      authority. A path of the configuration is copied to the store. Elsewhere the service must be
      able to read it, and it sees neither `/home` nor `/root`.
    '';
    homeassistant_host = word "none; required without `openhab_host`" ''
      Address of Home Assistant, in the same forms. The port is 8123 unless given, with `https://` 443.
      It needs {option}`${prefix}.homeassistantTokenFile` or
      {option}`${prefix}.encryptedHomeassistantTokenFile`.
    '';
    homeassistant_ca_file = key types.path "the system's certificates" ''
      The same as {option}`${prefix}.settings.openhab_ca_file`, for Home Assistant.
    '';
    update = oneOf [ "events" "poll" ] "`events`" ''
      How values arrive: `events` listens to openHAB's event stream, and polls while that is down;
      `poll` only polls.
    '';
    poll_interval = duration "`2s`" "Time from one poll to the next, `100ms` to `10m`.";

    stale_after = duration "`30s`" ''
      The data is stale when the source has not confirmed the power for this long. At least 1 s, and
      twice `poll_interval`.
    '';
    item_max_age = duration "off" ''
      The data is stale, too, when the item of the power was not updated for this long, `10s` to `7d`,
      though the source is alive.
    '';

    unit_ids = oneOf [ "any" "strict" ] "`any`" ''
      Which unit ids are answered: `any`, or with `strict` only `modbus_tcp_address`, 0 and 255.
    '';
    max_connections = key (types.ints.between 1 1000) "`64`" "How many connections there may be.";
    idle_timeout = duration "`10m`" ''
      A connection without a request for this long is closed; `1s` to `1d`.
    '';

    status_hosts = key (types.listOf types.nonEmptyStr) "none" ''
      Host names by which the status page may be opened, besides those of the machine.
    '';

    loglevel = oneOf [ "debug" "info" "warning" "error" ] "`info`" "How much is logged.";
    time_zone = word "the system's" ''
      IANA name such as `Europe/Berlin`, for the times in the log.
    '';

    meters =
      key meterList "none" ''
        Several meters, in place of the keys of one: each with a `name`, and those keys.
      ''
      // {
        apply = given;
      };
  };

  # What each meter has of its own.
  ofMeter = {
    role = oneOf [ "producer" "grid" ] "`producer`" ''
      Whether this is the meter of a generator (`producer`) or of the grid connection (`grid`).
    '';
    source = oneOf [ "openhab" "homeassistant" ] "the one whose host is given" ''
      Where the values come from. Needed only where both hosts are given.
    '';
    energy_counter_out = item "none; required" ''
      Item or entity with the energy generated; with role `grid`, the energy exported.
    '';
    energy_counter_in = item "none" ''
      Item or entity with the energy consumed; with role `grid`, the energy imported.
    '';
    current_power = item "none; required" ''
      Item or entity with the power generated; with role `grid`, with the power of the connection,
      where import is positive.
    '';
    current_voltage = item "230 V" "Item or entity with the voltage.";
    current_current = item "power / voltage" "Item or entity with the current.";
    current_frequency = item "50 Hz" "Item or entity with the frequency.";
    connected_phase = oneOf [ 1 2 3 ] "`1`" "Phase of the items that are given without one.";
    min_energy_threshold = key types.numbers.nonnegative "`0.1`" ''
      Energy in kWh. Until `energy_counter_out` has first reached it, there is no value yet. Set 0 for
      a counter that really starts from 0.
    '';
    max_power = key (types.numbers.between 100 10000000) "`50000`; with model 203, `32000`" ''
      Power in W: no more can flow through this meter, and what is beyond is implausible. The closer
      it is to the size of the device, the sooner a mistaken unit is noticed.
    '';

    on_stale =
      oneOf [ "zero" "exception" "hold" "disconnect" ] "`zero`; with role `grid`, `exception`"
        ''
          What an inverter gets while the data is stale: no power, a Modbus exception, the last values,
          or no connection.
        '';

    modbus_tcp_address = key (types.ints.between 0 247) "`1`" ''
      Unit id. It is also in register 40068 and in the default serial number.
    '';
    sunspec_model = oneOf [ 213 203 ] "`213`" ''
      SunSpec model of the values: `213` has float32, `203` integers with scale factors.
    '';

    manufacturer = word "`Fronius`" "Name of the manufacturer, up to 32 printable ASCII characters.";
    model = word "`Smart Meter IP`" "Name of the model, up to 32 printable ASCII characters.";
    options = word "`<secondary>`; with role `grid`, `<primary>`" ''
      Options of the meter, up to 16 printable ASCII characters.
    '';
    version = word "`2.9`" "Version of the meter, up to 16 printable ASCII characters.";
    serial_number = word "from the items of `energy_counter_out` and `modbus_tcp_address`" ''
      Serial number, up to 32 printable ASCII characters, unique in the plant. An inverter takes a
      meter with another serial number for another meter.
    '';
  };

  # An entry of the list of meters.
  entry = ofMeter // {
    name = mkOption {
      type = types.strMatching "[a-z0-9_-]{1,32}" // {
        description = "name of a-z, 0-9, _ and -";
      };
      description = "Name of the meter, in the log and of its socket.";
    };
    modbus_listen =
      key (types.coercedTo stream lib.toList (types.nonEmptyListOf stream)) "{option}`${prefix}.listen`"
        ''
          Where inverters find this meter: a port, an address with a port, or a list of such. Meters
          with the same one are told apart by their unit ids.
        '';
  };
  stream = types.coercedTo types.port toString types.nonEmptyStr;
  meterList = types.nonEmptyListOf (
    types.submodule {
      inherit freeformType;
      options = entry;
    }
  );

  known = atTop // ofMeter;

  refused = {
    modbus_listen = "systemd opens the ports: set ${prefix}.listen.";
    status_listen = "systemd opens the ports: set ${prefix}.status.enable, and status.listen.";
    state_dir = "systemd provides /var/lib/fronius-smartmeter; remove the key.";
    openhab_token_file = "The service could not read it: set ${prefix}.tokenFile.";
    openhab_password_file = "The service could not read it: set ${prefix}.passwordFile.";
    openhab_token = "Everybody can read the settings: put it into a file and set ${prefix}.tokenFile.";
    openhab_password = "Everybody can read the settings: put it into a file and set ${prefix}.passwordFile.";
    homeassistant_token_file = "The service could not read it: set ${prefix}.homeassistantTokenFile.";
    homeassistant_token = "Everybody can read the settings: put it into a file and set ${prefix}.homeassistantTokenFile.";
    access_token = "Everybody can read the settings: put it into a file and set ${prefix}.homeassistantTokenFile.";
  };

  # What is wrong with the keys at a place, of which there are these and no others.
  wrongKeys =
    place: options: refused: values:
    let
      keys = lib.attrNames (options // refused);
      mustNotBe = key: remedy: {
        assertion = !has values key;
        message = "${place}.${key} cannot be set. ${remedy}";
      };
      unknown =
        key:
        let
          similar = lib.filter (other: lib.strings.levenshtein key other <= 2) keys;
        in
        {
          assertion = false;
          message =
            "${place}.${key} is unknown"
            + lib.optionalString (similar != [ ]) "; did you mean ${lib.concatStringsSep " or " similar}?";
        };
    in
    lib.mapAttrsToList mustNotBe refused ++ map unknown (lib.attrNames (removeAttrs values keys));

  has = values: key: (values.${key} or null) != null;
  needed = place: values: key: what: {
    assertion = has values key;
    message = "${place}.${key} is missing. Set it to ${what}.";
  };

  withoutLogin = place: values: key: remedy: {
    assertion = !has values key || builtins.match ".*@.*" values.${key} == null;
    message = "${place}.${key} holds a name or password, and everybody can read it. Set ${remedy}.";
  };

  # What is wrong with a meter, be it the only one or an entry of the list.
  wrongMeter = place: meter: [
    (needed place meter "energy_counter_out" "the item or entity that counts the energy")
    (needed place meter "current_power" "the item or entity with the power")
  ];
  wrongEntry =
    meter:
    let
      place = "${prefix}.settings.meters[${meter.name}]";
      isAtTop = key: _: "It belongs to no single meter: set ${prefix}.settings.${key}.";
    in
    wrongKeys place entry (removeAttrs refused [ "modbus_listen" ] // lib.mapAttrs isAtTop atTop) meter
    ++ wrongMeter place meter;

  belongsToMeter =
    _: _: "It belongs to a meter: give it in the entries of ${prefix}.settings.meters.";
in
{
  inherit known;

  assertions =
    settings:
    let
      place = "${prefix}.settings";
    in
    (
      if has settings "meters" then
        wrongKeys place known (refused // lib.mapAttrs belongsToMeter entry) settings
        ++ lib.concatMap wrongEntry settings.meters
      else
        wrongKeys place known refused settings ++ wrongMeter place settings
    )
    ++ [
      {
        assertion = has settings "openhab_host" || has settings "homeassistant_host";
        message = "${place}.openhab_host is missing. Set it to the address of openHAB, such as \"192.168.1.31\", or ${place}.homeassistant_host to that of Home Assistant.";
      }
      (withoutLogin place settings "openhab_host"
        "settings.openhab_username and ${prefix}.passwordFile, or ${prefix}.tokenFile"
      )
      (withoutLogin place settings "homeassistant_host" "${prefix}.homeassistantTokenFile")
    ];
}
