{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  prefix = "services.fronius-smartmeter";
  cfg = config.services.fronius-smartmeter;
  inherit (cfg) settings;
  format = pkgs.formats.yaml { };
  keys = import ./settings.nix {
    inherit lib prefix;
    freeformType = format.type;
  };
  openFor = import ./firewall.nix { inherit config lib; };

  addressType =
    types.strMatching "any|localhost|link-local|[0-9]{1,3}([.][0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9a-fA-F]*:[0-9a-fA-F:.]*(/[0-9]{1,3})?"
    // {
      description = "IP address, or prefix such as 192.168.1.0/24, or localhost, link-local, any";
    };

  listenType = types.listOf (types.coercedTo types.port toString types.nonEmptyStr);

  secretFile =
    name: what:
    mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/run/secrets/${lib.replaceStrings [ "_" ] [ "-" ] name}";
      description = ''
        File with ${what}. Only root needs to be able to read it. It must be outside of the Nix store,
        which everybody can read.
      '';
    };
  encryptedFile =
    name: plain:
    mkOption {
      type = types.nullOr types.path;
      default = null;
      example = lib.literalExpression "./${name}.cred";
      description = ''
        In place of {option}`${prefix}.${plain}`, a file that
        {command}`systemd-creds encrypt --name=${name}` has made on the machine itself. Only
        that machine can decrypt it, so it may be in the Nix store. See {manpage}`systemd-creds(1)`.
      '';
    };

  listening = import ./sockets.nix { inherit lib prefix; } { inherit (cfg) listen settings status; };
  first = lib.head listening.sockets;
  furtherSockets = import ./further-sockets.nix { inherit lib; } (
    map (meter: {
      inherit (meter) name;
      description = "Modbus TCP port of the emulated Fronius Smart Meter ${meter.name}";
      listen = meter.modbus_listen;
      clients = cfg.allowedClients;
    }) (lib.tail listening.sockets)
    ++ lib.optional cfg.status.enable {
      name = "status";
      description = "Status page of the emulated Fronius Smart Meter";
      inherit (cfg.status) listen;
      clients = null;
    }
  );
  socketUnits = [ "fronius-smartmeter" ] ++ lib.attrNames furtherSockets;

  # The host of http(s)://host[:port][/path], if it is an address, without its zone.
  addressOf =
    url:
    let
      parsed = builtins.match "([hH][tT][tT][pP][sS]?://)?(localhost|[0-9]{1,3}([.][0-9]{1,3}){3}|\\[([0-9a-fA-F:.]+)(%[^]]+)?])(:[0-9]+)?(/.*)?" url;
      bracketed = lib.elemAt parsed 3;
    in
    if parsed == null then
      null
    else if bracketed != null then
      bracketed
    else
      lib.elemAt parsed 1;
  addressesOf =
    host:
    let
      address = addressOf host;
    in
    if host == null || address == null then null else [ address ];
  # Of each host that is given; null is one that may be anywhere in local networks.
  addresses =
    lib.optional (settings.openhab_host != null) cfg.openhabAddresses
    ++ lib.optional (settings.homeassistant_host != null) cfg.homeassistantAddresses;
  known = lib.filter (list: list != null) addresses;
  allowed = lib.concatLists known;

  isGiven = _: value: value != null;
  configFile = format.generate "config.yaml" (
    lib.filterAttrs isGiven settings
    # With where each listens, so that the program checks that, too.
    // lib.optionalAttrs (settings.meters != null) { inherit (listening) meters; }
    // lib.optionalAttrs (allSecrets ? openhab_password) { openhab_password_file = "openhab_password"; }
  );

  # Wrong settings should fail the build, not the service. The program that says so must run where the
  # system is built.
  checker =
    if pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform then
      cfg.package
    else
      pkgs.buildPackages.callPackage ./package.nix { };
  checkedConfigFile = pkgs.runCommand "config.yaml" { } ''
    cp ${configFile} config.yaml
    ${lib.getExe checker} check --offline --config config.yaml
    cp config.yaml $out
  '';

  secrets = lib.filterAttrs isGiven {
    openhab_token = cfg.tokenFile;
    openhab_password = cfg.passwordFile;
    homeassistant_token = cfg.homeassistantTokenFile;
  };
  encryptedSecrets = lib.filterAttrs isGiven {
    openhab_token = cfg.encryptedTokenFile;
    openhab_password = cfg.encryptedPasswordFile;
    homeassistant_token = cfg.encryptedHomeassistantTokenFile;
  };
  allSecrets = secrets // encryptedSecrets;
  # Of a path in the configuration an interpolation makes a copy in the store. An encrypted file may
  # be there.
  credentials = lib.mapAttrsToList (name: file: "${name}:${toString file}") secrets;
  encryptedCredentials = lib.mapAttrsToList (name: file: "${name}:${file}") encryptedSecrets;

  # In place of the unit's own list, which an empty string clears. It comes first, so that nothing is
  # cleared of what other modules add.
  instead =
    list:
    lib.mkMerge [
      (lib.mkBefore [ "" ])
      list
    ];

  either = secret: plain: encrypted: {
    assertion = !(secrets ? ${secret} && encryptedSecrets ? ${secret});
    message = "${prefix}.${plain} and ${prefix}.${encrypted} hold the same secret: set one of them.";
  };
in
{
  options.services.fronius-smartmeter = {
    enable = lib.mkEnableOption "the emulated Fronius Smart Meter with the values of openHAB or Home Assistant";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalMD "the package beside this module, built with the `pkgs` of the system";
      description = "The program and its systemd units.";
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = format.type;
        options = keys.known;
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
        The configuration, with the keys of `docs/configuration.md` except those for ports, secrets
        and the state directory. The program checks it when the system is built.

        A value is the name of an openHAB item or a Home Assistant entity, or `{ l1, l2, l3 }` for three
        phases. In place of a name, `{ item, unit }` or `{ entity, unit }` sets the unit of states that
        have none. A duration is a number with
        a unit, such as `"500ms"` or `"1h 30m"`, or a number of seconds.

        In the entries of `meters`, `modbus_listen` says where each listens.
      '';
    };

    listen = mkOption {
      type = listenType;
      default = [ "502" ];
      example = [
        "192.168.1.2:502"
        "[fd00::2]:502"
      ];
      description = ''
        Ports, or addresses with a port, where inverters find the meter: systemd's
        `ListenStream=`. A port alone means all addresses, IPv4 and IPv6. Of several meters, those
        are here that have no `modbus_listen` of their own.
      '';
    };

    openFirewall = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Whether to open the ports of all meters in the firewall: for
        {option}`${prefix}.allowedClients` alone if those are given, and else for everybody.
      '';
    };

    allowedClients = mkOption {
      type = types.nullOr (types.listOf addressType);
      default = null;
      example = [ "192.168.1.5" ];
      description = ''
        Who may poll the meters; everybody else gets no answer. `null` means local networks. To be
        strict, list only the inverter.
      '';
    };

    openhabAddresses = mkOption {
      type = types.nullOr (types.listOf addressType);
      default = addressesOf settings.openhab_host;
      defaultText = lib.literalMD "the address in `settings.openhab_host`, unless that is a name";
      example = [
        "192.168.1.31"
        "192.168.1.1"
      ];
      description = ''
        Whom the service may talk to: openHAB, and the name server unless the name is resolved on
        this machine. `null` means local networks, so an openHAB elsewhere must be listed here.
      '';
    };

    homeassistantAddresses = mkOption {
      type = types.nullOr (types.listOf addressType);
      default = addressesOf settings.homeassistant_host;
      defaultText = lib.literalMD "the address in `settings.homeassistant_host`, unless that is a name";
      example = [ "100.64.0.32" ];
      description = ''
        The same as {option}`${prefix}.openhabAddresses`, for Home Assistant.
      '';
    };

    status = {
      enable = lib.mkEnableOption "the status page, with metrics for Prometheus";

      listen = mkOption {
        type = listenType;
        default = [
          "127.0.0.1:8502"
          "[::1]:8502"
        ];
        example = [ 8502 ];
        description = ''
          Ports, or addresses with a port, where the page is found. A port alone means all addresses,
          for local networks. The page has no password: whoever can open it sees all values and the
          configuration, without secrets.
        '';
      };

      openFirewall = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Whether to open the ports of {option}`${prefix}.status.listen` in the firewall. That must then
          name more than the addresses of this machine alone.
        '';
      };
    };

    tokenFile = secretFile "openhab_token" "an API token of openHAB (`oh.…`)";
    encryptedTokenFile = encryptedFile "openhab_token" "tokenFile";
    passwordFile = secretFile "openhab_password" "the password of `settings.openhab_username`";
    encryptedPasswordFile = encryptedFile "openhab_password" "passwordFile";
    homeassistantTokenFile = secretFile "homeassistant_token" "a long-lived access token of Home Assistant";
    encryptedHomeassistantTokenFile = encryptedFile "homeassistant_token" "homeassistantTokenFile";
  };

  config = lib.mkIf cfg.enable {
    assertions =
      keys.assertions settings
      ++ listening.assertions
      ++ [
        {
          assertion = (settings.openhab_username != null) == (allSecrets ? openhab_password);
          message = "${prefix}.settings.openhab_username and ${prefix}.passwordFile (or encryptedPasswordFile) belong together: set both, or neither.";
        }
        {
          assertion = (settings.homeassistant_host != null) == (allSecrets ? homeassistant_token);
          message = "${prefix}.settings.homeassistant_host and ${prefix}.homeassistantTokenFile (or encryptedHomeassistantTokenFile) belong together: set both, or neither.";
        }
        (either "openhab_token" "tokenFile" "encryptedTokenFile")
        (either "openhab_password" "passwordFile" "encryptedPasswordFile")
        (either "homeassistant_token" "homeassistantTokenFile" "encryptedHomeassistantTokenFile")
      ];

    # For `fronius-smartmeter check`, `read` and `counters`, and the manual.
    environment.systemPackages = [ cfg.package ];

    # The units read this file and no other.
    environment.etc."fronius-smartmeter/config.yaml".source = checkedConfigFile;

    networking.firewall = lib.mkMerge [
      (lib.mkIf cfg.openFirewall (openFor {
        inherit (listening) ports;
        clients = cfg.allowedClients;
      }))
      (lib.mkIf (cfg.status.enable && cfg.status.openFirewall) {
        allowedTCPPorts = listening.statusPorts;
      })
    ];

    # The units are those of the package; what follows are drop-ins.
    systemd.packages = [ cfg.package ];

    systemd.sockets = furtherSockets // {
      fronius-smartmeter = {
        wantedBy = [ "sockets.target" ];
        partOf = [ "fronius-smartmeter-listen.service" ];
        listenStreams = lib.mkIf (first.modbus_listen != [ "502" ]) (instead first.modbus_listen);
        socketConfig = lib.mkIf (cfg.allowedClients != null) {
          IPAddressAllow = instead cfg.allowedClients;
        };
      };
    };

    systemd.services.fronius-smartmeter = {
      wantedBy = [ "multi-user.target" ];
      enableDefaultPath = false;
      restartTriggers = [ checkedConfigFile ];
      # Restarted in one go, with its socket open, so that clients wait and are not refused.
      stopIfChanged = false;
      serviceConfig = lib.mkMerge [
        (lib.mkIf (known != [ ]) {
          IPAddressAllow = if known == addresses then instead allowed else allowed;
        })
        # The unit's empty secrets are cleared, too, so that a missing file is an error.
        (lib.mkIf (allSecrets != { }) {
          LoadCredential = instead credentials;
          LoadCredentialEncrypted = lib.mkIf (encryptedCredentials != [ ]) encryptedCredentials;
          SetCredential = "";
        })
      ];
    };

    # switch-to-configuration leaves a changed socket as it is. It restarts this service instead,
    # and with it the sockets: the shipped one is part of it, and the others of that.
    systemd.services.fronius-smartmeter-listen = {
      description = "Restarts the socket of the emulated Fronius Smart Meter when it changes";
      wantedBy = [ "multi-user.target" ];
      enableDefaultPath = false;
      restartTriggers = [
        (builtins.toJSON (
          map (unit: { inherit (config.systemd.sockets.${unit}) listenStreams socketConfig; }) socketUnits
        ))
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
