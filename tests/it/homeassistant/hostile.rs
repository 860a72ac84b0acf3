//! Whatever comes, it takes a bounded time and little memory: the session ends, and another begins.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::harness::{
    clock::{FastClock, LEAP},
    homeassistant::{
        Act, Heard, HomeAssistant, QUICK,
        answers::{AUTH_OK, AUTH_REQUIRED, house, result, say},
        frames,
    },
    log::Log,
    source::{POWER, RunningSource},
};

/// More than a message may have.
const TOO_LARGE: usize = 5 * 1024 * 1024;

/// Acts on the command for entities, after a good login.
fn after_login(
    acts: impl Fn() -> Vec<Act> + Send + 'static,
) -> impl FnMut(&Heard) -> Vec<Act> + Send + 'static {
    let mut healthy = house();
    move |heard| if heard.kind() == "subscribe_entities" { acts() } else { healthy(heard) }
}

/// The session must end within this time, and the source get over it.
async fn assert_ends(name: &str, behaviour: impl FnMut(&Heard) -> Vec<Act> + Send + 'static) {
    println!("{name}");
    let log = Log::start(Level::TRACE);
    let mut homeassistant = HomeAssistant::start(behaviour);
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    let started = Instant::now();
    homeassistant.hears("request", 1).await;
    while homeassistant.heard("request").len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "{name}: {}", log.text());
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(source.value(POWER), None, "{name}");
    let lines = log.source_lines("WARN");
    assert!((1..=2).contains(&lines.len()), "{name}: {lines:#?}");
    assert!(lines.iter().all(|line| line.len() < 500), "{name}: {lines:#?}");
    homeassistant.behave(house());
    // The session that has begun meanwhile takes its time as well.
    sleep(Duration::from_secs(45)).await;
    source.power(800.0).await;
}

#[tokio::test]
async fn messages_that_are_none_end_the_session() {
    let _clock = FastClock::start_by(LEAP);
    let wrong: [(&str, Vec<u8>); 12] = [
        ("not JSON", frames::text("hello \u{1b}[2J")),
        ("not an object", frames::text("[[[[]]]]")),
        ("nested", frames::text(&"[".repeat(100_000))),
        ("no text", frames::frame(0x81, b"{\"type\":\"\xff\xfe\"}")),
        ("masked", [0x81, 0x82, 0, 0, 0, 0, b'{', b'}'].to_vec()),
        ("an unknown kind of frame", frames::frame(0x83, b"x")),
        ("a flag that was not agreed on", frames::frame(0xC1, b"{}")),
        ("a long ping", frames::frame(0x89, &[b'x'; 126])),
        ("a piece without a start", frames::frame(0x80, b"x")),
        ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("entities that are none", frames::text(r#"{"type":"event","id":1,"event":{"a":5}}"#)),
        (
            "a refusal",
            frames::text(r#"{"type":"result","id":1,"success":false,"error":{"code":"x"}}"#),
        ),
    ];
    for (name, bytes) in wrong {
        assert_ends(name, after_login(move || vec![Act::Send(bytes.clone())])).await;
    }
}

#[tokio::test]
async fn what_is_too_large_ends_the_session_before_it_has_arrived() {
    let _clock = FastClock::start_by(LEAP);
    assert_ends("a promise", after_login(|| vec![Act::Send(frames::head(0x81, TOO_LARGE))])).await;
    assert_ends(
        "the most there is",
        after_login(|| {
            let length = u64::MAX.to_be_bytes();
            vec![Act::Send([&[0x81, 127][..], &length].concat())]
        }),
    )
    .await;
    assert_ends(
        "pieces without end",
        after_login(|| {
            let piece = frames::frame(0x00, &vec![b'x'; 32 * 1024]);
            vec![Act::Send(frames::frame(0x01, b"{")), Act::FloodAndRead(piece)]
        }),
    )
    .await;
}

#[tokio::test]
async fn floods_that_say_nothing_are_not_taken_for_life() {
    let _clock = FastClock::start_by(Duration::from_millis(500));
    let pings = || frames::frame(0x89, &[b'p'; 125]).repeat(200);
    assert_ends("pings, nobody reads", after_login(move || vec![Act::Flood(pings())])).await;
    assert_ends("pings", after_login(move || vec![Act::FloodAndRead(pings())])).await;
    let binary = || frames::frame(0x82, &vec![b'b'; 60_000]);
    assert_ends("binary", after_login(move || vec![Act::FloodAndRead(binary())])).await;
    let pieces = [frames::frame(0x01, b""), frames::frame(0x00, b"").repeat(100_000)].concat();
    assert_ends("empty pieces", after_login(move || vec![Act::Send(pieces.clone())])).await;
}

#[tokio::test]
async fn a_server_that_says_no_more_at_any_step_is_left() {
    let _clock = FastClock::start_by(LEAP);
    assert_ends("no answer", |_| vec![]).await;
    assert_ends("half a head", |_| vec![Act::Send(b"HTTP/1.1 101 Sw".to_vec())]).await;
    assert_ends("no greeting", |heard| match heard {
        Heard::Request(head) => vec![Act::Send(frames::switching(head))],
        _ => vec![],
    })
    .await;
    assert_ends("half a greeting", |heard| match heard {
        Heard::Request(head) => {
            let greeting = frames::text(AUTH_REQUIRED);
            vec![Act::Send([&frames::switching(head), &greeting[..20]].concat())]
        }
        _ => vec![],
    })
    .await;
    assert_ends("no login", |heard| match heard {
        Heard::Request(head) => vec![Act::Send(frames::switching(head)), say(AUTH_REQUIRED)],
        _ => vec![],
    })
    .await;
    assert_ends("nothing after the login", |heard| match heard {
        Heard::Request(head) => vec![Act::Send(frames::switching(head)), say(AUTH_REQUIRED)],
        heard if heard.kind() == "auth" => vec![say(AUTH_OK)],
        _ => vec![],
    })
    .await;
    assert_ends("pongs without entities", after_login(Vec::new)).await;
    assert_ends("no entities", after_login(|| vec![say(&result(1, "null"))])).await;
    assert_ends(
        "half a message",
        after_login(|| vec![Act::Send(frames::head(0x81, 1000)), Act::Send(b"{\"type\"".to_vec())]),
    )
    .await;
}

#[tokio::test]
async fn what_is_no_web_socket_is_not_taken_for_one() {
    let _clock = FastClock::start_by(LEAP);
    let heads: [(&str, Vec<u8>); 5] = [
        ("another key", frames::agreeing("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("no proof", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec()),
        ("a page", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()),
        ("elsewhere", b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:9/\r\n\r\n".to_vec()),
        ("an endless head", [b"HTTP/1.1 101 S\r\n".to_vec(), b"X: x\r\n".repeat(1000)].concat()),
    ];
    for (name, head) in heads {
        assert_ends(name, move |heard| match heard {
            Heard::Request(_) => vec![Act::Send(head.clone()), say(AUTH_REQUIRED)],
            Heard::Message(_) => panic!("it goes on"),
            _ => vec![],
        })
        .await;
    }
}

#[tokio::test]
async fn what_nobody_asked_for_does_no_harm() {
    let mut homeassistant = HomeAssistant::start(house());
    let mut source = RunningSource::start(&homeassistant.config(QUICK));
    source.power(800.0).await;
    for message in [
        r#"{"type":"pong"}"#,
        r#"{"type":"pong","id":18446744073709551615}"#,
        r#"{"type":"event","id":77,"event":{"a":{"sensor.p":{"s":"1"}}}}"#,
        r#"{"type":"event","id":1,"event":{"a":{"sensor.other":{"s":"1"}},"r":["sensor.q"]}}"#,
        r#"{"type":"event","id":1,"event":{"z":{},"c":{"sensor.p":{}}}}"#,
        r#"{"type":"result","id":2,"success":true,"result":{"state":{}}}"#,
        r#"{"type":"auth_required"}"#,
        r#"{"type":"event","id":1}"#,
    ] {
        homeassistant.say(message);
    }
    homeassistant.send(frames::frame(0x82, b"binary"));
    homeassistant.send(frames::frame(0x8A, b"unasked"));
    homeassistant.event(r#"{"c":{"sensor.p":{"+":{"s":"801"}}}}"#);
    source.power(801.0).await;
    homeassistant.hears("ping", 1).await;
    assert_eq!(homeassistant.heard("request").len(), 1);
}
