//! A WebSocket to Home Assistant, with a limit on every wait and every size.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, Limits, Message, Payload, WebSocketStream};

use super::{SessionError, message::Incoming};
use crate::source::http::Client;

/// The largest message, in bytes. The attributes of an entity may be large, and a first answer has
/// those of all wanted entities.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Time limit for sending a message, and for each step of the login.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// An open WebSocket, whose server knows who we are.
pub(super) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
}

impl Socket {
    /// Connects, and logs in with `token`.
    ///
    /// # Errors
    /// Returns an error if Home Assistant cannot be reached, or refuses the token.
    pub(super) async fn open(
        client: &Client,
        path: &str,
        token: &str,
    ) -> Result<Self, SessionError> {
        let connection = client.web_socket(path).await?;
        let limits = Limits::default().max_payload_len(Some(MAX_MESSAGE));
        let stream = ClientBuilder::new().limits(limits).take_over(connection);
        let mut socket = Self { stream };
        socket.log_in(token).await?;
        Ok(socket)
    }

    async fn log_in(&mut self, token: &str) -> Result<(), SessionError> {
        #[derive(Serialize)]
        struct Auth<'a> {
            r#type: &'static str,
            access_token: &'a str,
        }
        self.step("auth_required", token).await?;
        self.send(&Auth { r#type: "auth", access_token: token }).await?;
        self.step("auth_ok", token).await
    }

    /// Waits for the next message, which should be of this kind. An error may show what came, but not
    /// the token in it: some servers repeat what they do not understand.
    async fn step(&mut self, expected: &'static str, token: &str) -> Result<(), SessionError> {
        let text =
            timeout(STEP_LIMIT, self.receive()).await.map_err(|_| SessionError::Silent)??;
        let text = text.as_text().replace(token, "***");
        let message = Incoming::parse(&text)?;
        match &*message.kind {
            kind if kind == expected => Ok(()),
            "auth_invalid" => Err(SessionError::refused(message.message.as_deref())),
            _ => Err(SessionError::unexpected(&text)),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Returns an error if the connection has broken, or takes nothing.
    pub(super) async fn send(&mut self, message: &impl Serialize) -> Result<(), SessionError> {
        // Cannot fail: the keys of all messages are texts.
        let text = serde_json::to_string(message).unwrap_or_default();
        let sent = timeout(STEP_LIMIT, self.stream.send(Message::text(text))).await;
        Ok(sent.map_err(|_| SessionError::Silent)??)
    }

    /// Waits for the next message of text. The caller limits the time. Nothing is lost if this is
    /// dropped while it waits.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub(super) async fn receive(&mut self) -> Result<Text, SessionError> {
        loop {
            let message = self.stream.next().await.ok_or(SessionError::Closed)??;
            if message.is_text() {
                return Ok(Text(message.into_payload()));
            }
            if message.is_close() {
                // Home Assistant waits for the answer before it stops. Whether it arrives is its affair.
                let _ = timeout(STEP_LIMIT, self.stream.close()).await;
                return Err(SessionError::Closed);
            }
            // The answer to a ping must go out before the next one is taken: nothing may pile up here.
            timeout(STEP_LIMIT, self.stream.flush()).await.map_err(|_| SessionError::Silent)??;
        }
    }
}

/// A message of text.
pub(super) struct Text(Payload);

impl Text {
    pub(super) fn as_text(&self) -> &str {
        // The protocol has it checked already.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}
