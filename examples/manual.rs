//! Writes the man pages and shell completions, from the definitions that `--help` comes from:
//!
//! ```sh
//! cargo run --example manual -- DIRECTORY
//! ```

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap_complete::Shell;
use fronius_smartmeter::cli;

fn main() -> Result<(), Box<dyn Error>> {
    let directory: PathBuf =
        env::args_os().nth(1).ok_or("expected a directory to write to")?.into();
    write(&directory).map_err(|error| format!("{}: {error}", directory.display()).into())
}

fn write(directory: &Path) -> Result<(), Box<dyn Error>> {
    let manual = directory.join("man");
    fs::create_dir_all(&manual)?;
    clap_mangen::generate_to(cli::command(), manual)?;

    let completions = directory.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(
            shell,
            &mut cli::command(),
            env!("CARGO_PKG_NAME"),
            &completions,
        )?;
    }
    Ok(())
}
