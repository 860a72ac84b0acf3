# In nixpkgs only `version`, `src` and the lock file would come from elsewhere: fetchFromGitHub and
# cargoHash.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  nix-update-script,
  testers,
}:

let
  root = ../.;
  manifest = lib.importTOML (root + "/Cargo.toml");
  releases = "target/${stdenv.hostPlatform.rust.cargoShortTarget}/release";
in
rustPlatform.buildRustPackage (finalAttrs: {
  pname = "fronius-smartmeter";
  inherit (manifest.package) version;

  # What the build reads, so that a change of anything else rebuilds nothing.
  src = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions [
      ../Cargo.lock
      ../Cargo.toml
      ../README.md
      ../build.rs
      ../examples
      ../src
      ../systemd
    ];
  };

  cargoLock.lockFile = ../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];

  # The example writes the man pages and the completions.
  cargoBuildFlags = [
    "--bins"
    "--example=manual"
  ];

  # The tests take far longer than the build, and need other sources: see `checks` of the flake.
  doCheck = false;

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

  passthru = {
    tests = {
      version = testers.testVersion { package = finalAttrs.finalPackage; };
    }
    // import ./tests { inherit lib testers; };
    updateScript = nix-update-script { };
  };

  meta = {
    inherit (manifest.package) description;
    # OWNER is the account whose copy this is.
    homepage = "https://github.com/OWNER/fronius-smartmeter";
    changelog = "${finalAttrs.meta.homepage}/blob/v${finalAttrs.version}/CHANGELOG.md";
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    maintainers = [ ];
    mainProgram = "fronius-smartmeter";
    platforms = lib.platforms.linux;
  };
})
