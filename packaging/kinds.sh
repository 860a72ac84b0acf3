# shellcheck shell=bash
# A function for each kind of package. Sourced by ./build.

make_deb() { # ARCHITECTURE
  compile "$1"
  CARGO_TARGET_DIR=$built cargo deb --quiet --locked --no-build --no-strip --target "${rust_target[$1]}" \
    --output "$packages/" >/dev/null
}

make_static() { # ARCHITECTURE
  local folder=$name-$version-$1
  local tree=$work/$folder
  rm -rf "$tree"
  mkdir "$tree"
  cp -r "$work/static/$1/$name" target/manual/{man,completions,third-party-licences.txt.gz} systemd \
    CHANGELOG.md LICENSE-APACHE LICENSE-MIT README.md docs/example.yaml "$tree"
  tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --directory="$work" \
    "$folder" | gzip -9n >"$packages/$folder-static.tar.gz"
  rm -r "$tree"
}

# The last stage of the Dockerfile, for each architecture: what the first one would leave is here already.
make_image() {
  local architecture stage=$work/stage images=$work/image
  declare -A platform=([amd64]=linux/amd64 [arm64]=linux/arm64 [armhf]=linux/arm/v7)
  declare -A supervisor=([amd64]=amd64 [arm64]=aarch64 [armhf]=armv7)
  rm -rf "$work/storage" "$images"
  buildah_here manifest create all >/dev/null
  for architecture in "${architectures[@]}"; do
    rm -rf "$stage"
    install -D "$work/static/$architecture/$name" "$stage/root-of-image/$name"
    install -Dm 644 -t "$stage/root-of-image/etc/ssl/certs" "$root/etc/ssl/certs/ca-certificates.crt"
    mkdir "$stage/root-of-image/data"
    # Only in this format an image keeps its HEALTHCHECK.
    buildah_here build --quiet --isolation chroot --format docker --timestamp "$SOURCE_DATE_EPOCH" \
      --platform "${platform[$architecture]}" --build-arg BUILD_VERSION="$version" \
      --build-arg BUILD_ARCH="${supervisor[$architecture]}" --build-context "built=$stage" --manifest all . >/dev/null
  done
  buildah_here manifest push --quiet --all --format v2s2 all "dir:$images"
  skopeo copy --quiet --all "dir:$images" "oci-archive:$packages/$name-$version-image.oci.tar:$version"
  rm -rf "$stage" "$work/storage"
}

buildah_here() {
  command buildah --root "$work/storage" --runroot "$work/storage/run" --storage-driver vfs "$@"
}

make_sbom() {
  cargo cyclonedx --quiet --format json --no-build-deps --override-filename "$name"
  # Not where the sources were.
  sed "s#file://$PWD#file:///source#g" "$name.json" >"$packages/$name-$version.cdx.json"
  rm "$name.json"
}
