# Where the meters and the status page listen: `meters` are those of the list, each with its place,
# `sockets` those of them that have a socket of their own, the first one's first; `ports` and
# `statusPorts` are for the firewall; `assertions` says what is wrong. What only the program can notice,
# it notices when the system is built.
{ lib, prefix }:
{
  listen,
  settings,
  status,
}:

let
  listed = if settings.meters == null then [ ] else settings.meters;
  meters = map (meter: { modbus_listen = listen; } // meter) listed;

  # Meters that listen in the same place share a socket, which has the name of their first.
  open =
    opened: meter:
    opened ++ lib.optional (lib.all (other: other.modbus_listen != meter.modbus_listen) opened) meter;
  sockets = if meters == [ ] then [ { modbus_listen = listen; } ] else lib.foldl' open [ ] meters;

  # A ListenStream=, in a list that is empty if the program cannot serve it.
  parse =
    stream:
    let
      parsed = builtins.match "(([0-9.]+|\\[[0-9a-fA-F:.]+]):)?([1-9][0-9]{0,4})" stream;
      address = lib.elemAt parsed 1;
      port = lib.toInt (lib.elemAt parsed 2);
    in
    lib.optional (parsed != null && port <= 65535) { inherit address port; };
  parseAll = lib.concatMap parse;
  streams = meter: parseAll meter.modbus_listen;
  portsOf = list: lib.unique (map (stream: stream.port) list);

  # Whether the system would not open both.
  overlap = a: b: a.port == b.port && (includes a.address b.address || includes b.address a.address);
  # A port alone is one on all addresses, as with [::].
  includes =
    whole: part:
    whole == part
    || lib.elem whole [
      null
      "[::]"
    ]
    || whole == "0.0.0.0" && !lib.hasPrefix "[" part;

  # Each with all before it.
  pairs =
    check: list: lib.concatLists (lib.imap0 (index: one: map (check one) (lib.take index list)) list);

  wrongList = option: port: list: [
    {
      assertion = list != [ ] && lib.all (stream: parse stream != [ ]) list;
      message = "${prefix}.${option} must hold TCP ports, and nothing else: \"${port}\", \"192.168.1.2:${port}\" or \"[fd00::2]:${port}\".";
    }
    {
      assertion = !lib.any lib.id (pairs overlap (parseAll list));
      message = "${prefix}.${option} lists a place twice. A port alone takes all addresses, as does [::].";
    }
  ];
  wrongOwn =
    meter:
    lib.optionals (meter ? modbus_listen) (
      wrongList "settings.meters[${meter.name}].modbus_listen" "502" meter.modbus_listen
    );

  wrongStatus = lib.optionals status.enable (
    wrongList "status.listen" "8502" status.listen
    ++ [
      {
        assertion =
          !lib.any (one: lib.any (overlap one) (parseAll status.listen)) (lib.concatMap streams sockets);
        message = "${prefix}.status.listen lists a place where a meter listens. Give the page another port.";
      }
    ]
  );

  collisions =
    meter: other:
    let
      both = "${prefix}.settings.meters: ${other.name} and ${meter.name}";
      isShared = meter.modbus_listen == other.modbus_listen;
      unitIds = map (one: one.modbus_tcp_address or 1) [
        meter
        other
      ];
    in
    [
      {
        assertion = meter.name != other.name;
        message = "${prefix}.settings.meters: two are named ${meter.name}. Give each a name of its own.";
      }
      {
        assertion = isShared -> lib.allUnique unitIds && !lib.elem 0 unitIds;
        message = "${both} listen in the same place. Give one another modbus_listen, or each a modbus_tcp_address of its own, from 1 to 247.";
      }
      {
        assertion = isShared || !lib.any (one: lib.any (overlap one) (streams other)) (streams meter);
        message = "${both} listen partly in the same place. Give both the same modbus_listen, or none in common.";
      }
    ];
in
{
  inherit meters sockets;
  ports = portsOf (lib.concatMap streams sockets);
  statusPorts = portsOf (parseAll status.listen);
  assertions =
    wrongList "listen" "502" listen
    ++ wrongStatus
    ++ lib.concatMap wrongOwn listed
    ++ lib.concatLists (pairs collisions meters);
}
