//! See the library for what this program is made of.

use std::process::ExitCode;

use fronius_smartmeter::{cli, system::systemd};

fn main() -> ExitCode {
    // Before the runtime, and so before there are threads.
    let sockets = systemd::inherited_sockets();
    cli::main(sockets)
}
