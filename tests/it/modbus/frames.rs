//! Requests as bytes: in parts, in heaps, for other functions and other units.

use fronius_smartmeter::{
    meter::sunspec::BASE,
    modbus::{ServerConfig, UnitIds},
};

use crate::harness::{
    client::{
        ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, NO_TARGET, READ_HOLDING, frame,
        read_request,
    },
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

/// The exception for a request that is not served, whatever its unit id. Of the served functions it
/// is its content that is wrong.
fn refused(function: u8, data: &[u8]) -> [u8; 2] {
    let code = match (function, data) {
        (3 | 4, _) | (0x2B, [] | [0x0E, ..]) => ILLEGAL_VALUE,
        _ => ILLEGAL_FUNCTION,
    };
    [function | 0x80, code]
}

/// Most of these are such as tokio-modbus cannot decode, or panics on.
#[tokio::test]
async fn every_function_with_every_length_gets_its_exception() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    // Counts and codes that never fit: 0, 0xFFFF, an unknown MEI type, an unknown read code.
    for content in [&[0x00; 252], &[0xFF; 252], &[0x0E; 252]] {
        for function in 0..=0xFF_u8 {
            let unit = function.rotate_left(3);
            let pdus = (0..=252).map(|length| [&[function], &content[..length]].concat());
            let frames = (0..).zip(pdus).map(|(id, pdu)| frame(id, unit, &pdu));
            client.send(&frames.collect::<Vec<_>>().concat()).await.unwrap();
            for length in 0..=252 {
                let id = u16::try_from(length).unwrap();
                let expected = frame(id, unit, &refused(function, &content[..length]));
                assert_eq!(client.receive().await.unwrap(), expected, "{function} with {length}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused_between_answers_in_their_order() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let bad = [
        &[0x05, 0, 0, 0x12, 0x34][..],
        // Writes whose counts contradict each other.
        &[0x0F, 0, 0, 0, 100, 0],
        &[0x0F, 0, 0, 0xFF, 0xFF, 0],
        &[0x10, 0, 0, 0x80, 0, 0],
        &[0x10, 0],
        &[0x17, 0, 0, 0, 1, 0, 0, 0x80, 0, 0],
        // Another MEI type, and codes that do not exist.
        &[0x2B, 0x0D, 0, 0],
        &[0x2B, 0x0E, 0, 0],
        &[0x2B, 0x0E, 5, 0],
        &[0x2B, 0x0E, 1],
        // Too short, too long, and no function of a request.
        &[3, 0x9C, 0x40],
        &[3, 0x9C, 0x40, 0, 2, 0],
        &[0x83, 0x9C, 0x40, 0, 2],
        &[0, 3, 0x9C, 0x40, 0, 2],
        &[0],
    ];
    let good = frame(7, 1, &read_request(READ_HOLDING, 40_000, 2));
    let requests = bad.map(|request| [&good, &frame(8, 1, request)[..]].concat());
    client.send(&[&requests.concat()[..], &good].concat()).await.unwrap();
    let answer = frame(7, 1, &[3, 4, 0x53, 0x75, 0x6E, 0x53]);
    let codes = [1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 1, 1, 1];
    for (request, code) in bad.into_iter().zip(codes) {
        assert_eq!(client.receive().await.unwrap(), answer, "before {request:02x?}");
        let refusal = frame(8, 1, &[request[0] | 0x80, code]);
        assert_eq!(client.receive().await.unwrap(), refusal, "{request:02x?}");
    }
    assert_eq!(client.receive().await.unwrap(), answer);
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
    for unit in [1, 3, 247, 254] {
        for request in [
            &[3, 0x9C, 0x43, 0, 1][..],
            &[6, 0, 0, 0, 1],
            &[0x2B, 0x0E, 1, 0],
            &[3],
            &[0x83],
            &[0x10, 0],
        ] {
            let answer = client.ask(unit, request).await;
            assert_eq!(answer, [request[0] | 0x80, NO_TARGET], "unit {unit}, {request:02x?}");
        }
    }
    // Its own, and those of a device without a bus behind it.
    for unit in [2, 0, 255] {
        assert_eq!(client.ask(unit, &[3, 0x9C, 0x43, 0, 1]).await, [3, 2, 0, 65]);
        assert_eq!(client.ask(unit, &[6, 0, 0, 0, 1]).await, [0x86, ILLEGAL_FUNCTION]);
    }
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
