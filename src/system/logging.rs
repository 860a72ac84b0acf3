//! Where log records go: to the journal with their fields, or to standard error as text.

use std::{env, fmt, io, os::unix::fs::MetadataExt};

use chrono::Utc;
use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt::{
        format::{Writer, debug_fn},
        time::FormatTime,
    },
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::time_zone::TimeZone;

/// Lines that may wait for a slow reader. Memory for all of them is taken at the start.
const WAITING_LINES: usize = 1000;

/// Writes the lines that are still waiting when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Logging {
    /// `None` for the journal, which needs no thread.
    _writer: Option<WorkerGuard>,
}

/// Sets up logging for the whole process. Records of tokio-modbus are included at `level`, those of
/// other libraries from warnings up.
///
/// Text is written by a thread of its own: if nobody reads it, records are lost, but no client has
/// to wait.
///
/// # Errors
/// Returns an error if logging is set up already.
pub fn init(level: Level, time_zone: TimeZone) -> Result<Logging, TryInitError> {
    let wanted = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target("tokio_modbus", level);
    let (output, writer): (Box<dyn Layer<Registry> + Send + Sync>, _) = match journal() {
        Some(journal) => (Box::new(journal), None),
        None => {
            let (stderr, writer) = NonBlockingBuilder::default()
                .buffered_lines_limit(WAITING_LINES)
                .finish(io::stderr());
            (Box::new(text(stderr, time_zone)), Some(writer))
        }
    };
    tracing_subscriber::registry().with(output.with_filter(wanted)).try_init()?;
    Ok(Logging { _writer: writer })
}

fn text(stderr: NonBlocking, time_zone: TimeZone) -> impl Layer<Registry> {
    tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        .with_ansi(false)
        .with_target(false)
        .with_timer(Clock(time_zone))
        // Messages say everything; their fields are for searching the journal.
        .fmt_fields(debug_fn(|writer, field, value| match field.name() {
            "message" => write!(writer, "{value:?}"),
            _ => Ok(()),
        }))
}

/// The journal, if standard error is connected to it.
fn journal() -> Option<tracing_journald::Layer> {
    // systemd passes device and inode of the stream, so that a redirected stderr can be recognised.
    let stream = env::var("JOURNAL_STREAM").ok()?;
    let stderr = std::fs::metadata("/proc/self/fd/2").ok()?;
    if stream != format!("{}:{}", stderr.dev(), stderr.ino()) {
        return None;
    }
    let journal = tracing_journald::layer().ok()?;
    Some(journal.with_field_prefix(None).with_priority_mappings(PriorityMappings {
        info: Priority::Informational,
        ..PriorityMappings::new()
    }))
}

/// Timestamps in the configured time zone.
struct Clock(TimeZone);

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&self.0.show(Utc::now(), "%Y-%m-%d %H:%M:%S%.3f"))
    }
}
