//! What a Home Assistant answers.

use serde_json::Value;

use super::{Act, Heard, frames};

pub(crate) const AUTH_REQUIRED: &str = r#"{"type":"auth_required","ha_version":"2025.4.4"}"#;
pub(crate) const AUTH_OK: &str = r#"{"type":"auth_ok","ha_version":"2025.4.4"}"#;
pub(crate) const AUTH_INVALID: &str =
    r#"{"type":"auth_invalid","message":"Invalid access token or password"}"#;

/// The house of these tests: its energy and its power.
pub(crate) const HOUSE: &str = r#"{"a":{
    "sensor.e":{"s":"12345.678","a":{"unit_of_measurement":"kWh"},"c":"01M8","lc":1795713124.5},
    "sensor.p":{"s":"800","a":{"unit_of_measurement":"W"},"c":"01M8","lc":1795713124.5}}}"#;

/// The same, as the readings show it, in Wh.
pub(crate) const HOUSE_ENERGY: f64 = 12_345_678.0;

/// It has started completely, or not yet.
pub(crate) const RUNNING: &str = r#"{"state":"RUNNING","version":"2025.4.4"}"#;
pub(crate) const NOT_RUNNING: &str = r#"{"state":"NOT_RUNNING","version":"2025.4.4"}"#;

pub(crate) fn say(message: &str) -> Act {
    Act::Send(frames::text(message))
}

/// The command with this id was understood.
pub(crate) fn result(id: u64, result: &str) -> String {
    format!(r#"{{"id":{id},"type":"result","success":true,"result":{result}}}"#)
}

/// With the id last, as in most messages.
pub(crate) fn event(id: u64, event: &str) -> String {
    format!(r#"{{"type":"event","event":{event},"id":{id}}}"#)
}

/// An entity of the house was given this state.
pub(crate) fn changed(entity: &str, state: &str) -> String {
    format!(r#"{{"c":{{"{entity}":{{"+":{{"s":"{state}","lc":1795713200.5,"c":"01M8"}}}}}}}}"#)
}

/// What a template is rendered to.
pub(crate) fn rendered(id: u64, result: &str) -> String {
    let listeners = r#"{"all":false,"entities":[],"domains":["sensor"],"time":true}"#;
    event(id, &format!(r#"{{"result":{result},"listeners":{listeners}}}"#))
}

/// The house, as [`HOUSE`] says.
pub(crate) fn house() -> impl FnMut(&Heard) -> Vec<Act> + Send + 'static {
    home(HOUSE, RUNNING, r#""sensor.e sensor.p sun.sun""#)
}

/// A Home Assistant that behaves: with these entities at first, in this state, and the names or ages
/// that it renders.
pub(crate) fn home(
    entities: &'static str,
    state: &'static str,
    template: &'static str,
) -> impl FnMut(&Heard) -> Vec<Act> + Send + 'static {
    move |heard| match heard {
        Heard::Request(request) => {
            vec![Act::Send(frames::switching(request)), say(AUTH_REQUIRED)]
        }
        Heard::Message(message) => answer(message, entities, state, template),
        Heard::Control(0x88) => vec![Act::Close],
        _ => vec![],
    }
}

fn answer(message: &Value, entities: &str, state: &str, template: &str) -> Vec<Act> {
    let kind = message["type"].as_str().unwrap();
    if kind == "auth" {
        let known = message["access_token"] == super::TOKEN;
        return if known { vec![say(AUTH_OK)] } else { vec![say(AUTH_INVALID), Act::Close] };
    }
    let id = message["id"].as_u64().unwrap();
    match kind {
        "ping" => vec![say(&format!(r#"{{"id":{id},"type":"pong"}}"#))],
        "get_config" => vec![say(&result(id, state))],
        "subscribe_entities" => {
            let entities = entities.replace('\n', "");
            vec![say(&result(id, "null")), say(&event(id, &entities))]
        }
        "render_template" => vec![say(&result(id, "null")), say(&rendered(id, template))],
        "unsubscribe_events" => vec![say(&result(id, "null"))],
        other => panic!("an unknown command: {other}"),
    }
}
