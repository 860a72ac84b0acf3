//! The directory with the files of the counters, one a meter.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    process,
    time::SystemTime,
};

use rustix::{fs::OFlags, process::geteuid};
use serde::Deserialize;

use super::{
    error::CounterFileError,
    format::{CounterFile, VERSION},
    legacy::LegacyFile,
};
use crate::{
    meter::record::{MeterRecord, Restored},
    text::printable,
};

/// How the name of a meter's file begins.
const PREFIX: &str = "meter-";

/// The file of version 0.1, and the one that it left after a clean end.
const LEGACY_FILE: &str = "counters.json";
const LEGACY_ENDED: &str = "ended";

/// A larger file is not one of ours.
const MAX_SIZE: u64 = 256 * 1024;

/// Meters that are shown at most.
const MAX_METERS: usize = 1000;

/// What every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// The counters of one meter in the directory, held by this process alone.
#[derive(Debug)]
pub struct MeterDirectory {
    directory: PathBuf,
    serial_number: String,
    /// Unlocked when it is closed.
    _lock: File,
}

impl MeterDirectory {
    /// Takes the counters of a meter, and makes the directory where it is missing.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be used, or another process has the counters.
    pub fn open(directory: &Path, serial_number: &str) -> Result<Self, CounterFileError> {
        let unusable = |source| CounterFileError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(unusable)?;
        let name = file_name(serial_number, "lock");
        let mut lock =
            create(directory, &name, File::options().read(true).create(true)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(directory, lock)),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        // On a full disk the pid may not fit; the error then has none.
        let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", process::id()));
        Ok(Self {
            directory: directory.to_owned(),
            serial_number: serial_number.to_owned(),
            _lock: lock,
        })
    }

    /// What the meter goes on from; see [`load`].
    ///
    /// # Errors
    /// As [`load`]. [`MeterDirectory::set_aside`] makes room for a new file then.
    pub fn load(&self) -> Result<Restored, CounterFileError> {
        load(&self.directory, &self.serial_number)
    }

    /// Keeps a damaged file for whoever wants to look at it, and gives its new name.
    ///
    /// # Errors
    /// Returns an error if it cannot be renamed.
    pub fn set_aside(&self, damaged: &Path) -> Result<PathBuf, CounterFileError> {
        let mut path = damaged.as_os_str().to_owned();
        path.push(".damaged");
        let path = PathBuf::from(path);
        fs::rename(damaged, &path)
            .map_err(|source| CounterFileError::Unwritable { path: path.clone(), source })?;
        Ok(path)
    }

    /// Replaces the file as a whole: whoever reads it, after whatever crash, finds either the old
    /// or the new one.
    ///
    /// # Errors
    /// Returns an error if it cannot be written; the old file is untouched then.
    pub fn save(&self, record: &MeterRecord) -> Result<(), CounterFileError> {
        let path = self.directory.join(file_name(&self.serial_number, "json"));
        let write = || {
            let file =
                CounterFile::new(self.serial_number.clone(), record.clone(), SystemTime::now());
            let mut text = serde_json::to_vec_pretty(&file)?;
            text.push(b'\n');
            replace(&self.directory, &file_name(&self.serial_number, "json"), &text)
        };
        write().map_err(|source| CounterFileError::Unwritable { path: path.clone(), source })
    }

    /// Forgets the counters. Says whether there were any.
    ///
    /// # Errors
    /// Returns an error if the file cannot be removed.
    pub fn forget(&self) -> Result<bool, CounterFileError> {
        let path = self.directory.join(file_name(&self.serial_number, "json"));
        let was_there = match fs::remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(CounterFileError::Unwritable { path, source }),
        };
        Ok(self.forget_legacy()? || was_there)
    }

    /// Takes the meter out of the file of version 0.1, or its counters would come back.
    fn forget_legacy(&self) -> Result<bool, CounterFileError> {
        let path = self.directory.join(LEGACY_FILE);
        let Ok(Some(mut legacy)) = legacy(&path) else { return Ok(false) };
        if legacy.meters.remove(&self.serial_number).is_none() {
            return Ok(false);
        }
        let write = || {
            if legacy.meters.is_empty() {
                return fs::remove_file(&path);
            }
            replace(&self.directory, LEGACY_FILE, &serde_json::to_vec_pretty(&legacy)?)
        };
        write().map_err(|source| CounterFileError::Unwritable { path: path.clone(), source })?;
        Ok(true)
    }
}

/// Tries whether the counters of a meter could be taken, and reads them. Nothing is left of that.
///
/// # Errors
/// Returns an error if the directory could not be used, another process has the counters, or they cannot
/// be read.
pub fn examine(directory: &Path, serial_number: &str) -> Result<Restored, CounterFileError> {
    let unusable = |source| CounterFileError::Directory { path: directory.to_owned(), source };
    let _made = MadeDirectories::make(directory).map_err(unusable)?;
    match File::open(directory.join(file_name(serial_number, "lock"))) {
        Ok(lock) => match lock.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(directory, lock)),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(unusable(source)),
    }
    let name = format!("check-{}.new", process::id());
    let written = create(directory, &name, File::options().create_new(true))
        .and_then(|mut file| file.write_all(b"\n"));
    // Where it could not be made, there is nothing to remove.
    let _ = fs::remove_file(directory.join(name));
    written.map_err(unusable)?;
    load(directory, serial_number)
}

/// Directories that were made for a trial, and go with this.
struct MadeDirectories(Vec<PathBuf>);

impl MadeDirectories {
    fn make(directory: &Path) -> io::Result<Self> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let missing = directory.ancestors().take_while(is_missing);
        // Also those that were made before another could not be.
        let made = Self(missing.map(Path::to_owned).collect());
        fs::create_dir_all(directory)?;
        Ok(made)
    }
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        for path in &self.0 {
            // One that somebody uses by now is not empty, and stays.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Another process has the lock, and has written its id into the file.
fn in_use(directory: &Path, lock: File) -> CounterFileError {
    let mut pid = String::new();
    let read = lock.take(16).read_to_string(&mut pid);
    let pid = read.ok().and_then(|_| pid.trim().parse().ok());
    CounterFileError::InUse { path: directory.to_owned(), pid }
}

/// Reads the counters of a meter, even while another process writes them. Without a file there is nothing to remember.
///
/// # Errors
/// Returns an error if the file cannot be read, is damaged, or is that of a newer program.
pub fn load(directory: &Path, serial_number: &str) -> Result<Restored, CounterFileError> {
    let path = directory.join(file_name(serial_number, "json"));
    match read(&path)? {
        Some(file) if file.serial_number == serial_number => return Ok(file.restored()),
        Some(file) => {
            let found = printable(&file.serial_number);
            return Err(CounterFileError::OtherMeter { path, found });
        }
        None => {}
    }
    // What version 0.1 remembered is taken over as long as there is nothing newer.
    let legacy = legacy(&directory.join(LEGACY_FILE))?;
    let ended = directory.join(LEGACY_ENDED).exists();
    let meter = legacy.as_ref().and_then(|legacy| legacy.meters.get(serial_number));
    Ok(meter.map_or(Restored::nothing(), |m| m.restored(ended)))
}

/// All meters of which there are counters, whoever writes them.
///
/// # Errors
/// Returns an error if the directory or a file cannot be read.
pub fn load_all(directory: &Path) -> Result<Vec<CounterFile>, CounterFileError> {
    let unusable = |source| CounterFileError::Directory { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unusable)?.take(MAX_METERS) {
        let path = entry.map_err(unusable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if name.starts_with(PREFIX) && extension == Some("json") {
            files.extend(read(&path)?);
        }
    }
    files.sort_by(|one, other| one.serial_number.cmp(&other.serial_number));
    Ok(files)
}

fn read(path: &Path) -> Result<Option<CounterFile>, CounterFileError> {
    let Some(text) = text(path)? else { return Ok(None) };
    if let Ok(Versioned { version }) = serde_json::from_str(&text)
        && version > VERSION
    {
        return Err(CounterFileError::Newer { path: path.to_owned(), version });
    }
    let damaged = |reason| CounterFileError::Damaged { path: path.to_owned(), reason };
    CounterFile::parse(&text).map(Some).map_err(damaged)
}

fn legacy(path: &Path) -> Result<Option<LegacyFile>, CounterFileError> {
    let Some(text) = text(path)? else { return Ok(None) };
    let damaged = |reason| CounterFileError::Damaged { path: path.to_owned(), reason };
    LegacyFile::parse(&text).map(Some).map_err(damaged)
}

/// The text of a file, if there is one.
fn text(path: &Path) -> Result<Option<String>, CounterFileError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file,
    };
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(MAX_SIZE.saturating_add(1)).read_to_end(&mut bytes));
    if let Err(source) = read {
        return Err(CounterFileError::Unreadable { path: path.to_owned(), source });
    }
    let damaged = |reason: String| CounterFileError::Damaged { path: path.to_owned(), reason };
    if bytes.len() as u64 > MAX_SIZE {
        return Err(damaged(format!("larger than {MAX_SIZE} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| damaged("not UTF-8".to_owned()))
}

/// The name of a meter's file. The serial number is the user's text, so all that could lead
/// elsewhere is written as a number.
fn file_name(serial_number: &str, extension: &str) -> String {
    let mut name = PREFIX.to_owned();
    for byte in serial_number.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(byte.into());
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name.push('.');
    name.push_str(extension);
    name
}

/// Replaces a file as a whole, and has it on the disk, its name too.
fn replace(directory: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let new = format!("{name}.new");
    match fs::remove_file(directory.join(&new)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create(directory, &new, File::options().create_new(true))?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(directory.join(new), directory.join(name))?;
    File::open(directory)?.sync_all()
}

/// Opens a file for writing. What root makes belongs to the owner of the directory, or the service
/// could not use it any more. So a link is not followed: that owner could have made it.
fn create(directory: &Path, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let file = options.write(true).custom_flags(no_link).open(directory.join(name))?;
    let owner = directory.metadata()?;
    // Nobody else may give a file away, nor has to where the group may write.
    if geteuid().is_root() && file.metadata()?.uid() != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
