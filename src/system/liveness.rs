//! Whether the tasks of the service make progress.
//!
//! A task beats each time it reaches a wait, and now and then while it waits. If it is stuck
//! between two waits, its pulse stops. A task that awaits nothing in between, as the meter's, has
//! no pulse: that would only show that the thread runs, and one thread is all there is.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The liveness of all tasks. Clones share them.
#[derive(Clone, Debug)]
pub struct Liveness {
    beats: Arc<Mutex<Vec<Beat>>>,
    limit: Duration,
}

#[derive(Debug)]
struct Beat {
    task: &'static str,
    last: Instant,
}

impl Default for Liveness {
    /// For tasks that nobody watches.
    fn default() -> Self {
        Self::new(Duration::MAX)
    }
}

impl Liveness {
    /// No tasks yet. A task that has not beaten for `limit` is stuck.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { beats: Arc::default(), limit }
    }

    /// Adds a task, with its first beat now, and returns its pulse.
    #[must_use]
    pub fn of(&self, task: &'static str) -> Pulse {
        let mut beats = self.lock();
        let place = beats.len();
        beats.push(Beat { task, last: Instant::now() });
        drop(beats);
        Pulse { liveness: self.clone(), place }
    }

    /// A task that makes no progress, if there is one.
    #[must_use]
    pub fn stuck(&self) -> Option<&'static str> {
        let beats = self.lock();
        beats.iter().find(|beat| beat.last.elapsed() >= self.limit).map(|beat| beat.task)
    }

    /// The list is consistent between any two statements, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Vec<Beat>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pulse of one task.
#[derive(Debug)]
pub struct Pulse {
    liveness: Liveness,
    place: usize,
}

impl Pulse {
    /// Notes that the task makes progress.
    pub fn beat(&self) {
        if let Some(beat) = self.liveness.lock().get_mut(self.place) {
            beat.last = Instant::now();
        }
    }

    /// Awaits `wait`, and beats meanwhile: a task that waits is not stuck.
    pub async fn during<T>(&self, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait);
        let pause = self.liveness.limit.checked_div(4).unwrap_or_default();
        loop {
            self.beat();
            tokio::select! {
                waited = &mut wait => return waited,
                () = sleep(pause) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_task_that_rests_is_not_stuck_and_one_that_does_not_return_is() {
        let liveness = Liveness::new(LIMIT);
        let (meter, source) = (liveness.of("meter"), liveness.of("source"));
        tokio::spawn(async move { meter.during(std::future::pending::<()>()).await });
        let task = tokio::spawn(async move {
            source.during(sleep(LIMIT * 3)).await;
            sleep(LIMIT * 3).await;
            source.beat();
            std::future::pending::<()>().await;
        });
        sleep(LIMIT * 3).await;
        assert_eq!(liveness.stuck(), None);
        sleep(LIMIT).await;
        assert_eq!(liveness.stuck(), Some("source"));
        sleep(LIMIT * 5 / 2).await;
        assert_eq!(liveness.stuck(), None, "it moves again");
        task.abort();
        sleep(LIMIT).await;
        assert_eq!(liveness.stuck(), Some("source"), "it is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_gives_its_result_at_once() {
        let pulse = Liveness::new(LIMIT).of("meter");
        let started = Instant::now();
        assert_eq!(pulse.during(async { 7 }).await, 7);
        pulse.during(sleep(Duration::from_secs(1))).await;
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
