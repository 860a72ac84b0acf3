//! The log: which records there are, and the thread that writes them.
//!
//! Nobody waits for the log. What arises is put into an outbox, and a thread writes it to the
//! journal or to standard error. There, too, the lines of one kind are counted, so that a source
//! that does the same thing again and again does not fill the log.

use std::{io, panic, sync::Arc, time::Instant};

use chrono::Utc;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
    util::{SubscriberInitExt, TryInitError},
};

use super::outbox::{Inbox, Outbox, Taken};
use crate::time_zone::TimeZone;

mod output;
mod quota;
mod record;

use output::Output;
use quota::Quota;
use record::Record;

/// Records that may wait for a slow reader.
const MAX_WAITING: usize = 1000;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The system gives no thread for it.
    #[error("no thread for the log: {0}")]
    Thread(io::Error),
    /// It is set up already.
    #[error(transparent)]
    SetUp(#[from] TryInitError),
}

/// The log of the process. When it is dropped, what still waits is written, if there is a reader.
#[derive(Debug)]
#[must_use]
pub struct Logging(Outbox<Record>);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Sets up the log for the whole process, panics included. Records of tokio-modbus are included at
/// `level`, those of other libraries from warnings up.
///
/// # Errors
/// Returns an error if the log is set up already, or the system gives no thread.
pub fn init(level: Level, time_zone: TimeZone) -> Result<Logging, LoggingError> {
    let wanted = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target("tokio_modbus", level);
    let output = Arc::new(Output::choose(time_zone));
    let outbox = Outbox::start("log", MAX_WAITING, move |inbox| write_all(inbox, &output))
        .map_err(LoggingError::Thread)?;
    let logging = Logging(outbox.clone());
    let gather = Gather(move |record| outbox.put(record));
    tracing_subscriber::registry().with(gather.with_filter(wanted)).try_init()?;
    panic::set_hook(Box::new(|panic| {
        tracing::error!("{}", panic.to_string().replace('\n', " "));
    }));
    Ok(logging)
}

/// Makes records of events.
struct Gather<F>(F);

impl<S: Subscriber, F: Fn(Record) + 'static> Layer<S> for Gather<F> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        (self.0)(Record::of(event, Utc::now()));
    }
}

/// The work of the thread.
fn write_all(inbox: &Inbox<Record>, output: &Arc<Output>) {
    let mut quota = Quota::default();
    // What this thread has to say itself does not go through the outbox, which may be full.
    let direct = Arc::clone(output);
    let direct = Gather(move |record: Record| direct.write(&record));
    let direct = Registry::default().with(direct).with(LevelFilter::WARN).into();
    loop {
        let taken = inbox.take(quota.next_due());
        let now = Instant::now();
        quota.ended(now).iter().for_each(|count| output.write(count));
        match taken {
            Taken::Item(record) => {
                if let Some(record) = quota.admit(record, now) {
                    output.write(&record);
                }
            }
            Taken::Lost(lost) => tracing::dispatcher::with_default(&direct, || {
                tracing::warn!(lost, "log lines lost because they were not read in time: {lost}");
            }),
            Taken::Late => {}
            Taken::Closed => break,
        }
    }
    quota.finish().iter().for_each(|count| output.write(count));
}

#[cfg(test)]
mod tests;
