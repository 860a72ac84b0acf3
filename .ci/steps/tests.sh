# shellcheck shell=bash
# Tests, benchmarks and fuzzing.

step_tests() {
  cargo test --locked
}

step_unit() {
  cargo test --locked --lib
}

# Those left out wait: for an age, a timeout, a retry.
step_short() {
  cargo test --locked --test it -- --skip openhab --skip counters --skip systemd
}

# In debug builds, as part of the tests, there are only a few.
step_houses() {
  HOUSES=${HOUSES:-5000} cargo test --release --locked --test houses -- --nocapture
}

# As part of the tests it lasts some seconds.
step_chaos() {
  CHAOS_SECONDS=${CHAOS_SECONDS:-60} cargo test --release --locked --test chaos -- --nocapture
}

step_benches() {
  packages python3 valgrind
  cargo clippy --manifest-path benches/Cargo.toml --locked --all-targets -- -D warnings
  benches/instructions
}

# The corpus of each target and then some seconds, two targets at a time: a minute in all. The ten
# minutes are for people.
step_fuzz() {
  packages g++
  tool cargo-fuzz cargo-fuzz@0.13.2
  nice -n 15 fuzz/ten-minutes 12
  if ! rustc +nightly --version >"$scratch/log" 2>&1; then
    cannot_check "AddressSanitizer while fuzzing: no nightly toolchain"
  fi
}
