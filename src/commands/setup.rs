//! `setup`: lists the items of a source, asks which to use, tests them, and writes a configuration.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use rustix::fs::{Access, access};

use crate::{
    commands::check::{self, CheckError},
    config::Config,
    text::printable,
};

mod answers;
mod args;
mod ask;
mod candidate;
mod connection;
mod error;
mod file;
mod next_steps;
mod value;
mod words;

use answers::Answers;
pub use args::SetupArgs;
use connection::Connection;
pub use error::SetupError;
use file::{Files, absolute};
use next_steps::next_steps;

/// Asks for all that a configuration needs, unless it is given, and writes it.
///
/// # Errors
/// Returns an error if nothing was written.
pub async fn setup(args: &SetupArgs) -> Result<(), SetupError> {
    let (path, host) = args.config();
    let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !args.yes && !is_terminal {
        return Err(SetupError::NoTerminal);
    }
    may_write(&path, args)?;
    let connection = Connection::open(args, &path).await?;
    let (source, count) = (connection.config()?, connection.items.len());
    writeln!(io::stdout(), "{source} has {count} items with numbers.")?;
    let answers = Answers::collect(args, host, &connection).await?;
    let files = Files { path: &path, host, connection: &connection, answers: &answers };
    let text = files.text();
    let config = Config::parse(&text).map_err(SetupError::Config)?;
    writeln!(io::stdout())?;
    // The token is not where the configuration will look for it yet.
    let tried = check::check(Config { sources: vec![source], ..config }, false).await;
    if let Err(error) = tried {
        accept(error, args)?;
    }
    files.write(&text)?;
    io::stdout().write_all(next_steps(&files).as_bytes())?;
    Ok(())
}

/// A configuration that exists is only replaced if that is wanted.
fn may_write(path: &Path, args: &SetupArgs) -> Result<(), SetupError> {
    // A name is needed to write a file, and this is known before anything is asked.
    if path.is_dir() || path.file_name().is_none() {
        let path = printable(&path.to_string_lossy());
        return Err(SetupError::Usage(format!("{path} is a directory; give the name of a file")));
    }
    if path.to_str().is_none() {
        let text = "the path of the configuration must be UTF-8".to_owned();
        return Err(SetupError::Usage(text));
    }
    let absolute = absolute(path);
    // The folder need not be there yet.
    let folder = absolute.ancestors().skip(1).find(|folder| folder.exists());
    if let Some(Err(error)) = folder.map(|folder| access(folder, Access::WRITE_OK)) {
        return Err(SetupError::Write { path: path.to_owned(), source: error.into() });
    }
    if args.force || !path.exists() {
        return Ok(());
    }
    if args.yes {
        return Err(SetupError::Exists(path.to_owned()));
    }
    let question = format!("{} exists. Replace it?", path.display());
    if ask::confirm(&question, false)? { Ok(()) } else { Err(SetupError::Cancelled) }
}

/// What gives no values now may do so in the morning; what is wrong stays wrong.
fn accept(error: CheckError, args: &SetupArgs) -> Result<(), SetupError> {
    let may_pass = !matches!(error, CheckError::Configuration);
    if args.yes {
        return if may_pass { Ok(()) } else { Err(SetupError::Check(error)) };
    }
    if ask::confirm("Write the configuration all the same?", may_pass)? {
        Ok(())
    } else {
        Err(SetupError::Cancelled)
    }
}
