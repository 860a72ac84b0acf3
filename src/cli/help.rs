//! What stands at the end of each help. It is also a part of the man pages, and fits 80 columns there.

pub(super) const AFTER_HELP: &str = "\
Files:
  /etc/fronius-smartmeter/config.yaml
      configuration of the system service
  /etc/fronius-smartmeter/openhab_token
      API token for openHAB, if it requires one
  /etc/fronius-smartmeter/homeassistant_token
      long-lived access token of Home Assistant
  /var/lib/fronius-smartmeter/
      energy counters

Exit codes:
  0   success, or stopped by SIGTERM, SIGINT or SIGHUP
  64  usage error
  65  a history that cannot be replayed
  69  the source, a meter, an address or the counters are not available
  70  internal error
  78  configuration error
  130 setup was cancelled";

pub(super) const SETUP_EXAMPLES: &str = "\
An ITEM is the name of an openHAB item or the id of a Home Assistant
entity, with :UNIT after it if its state has none. Items separated by
commas are added up; l1=ITEM,l2=ITEM,l3=ITEM gives one for each phase.

Examples:
  Choose among what there is:
      fronius-smartmeter setup openhab 192.168.1.31
      fronius-smartmeter setup homeassistant https://ha.local:8123
  Without questions, for a script:
      fronius-smartmeter setup 192.168.1.31 --yes \\
        --energy inverter_energy:Wh --power inverter_power
      fronius-smartmeter setup 192.168.1.31 --yes \\
        --energy roof_kwh,shed_kwh --power l1=p1,l2=p2,l3=p3";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  As the system service does:
      fronius-smartmeter run --config /etc/fronius-smartmeter/config.yaml
  With config.yaml in this folder:
      fronius-smartmeter";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  Try all that the service will meet:
      fronius-smartmeter check
  Only look for mistakes in the file:
      fronius-smartmeter check --offline --config new.yaml";

pub(super) const READ_EXAMPLES: &str = "\
Examples:
  The meter on this machine:
      fronius-smartmeter read 127.0.0.1
  Another one, every second:
      fronius-smartmeter read 192.168.1.20:1502 --watch
  One with unit id 2, for a program:
      fronius-smartmeter read 192.168.1.20 --unit 2 --json";

pub(super) const COUNTERS_EXAMPLES: &str = "\
Examples:
  What is remembered:
      fronius-smartmeter counters
  Serve what the items of this meter show next, whatever was served:
      fronius-smartmeter counters --reset 01699275001
  Go on from 20000 kWh:
      fronius-smartmeter counters --set 01699275001=20000

The counters are in state_dir. For those of the system service, as root:
  env STATE_DIRECTORY=/var/lib/fronius-smartmeter \\
    fronius-smartmeter counters \\
    --config /etc/fronius-smartmeter/config.yaml";

pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  With items named like the keys:
      fronius-smartmeter replay history.csv
  With those of a configuration, and a row every ten minutes:
      fronius-smartmeter replay history.csv -c config.yaml --every 10m";

pub(super) const HEALTH_EXAMPLES: &str = "\
Examples:
  Of the service with config.yaml in this folder:
      fronius-smartmeter health
  Of the system service, for a script:
      fronius-smartmeter health -c /etc/fronius-smartmeter/config.yaml";

pub(super) const DEMO_EXAMPLES: &str = "\
Examples:
  On this machine alone:
      fronius-smartmeter demo
  For an inverter in the network:
      fronius-smartmeter demo --listen 0.0.0.0:1502";

pub(super) const SIMULATE_EXAMPLES: &str = "\
Examples:
  A solar day:
      fronius-smartmeter simulate
  One item, with this state:
      fronius-smartmeter simulate --item power='800 W'

Set a state with PUT, as in openHAB:
  curl -X PUT -H 'Content-Type: text/plain' -d '900 W' \\
    http://127.0.0.1:8080/rest/items/power/state

Add or edit an item or a group with PUT, too, and remove it with DELETE:
  curl -X PUT -H 'Content-Type: application/json' \\
    -d '{\"type\":\"Number:Power\",\"name\":\"power\"}' \\
    http://127.0.0.1:8080/rest/items/power
  curl -X DELETE http://127.0.0.1:8080/rest/items/power";
