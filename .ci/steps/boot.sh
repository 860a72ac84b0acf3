# shellcheck shell=bash
# The scripts of the VM tests on machines with real systemd.

boot_pid=""
boot_kill() {
  local child
  if [[ -z $boot_pid ]]; then return; fi
  # unshare holds SIGTERM back, so what runs in it gets it and tidies up; else all dies with unshare.
  child=$(pgrep -P "$boot_pid" || true)
  if [[ $child ]]; then pkill -TERM -P "$child" || true; fi
  timeout 10 tail --pid="$boot_pid" -s 0.1 -f /dev/null || pkill -KILL -P "$boot_pid" || true
}

# Most of it is waiting, so it runs beside the fuzzing where that comes next.
step_boot() {
  packages debian-archive-keyring iproute2 mmdebstrap procps python3-venv
  make_once binary
  make_once deb
  if [[ -d $stand_in ]]; then make_once trees; fi
  if [[ " ${wanted[*]} " == *" boot fuzz "* ]]; then
    boot_machines >"$scratch/boot" 2>&1 &
    boot_pid=$!
    echo "runs beside the fuzzing; its output comes after that"
  else
    boot_machines 2>&1 | tee "$scratch/boot"
    cannot_check_in boot "$scratch/boot"
  fi
}

# Over what the module generates where that is at hand, and over what a user of Debian installs.
boot_machines() {
  local deb=("$packages"/*_"$(dpkg --print-architecture)".deb)
  if [[ -d $scratch/trees ]]; then
    tests/boot/run --binary "$binary" --trees "$scratch/trees"
    tests/boot/run --binary "$binary" --deb "${deb[0]}" nixos/tests/{address,hardened,homeassistant}.py
  else
    tests/boot/run --binary "$binary" --deb "${deb[0]}"
  fi
}

boot_end() {
  local code=0
  wait "$boot_pid" || code=$?
  boot_pid=""
  cat "$scratch/boot"
  cannot_check_in boot "$scratch/boot"
  return "$code"
}
