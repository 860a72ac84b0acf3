# The units of all sockets but that of the first meter, which has the one in the package. They are whole
# units and no drop-ins of those there: of one whose drop-in is gone, switch-to-configuration would not
# see that it has to be stopped.
{ lib }:
sockets:

let
  name = socket: "fronius-smartmeter@${socket.name}";
  first = "fronius-smartmeter.socket";

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
    index: socket:
    lib.nameValuePair (name socket) {
      inherit (socket) description;
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
      after = [ first ] ++ map (other: "${name other}.socket") (lib.take index sockets);
      listenStreams = socket.listen;
      socketConfig =
        template // lib.optionalAttrs (socket.clients != null) { IPAddressAllow = socket.clients; };
    };
in
lib.listToAttrs (lib.imap0 unit sockets)
