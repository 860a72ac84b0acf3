//! Why there is no session with Home Assistant.

use hyper::StatusCode;

use crate::{
    source::{http::UpgradeError, secret::SecretError},
    text::excerpt,
};

/// Why a connection could not be made, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no WebSocket.
    #[error(transparent)]
    Upgrade(UpgradeError),
    /// Home Assistant answers with something else.
    #[error("Home Assistant answers {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    /// The token cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The token is not accepted.
    #[error("Home Assistant refuses the token: {0}")]
    Refused(String),
    /// It has said goodbye.
    #[error("Home Assistant has closed the connection")]
    Closed,
    /// The connection has broken, or what came was not the protocol.
    #[error("the connection to Home Assistant broke: {0}")]
    Broken(#[from] tokio_websockets::Error),
    /// Nothing came for too long.
    #[error("Home Assistant does not answer")]
    Silent,
    /// It sent something that does not belong there.
    #[error("Home Assistant sent an unexpected message: {0}")]
    Unexpected(String),
}

/// What a status may mean, and what to do about it.
fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => {
            " (has it banned this address? Then remove it from ip_bans.yaml there, and restart Home \
             Assistant)"
        }
        StatusCode::NOT_FOUND => " (is it Home Assistant that answers there?)",
        StatusCode::BAD_GATEWAY => " (it may be starting)",
        _ => "",
    }
}

impl From<UpgradeError> for SessionError {
    fn from(error: UpgradeError) -> Self {
        match error {
            UpgradeError::Status(status) => Self::Status(status),
            other => Self::Upgrade(other),
        }
    }
}

impl SessionError {
    pub(super) fn refused(message: Option<&str>) -> Self {
        Self::Refused(excerpt(message.unwrap_or("without a reason")))
    }

    pub(super) fn unexpected(text: &str) -> Self {
        Self::Unexpected(excerpt(text))
    }

    /// Whether it does not let us in. Home Assistant may ban an address that keeps trying.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Status(StatusCode::FORBIDDEN))
    }
}
