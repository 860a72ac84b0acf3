# shellcheck shell=bash
# Cross-compiling, in a root filesystem. Sourced by ./build.

declare -A rust_target=(
  [amd64]=x86_64-unknown-linux-gnu
  [arm64]=aarch64-unknown-linux-gnu
  [armhf]=armv7-unknown-linux-gnueabihf
)
declare -A compiler=(
  [amd64]=x86_64-linux-gnu-gcc
  [arm64]=aarch64-linux-gnu-gcc
  [armhf]=arm-linux-gnueabihf-gcc
)

# The compilers of a new Debian, whose Rust is new enough, and in /sysroot what to link to of an old one.
make_root() {
  local architecture sysroot link to
  local include=rustc,cargo,ca-certificates,gcc,gcc-aarch64-linux-gnu,gcc-arm-linux-gnueabihf
  if [[ -d $root ]]; then return; fi
  rm -rf "$work"/root-*
  packaging/root forky "$root.new" --variant=minbase --architectures=amd64,arm64,armhf \
    --include="$include,libstd-rust-dev:arm64,libstd-rust-dev:armhf"
  for architecture in "${!compiler[@]}"; do
    sysroot=$root.new/sysroot/$architecture
    packaging/root bookworm "$sysroot" --variant=extract --architectures="$architecture" --include=libc6-dev
    # Absolute links would lead out of the sysroot, to the new C library.
    find "$sysroot" -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link to; do
      ln -sfnr "$sysroot$to" "$link"
    done
  done
  mkdir "$root.new/source" "$root.new/cargo" "$root.new/built"
  mv "$root.new" "$root"
}
# Once for each content.
root=$work/root-$({ declare -f make_root; cat packaging/root; } | sha256sum | cut -c 1-12)

# inside COMMAND...: in the root, where nobody finds the network or a path of this machine.
inside() {
  # shellcheck disable=SC2016 # its own arguments
  unshare --mount --pid --net --fork --kill-child bash -euc '
    root=$1 built=$2 cargo=$3
    shift 3
    mount --bind -o ro . "$root/source"
    mount --bind "$built" "$root/built"
    mount --bind "$cargo" "$root/cargo"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    exec chroot "$root" env --ignore-environment --chdir=/source PATH=/usr/bin:/bin \
      CARGO_HOME=/cargo CARGO_TARGET_DIR=/built CARGO_NET_OFFLINE=true CARGO_TERM_PROGRESS_WHEN=never "$@"
  ' - "$root" "$built" "${CARGO_HOME:-$HOME/.cargo}" "$@"
}

# What tells cargo of all compilers, each time: one that is told anew is a reason to compile all anew.
compilers=()
for architecture in "${!compiler[@]}"; do
  variable=${rust_target[$architecture]//-/_} sysroot=/sysroot/$architecture
  # A compiler for the machine it is on looks at that machine's libraries first, whatever the sysroot.
  libraries=$sysroot/usr/lib/${compiler[$architecture]%-gcc}
  compilers+=(
    "CC_$variable=${compiler[$architecture]}" "CFLAGS_$variable=--sysroot=$sysroot"
    "CARGO_TARGET_${variable^^}_LINKER=${compiler[$architecture]}"
    "CARGO_TARGET_${variable^^}_RUSTFLAGS=-Clink-arg=--sysroot=$sysroot -Clink-arg=-B$libraries --remap-path-prefix=/cargo/registry/src=crates"
  )
done

# compile ARCHITECTURE [FLAG OF RUSTC...]: the flags are for the program alone, so that what it depends on is
# compiled once.
compile() {
  echo "compiling for $1${2:+, }${*:2}"
  cargo fetch --quiet --locked
  inside "${compilers[@]}" \
    cargo rustc --quiet --release --locked --bin "$name" --target "${rust_target[$1]}" -- "${@:2}"
}

# With a warning that names are resolved by the C library of the machine it runs on.
compile_static() {
  compile "$1" -Ctarget-feature=+crt-static -Alinker-messages
  install -D "$built/${rust_target[$1]}/release/$name" "$work/static/$1/$name"
}
