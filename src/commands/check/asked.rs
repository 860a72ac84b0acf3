//! What the sources answer.

use std::io;

use hyper::StatusCode;

use super::{Finding, Row, item::sign_currents, problem, report::SourceReport};
use crate::{
    config::{Config, ConfiguredMeter},
    meter::{binding::Binding, reading::Freshness},
    source::{
        ItemProblem, Probe, ProbeError, SetupError, SourceConfig, SourceKind,
        homeassistant::SessionError, http::HttpError, secret::SecretError,
    },
};

/// What was asked of the sources, and what is wrong with the answers.
pub(super) struct Asked {
    pub(super) sources: Vec<SourceReport>,
    /// Of each meter, in the order of the configuration; empty where its source does not answer.
    pub(super) rows: Vec<Vec<Row>>,
    pub(super) findings: Vec<Finding>,
}

/// Asks the sources for all items.
pub(super) async fn ask(config: &Config) -> Asked {
    let mut asked = Asked {
        sources: Vec::new(),
        rows: config.meters.iter().map(|_| Vec::new()).collect(),
        findings: Vec::new(),
    };
    for source in &config.sources {
        let wanted = wanted(&config.meters, source.kind());
        let answers = match answers(source, config.freshness, &wanted).await {
            Ok(probes) => {
                for ((place, binding), probe) in wanted.into_iter().zip(probes) {
                    let (rows, meter) = (asked.rows.get_mut(place), config.meters.get(place));
                    if let (Some(rows), Some(meter)) = (rows, meter) {
                        rows.push(Row::new(probe, meter, binding));
                    }
                }
                true
            }
            Err(Unusable { answers, finding }) => {
                asked.findings.push(finding);
                answers
            }
        };
        let (kind, name) = (source.kind(), source.to_string());
        asked.sources.push(SourceReport { kind, name, answers });
    }
    for (meter, rows) in config.meters.iter().zip(&mut asked.rows) {
        sign_currents(meter.config.role, rows);
        asked.findings.extend(problem::findings(meter, rows));
    }
    asked
}

/// The items of a source, each with the place of its meter.
fn wanted(meters: &[ConfiguredMeter], kind: SourceKind) -> Vec<(usize, &Binding)> {
    let meters = meters.iter().enumerate().filter(|(_, meter)| meter.source == kind);
    meters
        .flat_map(|(place, meter)| meter.bindings.iter().map(move |binding| (place, binding)))
        .collect()
}

/// A source that says nothing of any item.
struct Unusable {
    /// It answers as what it should be.
    answers: bool,
    finding: Finding,
}

/// What a source says of these items, in their order.
async fn answers(
    source: &SourceConfig,
    freshness: Freshness,
    wanted: &[(usize, &Binding)],
) -> Result<Vec<Probe>, Unusable> {
    let unusable = |answers, finding| Unusable { answers, finding };
    let source = source.clone().build(freshness).map_err(|error| unusable(false, setup(&error)))?;
    let bindings: Vec<_> = wanted.iter().map(|(_, binding)| *binding).collect();
    let probes =
        source.probe(&bindings).await.map_err(|error| unusable(false, unreachable(&error)))?;
    let problems = || probes.iter().filter_map(|probe| probe.value.as_ref().err());
    let are_all = |is_such: fn(&ItemProblem) -> bool| {
        problems().count() == probes.len() && problems().all(is_such)
    };
    let Some(first) = problems().next() else { return Ok(probes) };
    if are_all(|problem| matches!(problem, ItemProblem::Unanswered(_))) {
        let silent = Finding::failure(format!("{first}, whatever the item"));
        return Err(unusable(
            false,
            silent.remedy("see that openhab_host is right, and how openHAB is"),
        ));
    }
    if are_all(|problem| !matches!(problem, ItemProblem::State(_) | ItemProblem::NoEntity(_)))
        && let Err(stranger) = source.greet().await
    {
        let remedy = "correct openhab_host, or wait if openHAB is still starting";
        return Err(unusable(false, Finding::failure(stranger.to_string()).remedy(remedy)));
    }
    if are_all(is_refusal) {
        return Err(unusable(true, Finding::failure(first.to_string())));
    }
    Ok(probes)
}

fn is_refusal(problem: &ItemProblem) -> bool {
    matches!(problem, ItemProblem::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
}

/// Secrets or certificates that cannot be used.
fn setup(error: &SetupError) -> Finding {
    let finding = Finding::wrong(error.to_string());
    match error {
        SetupError::Secret(SecretError::Unreadable { source, .. })
            if source.kind() == io::ErrorKind::PermissionDenied =>
        {
            finding.remedy("run this as root, or as a user who may read it")
        }
        _ => finding,
    }
}

/// A source that is away.
fn unreachable(error: &ProbeError) -> Finding {
    let finding = Finding::failure(error.to_string());
    match error {
        ProbeError::OpenHab(HttpError::Connect { source, .. }) if is_nobody(source) => {
            finding.remedy("see that openHAB runs, and that openhab_host is its address")
        }
        ProbeError::HomeAssistant(SessionError::Upgrade(_)) => finding
            .remedy("see that Home Assistant runs, and that homeassistant_host is its address"),
        ProbeError::HomeAssistant(SessionError::Refused(_)) => finding.remedy(
            "create a long-lived access token in Home Assistant, and put it into \
             homeassistant_token_file",
        ),
        _ => finding,
    }
}

/// Whether nobody answers there. Other errors come with what may help.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut)
}
