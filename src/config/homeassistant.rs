//! The keys of Home Assistant.

use super::{entries::Entries, entry::Entry, openhab::HOST, secret, values};
use crate::source::{
    endpoint::Endpoint,
    homeassistant::{self, HomeAssistantConfig},
    secret::SecretSource,
};

/// The keys that have a meaning for Home Assistant alone.
pub(super) const KEYS: [&str; 3] =
    ["homeassistant_token_file", "homeassistant_token", "homeassistant_ca_file"];

/// Takes the keys of Home Assistant, whose address is given by `host`.
pub(super) fn read(
    entries: &mut Entries<'_>,
    host: &Entry,
    old_token: Option<&Entry>,
) -> HomeAssistantConfig {
    let endpoint = entries.parse_unshown(host, HOST, |text| homeassistant::parse_host(text).ok());
    let token = secret::read(entries, "homeassistant_token_file", "homeassistant_token");
    let old_token = old_token.and_then(|entry| secret::given(entries, entry));
    HomeAssistantConfig {
        endpoint: endpoint.unwrap_or_else(|| Endpoint::localhost(8123)),
        token: token.or(old_token.map(SecretSource::Given)),
        ca_file: values::path(entries, "homeassistant_ca_file"),
        is_supervisor: false,
    }
}
