# shellcheck shell=bash
# What comes into the program from others; deny.toml says what may.

step_dependencies() {
  tool cargo-deny cargo-deny@0.20.2
  quietly cargo fetch --locked # crates for other systems too: cargo-deny reads the whole lock file
  cargo deny --offline check --hide-inclusion-graph licenses bans sources
}

# The database lies on a git host. Fetching and checking are two commands, so
# that "not to be had" and "something found" cannot be mistaken for each other.
step_advisories() {
  tool cargo-deny cargo-deny@0.20.2
  quietly cargo fetch --locked
  if quietly timeout 60 cargo deny fetch db >"$scratch/fetch"; then
    cargo deny --offline check advisories
  else
    cannot_check "advisories: the RustSec database could not be fetched from its git host"
  fi
}
