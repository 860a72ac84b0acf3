# The machines of each test. The framework numbers them in the order of their names: inverter is
# 192.168.1.1, meter .2, openhab .3, stranger .4.
{ lib }:

let
  module = ../module.nix;

  # Known to common.py as well.
  token = "oh.boot.Q7vZr2sT9w";
  items = [
    "inverter2_PV_E_total=12345.678 kWh"
    "inverter2_Grid_U=231.4 V"
    "inverter2_Grid_I=3.46 A"
    "inverter2_Grid_P=800 W"
    "shed_energy=54.322 kWh"
    "shed_power=50 W"
    "garage_energy=2345.5 kWh"
    "garage_power=300 W"
    "grid_export=5000 kWh"
    "grid_import=7000 kWh"
    "grid_power=450 W"
  ];

  # Only for root, though this is a test and the store has a copy.
  secret.environment.etc.openhab-token = {
    text = token + "\n";
    mode = "0600";
  };

  simulation =
    options:
    {
      config,
      lib,
      pkgs,
      utils,
      ...
    }:
    {
      imports = [ module ];
      environment.systemPackages = [
        pkgs.curl
        pkgs.openssl
        pkgs.python3
      ];
      networking.firewall.allowedTCPPorts = [
        8080
        8123
        8443
      ];
      systemd.services.openhab = {
        description = "Simulated openHAB";
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          ExecStart = utils.escapeSystemdExecArgs (
            [
              (lib.getExe config.services.fronius-smartmeter.package)
              "simulate"
              "--listen=[::]:8080"
            ]
            ++ map (item: "--item=${item}") items
            ++ options
          );
          Restart = "always";
        };
      };
    };

  meter =
    settings:
    { pkgs, ... }:
    {
      imports = [ module ];
      environment.systemPackages = [
        pkgs.curl
        pkgs.python3
      ];
      services.fronius-smartmeter = {
        enable = true;
        openFirewall = true;
        inherit settings;
      };
    };

  # One that knows the token.
  trusted = settings: {
    imports = [
      secret
      (meter settings)
    ];
    services.fronius-smartmeter.tokenFile = "/etc/openhab-token";
  };

  # An address that is there only after sockets.target, as from DHCP.
  late =
    address:
    { lib, pkgs, ... }:
    let
      ip = "${lib.getExe' pkgs.iproute2 "ip"} address";
      device = "${address}/24 dev eth1";
    in
    {
      systemd.services.late-address = {
        description = "An address that comes late";
        after = [ "sockets.target" ];
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = "${ip} add ${device}";
          ExecStop = "${ip} del ${device}";
        };
      };
    };

  source = {
    openhab_host = "openhab";
    poll_interval = "1s";
    stale_after = "5s";
  };
  household = source // {
    energy_counter_out = "inverter2_PV_E_total";
    current_power = "inverter2_Grid_P";
    current_voltage = "inverter2_Grid_U";
    current_current = "inverter2_Grid_I";
  };
  severalMeters = source // {
    meters = [
      {
        name = "roofs";
        energy_counter_out = [
          "inverter2_PV_E_total"
          "shed_energy"
        ];
        current_power = [
          "inverter2_Grid_P"
          "shed_power"
        ];
        modbus_listen = "192.168.1.2:502";
      }
      {
        name = "garage";
        energy_counter_out = "garage_energy";
        current_power = "garage_power";
        modbus_listen = "192.168.1.2:502";
        modbus_tcp_address = 2;
      }
      {
        name = "grid";
        role = "grid";
        energy_counter_out = "grid_export";
        energy_counter_in = "grid_import";
        current_power = "grid_power";
        modbus_listen = "192.168.1.22:502";
      }
    ];
  };

  plain = {
    inverter =
      { pkgs, ... }:
      {
        environment.systemPackages = [
          pkgs.curl
          pkgs.mbpoll
          pkgs.netcat
          (pkgs.python3.withPackages (python: [
            python.pymodbus
            python.pysunspec2
          ]))
        ];
      };
    meter = trusted household;
    openhab.imports = [
      secret
      (simulation [ "--token-file=/etc/openhab-token" ])
    ];
    # Nobody may talk to this one.
    stranger = simulation [ ];
  };
in
{
  basic = plain;
  cable = plain;
  elsewhere = plain;

  hardened = plain // {
    meter = {
      imports = [ (trusted (household // { openhab_host = "192.168.1.3"; })) ];
      services.fronius-smartmeter.allowedClients = [ "192.168.1.1" ];
      # The test stops the process and waits for the watchdog.
      systemd.services.fronius-smartmeter.serviceConfig.WatchdogSec = "10s";
    };
  };

  address = plain // {
    meter = {
      imports = [
        (late "192.168.1.77")
        plain.meter
      ];
      services.fronius-smartmeter.listen = [ "192.168.1.77:502" ];
    };
  };

  meters = plain // {
    meter.imports = [
      (late "192.168.1.22")
      (trusted severalMeters)
    ];
  };

  # The script plays Home Assistant on the machine of openHAB, and changes the token.
  homeassistant = plain // {
    meter = {
      imports = [
        (meter {
          homeassistant_host = "openhab";
          stale_after = "5s";
          energy_counter_out = "sensor.roof_energy";
          current_power = "sensor.roof_power";
        })
      ];
      services.fronius-smartmeter.homeassistantTokenFile = "/etc/fronius-smartmeter/homeassistant_token";
    };
  };

  # The page is on the machine alone, also as a Unix socket, and at another port for the network.
  status = plain // {
    meter = {
      imports = [ plain.meter ];
      services.fronius-smartmeter.status = {
        enable = true;
        listen = [
          "127.0.0.1:8502"
          "[::1]:8502"
          "192.168.1.2:8081"
        ];
        openFirewall = true;
      };
      systemd.sockets."fronius-smartmeter@status".listenStreams = [
        "/run/fronius-smartmeter/status.sock"
      ];
    };
  };

  # The token is on the meter in encrypted form alone; the script encrypts it there.
  encrypted = plain // {
    meter = {
      imports = [ (meter household) ];
      services.fronius-smartmeter.encryptedTokenFile = "/var/lib/openhab_token.cred";
    };
  };

  # openHAB speaks https, with the certificate that the script makes.
  tls = plain // {
    meter = trusted (
      household
      // {
        openhab_host = "https://openhab:8443";
        openhab_ca_file = "/var/lib/openhab.pem";
      }
    );
  };

  # The test stops the journal, for longer than the watchdog waits. It counts lines, of which the
  # journal would drop those beyond a rate of its own.
  journal = plain // {
    meter = {
      imports = [ (trusted (household // { loglevel = "debug"; })) ];
      systemd.services.fronius-smartmeter.serviceConfig = {
        LogRateLimitIntervalSec = 0;
        WatchdogSec = "3s";
      };
    };
  };

  # As most people with openHABian write it.
  mdns = plain // {
    meter = trusted (household // { openhab_host = "openhabian.local"; });
  };

  # The old example file, except for openHAB's address. It knows no token.
  migrate = plain // {
    openhab = simulation [ ];
    meter = meter {
      connected_phase = 2;
      energy_counter_out = "inverter2_PV_E_total";
      current_voltage = "inverter2_Grid_U";
      current_current = "inverter2_Grid_I";
      current_power = "inverter2_Grid_P";
      openhab_host = "openhab";
      modbus_tcp_address = 2;
      loglevel = "debug";
      time_zone = "Europe/Berlin";
    };
  };

  # Other settings, other ports, and several meters with the status page, to switch to.
  switch = plain // {
    meter = {
      imports = [
        (late "192.168.1.22")
        plain.meter
      ];
      system.switch.enable = true;
      specialisation.meters.configuration.services.fronius-smartmeter = {
        settings = lib.mkForce severalMeters;
        status.enable = true;
      };
      specialisation.settings.configuration.services.fronius-smartmeter.settings.stale_after =
        lib.mkForce "6s";
      specialisation.ports.configuration.services.fronius-smartmeter.listen = [ 1502 ];
    };
  };

  # The same program again, as another package.
  upgrade = plain // {
    meter = {
      imports = [ plain.meter ];
      system.switch.enable = true;
      specialisation.next.configuration =
        { pkgs, ... }:
        let
          package = pkgs.callPackage ../package.nix { };
        in
        {
          services.fronius-smartmeter.package =
            pkgs.runCommand "fronius-smartmeter-next" { meta.mainProgram = "fronius-smartmeter"; }
              ''
                cp -r --no-preserve=mode ${package} $out
                chmod +x $out/bin/*
                substituteInPlace $out/lib/systemd/system/*.service --replace-fail ${package} $out
              '';
        };
    };
  };

  # The firewall alone refuses strangers: each of its kinds.
  firewall = plain // {
    meter = {
      imports = [ plain.meter ];
      services.fronius-smartmeter.allowedClients = [ "192.168.1.1" ];
      systemd.sockets.fronius-smartmeter.socketConfig.IPAddressAllow = lib.mkForce [ "any" ];
      system.switch.enable = true;
      specialisation.nftables.configuration.networking.nftables.enable = true;
    };
  };

  # A real SunSpec client in the inverter's place: evcc's own template of a SunSpec meter.
  evcc = plain // {
    inverter =
      { pkgs, ... }:
      {
        environment.systemPackages = [ pkgs.evcc ];
        environment.etc."evcc.yaml".source = (pkgs.formats.yaml { }).generate "evcc.yaml" {
          meters = [
            {
              name = "generator";
              type = "template";
              template = "sunspec-meter";
              usage = "pv";
              modbus = "tcpip";
              id = 1;
              host = "192.168.1.2";
              port = 502;
            }
          ];
        };
      };
  };
}
