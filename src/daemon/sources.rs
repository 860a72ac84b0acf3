//! The sources while they run, and the watchdog over them.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::interval};

use crate::{
    meter::reading::Freshness,
    source::{SetupError, Source, SourceConfig, SourceKind, Watched},
    status::board::SourceView,
    system::{liveness::Liveness, notifier::Notifier, systemd},
};

/// A source that rests for longer than this, in a request or elsewhere, is stuck. Its requests have
/// much shorter limits.
const SOURCE_LIMIT: Duration = Duration::from_mins(1);

/// A source that is ready, what it is, and its name.
pub(super) struct Ready {
    kind: SourceKind,
    name: String,
    source: Source,
}

/// Creates the sources, which are not connected yet.
///
/// # Errors
/// Returns an error if secrets or certificates cannot be loaded.
pub(super) fn build(
    configs: Vec<SourceConfig>,
    freshness: Freshness,
) -> Result<Vec<Ready>, SetupError> {
    let build = |config: SourceConfig| {
        let (kind, name) = (config.kind(), config.to_string());
        Ok(Ready { kind, name, source: config.build(freshness)? })
    };
    configs.into_iter().map(build).collect()
}

/// Starts the sources, each for the meters that have it, and the watchdog if systemd expects one.
/// Returns a look at each.
pub(super) fn start(
    tasks: &mut JoinSet<&'static str>,
    sources: Vec<Ready>,
    meters: impl Iterator<Item = (SourceKind, Watched)>,
    notifier: &Arc<Notifier>,
) -> Vec<SourceView> {
    let liveness = Liveness::new(SOURCE_LIMIT);
    let mut meters: Vec<_> = meters.collect();
    let mut views = Vec::new();
    for Ready { kind, name, source } in sources {
        let own = meters.extract_if(.., |(of, _)| *of == kind);
        let source = source.watch(own.map(|(_, watched)| watched).collect());
        views.push(SourceView { kind, name, view: source.view() });
        let pulses = liveness.clone();
        tasks.spawn(async move {
            source.run(&pulses).await;
            "source"
        });
    }
    if let Some(limit) = systemd::watchdog() {
        let notifier = Arc::clone(notifier);
        tasks.spawn(async move {
            watch_liveness(&liveness, limit, &notifier).await;
            "watchdog"
        });
    }
    views
}

/// Feeds systemd's watchdog while all tasks make progress. A source that is away does not stop any of
/// them.
async fn watch_liveness(liveness: &Liveness, limit: Duration, notifier: &Notifier) {
    let mut interval = interval(limit.mul_f64(0.25).max(Duration::from_millis(1)));
    loop {
        interval.tick().await;
        match liveness.stuck() {
            None => notifier.watchdog(),
            Some(task) => tracing::error!(
                task,
                "the {task} task is stuck; waiting for systemd to restart the service"
            ),
        }
    }
}
