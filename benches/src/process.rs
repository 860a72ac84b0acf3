//! What a process costs, as the kernel counts it.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

/// A process of this machine.
#[derive(Clone, Debug)]
pub struct Process(PathBuf);

impl Process {
    /// The process with this id.
    #[must_use]
    pub fn new(pid: u32) -> Self {
        Self(format!("/proc/{pid}").into())
    }

    /// The time that its threads have spent on a processor. `stat` has the same, but only in
    /// hundredths of a second.
    ///
    /// # Errors
    /// Returns an error if the process is gone, or the kernel does not count (`CONFIG_SCHED_INFO`).
    pub fn cpu(&self) -> Result<Duration> {
        let mut sum = 0_u64;
        let tasks = self.0.join("task");
        for task in fs::read_dir(&tasks).with_context(|| tasks.display().to_string())? {
            let path = task?.path().join("schedstat");
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let nanoseconds = text.split(' ').next().unwrap_or_default();
            sum += nanoseconds.parse::<u64>().with_context(|| path.display().to_string())?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Its proportional set size in KiB: its own memory, and its part of what it shares with
    /// others.
    ///
    /// # Errors
    /// Returns an error if the process is gone, or belongs to another user.
    pub fn pss_kib(&self) -> Result<u64> {
        let path = self.0.join("smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let number = line.and_then(|line| line.trim().strip_suffix("kB"));
        number.and_then(|number| number.trim().parse().ok()).context("smaps_rollup without Pss")
    }
}
