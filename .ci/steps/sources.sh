# shellcheck shell=bash
# What can be said about the sources without running them.

step_readme() {
  grep -qxF "cargo run --release --locked -- demo" README.md
  grep -qxF "cargo test --locked" README.md CONTRIBUTING.md
}

step_format() {
  cargo fmt --all --check
  cargo fmt --manifest-path benches/Cargo.toml --check
  cargo fmt --manifest-path fuzz/Cargo.toml --check
}

# What a script sources is checked as a part of it.
step_shell() {
  local scripts
  packages git shellcheck
  mapfile -t scripts < <(git grep --untracked -l '^#!/usr/bin/env bash$')
  ((${#scripts[@]} > 0)) || { echo "no script found"; return 1; }
  shellcheck --severity=warning --external-sources --check-sourced -P .:SCRIPTDIR "${scripts[@]}"
  echo "${#scripts[@]} scripts"
}

step_clippy() {
  cargo clippy --locked --all-targets -- -D warnings
}

step_docs() {
  RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
}
