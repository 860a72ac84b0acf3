# shellcheck shell=bash
# The release binary, its package, and what it does for others.

binary=$target/release/fronius-smartmeter
make_binary() {
  cargo build --release --locked
}

packages=$target/packages
build_packages() { # TARGET OF packaging/build...
  tool cargo-deb cargo-deb@3.8.0
  packages buildah debian-archive-keyring mmdebstrap skopeo
  packaging/build "$@"
}

# For the machines that boot here.
make_deb() {
  build_packages deb "$(dpkg --print-architecture)"
}

make_image() {
  build_packages image "$(dpkg --print-architecture)"
}

make_packages() {
  build_packages "${package_kinds[@]}"
  made+=([deb]=1 [image]=1)
}

# All of them: what is for another processor is emulated. Only the bill of materials is left to a release.
package_kinds=(deb static image)
step_package() {
  if ((EUID != 0)); then
    cannot_check "the packages: only root may build and try them"
    return
  fi
  packages arch-test binutils iproute2 lintian python3-venv qemu-user-static
  make_once packages
  tests/packages/run "$packages"
}

step_release() {
  package_kinds+=(sbom)
  tool cargo-cyclonedx cargo-cyclonedx@0.5.9
  step_package
}

# What the Supervisor would do with the app. Only its parser of profiles looks at AppArmor's here.
step_image() {
  if ((EUID != 0)); then
    cannot_check "the image: only root may build and run it"
    return
  fi
  packages apparmor buildah iproute2 runc skopeo umoci
  apparmor_parser --skip-kernel-load --skip-cache home-assistant/fronius-smartmeter/apparmor.txt
  make_once binary
  make_once image
  tests/image/run "$binary" | tee "$scratch/image"
  cannot_check_in image "$scratch/image"
}

step_judges() {
  packages mbpoll openssl python3-venv
  make_once binary
  tests/judges/run "$binary"
}

# By itself, as CI is strict about its steps and has no openHAB.
step_openhab() {
  if [[ -z ${OPENHAB_URL:-} || -z ${OPENHAB_CONTROL:-} ]]; then
    cannot_check "openHAB: no real one is named; tests/judges/README.md says how"
    return
  fi
  packages python3-venv
  make_once binary
  tests/judges/run --openhab "$binary"
}

# Likewise.
step_homeassistant() {
  if [[ -z ${HOMEASSISTANT_URL:-} || -z ${HOMEASSISTANT_TOKEN_FILE:-} ]]; then
    cannot_check "Home Assistant: no real one is named; tests/judges/README.md says how"
    return
  fi
  packages python3-venv
  make_once binary
  tests/judges/run --homeassistant "$binary"
}

demo_pid=""
demo_kill() {
  if [[ $demo_pid ]]; then kill -KILL "$demo_pid" 2>/dev/null || true; fi
}

# The README's first command: a table without openHAB, and Ctrl-C ends it cleanly.
step_demo() {
  local line="" code=0 out
  make_once binary
  # A shell without job control starts children with SIGINT ignored.
  exec {out}< <(exec env --default-signal=INT "$binary" demo 2>&1)
  demo_pid=$!
  local deadline=$((SECONDS + 20))
  # A line of the table: a number with a unit behind it.
  until [[ $line =~ [0-9]\ *(W|V|A|Hz|Wh|kWh)([^A-Za-z]|$) ]]; do
    IFS= read -r -t 20 -u "$out" line || { echo "the demo fell silent before its table"; return 1; }
    printf '%s\n' "$line"
    ((SECONDS < deadline)) || { echo "no table within 20 s"; return 1; }
  done
  kill -INT "$demo_pid"
  timeout 5 tail --pid="$demo_pid" -s 0.1 -f /dev/null || { echo "still there 5 s after SIGINT"; return 1; }
  wait "$demo_pid" || code=$?
  demo_pid=""
  ((code == 0)) || { echo "exit code $code after SIGINT, 0 expected"; return 1; }
  exec {out}<&-
}

# The samples, and the page of a running demo. Debian 12's Node is too old for it.
step_page() {
  local line out
  packages chromium
  if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || [[ ! $(type -P npm) ]]; then
    cannot_check "the page: Node 20 or newer, with npm, is not here"
    return
  fi
  make_once binary
  exec {out}< <(exec "$binary" demo --listen 127.0.0.1:0 2>&1)
  demo_pid=$!
  IFS= read -r -t 20 -u "$out" line
  tests/judges/page/run "${line##* }"
  demo_kill
  demo_pid=""
  exec {out}<&-
}

step_metrics() {
  packages prometheus
  make_once binary
  python3 tests/judges/prometheus.py "$binary"
}
