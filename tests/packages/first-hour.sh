# shellcheck shell=bash
# From the package to a meter, and back, as a new user would. Sourced by ./run.

etc=/etc/fronius-smartmeter
# Where systemd would put it, for a service with a user of its own.
state=/var/lib/private/fronius-smartmeter

first_hour() { # ARCHITECTURE DEB
  machine_begin "$1"
  cp "$2" "$machine/root/new.deb"
  "$here/older" "$2" "$machine/root/old.deb"
  refuses_armv6
  installs
  shows_the_demo
  serves_a_meter
  upgrades
  leaves_what_it_should
  machine_end
}

apt() {
  on_machine apt-get install --yes --no-install-recommends "$1" >"$work/apt.log" 2>&1 || {
    tail -n 20 "$work/apt.log" >&2
    fail "apt installs $1"
  }
}

refuses_armv6() {
  local uname=$machine/usr/local/bin/uname
  printf '#!/bin/sh\necho armv6l\n' >"$uname"
  chmod +x "$uname"
  if on_machine dpkg --install /root/old.deb >"$work/armv6.log" 2>&1; then fail "it installs on an ARMv6"; fi
  rm "$uname"
  grep -q "ARMv6 processor" "$work/armv6.log" || fail "an ARMv6 is not told why"
  if on_machine test -e /usr/bin/fronius-smartmeter; then fail "something is left on an ARMv6"; fi
  ok "an ARMv6 is told that it cannot run there"
}

installs() {
  apt /root/old.deb
  grep -q "fronius-smartmeter setup openhab HOST" "$work/apt.log" || fail "the package does not say what to do next"
  on_machine fronius-smartmeter --version
  on_machine test -e /etc/systemd/system/sockets.target.wants/fronius-smartmeter.socket || fail "the socket is not enabled"
  ok "the package installs, and says what to do next"
}

shows_the_demo() {
  on_machine timeout --signal=INT 10 fronius-smartmeter demo --listen 127.0.0.1:0 >"$work/demo.log" 2>&1 || true
  grep -qE '[0-9] *k?W' "$work/demo.log" || { cat "$work/demo.log" >&2; fail "the demo shows no value"; }
  ok "the demo shows values"
}

serves_a_meter() {
  serve openhab fronius-smartmeter simulate --item inverter_energy='12345.678 kWh' --item inverter_power='800 W'
  await on_machine fronius-smartmeter setup 127.0.0.1 --yes --max-power 1000
  await on_machine fronius-smartmeter check --config "$etc/config.yaml"
  run_service
  await on_machine fronius-smartmeter read 127.0.0.1
  await polled
  ok "pymodbus reads the meter"
}

# Without systemd here: by root, who may open port 502.
run_service() {
  mkdir -p "$machine$state"
  serve meter env STATE_DIRECTORY="$state" fronius-smartmeter run --config "$etc/config.yaml"
}

polled() {
  ip netns exec "$netns" "$("$project/tests/judges/venv")/bin/python" -B "$here/poll.py" 127.0.0.1 502 800 12345678
}

upgrades() {
  on_machine rm /etc/systemd/system/multi-user.target.wants/fronius-smartmeter.service
  apt /root/new.deb
  if grep -q "setup openhab" "$work/apt.log"; then fail "an upgrade tells what to do next, though there is a configuration"; fi
  stop_services
  on_machine grep -q 12345678 -r "$state" || fail "an upgrade has lost the counter"
  on_machine test -e "$etc/config.yaml" -a -e /etc/systemd/system/sockets.target.wants/fronius-smartmeter.socket ||
    fail "an upgrade has lost the configuration, or the enabled socket"
  if on_machine test -e /etc/systemd/system/multi-user.target.wants/fronius-smartmeter.service; then
    fail "an upgrade has enabled what was disabled"
  fi
  ok "an upgrade keeps the configuration, the counter, and what is enabled"
}

leaves_what_it_should() {
  on_machine apt-get remove --yes fronius-smartmeter >"$work/apt.log" 2>&1
  on_machine test -e "$state" -a -e "$etc/config.yaml" || fail "removing it has taken more than the program"
  on_machine apt-get purge --yes fronius-smartmeter >"$work/apt.log" 2>&1
  if on_machine test -e "$state"; then fail "purging it has left the counters"; fi
  on_machine test -e "$etc/config.yaml" || fail "purging it has taken what a person wrote"
  if on_machine find /etc/systemd /var/lib/systemd -name 'fronius-smartmeter*' | grep .; then fail "purging it has left links"; fi
  ok "removed, it leaves the counters; purged, only the configuration"
}
