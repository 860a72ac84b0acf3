//! The log: which records there are, and the thread that writes them.
//!
//! Nobody waits for the log. What arises is put into an outbox, and a thread writes it to the
//! journal or to standard error. There, too, the lines of one kind are counted, so that a source
//! that does the same thing again and again does not fill the log.

use std::{io, panic};

use chrono::Utc;
use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Scope},
    util::{SubscriberInitExt, TryInitError},
};

use super::outbox::Outbox;
use crate::time_zone::TimeZone;

mod about;
mod output;
mod quota;
mod record;
mod writer;

use about::MeterSpan;
pub use about::about;
use output::Output;
use record::Record;
use writer::Writer;

/// Logs the end of something: as a warning if its beginning was one, so that whoever looks at warnings
/// alone sees it, too.
macro_rules! log_end {
    ($was_warning:expr, $($event:tt)+) => {
        if $was_warning { tracing::warn!($($event)+) } else { tracing::info!($($event)+) }
    };
}
pub(crate) use log_end;

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

/// Sets up the log for the whole process, panics included. Records of libraries are included from
/// warnings up.
///
/// # Errors
/// Returns an error if the log is set up already, or the system gives no thread.
pub fn init(level: Level, time_zone: TimeZone) -> Result<Logging, LoggingError> {
    let wanted =
        Targets::new().with_default(LevelFilter::WARN).with_target(env!("CARGO_CRATE_NAME"), level);
    let writer = Writer::new(Output::choose(time_zone));
    let outbox = Outbox::start("log", MAX_WAITING, |inbox| writer.run(inbox))
        .map_err(LoggingError::Thread)?;
    let logging = Logging(outbox.clone());
    let gather = Gather(move |record| outbox.put(record));
    tracing_subscriber::registry().with(gather.with_filter(wanted)).try_init()?;
    panic::set_hook(Box::new(|panic| {
        tracing::error!("{}", panic.to_string().replace('\n', " "));
    }));
    Ok(logging)
}

/// Makes records of events, and of the spans they are in.
struct Gather<F>(F);

impl<S, F> Layer<S> for Gather<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    F: Fn(Record) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if let (Some(span), Some(known)) = (MeterSpan::of(attributes), ctx.span(id)) {
            known.extensions_mut().insert(span);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let scope = ctx.event_scope(event).into_iter().flat_map(Scope::from_root);
        let spans = scope.filter_map(|span| span.extensions().get::<MeterSpan>().cloned());
        (self.0)(Record::of(event, spans.collect(), Utc::now()));
    }
}

#[cfg(test)]
mod tests;
