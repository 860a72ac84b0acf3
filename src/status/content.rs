//! What there is under each path.

use std::borrow::Cow;

use hyper::StatusCode;

use super::{
    answer::Answer,
    api,
    board::Board,
    health::Health,
    metrics, page,
    request::{Asked, Path},
};

/// The type of the answers for programs.
const JSON: &str = "application/json";

/// Answers a request.
#[must_use]
pub fn answer(board: &Board, asked: &Asked) -> Answer {
    let ok = |content_type, body: Vec<u8>| Answer::new(StatusCode::OK, content_type, body);
    match asked.path {
        Path::Page => {
            let page::Page { html, security_policy } =
                page::page(&board.snapshot(asked.with_history), asked.language);
            Answer {
                security_policy: Cow::Owned(security_policy),
                ..ok("text/html; charset=utf-8", html.into_bytes())
            }
        }
        Path::Status => ok(JSON, api::status(&board.snapshot(asked.with_history), asked.language)),
        Path::Metrics => {
            ok(metrics::TEXT_FORMAT, metrics::text(&board.snapshot(false)).into_bytes())
        }
        Path::Health => {
            let snapshot = board.snapshot(false);
            // Cannot fail: its keys are texts.
            ok(JSON, serde_json::to_vec(&Health::of(&snapshot)).unwrap_or_default())
        }
    }
}
