//! How Home Assistant is entered: with a token, which must not be tried too often, nor shown.

use std::{fs, time::Duration};

use tokio::time::sleep;
use tracing::Level;

use crate::harness::{
    clock::{FastClock, LEAP},
    homeassistant::{
        Act, Heard, HomeAssistant, TOKEN,
        answers::{AUTH_INVALID, AUTH_REQUIRED, home, house, say},
        frames,
    },
    log::Log,
    source::{POWER, RunningSource, failure},
};

const BANNED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 14\r\n\r\n403: Forbidden";

/// When the connections came.
fn pauses(homeassistant: &HomeAssistant) -> Vec<Duration> {
    let requests = homeassistant.heard("request");
    requests.windows(2).map(|pair| pair[1].1 - pair[0].1).collect()
}

#[tokio::test]
async fn a_wrong_token_is_said_once_and_rarely_tried_again() {
    let _clock = FastClock::start_by(LEAP);
    let log = Log::start(Level::DEBUG);
    let homeassistant = HomeAssistant::start(house());
    fs::write(homeassistant.token_file(), "eyJ0.canary.wrong\n").unwrap();
    let config = homeassistant.config("");
    let source = RunningSource::start(&config);
    sleep(Duration::from_mins(4)).await;
    assert!((3..=4).contains(&homeassistant.heard("request").len()));
    assert!(pauses(&homeassistant).iter().all(|pause| pause.as_secs() >= 60));
    let lines = log.source_lines("WARN");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let said = "refuses the token: Invalid access token or password; trying again in a minute";
    assert!(lines[0].contains(said), "{lines:#?}");
    assert_eq!(source.value(POWER), None);

    // Nothing but the file has to be mended.
    fs::write(homeassistant.token_file(), format!("{TOKEN}\n")).unwrap();
    // A disk that takes longer than the clock leaves it to the attempt after the next.
    sleep(Duration::from_mins(4)).await;
    assert_eq!(source.value(POWER), Some(800.0));
}

#[tokio::test]
async fn a_ban_is_said_to_be_one() {
    let _clock = FastClock::start_by(LEAP);
    let log = Log::start(Level::DEBUG);
    let homeassistant = HomeAssistant::start(|_| vec![Act::Send(BANNED.to_vec())]);
    let mut source = RunningSource::start(&homeassistant.config(""));
    sleep(Duration::from_mins(4)).await;
    assert!((3..=4).contains(&homeassistant.heard("request").len()));
    assert!(pauses(&homeassistant).iter().all(|pause| pause.as_secs() >= 60));
    let lines = log.source_lines("WARN");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("403 Forbidden") && lines[0].contains("ip_bans.yaml"), "{lines:#?}");
    homeassistant.behave(house());
    sleep(Duration::from_secs(70)).await;
    source.power(800.0).await;
}

#[tokio::test]
async fn the_token_goes_out_only_when_it_is_asked_for() {
    let _clock = FastClock::start();
    for first in [r#"{"type":"hello"}"#, AUTH_INVALID, "[]"] {
        let mut homeassistant = HomeAssistant::start(move |heard: &Heard| match heard {
            Heard::Request(head) => vec![Act::Send(frames::switching(head)), say(first)],
            _ => vec![],
        });
        let _source = RunningSource::start(&homeassistant.config(""));
        homeassistant.hears("end", 1).await;
        assert_eq!(homeassistant.heard("auth").len(), 0);
        for (heard, _) in homeassistant.heard("request") {
            let Heard::Request(head) = heard else { unreachable!() };
            assert!(!head.contains("canary"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_sent_back_is_not_shown() {
    let _clock = FastClock::start();
    let log = Log::start(Level::TRACE);
    // One repeats what it does not understand, as Python does; one is a mirror.
    let echoes: [fn(&str) -> String; 3] = [
        |sent| format!(r#"{{"type":"auth_invalid","message":"not a token: {sent}"}}"#),
        |sent| format!(r#"{{"type":"auth","access_token":"{sent}"}}"#),
        |sent| format!("{}{sent}", "x".repeat(75)),
    ];
    for echo in echoes {
        let mut homeassistant = HomeAssistant::start(move |heard: &Heard| match heard {
            Heard::Request(head) => {
                vec![Act::Send(frames::switching(head)), say(AUTH_REQUIRED)]
            }
            Heard::Message(message) => {
                vec![say(&echo(message["access_token"].as_str().unwrap())), Act::Close]
            }
            _ => vec![],
        });
        let config = homeassistant.config("");
        let error = failure(&config).await;
        assert!(error.contains("***") || error.contains("xxx"), "{error}");
        assert!(!error.contains("eyJ0"), "{error}");
        let _source = RunningSource::start(&config);
        homeassistant.hears("auth", 1).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert!(!log.text().contains("eyJ0"), "{}", log.text());
    assert!(log.text().contains("***"), "{}", log.text());
}

#[tokio::test]
async fn below_a_path_and_by_another_name_it_is_reached() {
    let homeassistant = HomeAssistant::start(home(
        r#"{"a":{"sensor.p":{"s":"1.5","a":{"unit_of_measurement":"kW"}}}}"#,
        "{}",
        "[]",
    ));
    let host = format!("http://localhost:{}/house", homeassistant.address.port());
    let mut source = RunningSource::start(&homeassistant.config_at(host, ""));
    source.power(1500.0).await;
    let (Heard::Request(head), _) = &homeassistant.heard("request")[0] else { unreachable!() };
    assert!(head.starts_with("GET /house/api/websocket HTTP/1.1\r\n"), "{head}");
    // It would compress from the first frame on.
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "{head}");
}
