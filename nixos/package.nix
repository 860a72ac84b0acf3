{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
}:

let
  root = ../.;
  manifest = lib.importTOML (root + "/Cargo.toml");
  releases = "target/${stdenv.hostPlatform.rust.cargoShortTarget}/release";
in
rustPlatform.buildRustPackage {
  pname = manifest.package.name;
  inherit (manifest.package) version;

  # What the build and its tests read, so that a change of anything else rebuilds nothing.
  src = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../README.md
      ../build.rs
      ../clippy.toml
      ../docs
      ../examples
      ../rustfmt.toml
      ../src
      ../systemd
      ../tests/fixtures
      ../tests/histories
      (lib.fileset.fileFilter (file: file.hasExt "rs") ../tests)
    ];
  };

  cargoLock.lockFile = ../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];

  # The example writes the man pages and the completions.
  cargoBuildFlags = [
    "--bins"
    "--example=manual"
  ];
  # With the release profile, linking each of the many test programs takes long.
  checkType = "debug";

  postInstall = ''
    for unit in systemd/*.{service,socket}; do
      install -Dm444 -t $out/lib/systemd/system "$unit"
    done
    substituteInPlace $out/lib/systemd/system/fronius-smartmeter.service \
      --replace-fail "ExecStart=fronius-smartmeter" "ExecStart=$out/bin/fronius-smartmeter"
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    ${releases}/examples/manual manual
    installManPage manual/man/*.1
    installShellCompletion --cmd fronius-smartmeter \
      --bash manual/completions/fronius-smartmeter.bash \
      --fish manual/completions/fronius-smartmeter.fish \
      --zsh manual/completions/_fronius-smartmeter
  '';

  meta = {
    inherit (manifest.package) description;
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "fronius-smartmeter";
    platforms = lib.platforms.linux;
  };
}
