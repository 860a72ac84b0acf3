//! The source that is asked: which it is, and what it has.

use std::path::{Path, PathBuf};

use super::{
    args::SetupArgs,
    ask,
    error::SetupError,
    file::{absolute, token_name},
    value::Value,
};
use crate::{
    commands::progress,
    meter::{
        reading::Freshness,
        units::{Quantity, Unit},
    },
    source::{
        ListedItem, ProbeError, Source, SourceConfig, SourceKind,
        homeassistant::{self, HomeAssistantConfig},
        openhab::{self, OpenHab, OpenHabConfig, credentials::Credentials},
        secret::SecretSource,
    },
    text::printable,
};

/// A source, and what it has.
pub(super) struct Connection {
    pub(super) kind: SourceKind,
    /// The address as it was given.
    pub(super) host: String,
    /// The token, if there is one.
    pub(super) token: Option<Token>,
    /// The certificates to trust, if they are not the system's.
    pub(super) ca_file: Option<PathBuf>,
    pub(super) items: Vec<ListedItem>,
    source: Source,
}

/// A token, and where it came from.
#[derive(Clone)]
pub(super) enum Token {
    File(PathBuf),
    Entered(String),
}

impl Token {
    fn secret(&self) -> SecretSource {
        match self {
            Self::File(path) => SecretSource::File(path.clone()),
            Self::Entered(token) => SecretSource::Given(token.clone()),
        }
    }
}

impl Connection {
    /// Connects to what the arguments name. The token is the one that is given, or is beside the
    /// configuration already; otherwise it is asked for if that is needed.
    pub(super) async fn open(args: &SetupArgs, config: &Path) -> Result<Self, SetupError> {
        let (kind, host) = args.target().map_err(SetupError::Usage)?;
        let ca_file = args.ca_file.as_deref();
        let kind = match kind {
            Some(kind) => kind,
            None => {
                let asking = format!("asking what answers at {}", printable(host));
                progress::during(&asking, Box::pin(recognise(host, ca_file))).await?
            }
        };
        let present = Some(config.with_file_name(token_name(kind))).filter(|path| path.is_file());
        let token_file = args.token_file.as_deref().or(present.as_deref());
        let mut token = token_file.map(|path| Token::File(absolute(path)));
        if token.is_none() && kind == SourceKind::HomeAssistant {
            token = Some(ask_for_token(args, kind)?);
        }
        let build = |token: Option<Token>| {
            let config = source(kind, host, token.as_ref(), ca_file)?;
            Ok::<_, SetupError>(config.build(Freshness::default())?)
        };
        let mut source = build(token.clone())?;
        let items = match list(&source).await {
            Err(error) if token.is_none() && error.wants_credentials() => {
                token = Some(ask_for_token(args, kind)?);
                source = build(token.clone())?;
                list(&source).await?
            }
            listed => listed?,
        };
        let (host, ca_file) = (host.to_owned(), ca_file.map(absolute));
        Ok(Self { kind, host, token, ca_file, items, source })
    }

    /// The source, as a configuration has it.
    pub(super) fn config(&self) -> Result<SourceConfig, SetupError> {
        source(self.kind, &self.host, self.token.as_ref(), self.ca_file.as_deref())
    }

    /// The highest power that these items have had lately, in W, as far as that is known. `unit` is that
    /// of states without one.
    pub(super) async fn highest_power(&self, value: &Value) -> Option<f64> {
        let mut watts = 0.0;
        for name in value.items.names() {
            let state = self.items.iter().find(|item| item.name == name).map(|item| &item.state);
            let symbol = state.and_then(|state| state.split_once(' ')).map(|(_, symbol)| symbol);
            let symbol = symbol.or(value.unit.as_deref()).unwrap_or("W");
            let unit = Unit::parse(Quantity::Power, symbol).ok()?;
            let highest = self.source.highest(name);
            watts +=
                unit.to_base(progress::during("looking for the highest power", highest).await?);
        }
        Quantity::Power.plausible_range().contains(&watts).then_some(watts)
    }
}

fn ask_for_token(args: &SetupArgs, kind: SourceKind) -> Result<Token, SetupError> {
    if args.yes {
        return Err(SetupError::NoToken(kind));
    }
    let (question, help) = match kind {
        SourceKind::OpenHab => {
            ("API token for openHAB:", "create one in openHAB: your profile, API tokens")
        }
        SourceKind::HomeAssistant => (
            "Long-lived access token of Home Assistant:",
            "create one in Home Assistant: your profile, Security, Long-lived access tokens",
        ),
    };
    Ok(Token::Entered(ask::secret(question, help)?))
}

/// Asks a source for its items.
async fn list(source: &Source) -> Result<Vec<ListedItem>, ProbeError> {
    progress::during("asking for all that there is", source.list()).await
}

/// What is known of a source before its items are chosen.
pub(super) fn source(
    kind: SourceKind,
    host: &str,
    token: Option<&Token>,
    ca_file: Option<&Path>,
) -> Result<SourceConfig, SetupError> {
    let token = token.map(Token::secret);
    let ca_file = ca_file.map(absolute);
    let invalid = |error| SetupError::Address(host.to_owned(), error);
    Ok(match kind {
        SourceKind::OpenHab => SourceConfig::OpenHab(OpenHabConfig {
            credentials: Credentials { token, login: None },
            ca_file,
            ..OpenHabConfig::at(openhab::parse_host(host).map_err(invalid)?)
        }),
        SourceKind::HomeAssistant => SourceConfig::HomeAssistant(HomeAssistantConfig {
            endpoint: homeassistant::parse_host(host).map_err(invalid)?,
            token,
            ca_file,
            is_supervisor: false,
        }),
    })
}

/// Which of them answers there.
async fn recognise(host: &str, ca_file: Option<&Path>) -> Result<SourceKind, SetupError> {
    let greet = async |kind| match source(kind, host, None, ca_file)? {
        SourceConfig::OpenHab(config) => {
            Ok::<_, SetupError>(OpenHab::new(config, Freshness::default())?.greet().await)
        }
        SourceConfig::HomeAssistant(config) => Ok(homeassistant::greet(&config).await),
    };
    match tokio::try_join!(greet(SourceKind::OpenHab), greet(SourceKind::HomeAssistant))? {
        (Ok(()), _) => Ok(SourceKind::OpenHab),
        (_, Ok(())) => Ok(SourceKind::HomeAssistant),
        (Err(openhab), Err(homeassistant)) => {
            let (openhab, homeassistant) = (Box::new(openhab), Box::new(homeassistant));
            Err(SetupError::Nobody { host: host.to_owned(), openhab, homeassistant })
        }
    }
}
