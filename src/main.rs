//! The program. Everything it does is in the library.

use std::process::ExitCode;

use fronius_smartmeter::{cli, system::systemd};

fn main() -> ExitCode {
    // Before the runtime starts, so before there are other threads.
    let sockets = systemd::inherited_sockets();
    cli::main(sockets)
}
