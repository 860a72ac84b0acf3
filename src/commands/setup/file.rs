//! The configuration file that is written.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{
    answers::{Answers, DEFAULT_MAX_POWER_W},
    args::{Host, SYSTEM_CONFIG},
    connection::{Connection, Token},
    error::SetupError,
    value::scalar,
};
use crate::{
    meter::{Role, reading::Measurand},
    source::SourceKind,
    text::printable,
};

/// The names of the files with tokens, which the system service looks for beside its configuration.
pub(super) fn token_name(kind: SourceKind) -> String {
    format!("{}_token", kind.key())
}

/// What is written, and where.
pub(super) struct Files<'a> {
    pub(super) path: &'a Path,
    pub(super) host: Host,
    pub(super) connection: &'a Connection,
    pub(super) answers: &'a Answers,
}

impl Files<'_> {
    /// The text of the configuration.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `fronius-smartmeter setup`. docs/configuration.md explains all keys.\n",
        );
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# Try it:  fronius-smartmeter check --config {}\n",
            shell_word(self.path)
        );
        self.source(&mut text);
        self.values(&mut text);
        self.service(&mut text);
        text
    }

    fn source(&self, text: &mut String) {
        let Connection { kind, host, ca_file, .. } = self.connection;
        let key = kind.key();
        let _ = writeln!(text, "{key}_host: {}", scalar(host));
        if let Some(path) = self.token_path() {
            let _ = writeln!(text, "{key}_token_file: {}", path_scalar(&path));
        }
        if let Some(path) = ca_file {
            let _ = writeln!(text, "{key}_ca_file: {}", path_scalar(path));
        }
    }

    fn values(&self, text: &mut String) {
        let Answers { role, values, phase, max_power, .. } = self.answers;
        let _ = writeln!(
            text,
            "\n{}",
            match role {
                Role::Producer =>
                    "# A generator. What it generates is positive here.\nrole: producer",
                Role::Grid => "# The grid connection. Import is positive here.\nrole: grid",
            }
        );
        for measurand in Measurand::ALL {
            if let Some((_, value)) = values.iter().find(|(known, _)| *known == measurand) {
                let yaml = value.yaml(self.connection.kind);
                let _ = writeln!(text, "{}: {yaml}", measurand.key());
            }
        }
        if let Some(phase) = phase {
            let _ = writeln!(text, "# The phase of everything above that is not given by phases.");
            let _ = writeln!(text, "connected_phase: {phase}");
        }
        text.push_str(
            "# No more can flow, in W. What is beyond it is an error of a device or a unit.\n",
        );
        let _ = match max_power {
            Some(watts) => writeln!(text, "max_power: {watts}"),
            None => writeln!(text, "#max_power: {DEFAULT_MAX_POWER_W}"),
        };
    }

    fn service(&self, text: &mut String) {
        if let Some(port) = self.answers.port {
            let _ =
                writeln!(text, "\n# Where the inverter finds the meter.\nmodbus_listen: {port}");
        }
        if self.host == Host::User {
            let state = self.directory().join("state");
            let _ = writeln!(text, "\n# Where the energy counter is remembered.");
            let _ = writeln!(text, "state_dir: {}", path_scalar(&state));
        }
    }

    /// The file of the token, if the configuration has to name it: the system service finds it.
    fn token_path(&self) -> Option<PathBuf> {
        match (&self.connection.token, self.host) {
            (None, _) | (_, Host::System | Host::SystemLater) => None,
            (Some(Token::File(path)), Host::User) => Some(path.clone()),
            (Some(Token::Entered(_)), Host::User) => Some(self.own_token_path()),
        }
    }

    /// Where a token is written.
    fn own_token_path(&self) -> PathBuf {
        self.directory().join(token_name(self.connection.kind))
    }

    /// Where the configuration is.
    fn directory(&self) -> PathBuf {
        absolute(self.path).parent().unwrap_or(Path::new("/")).to_owned()
    }

    /// The file of the token, and the one where the system service looks for it.
    pub(super) fn token_to_install(&self) -> Option<(PathBuf, PathBuf)> {
        let system = Path::new(SYSTEM_CONFIG).with_file_name(token_name(self.connection.kind));
        self.connection.token.as_ref().map(|_| (self.own_token_path(), system))
    }

    /// Writes the token, if it has no file of its own yet, and the configuration.
    pub(super) fn write(&self, text: &str) -> Result<(), SetupError> {
        fs::create_dir_all(self.directory()).map_err(|source| failed(&self.directory(), source))?;
        let token = match (&self.connection.token, self.host) {
            (Some(Token::Entered(token)), _) => Some(token.clone()),
            (Some(Token::File(path)), Host::System | Host::SystemLater) => {
                Some(fs::read_to_string(path).map_err(|source| failed(path, source))?)
            }
            (None, _) | (Some(Token::File(_)), Host::User) => None,
        };
        if let Some(token) = token {
            replace(&self.own_token_path(), &format!("{}\n", token.trim()), 0o600)?;
        }
        // A link to the configuration stays one. A token is never written through a link, which another
        // user may have made.
        let path = fs::canonicalize(self.path).unwrap_or_else(|_| self.path.to_owned());
        replace(&path, text, 0o644)
    }
}

/// A relative path means another file elsewhere.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A path as a YAML scalar. What is not UTF-8 cannot stand in a configuration.
fn path_scalar(path: &Path) -> String {
    scalar(&path.to_string_lossy())
}

/// A path as a word of a shell command that fits in one line.
pub(super) fn shell_word(path: &Path) -> String {
    let text = printable(&path.to_string_lossy());
    let is_plain = |c: char| c.is_alphanumeric() || "_./-+@:".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Writes a file as a whole, or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> Result<(), SetupError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let write = || -> io::Result<()> {
        // One that an earlier attempt has left may have another mode.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|source| {
        // It may hold a token. If it cannot be removed either, the first error says more.
        let _ = fs::remove_file(&new);
        failed(path, source)
    })
}

fn failed(path: &Path, source: io::Error) -> SetupError {
    SetupError::Write { path: path.to_owned(), source }
}
