//! A meter with model 203, served by the program itself.

use std::{fmt::Display, net::SocketAddr};

use serde_json::{Map, Value};
use sunspec::{Model, models::model203::Model203};

use crate::harness::{
    client::{Client, ILLEGAL_ADDRESS, NO_TARGET, floats},
    files::{file, text},
    openhab::OpenHab,
    program::{outcome, program},
    service::Service,
    until,
};

const ITEMS: [(&str, &str); 6] = [
    ("Out", "20000.001 kWh"),
    ("In", "5000000 kWh"),
    ("P", "-800.4 W"),
    ("U", "231.4 V"),
    ("I", "3.46 A"),
    ("F", "49.98 Hz"),
];

/// A grid meter, whose export is negative.
fn config(openhab: impl Display) -> String {
    format!(
        "openhab_host: {openhab}\nrole: grid\nenergy_counter_out: Out\nenergy_counter_in: In\n\
         current_power: P\ncurrent_voltage: U\ncurrent_current: I\ncurrent_frequency: F\n\
         connected_phase: 2\nmax_power: 200000\n"
    )
}

/// The same with model 203.
fn integer(openhab: impl Display) -> String {
    format!("{}sunspec_model: 203\n", config(openhab))
}

/// The meter, once all of its items are in the registers.
async fn serve(openhab: &OpenHab) -> (Service, Client) {
    let mut service = Service::start(&integer(openhab.address));
    service.is_live().await;
    let mut client = service.client().await;
    until(async || {
        let read = model(&mut client).await;
        (read.aph_b, read.ph_v, read.hz) == (-35, 2314, 4998)
    })
    .await;
    (service, client)
}

/// What `read` shows.
async fn report(address: SocketAddr) -> Map<String, Value> {
    let shown = outcome(&mut program(&["read", &address.to_string(), "--json"])).await;
    serde_json::from_str(&shown.out).unwrap()
}

async fn model(client: &mut Client) -> Model203 {
    Model203::parse(&client.read(40_071, 105).await.unwrap()).unwrap()
}

#[tokio::test]
async fn model_203_has_the_values_as_integers_with_scale_factors() {
    let openhab = OpenHab::start(&ITEMS);
    let (service, mut client) = serve(&openhab).await;
    let header = client.read(40_068, 3).await.unwrap();
    assert_eq!(header, [1, 203, 105], "right behind the device address");
    assert_eq!(client.read(40_176, 2).await.unwrap(), [0xFFFF, 0]);
    let m = model(&mut client).await;
    // In steps of 10 W, as max_power is above 32 kW.
    assert_eq!((m.w, m.wph_b, m.w_sf), (-80, Some(-80), 1));
    assert_eq!((m.va, m.va_sf), (Some(80), Some(1)));
    assert_eq!((m.a, m.aph_a, m.a_sf), (-35, 0, -1));
    assert_eq!((m.ph_vph_a, m.ppv, m.v_sf), (2314, 4008, -1));
    assert_eq!((m.pf, m.pf_sf), (Some(-9997), Some(-2)));
    assert_eq!((m.tot_wh_exp, m.tot_wh_exp_ph_b), (20_000_001, Some(20_000_001)));
    // 5 GWh are more than 32 bits hold.
    assert_eq!((m.tot_wh_imp, m.tot_wh_sf), (705_032_704, 0));
    assert_eq!((m.tot_v_ah_sf, m.tot_v_arh_sf), (None, None), "not implemented");
    assert_eq!(m.evt.bits(), 0);
    service.stop().await;
}

#[tokio::test]
async fn model_203_ends_with_its_end_marker() {
    let openhab = OpenHab::start(&ITEMS);
    let (_service, mut client) = serve(&openhab).await;
    for (start, count, refusal) in [
        (40_053, 125, None),
        (40_177, 1, None),
        (40_054, 125, Some(ILLEGAL_ADDRESS)),
        (40_177, 2, Some(ILLEGAL_ADDRESS)),
        (40_178, 1, Some(ILLEGAL_ADDRESS)),
        (40_195, 2, Some(ILLEGAL_ADDRESS)),
    ] {
        let answer = client.read(start, count).await;
        assert_eq!(answer.err(), refusal, "{start}/{count}");
    }
}

#[tokio::test]
async fn model_203_without_values_is_refused_where_they_would_stand() {
    let openhab = OpenHab::start(&ITEMS);
    openhab.set("Out", "NULL");
    let service = Service::start(&integer(openhab.address));
    let mut client = service.client().await;
    for (start, count, refusal) in [
        (40_000, 71, None),
        (40_176, 2, None),
        (40_070, 2, Some(NO_TARGET)),
        (40_071, 1, Some(NO_TARGET)),
        (40_175, 1, Some(NO_TARGET)),
        (40_175, 2, Some(NO_TARGET)),
    ] {
        let answer = client.read(start, count).await;
        assert_eq!(answer.err(), refusal, "{start}/{count}");
    }
}

#[tokio::test]
async fn read_shows_both_models_alike() {
    let openhab = OpenHab::start(&ITEMS);
    let (integer, _) = serve(&openhab).await;
    let mut float = Service::start(&config(openhab.address));
    float.is_live().await;
    let mut client = float.client().await;
    until(async || {
        let values = floats(&client.read(40_071, 26).await.unwrap());
        (values[0], values[4], values[12]) == (-3.46, 231.4, 49.98)
    })
    .await;
    let (integer, float) = (report(integer.address).await, report(float.address).await);
    assert_eq!((&integer["ID"], &float["ID"]), (&203.into(), &213.into()));
    assert_eq!(integer.keys().collect::<Vec<_>>(), float.keys().collect::<Vec<_>>());
    // One counter has wrapped.
    let measured = ["A", "PhV", "PPV", "Hz", "W", "VA", "VAR", "PF", "TotWhExp"];
    for (point, value) in &float {
        let Some(block) = measured.into_iter().rfind(|block| point.starts_with(block)) else {
            continue;
        };
        // Half a step, but for the energy, which a float32 has in steps of 2 Wh.
        let tolerance = match block {
            "W" | "VA" | "VAR" => 5.0,
            "A" | "PhV" | "PPV" => 0.05,
            "Hz" => 0.005,
            "PF" => 0.00005,
            _ => 1.0,
        };
        let values = [value, &integer[point]].map(Value::as_f64);
        match values {
            [Some(float), Some(integer)] => {
                assert!((float - integer).abs() <= tolerance, "{point} is {integer}, not {float}");
            }
            values => assert_eq!(values, [None, None], "{point}"),
        }
    }
}

#[tokio::test]
async fn check_names_the_registers_of_model_203() {
    let openhab = OpenHab::start(&ITEMS);
    let config = file(&integer(openhab.address));
    let checked = outcome(&mut program(&["check", "--config", text(config.path())])).await;
    let places = ["40111 TotWhExpPhB", "40119 TotWhImpPhB", "40089 WphB", "40078 PhVphB"];
    for place in places.into_iter().chain(["40073 AphB", "40085 Hz"]) {
        assert!(checked.out.contains(place), "{place}: {}", checked.out);
    }
}

#[tokio::test]
async fn what_model_203_cannot_hold_is_said_once_and_once_when_it_fits_again() {
    let openhab = OpenHab::start(&ITEMS);
    let (mut service, mut client) = serve(&openhab).await;
    openhab.set("I", "4000 A");
    let line = service.logs("beyond what model 203 can hold").await;
    assert!(line.contains(": current, apparent power, reactive power; "), "{line}");
    until(async || {
        let m = model(&mut client).await;
        (m.aph_b, m.va, m.var) == (-32_767, Some(32_767), Some(32_767))
    })
    .await;
    // Changes that leave it so are no news.
    openhab.set("I", "4001 A");
    openhab.set("F", "50.02 Hz");
    until(async || model(&mut client).await.hz == 5002).await;
    openhab.set("I", "3 A");
    let line = service.logs("model 203").await;
    assert!(line.contains("all values fit model 203 again"), "{line}");
    let log = service.stop().await;
    assert!(!log.iter().any(|line| line.contains("model 203")), "{log:#?}");
}
