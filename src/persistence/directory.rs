//! The file with the counters, and the directory it is in.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::format::{CounterFile, CounterFileError, VERSION};

pub(super) const FILE: &str = "counters.json";

/// Where the next one is written.
const NEW: &str = "counters.json.new";

/// Where a damaged file is put aside.
const DAMAGED: &str = "counters.json.damaged";

/// There after a clean end, as long as nothing was served since.
const ENDED: &str = "ended";

/// Held locked while the service runs.
const LOCK: &str = "lock";

/// A larger file is none of ours.
const MAX_SIZE: u64 = 256 * 1024;

/// What every version of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads the file in `directory`, whoever writes it. Without one there is nothing to remember.
///
/// # Errors
/// Where it cannot be read, is damaged, or is that of a newer program.
pub fn load(directory: &Path) -> Result<CounterFile, CounterFileError> {
    let path = directory.join(FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(CounterFile::default()),
        file => file,
    };
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(MAX_SIZE.saturating_add(1)).read_to_end(&mut bytes));
    if let Err(source) = read {
        return Err(CounterFileError::Unreadable { path, source });
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= MAX_SIZE => Ok(text),
        Ok(_) => Err(format!("larger than {MAX_SIZE} bytes")),
        Err(_) => Err("not UTF-8".to_owned()),
    };
    if let Ok(text) = &text
        && let Ok(Versioned { version }) = serde_json::from_str(text)
        && version > VERSION
    {
        return Err(CounterFileError::Newer { path, version });
    }
    text.and_then(|text| CounterFile::parse(&text))
        .map_err(|reason| CounterFileError::Damaged { path, reason })
}

/// The directory of the file, held by this process alone.
#[derive(Debug)]
pub struct StateDirectory {
    directory: PathBuf,
    /// Unlocked when it is closed.
    _lock: File,
}

impl StateDirectory {
    /// Takes the directory, and makes it where it is missing.
    ///
    /// # Errors
    /// Where it cannot be used, or another process has it.
    pub fn open(directory: &Path) -> Result<Self, CounterFileError> {
        let unusable = |source| CounterFileError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(unusable)?;
        let lock = create(directory, LOCK, File::options().truncate(false)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(CounterFileError::InUse { path: directory.to_owned() })
            }
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Reads the file; see [`load`].
    ///
    /// # Errors
    /// As [`load`]. [`StateDirectory::set_aside`] makes room for a new file then.
    pub fn load(&self) -> Result<CounterFile, CounterFileError> {
        load(&self.directory)
    }

    /// Whether the last run ended in order. From here on it is not known any more.
    #[must_use]
    pub fn take_ended(&self) -> bool {
        // Also on a full disk a file can be removed. Where it cannot, nothing is certain.
        fs::remove_file(self.directory.join(ENDED)).is_ok()
    }

    /// Notes that all that was served is saved.
    ///
    /// # Errors
    /// Where that cannot be noted.
    pub fn set_ended(&self) -> Result<(), CounterFileError> {
        create(&self.directory, ENDED, File::options().truncate(true))
            .and_then(|file| file.sync_all())
            .map_err(|source| CounterFileError::Unwritable {
                path: self.directory.join(ENDED),
                source,
            })
    }

    /// Keeps a damaged file for whoever wants to look at it, and gives its new name.
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn set_aside(&self) -> Result<PathBuf, CounterFileError> {
        let path = self.directory.join(DAMAGED);
        fs::rename(self.directory.join(FILE), &path)
            .map_err(|source| CounterFileError::Unwritable { path: path.clone(), source })?;
        Ok(path)
    }

    /// Replaces the file as a whole: whoever reads it, after whatever crash, finds either the old
    /// or the new one.
    ///
    /// # Errors
    /// Where it cannot be written; the old file is untouched then.
    pub fn save(&self, state: &CounterFile) -> Result<(), CounterFileError> {
        let path = self.directory.join(FILE);
        let write = || {
            let mut text = serde_json::to_vec_pretty(state)?;
            text.push(b'\n');
            let mut file = create(&self.directory, NEW, File::options().truncate(true))?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(self.directory.join(NEW), &path)?;
            // The new name must be on the disk too.
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| CounterFileError::Unwritable { path: path.clone(), source })
    }
}

/// Opens a file for writing. What root makes belongs to the owner of the directory, or the service
/// could not use it any more.
fn create(directory: &Path, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.create(true).write(true).open(directory.join(name))?;
    let owner = directory.metadata()?;
    if file.metadata()?.uid() != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(file)
}
