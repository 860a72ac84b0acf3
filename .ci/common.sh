# shellcheck shell=bash
# What the steps are made of. Sourced by ./run.

export CARGO_TERM_PROGRESS_WHEN=never DEBIAN_FRONTEND=noninteractive
target=${CARGO_TARGET_DIR:-target}
scratch=$(mktemp -d)
heading="setting up"
unchecked=()

finish() {
  local code=$?
  demo_kill
  boot_kill
  rm -rf "$scratch"
  if ((code != 0)); then printf '\n==== FAILED: %s (exit code %d) ====\n' "$heading" "$code"; fi
}

# step HEADING COMMAND...: plain calls, never in a condition, or `set -e` would sleep inside.
step() {
  heading=$1
  local begin=$SECONDS
  printf '\n==== %s ====\n' "$heading"
  "${@:2}"
  printf -- '---- %s: ok, %d s\n' "$heading" $((SECONDS - begin))
}

cannot_check() {
  unchecked+=("$1")
  echo "NOT CHECKED HERE: $1"
}

# cannot_check_in NAME FILE: what a program has said in that file that it could not check.
cannot_check_in() {
  local line
  while read -r line; do
    unchecked+=("$1: $line")
  done < <(sed -n 's/^NOT CHECKED HERE: //p' "$2" | sort -u)
}

# Installers are chatty: they are heard only when they fail.
quietly() {
  "$@" >"$scratch/log" 2>&1 || {
    local code=$?
    tail -n 20 "$scratch/log" | sed -E 's#[a-z+]+://[^ ]+#<url>#g'
    return "$code"
  }
}

# packages PACKAGE...: of Debian. On another system the step itself says what it misses.
packages() {
  local package missing=() sudo=()
  if [[ -z $(type -P apt-get) ]]; then return; fi
  for package; do
    if ! dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i'; then missing+=("$package"); fi
  done
  if ((${#missing[@]} == 0)); then return; fi
  echo "installing ${missing[*]}"
  if ((EUID != 0)); then
    [[ $(type -P sudo) ]] || { echo "only root can do that, and there is no sudo"; return 77; }
    sudo=(sudo --preserve-env=DEBIAN_FRONTEND)
  fi
  if [[ -z ${updated:-} ]]; then quietly "${sudo[@]}" apt-get update; fi
  updated=1
  quietly "${sudo[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
}

# tool COMMAND CRATE: compiled once, which takes some minutes.
tool() {
  if [[ $(type -P "$1") ]]; then return; fi
  echo "compiling $2"
  quietly cargo install --locked "$2"
}

# make_once THING: what several steps need, by the function make_THING.
declare -A made=()
make_once() {
  if [[ -z ${made[$1]:-} ]]; then "make_$1"; fi
  made[$1]=1
}
