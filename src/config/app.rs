//! What is known by itself inside the app of Home Assistant.

use std::env;

/// The port that the Supervisor asks for pages, unless the app says otherwise.
pub(super) const INGRESS_PORT: u16 = 8099;

/// Whether this is the app.
pub(super) fn is_here() -> bool {
    supervisor_token().is_some()
}

/// The token that the Supervisor gives to each app.
pub(super) fn supervisor_token() -> Option<String> {
    env::var("SUPERVISOR_TOKEN").ok().filter(|token| !token.is_empty())
}
