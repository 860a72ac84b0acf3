{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  cfg = config.services.fronius-smartmeter;
  inherit (cfg) settings;

  format = pkgs.formats.yaml { };

  # Null means "not given", so that the program's own default applies.
  optional =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };

  itemType =
    types.either types.nonEmptyStr (
      types.addCheck (types.attrsOf (types.either types.nonEmptyStr (types.attrsOf types.nonEmptyStr))) (
        value:
        let
          consistsOf = names: lib.all (name: lib.elem name names) (lib.attrNames value);
        in
        consistsOf [
          "l1"
          "l2"
          "l3"
        ]
        || (
          value ? item
          && consistsOf [
            "item"
            "unit"
          ]
        )
      )
    )
    // {
      name = "openhabItem";
      description = "item's name, { l1, l2, l3 }, or { item, unit }";
    };
  item = optional itemType;

  addressType =
    types.strMatching "any|localhost|link-local|multicast|[0-9]{1,3}([.][0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9a-fA-F]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?"
    // {
      description = "IP address, or prefix such as 192.168.1.0/24, or localhost, link-local, any";
    };

  # The port of a ListenStream=, in a list that is empty if the program cannot serve it.
  portOf =
    stream:
    let
      parsed = builtins.match "([0-9.]+:|\\[[0-9a-fA-F:.]+]:)?([1-9][0-9]{0,4})" stream;
      port = lib.toInt (lib.elemAt parsed 1);
    in
    lib.optional (parsed != null && port <= 65535) port;
  ports = lib.concatMap portOf cfg.listen;

  # The host of http(s)://host[:port][/path], if it is an address.
  addressOf =
    url:
    let
      parsed = builtins.match "([hH][tT][tT][pP][sS]?://)?(localhost|[0-9]{1,3}([.][0-9]{1,3}){3}|\\[([0-9a-fA-F:.]+)])(:[0-9]+)?(/.*)?" url;
      bracketed = lib.elemAt parsed 3;
    in
    if parsed == null then
      null
    else if bracketed != null then
      bracketed
    else
      lib.elemAt parsed 1;
  openhabAddress = if settings.openhab_host == null then null else addressOf settings.openhab_host;

  configFile = format.generate "config.yaml" (
    lib.filterAttrs (_: value: value != null) settings
    // lib.optionalAttrs (cfg.passwordFile != null) { openhab_password_file = "openhab_password"; }
  );

  # Wrong settings should fail the build, not the service.
  checkedConfigFile =
    if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
      pkgs.runCommand "config.yaml" { } ''
        cp ${configFile} config.yaml
        ${lib.getExe cfg.package} check --offline --config config.yaml
        cp config.yaml $out
      ''
    else
      configFile;

  credentials =
    lib.optional (cfg.tokenFile != null) "openhab_token:${toString cfg.tokenFile}"
    ++ lib.optional (cfg.passwordFile != null) "openhab_password:${toString cfg.passwordFile}";

  # In place of the unit's own list, which an empty string clears. It comes first, so that nothing is
  # cleared of what other modules add.
  instead =
    list:
    lib.mkMerge [
      (lib.mkBefore [ "" ])
      list
    ];

  prefix = "services.fronius-smartmeter";
  has = key: (settings.${key} or null) != null;
  outsideStore = name: file: {
    assertion = file == null || !lib.hasPrefix "${builtins.storeDir}/" "${toString file}/";
    message = "${prefix}.${name} is in the Nix store, which everybody can read. Use a path outside of it, as a string: \"/run/secrets/openhab\", or whatever path your secret manager uses.";
  };
  needed = key: what: {
    assertion = has key;
    message = "${prefix}.settings.${key} is missing. Set it to ${what}.";
  };
  elsewhere = key: remedy: {
    assertion = !has key;
    message = "${prefix}.settings.${key} cannot be set. ${remedy}";
  };
in
{
  options.services.fronius-smartmeter = {
    enable = lib.mkEnableOption "the emulated Fronius Smart Meter with the values of openHAB";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalMD "the package beside this module, built with the `pkgs` of the system";
      description = "The program and its systemd units.";
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = format.type;
        options = {
          openhab_host = optional types.nonEmptyStr ''
            Address of openHAB: `host`, `host:port`, `[v6]:port` or `http(s)://host[:port][/path]`. Required.
          '';
          connected_phase = optional (types.enum [
            1
            2
            3
          ]) "The phase of items given without one; 1 by default.";
          role = optional (types.enum [
            "producer"
            "grid"
          ]) "Whether this is the meter of a generator, which is the default, or of the grid connection.";
          energy_counter_out = item "The energy generated; with role `grid`, exported. Required.";
          energy_counter_in = item "The energy consumed; with role `grid`, imported.";
          current_power = item "The power generated; with role `grid`, import is positive. Required.";
          current_voltage = item "The voltage; 230 V by default.";
          current_current = item "The current; power / voltage by default.";
          current_frequency = item "The frequency; 50 Hz by default.";
          openhab_username = optional types.nonEmptyStr ''
            The user name for basic authentication. It needs {option}`${prefix}.passwordFile`.
          '';
        };
      };
      default = { };
      example = {
        openhab_host = "192.168.1.31";
        energy_counter_out = "inverter_energy";
        current_power = {
          l1 = "power_1";
          l2 = "power_2";
          l3 = {
            item = "power_3";
            unit = "kW";
          };
        };
      };
      description = ''
        The configuration. It takes all keys of `docs/configuration.md` except those for ports,
        secrets and the state directory. It is checked when the system is built.

        An item is the name of an openHAB item, or `{ l1, l2, l3 }` for three phases. In place of
        a name, `{ item, unit }` sets the unit of states that have none.
      '';
    };

    listen = mkOption {
      type = types.listOf (types.coercedTo types.port toString types.nonEmptyStr);
      default = [ "502" ];
      example = [
        "192.168.1.2:502"
        "[fd00::2]:502"
      ];
      description = ''
        Ports, or addresses with a port, where inverters find the meter: systemd's
        `ListenStream=`. A port alone means all addresses, IPv4 and IPv6.
      '';
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to open the ports of {option}`${prefix}.listen` in the firewall.";
    };

    allowedClients = mkOption {
      type = types.nullOr (types.listOf addressType);
      default = null;
      example = [ "192.168.1.5" ];
      description = ''
        Who may poll the meter; everybody else gets no answer. Null means local networks. To be
        strict, list only the inverter.
      '';
    };

    openhabAddresses = mkOption {
      type = types.nullOr (types.listOf addressType);
      default = if openhabAddress == null then null else [ openhabAddress ];
      defaultText = lib.literalMD "the address in `settings.openhab_host`, unless that is a name";
      example = [
        "192.168.1.31"
        "192.168.1.1"
      ];
      description = ''
        Whom the service may talk to: openHAB, and the name server unless the name is resolved on
        this machine. Null means local networks, so an openHAB elsewhere must be listed here.
      '';
    };

    tokenFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/openhab-token";
      description = ''
        File with an API token of openHAB (`oh.…`). Only root needs to be able to read it.
      '';
    };

    passwordFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      example = "/run/secrets/openhab-password";
      description = ''
        File with the password for `settings.openhab_username`. Only root needs to be able to read
        it.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      (needed "openhab_host" "the address of openHAB, such as \"192.168.1.31\"")
      (needed "energy_counter_out" "the name of the openHAB item that counts the energy")
      (needed "current_power" "the name of the openHAB item with the power")
      (elsewhere "modbus_listen" "systemd opens the ports: set ${prefix}.listen.")
      (elsewhere "state_dir" "systemd provides /var/lib/fronius-smartmeter; remove the key.")
      (elsewhere "openhab_token_file" "The service could not read it: set ${prefix}.tokenFile.")
      (elsewhere "openhab_password_file" "The service could not read it: set ${prefix}.passwordFile.")
      (elsewhere "openhab_token" "Everybody can read the settings: put it into a file and set ${prefix}.tokenFile.")
      (elsewhere "openhab_password" "Everybody can read the settings: put it into a file and set ${prefix}.passwordFile.")
      (elsewhere "access_token" "It is of no use with openHAB, and everybody could read it: remove the key.")
      {
        assertion = !has "openhab_host" || builtins.match ".*@.*" settings.openhab_host == null;
        message = "${prefix}.settings.openhab_host holds a name or password, and everybody can read it. Set settings.openhab_username and ${prefix}.passwordFile, or ${prefix}.tokenFile.";
      }
      {
        assertion = has "openhab_username" == (cfg.passwordFile != null);
        message = "${prefix}.settings.openhab_username and ${prefix}.passwordFile belong together: set both, or neither.";
      }
      (outsideStore "tokenFile" cfg.tokenFile)
      (outsideStore "passwordFile" cfg.passwordFile)
      {
        assertion = lib.length ports == lib.length cfg.listen && cfg.listen != [ ];
        message = "${prefix}.listen must hold TCP ports, and nothing else: \"502\", \"192.168.1.2:502\" or \"[fd00::2]:502\".";
      }
    ];

    # For `fronius-smartmeter check`, `read` and `counters`, and the manual.
    environment.systemPackages = [ cfg.package ];

    # The units read this file and no other.
    environment.etc."fronius-smartmeter/config.yaml".source = checkedConfigFile;

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall ports;

    # The units are those of the package; what follows are drop-ins.
    systemd.packages = [ cfg.package ];

    systemd.sockets.fronius-smartmeter = {
      wantedBy = [ "sockets.target" ];
      partOf = [ "fronius-smartmeter-listen.service" ];
      listenStreams = lib.mkIf (cfg.listen != [ "502" ]) (instead cfg.listen);
      socketConfig = lib.mkIf (cfg.allowedClients != null) {
        IPAddressAllow = instead cfg.allowedClients;
      };
    };

    systemd.services.fronius-smartmeter = {
      wantedBy = [ "multi-user.target" ];
      enableDefaultPath = false;
      restartTriggers = [ checkedConfigFile ];
      # Restarted in one go, with its socket open, so that clients wait and are not refused.
      stopIfChanged = false;
      serviceConfig = lib.mkMerge [
        (lib.mkIf (cfg.openhabAddresses != null) { IPAddressAllow = instead cfg.openhabAddresses; })
        # The unit's empty secrets are cleared, too, so that a missing file is an error.
        (lib.mkIf (credentials != [ ]) {
          LoadCredential = instead credentials;
          SetCredential = "";
        })
      ];
    };

    # switch-to-configuration leaves a changed socket as it is. It restarts this service instead,
    # and with it the socket, which is part of it.
    systemd.services.fronius-smartmeter-listen = {
      description = "Restarts the socket of the emulated Fronius Smart Meter when it changes";
      wantedBy = [ "multi-user.target" ];
      enableDefaultPath = false;
      restartTriggers = [
        (builtins.toJSON { inherit (cfg) allowedClients listen; })
        (builtins.readFile ../systemd/fronius-smartmeter.socket)
      ];
      stopIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = lib.getExe' pkgs.coreutils "true";
      };
    };
  };
}
