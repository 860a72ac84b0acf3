//! Writes the man pages and shell completions, from the definitions that `--help` comes from:
//!
//! ```sh
//! cargo run --example manual -- DIRECTORY
//! ```

use std::{
    env,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use fronius_smartmeter::cli;

const NAME: &str = env!("CARGO_PKG_NAME");

/// The paragraphs at the end of a help that are sections of a man page, and what they are called there.
const SECTIONS: [(&str, &str); 3] =
    [("Files:", "FILES"), ("Exit codes:", "EXIT STATUS"), ("Examples:", "EXAMPLES")];

fn main() -> Result<(), Box<dyn Error>> {
    let directory: PathBuf =
        env::args_os().nth(1).ok_or("expected a directory to write to")?.into();
    write(&directory).map_err(|error| format!("{}: {error}", directory.display()).into())
}

fn write(directory: &Path) -> io::Result<()> {
    let manual = directory.join("man");
    fs::create_dir_all(&manual)?;
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    for command in command.get_subcommands().chain([&command]) {
        let name = command.get_display_name().unwrap_or(NAME);
        fs::write(manual.join(format!("{name}.1")), page(command, name)?)?;
    }

    let completions = directory.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut cli::command(), NAME, &completions)?;
    }
    fs::write(completions.join(format!("{NAME}.bash")), for_bash())
}

/// The completions for bash. `clap_complete` 4.6 calls a program with a hyphen in its name differently
/// where it finds a command and where it lists its options, so that there would be none.
fn for_bash() -> String {
    let mut script = Vec::new();
    clap_complete::generate(Shell::Bash, &mut cli::command(), NAME, &mut script);
    let (found, listed) = (NAME.replace('-', "__"), NAME.replace('-', "__subcmd__"));
    String::from_utf8_lossy(&script).replace(&listed, &found)
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let version = env!("CARGO_PKG_VERSION");
    // Its own title lacks the empty date, without which all that follows is in another place.
    let title =
        format!(".TH {} 1 \"\" \"{NAME} {version}\" \"User Commands\"\n", name.to_uppercase());
    let mut page = title.into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut end = Roff::new();
    let help = command.get_after_long_help().or(command.get_after_help());
    for paragraph in help.map(ToString::to_string).unwrap_or_default().split("\n\n") {
        write_paragraph(&mut end, paragraph);
    }
    if name != NAME {
        end.control("SH", ["SEE ALSO"]).text([bold(NAME), roman("(1)")]);
    }
    end.to_writer(&mut page)?;
    Ok(page)
}

/// Writes a paragraph with its lines as they are: they are commands, and tables.
fn write_paragraph(page: &mut Roff, paragraph: &str) {
    let section = SECTIONS.iter().find_map(|(heading, section)| {
        Some((paragraph.strip_prefix(heading)?.trim_start_matches('\n'), section))
    });
    let lines = match section {
        Some((lines, section)) => {
            page.control("SH", [*section]);
            lines
        }
        None => {
            page.control("PP", []);
            paragraph
        }
    };
    page.control("nf", []);
    for line in lines.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}

#[test]
fn bash_finds_the_options_of_each_command() {
    let script = for_bash();
    let found =
        script.lines().filter_map(|line| line.trim().strip_prefix("cmd=\"")?.strip_suffix('"'));
    let found: Vec<_> = found.filter(|name| !name.is_empty()).collect();
    assert!(found.len() > cli::command().get_subcommands().count());
    for name in found {
        assert!(script.contains(&format!("\n        {name})\n")), "{name}");
    }
}
