# The units of the sockets of all meters but the first, which has the one in the package. They are
# whole units and no drop-ins of the template there: of an instance whose drop-in is gone,
# switch-to-configuration would not see that it has to be stopped.
{ lib }:
{ sockets, clients }:

let
  name = meter: "fronius-smartmeter@${meter.name}";
  first = "fronius-smartmeter.socket";
  others = lib.tail sockets;

  # What the template has in [Socket].
  template =
    let
      text = builtins.readFile (../systemd + "/fronius-smartmeter@.socket");
      section = lib.head (builtins.match ".*\n\\[Socket]\n(.*)\n\\[Install]\n.*" text);
      setting =
        line:
        let
          parsed = builtins.match "([A-Za-z0-9]+)=(.*)" line;
        in
        lib.optional (parsed != null) (lib.nameValuePair (lib.head parsed) (lib.last parsed));
    in
    lib.listToAttrs (lib.concatMap setting (lib.splitString "\n" section));

  unit =
    index: meter:
    lib.nameValuePair (name meter) {
      description = "Modbus TCP port of the emulated Fronius Smart Meter ${meter.name}";
      documentation = [ "man:fronius-smartmeter(1)" ];
      unitConfig = {
        ConditionPathExists = "/etc/fronius-smartmeter/config.yaml";
        StartLimitIntervalSec = 0;
      };
      # The service wants it, and does not require it: it has to live on while a switch takes away the
      # socket of a meter that is gone.
      wantedBy = [
        "sockets.target"
        "fronius-smartmeter.service"
      ];
      partOf = [ first ];
      # After all before it: an address may go from one to another.
      after = [ first ] ++ map (other: "${name other}.socket") (lib.take index others);
      listenStreams = meter.modbus_listen;
      socketConfig = template // lib.optionalAttrs (clients != null) { IPAddressAllow = clients; };
    };
in
lib.listToAttrs (lib.imap0 unit others)
