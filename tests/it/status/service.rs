//! What the running service shows.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::rest;
use crate::harness::{
    files::{file, text},
    openhab::OpenHab,
    program::{outcome, program},
    service::{ITEMS, Service, example},
    until, within,
};

/// The service, its openHAB, and where its status page is.
struct Shown {
    openhab: OpenHab,
    service: Service,
    page: SocketAddr,
}

impl Shown {
    /// With these lines more in its configuration.
    async fn start(more: &str) -> Self {
        let openhab = OpenHab::start(&ITEMS);
        let config = format!("{}\nstatus_listen: 127.0.0.1:0\n{more}", example(openhab.address));
        let mut service = Service::listening(&config).await;
        let line = service.logs("the status page is on http://").await;
        let address = line.rsplit_once("http://").unwrap().1.trim_end_matches('/');
        let page = address.parse().unwrap();
        Self { openhab, service, page }
    }

    /// The content of a path.
    async fn get(&self, path: &str) -> String {
        let mut stream = within(TcpStream::connect(self.page)).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        within(stream.write_all(request.as_bytes())).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    async fn status(&self) -> Value {
        serde_json::from_str(&self.get("/api/status").await).unwrap()
    }

    /// Waits until a part of the status is as expected.
    async fn shows(&self, pointer: &str, expected: impl Into<Value>) {
        let expected = expected.into();
        until(async || self.status().await.pointer(pointer) == Some(&expected)).await;
    }
}

#[tokio::test]
async fn what_is_served_is_shown_with_the_words_of_openhab() {
    let mut shown = Shown::start("").await;
    shown.service.is_live().await;
    shown.shows("/meters/0/condition", "live").await;
    let status = shown.status().await;
    let at = |pointer: &str| status.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/meters/0/served/power_w/total"), -800.0);
    assert_eq!(at("/meters/0/served/exported_wh/l2"), 12_345_678.0);
    assert_eq!(at("/meters/0/values/0/state"), "12345.678 kWh");
    assert_eq!(at("/meters/0/values/0/item"), "inverter2_PV_E_total");
    assert_eq!(at("/sources/0/state"), "answers");
    assert_eq!(at("/meters/0/history"), Value::Null);
    let metrics = shown.get("/metrics").await;
    let energy = "fronius_smartmeter_energy_joules_total{meter=\"27901134002\",phase=\"L2\",direction=\"export\"} \
                  44444440800\n";
    assert!(metrics.contains(energy), "{metrics}");
    assert!(shown.get("/").await.contains("12345.678 kWh"));
}

#[tokio::test]
async fn a_read_of_values_is_a_poll_and_one_of_the_identity_is_none() {
    let mut shown = Shown::start("").await;
    shown.service.is_live().await;
    let mut client = shown.service.client().await;
    client.read_of(2, 40_000, 69).await.unwrap();
    shown.shows("/meters/0/polls/answered", 1).await;
    shown.shows("/meters/0/polls/last", Value::Null).await;
    client.read_of(2, 40_069, 4).await.unwrap();
    client.read_of(2, 50_000, 1).await.unwrap_err();
    shown.shows("/meters/0/polls/refused/0/count", 1).await;
    let last = shown.status().await["meters"][0]["polls"]["last"].clone();
    assert_eq!((&last["start"], &last["count"]), (&40_069.into(), &4.into()));
    assert_eq!(last["client"], "127.0.0.1");
    shown.service.logs("client 127.0.0.1 polls").await;
}

#[tokio::test]
async fn an_outage_of_openhab_is_shown_and_is_no_fault_of_the_service() {
    let mut shown = Shown::start("stale_after: 2s\npoll_interval: 200ms\n").await;
    shown.service.is_live().await;
    shown.openhab.stop().await;
    shown.shows("/sources/0/state", "away").await;
    shown.shows("/meters/0/condition", "stale").await;
    let status = shown.status().await;
    assert!(status["sources"][0]["fault"].as_str().is_some_and(|fault| fault.contains("connect")));
    assert!(!shown.get("/metrics").await.contains("power_watts"), "a stale value");
    let health: Value = serde_json::from_str(&shown.get("/health").await).unwrap();
    assert_eq!(
        (&health["status"], &health["sources"][0]["state"]),
        (&"serving".into(), &"away".into())
    );
}

#[tokio::test]
async fn no_secret_is_shown() {
    let secret = file("oh.planted.secret");
    let shown = Shown::start(&format!("openhab_token_file: {}\n", text(secret.path()))).await;
    for path in ["/", "/api/status?plot", "/metrics", "/health"] {
        assert!(!shown.get(path).await.contains("planted"), "{path}");
    }
    assert!(shown.status().await["configuration"].as_str().unwrap().contains("openhab_token_file"));
}

#[tokio::test]
async fn health_asks_the_page_or_else_the_meter() {
    let mut shown = Shown::start("").await;
    shown.service.is_live().await;
    let health = async |keys: String| {
        let config = file(&format!("{}\n{keys}", example("127.0.0.1:1")));
        outcome(&mut program(&["health", "--config", text(config.path())])).await
    };
    let page = health(format!("status_listen: {}", shown.page)).await;
    assert_eq!((page.code, page.out), (Some(0), format!("{} answers\n", shown.page)));
    let meter = health(format!("modbus_listen: {}", shown.service.address)).await;
    assert_eq!((meter.code, meter.out.as_str()), (Some(0), "the meter answers\n"));
    shown.shows("/meters/0/polls/last", Value::Null).await;

    let (_bound, nobody) = crate::harness::net::unused_address();
    for keys in [format!("status_listen: {nobody}"), format!("modbus_listen: {nobody}")] {
        let refused = health(keys).await;
        assert_eq!(refused.code, Some(69));
        assert!(
            refused.err.starts_with(&format!("cannot connect to {nobody}: ")),
            "{}",
            refused.err
        );
    }
}
