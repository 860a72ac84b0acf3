# Configurations of the module; `system` is what else the system has. `fails` holds what the failed assertions must say, one by one;
# `type` says that a definition has the wrong type. The others are valid, and golden/ has what
# becomes of them.
let
  openhab = {
    openhab_host = "192.168.1.31";
    energy_counter_out = "inverter_energy";
    current_power = "inverter_power";
  };
  with' = settings: { settings = openhab // settings; };
  homeassistant = {
    homeassistant_host = "192.168.1.32";
    energy_counter_out = "sensor.roof_energy";
    current_power = "sensor.roof_power";
  };
  homeassistantTokenFile = "/run/secrets/homeassistant-token";
  host = openhab_host: with' { inherit openhab_host; };
  meter =
    name: keys:
    {
      inherit name;
      energy_counter_out = "${name}_energy";
      current_power = "${name}_power";
    }
    // keys;
  several = meters: {
    settings = {
      openhab_host = "192.168.1.31";
      inherit meters;
    };
  };
  firewalled = {
    settings = openhab;
    listen = [
      502
      1502
    ];
    openFirewall = true;
    allowedClients = [
      "192.168.1.5"
      "192.168.1.0/24"
      "fd00::/64"
      "link-local"
      "localhost"
    ];
  };
in
{
  minimal.config.settings = openhab;

  # The addresses of openHAB in all forms.
  localhost.config = host "localhost";
  name.config = host "openhab.fritz.box:8080";
  port.config = host "192.168.1.31:8080";
  url.config = host "https://192.168.1.31/openhab/";
  ipv6.config = host "[fd00::31]:8080";
  zone.config = host "[fe80::1%eth0]:8080";
  ipv6-url.config = host "HTTP://[fd00::31]";
  addresses.config = host "openhab.example.org" // {
    openhabAddresses = [
      "203.0.113.7"
      "192.168.1.1"
    ];
  };

  # Home Assistant: alone, with its token in each form, and beside openHAB.
  homeassistant.config = {
    settings = homeassistant;
    inherit homeassistantTokenFile;
  };
  homeassistant-entities.config = {
    settings = homeassistant // {
      homeassistant_host = "https://homeassistant.example.org";
      homeassistant_ca_file = "/etc/ssl/certs/ca-certificates.crt";
      role = "grid";
      source = "homeassistant";
      current_power = {
        l1 = "sensor.grid_power_l1";
        l2 = {
          entity = "sensor.grid_power_l2";
          unit = "kW";
          factor = -1;
        };
        l3 = [
          "sensor.grid_power_l3"
          { entity = "sensor.garage_power"; }
        ];
      };
    };
    encryptedHomeassistantTokenFile = "/var/lib/credentials/homeassistant_token";
  };
  homeassistant-elsewhere.config = {
    settings = homeassistant // {
      homeassistant_host = "homeassistant.example.org";
    };
    homeassistantAddresses = [
      "203.0.113.8"
      "192.168.1.1"
    ];
    inherit homeassistantTokenFile;
  };
  both.config = {
    settings = {
      openhab_host = "192.168.1.31";
      homeassistant_host = "192.168.1.32:8123";
      meters = [
        (meter "roof" { source = "openhab"; })
        (meter "garage" {
          source = "homeassistant";
          energy_counter_out = "sensor.garage_energy";
          current_power = "sensor.garage_power";
          modbus_tcp_address = 2;
        })
      ];
    };
    tokenFile = "/run/secrets/openhab-token";
    inherit homeassistantTokenFile;
  };
  both-one-named.config =
    with' {
      source = "openhab";
      homeassistant_host = "homeassistant.local";
    }
    // {
      inherit homeassistantTokenFile;
    };

  strict.config = {
    settings = openhab;
    listen = [
      502
      "1502"
      "192.168.1.2:1503"
      "[fd00::2]:1504"
    ];
    openFirewall = true;
    allowedClients = [
      "192.168.1.5"
      "fd00::/64"
    ];
  };
  # The firewall: for everybody, and for some by each of its kinds.
  open.config = {
    settings = openhab;
    openFirewall = true;
  };
  open-to-any.config = {
    settings = openhab;
    openFirewall = true;
    allowedClients = [
      "192.168.1.5"
      "any"
    ];
  };
  iptables.config = firewalled;
  iptables-ipv4 = {
    config = firewalled;
    system.networking.enableIPv6 = false;
  };
  nftables = {
    config = firewalled;
    system.networking.nftables.enable = true;
  };
  firewalld = {
    config = firewalled;
    system.networking.firewall.backend = "firewalld";
  };

  # Parts of an item from several places.
  parts = {
    config.settings = openhab // {
      current_power.item = "power";
      energy_counter_out.l1 = "energy_1";
    };
    system.services.fronius-smartmeter.settings = {
      current_power.unit = "kW";
      energy_counter_out.l2 = {
        item = "energy_2";
        unit = "Wh";
      };
    };
  };
  # Several items that are one meter, and several meters.
  lists.config = with' {
    energy_counter_out = [
      "roof_energy"
      "garage_energy"
    ];
    current_power.l1 = [
      "roof_power"
      {
        item = "garage_power";
        factor = -1;
      }
    ];
  };
  meters.config = several [
    (meter "roof" { })
    (meter "garage" { modbus_tcp_address = 2; })
  ];
  meters-apart.config =
    several [
      (meter "roof" {
        current_power.l1 = [
          "roof_power"
          {
            item = "shed_power";
            factor = -1;
          }
        ];
        modbus_listen = "192.168.1.21:502";
      })
      (meter "grid" {
        role = "grid";
        modbus_listen = [
          1502
          "192.168.1.22:502"
          "[fd00::22]:502"
        ];
      })
      (meter "garage" {
        modbus_listen = "192.168.1.21:502";
        modbus_tcp_address = 2;
      })
      (meter "wind" {
        modbus_listen = 1503;
        options = "<wind>";
      })
      (meter "mill" { name = "mill-2"; })
    ]
    // {
      # Of the last one.
      listen = [ "192.168.1.23:502" ];
      openFirewall = true;
      allowedClients = [
        "192.168.1.5"
        "fd00::/64"
      ];
    };
  # The status page, alone and with several meters.
  status.config = {
    settings = openhab;
    openFirewall = true;
    status.enable = true;
  };
  status-open.config = {
    settings = {
      openhab_host = "192.168.1.31";
      status_hosts = [ "meter.example.org" ];
      meters = [
        (meter "roof" { })
        (meter "grid" { modbus_listen = 1502; })
      ];
    };
    allowedClients = [ "192.168.1.5" ];
    status = {
      enable = true;
      listen = [ 8502 ];
      openFirewall = true;
    };
  };
  status-off.config = {
    settings = openhab;
    status = {
      listen = [ 502 ];
      openFirewall = true;
    };
  };
  # One of each kind of value.
  values.config = with' {
    openhab_ca_file = "/etc/ssl/certs/ca-certificates.crt";
    connected_phase = 3;
    min_energy_threshold = 0;
    max_power = 8000;
    stale_after = 45;
    on_stale = "hold";
    modbus_tcp_address = 0;
    sunspec_model = 203;
    options = "<primary>";
    loglevel = "warning";
  };

  # What somebody adds to the units himself.
  additions = {
    config = {
      settings = openhab;
      listen = [ 1502 ];
      allowedClients = [ "192.168.1.5" ];
      tokenFile = "/run/secrets/openhab-token";
    };
    system.systemd = {
      sockets.fronius-smartmeter = {
        listenStreams = [ "192.168.1.2:1503" ];
        socketConfig.IPAddressAllow = "192.168.1.6";
      };
      services.fronius-smartmeter.serviceConfig = {
        IPAddressAllow = [ "192.168.1.1" ];
        LoadCredential = [ "other:/run/secrets/other" ];
        MemoryMax = "64M";
      };
    };
  };

  token.config = {
    settings = openhab;
    tokenFile = "/run/secrets/openhab-token";
  };
  password.config = with' { openhab_username = "meter"; } // {
    passwordFile = "/run/secrets/openhab-password";
  };
  encrypted.config = with' { openhab_username = "meter"; } // {
    encryptedTokenFile = "/var/lib/credentials/token";
    # One that belongs to the configuration goes to the store.
    encryptedPasswordFile = ./cases.nix;
  };
  half-encrypted.config = with' { openhab_username = "meter"; } // {
    tokenFile = "/run/secrets/openhab-token";
    encryptedPasswordFile = "/var/lib/credentials/password";
  };
  items.config.settings = {
    openhab_host = "192.168.1.31";
    role = "grid";
    connected_phase = 2;
    energy_counter_out = {
      item = "exported";
      unit = "Wh";
    };
    energy_counter_in = "imported";
    current_power = {
      l1 = "power_1";
      l2 = "power_2";
      l3 = {
        item = "power_3";
        unit = "kW";
      };
    };
    poll_interval = "1s";
    max_connections = 8;
  };

  missing = {
    config = { };
    fails = [
      "settings.openhab_host is missing. Set it to the address of openHAB, such as \"192.168.1.31\", or services.fronius-smartmeter.settings.homeassistant_host"
      "settings.energy_counter_out is missing"
      "settings.current_power is missing"
    ];
  };
  misspelt = {
    config = with' {
      curent_voltage = "voltage";
      openhab_hosts = "192.168.1.31";
      colour = "red";
    };
    fails = [
      "settings.curent_voltage is unknown; did you mean current_voltage?"
      "settings.openhab_hosts is unknown; did you mean openhab_host?"
      "settings.colour is unknown"
    ];
  };
  meters-misspelt = {
    config = several [
      (meter "roof" { curent_voltage = "voltage"; })
      (meter "garage" {
        modbus_adress = 2;
        modbus_tcp_address = 2;
      })
    ];
    fails = [
      "settings.meters[roof].curent_voltage is unknown; did you mean current_voltage?"
      "settings.meters[garage].modbus_adress is unknown"
    ];
  };
  meters-incomplete = {
    config = several [ { name = "roof"; } ];
    fails = [
      "settings.meters[roof].energy_counter_out is missing"
      "settings.meters[roof].current_power is missing"
    ];
  };
  meters-misplaced = {
    config.settings = {
      openhab_host = "192.168.1.31";
      current_voltage = "voltage";
      modbus_listen = 1502;
      name = "house";
      meters = [
        (meter "roof" {
          poll_interval = "1s";
          state_dir = "/var/lib/meter";
        })
      ];
    };
    fails = [
      "settings.current_voltage cannot be set. It belongs to a meter: give it in the entries of services.fronius-smartmeter.settings.meters."
      "settings.modbus_listen cannot be set. It belongs to a meter"
      "settings.name cannot be set. It belongs to a meter"
      "settings.meters[roof].poll_interval cannot be set. It belongs to no single meter: set services.fronius-smartmeter.settings.poll_interval."
      "settings.meters[roof].state_dir cannot be set."
    ];
  };
  meters-of-one-name = {
    config = several [
      (meter "roof" { })
      (meter "roof" { modbus_listen = 1502; })
    ];
    fails = [ "settings.meters: two are named roof." ];
  };
  meters-of-one-unit-id = {
    config = several [
      (meter "roof" { })
      (meter "garage" { modbus_listen = 1502; })
      (meter "grid" { })
      (meter "shed" {
        modbus_listen = 1502;
        modbus_tcp_address = 0;
      })
    ];
    fails = [
      "settings.meters: roof and grid listen in the same place."
      "settings.meters: garage and shed listen in the same place."
    ];
  };
  meters-partly-in-one-place = {
    config = several [
      (meter "everywhere" { })
      (meter "roof" { modbus_listen = "192.168.1.21:502"; })
      (meter "garage" {
        modbus_listen = [
          "192.168.1.21:502"
          "192.168.1.22:502"
        ];
      })
      (meter "legacy" { modbus_listen = "0.0.0.0:1502"; })
      (meter "new" { modbus_listen = "[fd00::2]:1502"; })
      (meter "shed" { modbus_listen = "192.168.1.21:1502"; })
    ];
    fails = [
      "settings.meters: everywhere and roof listen partly in the same place."
      "settings.meters: everywhere and garage listen partly in the same place."
      "settings.meters: roof and garage listen partly in the same place."
      "settings.meters: legacy and shed listen partly in the same place."
    ];
  };
  meters-unix-listen = {
    config = several [
      (meter "roof" { })
      (meter "grid" { modbus_listen = "/run/grid.socket"; })
    ];
    fails = [ "settings.meters[grid].modbus_listen must hold TCP ports" ];
  };
  token-in-settings = {
    config = with' { openhab_token = "oh.meter.secret"; };
    fails = [ "set services.fronius-smartmeter.tokenFile" ];
  };
  password-in-settings = {
    config = with' { openhab_password = "secret"; };
    fails = [ "set services.fronius-smartmeter.passwordFile" ];
  };
  access-token-in-settings = {
    config = with' { access_token = "secret"; };
    fails = [ "set services.fronius-smartmeter.homeassistantTokenFile" ];
  };
  homeassistant-token-in-settings = {
    config = with' { homeassistant_token = "secret"; };
    fails = [ "set services.fronius-smartmeter.homeassistantTokenFile" ];
  };
  homeassistant-token-file-in-settings = {
    config = with' { homeassistant_token_file = "/run/secrets/token"; };
    fails = [ "set services.fronius-smartmeter.homeassistantTokenFile" ];
  };
  homeassistant-without-token = {
    config.settings = homeassistant;
    fails = [ "settings.homeassistant_host and services.fronius-smartmeter.homeassistantTokenFile" ];
  };
  homeassistant-token-alone = {
    config = {
      settings = openhab;
      inherit homeassistantTokenFile;
    };
    fails = [ "settings.homeassistant_host and services.fronius-smartmeter.homeassistantTokenFile" ];
  };
  homeassistant-token-twice = {
    config = {
      settings = homeassistant;
      inherit homeassistantTokenFile;
      encryptedHomeassistantTokenFile = "/var/lib/credentials/token";
    };
    fails = [ "hold the same secret: set one of them" ];
  };
  password-in-address = {
    config = host "http://meter:secret@192.168.1.31";
    fails = [ "settings.openhab_host holds a name or password" ];
  };
  token-in-address = {
    config = {
      settings = homeassistant // {
        homeassistant_host = "http://token@192.168.1.32";
      };
      inherit homeassistantTokenFile;
    };
    fails = [ "settings.homeassistant_host holds a name or password" ];
  };
  token-file-in-settings = {
    config = with' { openhab_token_file = "/run/secrets/token"; };
    fails = [ "set services.fronius-smartmeter.tokenFile" ];
  };
  password-file-in-settings = {
    config = with' { openhab_password_file = "/run/secrets/password"; };
    fails = [ "set services.fronius-smartmeter.passwordFile" ];
  };
  token-in-store = {
    config = {
      settings = openhab;
      tokenFile = "${builtins.storeDir}/0123456789abcdfghijklmnpqrsvwxyz-secrets/token";
    };
    type = "tokenFile";
  };
  password-in-store = {
    config = with' { openhab_username = "meter"; } // {
      passwordFile = builtins.toFile "password" "secret";
    };
    type = "passwordFile";
  };
  token-twice = {
    config = {
      settings = openhab;
      tokenFile = "/run/secrets/openhab-token";
      encryptedTokenFile = "/var/lib/credentials/token";
    };
    fails = [ "hold the same secret: set one of them" ];
  };
  username-alone = {
    config = with' { openhab_username = "meter"; };
    fails = [ "belong together" ];
  };
  password-alone = {
    config = {
      settings = openhab;
      passwordFile = "/run/secrets/openhab-password";
    };
    fails = [ "belong together" ];
  };
  listen-in-settings = {
    config = with' { modbus_listen = "0.0.0.0:1502"; };
    fails = [ "set services.fronius-smartmeter.listen" ];
  };
  status-listen-in-settings = {
    config = with' { status_listen = 8080; };
    fails = [ "set services.fronius-smartmeter.status.enable" ];
  };
  unix-status-listen = {
    config = {
      settings = openhab;
      status = {
        enable = true;
        listen = [ "/run/page.socket" ];
      };
    };
    fails = [ "status.listen must hold TCP ports, and nothing else: \"8502\"" ];
  };
  status-at-a-meter = {
    config =
      several [
        (meter "roof" { })
        (meter "grid" { modbus_listen = "192.168.1.22:1502"; })
      ]
      // {
        status = {
          enable = true;
          listen = [ 1502 ];
        };
      };
    fails = [ "status.listen lists a place where a meter listens" ];
  };
  state-in-settings = {
    config = with' { state_dir = "/var/lib/meter"; };
    fails = [ "/var/lib/fronius-smartmeter; remove the key" ];
  };
  unix-listen = {
    config = {
      settings = openhab;
      listen = [
        "502"
        "/run/meter.socket"
      ];
      openFirewall = true;
    };
    fails = [ "listen must hold TCP ports" ];
  };
  overlapping-listen = {
    config = {
      settings = openhab;
      listen = [
        "0.0.0.0:502"
        "[::]:502"
      ];
    };
    fails = [ "listen lists a place twice" ];
  };
  no-listen = {
    config = {
      settings = openhab;
      listen = [ ];
    };
    fails = [ "listen must hold TCP ports" ];
  };
  large-port = {
    config = {
      settings = openhab;
      listen = [ "70000" ];
    };
    fails = [ "listen must hold TCP ports" ];
  };

  wrong-phase = {
    config = with' { connected_phase = 4; };
    type = "connected_phase";
  };
  wrong-source = {
    config = with' { source = "mqtt"; };
    type = "source";
  };
  wrong-role = {
    config = with' { role = "generator"; };
    type = "role";
  };
  wrong-item = {
    config = with' { current_power = [ 5 ]; };
    type = "current_power";
  };
  wrong-phases = {
    config = with' { current_power.l4 = "inverter_power"; };
    type = "current_power";
  };
  wrong-duration = {
    config = with' { stale_after = true; };
    type = "stale_after";
  };
  wrong-power = {
    config = with' { max_power = 50; };
    type = "max_power";
  };
  wrong-meter-name = {
    config = several [ (meter "Roof" { }) ];
    type = "meters";
  };
  wrong-meter-key = {
    config = several [ (meter "roof" { connected_phase = 4; }) ];
    type = "meters";
  };
  no-meters = {
    config = several [ ];
    type = "meters";
  };
  wrong-client = {
    config = {
      settings = openhab;
      allowedClients = [ "inverter.fritz.box" ];
    };
    type = "allowedClients";
  };
  wrong-token-file = {
    config = {
      settings = openhab;
      tokenFile = "openhab-token";
    };
    type = "tokenFile";
  };
  unknown-option = {
    config = {
      settings = openhab;
      port = 502;
    };
    type = "port";
  };
}
