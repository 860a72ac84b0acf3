//! From HTTP to WebSocket.

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::Empty;
use hyper::{
    Response, StatusCode,
    body::Incoming,
    header::{
        CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
    upgrade::{self, Upgraded},
};
use hyper_util::rt::TokioIo;
use ring::{
    digest,
    rand::{self, SystemRandom},
};
use tokio::time::timeout_at;

use super::{Client, HttpError, request};

/// What a server adds to the key before it hashes it (RFC 6455).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server answers with something else.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// The server agrees, but not to this.
    #[error("the answer is not that of a WebSocket server")]
    NotAWebSocket,
}

impl Client {
    /// Makes a new connection for a WebSocket at `path`, relative to the path of the endpoint. No
    /// credentials are sent along, and no redirect is followed.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached in time, or does not agree.
    pub async fn web_socket(&self, path: &str) -> Result<TokioIo<Upgraded>, UpgradeError> {
        let endpoint = || self.configured.to_string();
        let deadline = self.deadline();
        let key = key();
        let request = request(&self.configured, path)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key)
            .body(Empty::new())
            .map_err(|source| HttpError::Request { endpoint: endpoint(), source })?;
        let mut connection = self.connect(&self.configured, deadline).await?;
        let broken = |source| HttpError::Protocol { endpoint: endpoint(), source };
        let agreed = async {
            let answer = connection.send_request(request).await.map_err(broken)?;
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(UpgradeError::Status(answer.status()));
            }
            if !has_accepted(&answer, &key) {
                return Err(UpgradeError::NotAWebSocket);
            }
            Ok(TokioIo::new(upgrade::on(answer).await.map_err(broken)?))
        };
        let agreed = timeout_at(deadline, agreed).await;
        agreed.unwrap_or_else(|_| Err(HttpError::Timeout(endpoint()).into()))
    }
}

/// Sixteen random bytes. What they are is no secret: they only show that the answer is one to this
/// question.
fn key() -> String {
    let bytes = rand::generate::<[u8; 16]>(&SystemRandom::new()).map(rand::Random::expose);
    BASE64_STANDARD.encode(bytes.unwrap_or_default())
}

/// Whether the answer is that of a server which has understood the key.
fn has_accepted(answer: &Response<Incoming>, key: &str) -> bool {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    let accept = answer.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    accept == Some(BASE64_STANDARD.encode(hash).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_and_new_each_time() {
        assert_eq!(BASE64_STANDARD.decode(key()).unwrap().len(), 16);
        assert_ne!(key(), key());
    }
}
