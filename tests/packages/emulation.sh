# shellcheck shell=bash
# Programs for other processors, run by QEMU. Sourced by ./run.

emulated=()
binfmt=/proc/sys/fs/binfmt_misc
binfmt_mounted=""

# emulate ARCHITECTURE: from now on, until `emulation_end`, the kernel hands its programs to QEMU.
emulate() {
  local name
  case $1 in
    "$(dpkg --print-architecture)") return ;;
    arm64) name=qemu-aarch64 ;;
    armhf) name=qemu-arm ;;
    amd64) name=qemu-x86_64 ;;
  esac
  if ! [[ -e $binfmt/register ]]; then
    mount -t binfmt_misc binfmt_misc "$binfmt"
    binfmt_mounted=1
  fi
  if [[ -e $binfmt/$name ]]; then return; fi
  cat "/usr/lib/binfmt.d/$name.conf" >"$binfmt/register"
  emulated+=("$name")
}

emulation_end() {
  local name
  for name in "${emulated[@]}"; do echo -1 >"$binfmt/$name"; done
  if [[ $binfmt_mounted ]]; then umount "$binfmt"; fi
}
