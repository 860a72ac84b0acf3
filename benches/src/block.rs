//! The register block that all servers serve. Its registers come from a file: `benches/run` reads
//! them from our own server, so that all others serve the same.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::BASE;

/// Registers from the address [`BASE`] on.
#[derive(Clone, Debug)]
pub struct Block(Vec<u16>);

impl From<Vec<u16>> for Block {
    fn from(words: Vec<u16>) -> Self {
        Self(words)
    }
}

impl Block {
    /// Reads decimal numbers separated by white space.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or has anything else in it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let words: Result<Vec<u16>, _> = text.split_whitespace().map(str::parse).collect();
        let words = words.with_context(|| format!("{}: not a register", path.display()))?;
        ensure!(!words.is_empty(), "{}: no registers", path.display());
        Ok(Self(words))
    }

    /// The registers at these addresses, if the block has all of them.
    #[must_use]
    pub fn read(&self, start: u16, count: u16) -> Option<&[u16]> {
        let first = usize::from(start.checked_sub(BASE)?);
        self.0.get(first..first + usize::from(count))
    }

    /// The whole answer to a read of holding registers, with transaction id 0.
    #[must_use]
    pub fn answer(&self, start: u16, count: u16) -> Option<Vec<u8>> {
        let words = self.read(start, count)?;
        let bytes = u8::try_from(words.len() * 2).ok()?;
        let [l1, l2] = (u16::from(bytes) + 3).to_be_bytes();
        let mut frame = vec![0, 0, 0, 0, l1, l2, 1, 3, bytes];
        frame.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        Some(frame)
    }
}
