//! Requests as bytes: in parts, in heaps, for other functions and other units.

use fronius_smartmeter::{
    meter::sunspec::BASE,
    modbus::{ServerConfig, UnitIds},
};

use crate::harness::{
    client::{ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, NO_TARGET, READ_HOLDING, frame, read_request},
    server::{live, serve, server_config},
};

#[tokio::test]
async fn the_documented_sample_is_answered_to_the_byte() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    client.send(&[0, 0x0A, 0, 0, 0, 6, 1, 3, 0x9C, 0x40, 0, 2]).await.unwrap();
    let answer = [0, 0x0A, 0, 0, 0, 7, 1, 3, 4, 0x53, 0x75, 0x6E, 0x53];
    assert_eq!(client.receive().await.unwrap(), answer);
}

#[tokio::test]
async fn other_functions_are_refused_and_write_nothing() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let before = client.read(40_000, 125).await;
    for request in [
        &[0x01, 0, 0, 0, 1][..],
        &[0x02, 0, 0, 0, 1],
        &[0x05, 0x9C, 0x40, 0xFF, 0],
        &[0x06, 0x9C, 0x47, 0, 1],
        &[0x07],
        &[0x08, 0, 0, 0xA5, 0x37],
        &[0x0F, 0x9C, 0x47, 0, 3, 1, 5],
        &[0x10, 0x9C, 0x47, 0, 1, 2, 0, 5],
        &[0x11],
        &[0x16, 0x9C, 0x47, 0, 0xF2, 0, 0x25],
        &[0x17, 0x9C, 0x40, 0, 1, 0x9C, 0x47, 0, 1, 2, 0, 5],
        &[0x41, 1, 2, 3],
        &[0x64],
    ] {
        let answer = client.ask(1, request).await;
        assert_eq!(answer, [request[0] | 0x80, ILLEGAL_FUNCTION], "{request:02x?}");
    }
    assert_eq!(client.read(40_000, 125).await, before);
}

#[tokio::test]
async fn every_unit_id_is_answered_with_its_own() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    for unit in [0, 1, 2, 14, 127, 240, 247, 255] {
        // `ask` compares the unit id of the answer.
        assert_eq!(client.ask(unit, &[3, 0x9C, 0x43, 0, 1]).await, [3, 2, 0, 65]);
        assert_eq!(client.ask(unit, &[3, 0, 0, 0, 1]).await, [0x83, ILLEGAL_ADDRESS]);
    }
}

#[tokio::test]
async fn a_strict_meter_refuses_foreign_unit_ids() {
    let served = serve(&ServerConfig { unit_ids: UnitIds::Strict, ..server_config() }, live());
    let mut client = served.client().await;
    for unit in [0, 1, 3, 255] {
        for request in [&[3, 0x9C, 0x43, 0, 1][..], &[6, 0, 0, 0, 1], &[0x2B, 0x0E, 1, 0]] {
            let answer = client.ask(unit, request).await;
            assert_eq!(answer, [request[0] | 0x80, NO_TARGET], "unit {unit}, {request:02x?}");
        }
    }
    assert_eq!(client.ask(2, &[3, 0x9C, 0x43, 0, 1]).await, [3, 2, 0, 65]);
}

#[tokio::test]
async fn the_device_identification_names_vendor_product_and_version() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let texts = ["Fronius", "Smart Meter IP", env!("CARGO_PKG_VERSION")];
    let object = |id: u8| {
        let text = texts[usize::from(id)];
        [&[id, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    };

    let all = [vec![0x2B, 0x0E, 1, 0x81, 0, 0, 3], object(0), object(1), object(2)].concat();
    assert_eq!(client.ask(1, &[0x2B, 0x0E, 1, 0]).await, all);
    for id in 0..3 {
        let one = [vec![0x2B, 0x0E, 4, 0x81, 0, 0, 1], object(id)].concat();
        assert_eq!(client.ask(1, &[0x2B, 0x0E, 4, id]).await, one);
    }
    assert_eq!(client.ask(1, &[0x2B, 0x0E, 4, 3]).await, [0xAB, ILLEGAL_ADDRESS]);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let image = live();
    let served = serve(&server_config(), image.clone());
    let mut client = served.client().await;
    let requests = (0..20_u16).map(|i| (500 - i, 40_000 + 3 * i, 1 + i));
    let bytes: Vec<u8> = requests
        .clone()
        .flat_map(|(id, start, count)| frame(id, 1, &read_request(READ_HOLDING, start, count)))
        .collect();
    client.send(&bytes).await.unwrap();
    for (id, start, count) in requests {
        let first = usize::from(start - BASE);
        let mut pdu = vec![READ_HOLDING, u8::try_from(2 * count).unwrap()];
        pdu.extend(image.registers[first..first + usize::from(count)].as_flattened());
        assert_eq!(client.receive().await.unwrap(), frame(id, 1, &pdu));
    }
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let served = serve(&server_config(), live());
    let (mut client, mut other) = (served.client().await, served.client().await);
    let requests = [
        frame(7, 1, &read_request(READ_HOLDING, 40_002, 2)),
        frame(8, 1, &[0x10, 0x9C, 0x47, 0, 1, 2, 0, 5]),
    ];
    for byte in requests.concat() {
        client.send(&[byte]).await.unwrap();
        // While it answered another one, the server has seen this byte on its own.
        other.read(40_000, 1).await.unwrap();
    }
    assert_eq!(client.receive().await.unwrap(), frame(7, 1, &[3, 4, 0, 1, 0, 65]));
    assert_eq!(client.receive().await.unwrap(), frame(8, 1, &[0x90, ILLEGAL_FUNCTION]));
}
