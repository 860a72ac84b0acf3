//! What is loaded from files, and loaded again once it has failed.

use std::{
    fmt::Display,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::outage::Outage;

/// How long a request waits for a value to be loaded again, if there is an old one.
const PATIENCE: Duration = Duration::from_millis(250);

/// A token or certificates, which may be replaced on the disk while the program runs. Clones share
/// one value.
pub(super) struct Reloadable<T, E>(Arc<Shared<T, E>>);

struct Shared<T, E> {
    load: Box<dyn Fn() -> Result<T, E> + Send + Sync>,
    failed: AtomicBool,
    state: Mutex<State<T, E>>,
}

struct State<T, E> {
    value: Option<T>,
    /// Runs on, whoever waits for it: a disk that does not answer must not be asked again and again.
    loading: Option<JoinHandle<Result<T, E>>>,
    outage: Outage,
}

impl<T, E> Clone for Reloadable<T, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, E> Reloadable<T, E>
where
    T: Clone + Send + 'static,
    E: Display + Send + 'static,
{
    /// `value` is what `load` has returned already; without it, the first who needs it loads it.
    pub(super) fn new(
        load: impl Fn() -> Result<T, E> + Send + Sync + 'static,
        value: Option<T>,
    ) -> Self {
        let state = State { value, loading: None, outage: Outage::default() };
        Self(Arc::new(Shared {
            load: Box::new(load),
            failed: AtomicBool::new(false),
            state: Mutex::new(state),
        }))
    }

    /// The server has refused this value, or this value the server.
    pub(super) fn failed(&self) {
        self.0.failed.store(true, Relaxed);
    }

    /// The value, loaded again if it has failed. Where that is impossible at the moment, as while
    /// the file is being written or its disk does not answer, the old value stays in use.
    ///
    /// # Errors
    /// Returns an error if there is no value yet and none can be loaded.
    pub(super) async fn get(&self) -> Result<T, E> {
        let mut state = self.0.state.lock().await;
        let State { value, loading, outage } = &mut *state;
        if let Some(value) = value
            && loading.is_none()
            && !self.0.failed.swap(false, Relaxed)
        {
            return Ok(value.clone());
        }
        let shared = Arc::clone(&self.0);
        let load = loading.get_or_insert_with(|| spawn_blocking(move || (shared.load)()));
        let loaded = match value {
            None => load.await,
            Some(old) => match timeout(PATIENCE, load).await {
                Ok(loaded) => loaded,
                Err(_) => return Ok(old.clone()),
            },
        };
        *loading = None;
        let loaded = loaded.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only the end of the program cancels it.
            Err(_) => (self.0.load)(),
        });
        match (loaded, value) {
            (Ok(new), value) => {
                *outage = Outage::default();
                Ok(value.insert(new).clone())
            }
            (Err(error), Some(old)) => {
                let error = error.to_string();
                if outage.is_news(&error, Instant::now()) {
                    tracing::warn!("{error}; what was read before stays in use");
                }
                Ok(old.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    #[tokio::test]
    async fn while_a_disk_does_not_answer_the_old_value_stays_in_use() {
        let (answer, disk) = mpsc::channel();
        let disk = Mutex::new(disk);
        let load = move || disk.lock().unwrap().recv().unwrap();
        let secret = Reloadable::<_, String>::new(load, Some("old"));
        secret.failed();
        for _ in 0..2 {
            assert_eq!(secret.get().await, Ok("old"));
        }
        answer.send(Err("no such file".to_owned())).unwrap();
        assert_eq!(secret.get().await, Ok("old"));
        secret.failed();
        answer.send(Ok("new")).unwrap();
        assert_eq!(secret.get().await, Ok("new"));
    }
}
