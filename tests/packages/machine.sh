# shellcheck shell=bash
# A bare Debian 12 with a network of its own, made anew for each package. Sourced by ./run.

machine=$work/machine
services=()

machine_begin() { # ARCHITECTURE
  local root=$target/packaging/debian12-$1
  "$project/packaging/root" bookworm "$root" --variant=apt --architectures="$1"
  mkdir -p "$work/upper" "$work/work" "$machine"
  mount -t tmpfs tmpfs "$work/upper"
  mkdir "$work/upper/"{upper,work}
  mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper/upper,workdir=$work/upper/work" "$machine"
  mount -t proc proc "$machine/proc"
  mount --bind /dev "$machine/dev"
  ip netns add "$netns"
  ip -n "$netns" link set lo up
}

machine_end() {
  local mounted
  stop_services
  ip netns delete "$netns" 2>/dev/null || true
  for mounted in "$machine/dev" "$machine/proc" "$machine" "$work/upper"; do
    if mountpoint --quiet "$mounted"; then umount "$mounted"; fi
  done
}

# on_machine COMMAND...: as root, who has typed it there.
on_machine() {
  ${exec:-} ip netns exec "$netns" chroot "$machine" env --ignore-environment HOME=/root LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

# serve NAME COMMAND...: in the background, with its output in a file.
serve() {
  # In place of the shell, so that its number is that of the command.
  exec="exec" on_machine "${@:2}" >"$work/$1.log" 2>&1 &
  services+=("$!")
}

stop_services() {
  local pid
  for pid in "${services[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${services[@]}"; do wait "$pid" 2>/dev/null || true; done
  services=()
}

# await COMMAND...: until it succeeds.
await() {
  local deadline=$((SECONDS + 90))
  until "$@" >"$work/await.log" 2>&1; do
    if ((SECONDS > deadline)); then
      tail -n 20 "$work"/*.log >&2
      fail "not within 90 s: $*"
    fi
    sleep 0.2
  done
}
