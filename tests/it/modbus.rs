//! What a Modbus client is answered, byte by byte.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use fronius_smartmeter::{
    meter::sunspec::{BASE, MEASURED},
    modbus::{ServerConfig, UnitIds},
};
use sunspec::{
    client::{AsyncClient, Config},
    models::{model1::Model1, model213::Model213},
};

use crate::harness::{
    client::{
        Client, ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, NO_TARGET, READ_HOLDING,
        READ_INPUT, floats, frame, read_request,
    },
    server::{live, serve, server_config, waiting},
    within,
};

/// 40071/58 and 40129/32, point by point, for 800 W at 231.4 V, 3.46 A and 49.98 Hz on L2.
fn expected() -> (Vec<f64>, Vec<f64>) {
    let (line_voltage, apparent_power) = (231.4 * 3_f64.sqrt(), 231.4_f64 * 3.46);
    let reactive_power = (apparent_power.powi(2) - 800_f64.powi(2)).sqrt();
    let power_factor = -800.0 / apparent_power;
    let on_b = |value: f64| [value, 0.0, value, 0.0];
    let cyclic = [
        &on_b(3.46)[..],
        &[231.4; 4],
        &[line_voltage; 4],
        &[49.98],
        &on_b(-800.0),
        &on_b(apparent_power),
        &on_b(reactive_power),
        &on_b(power_factor),
    ];
    let energies = [on_b(12_345_678.0), [0.0; 4], [0.0; 4], [0.0; 4]];
    (cyclic.concat(), energies.concat())
}

#[track_caller]
fn assert_values(served: &[f32], expected: &[f64]) {
    assert_eq!(served.len(), expected.len());
    for (index, (value, expected)) in served.iter().zip(expected).enumerate() {
        let near = (f64::from(*value) - expected).abs() <= expected.abs() * 1e-6;
        assert!(near, "float {index} is {value}, expected {expected}: {served:?}");
        assert_ne!(value.to_bits(), (-0_f32).to_bits(), "float {index} is a negative zero");
    }
}

#[tokio::test]
async fn the_poll_list_of_an_inverter_is_answered_on_one_connection() {
    let served = serve(server_config(), live()).await;
    let mut inverter = Client::connect(served.address).await;

    for (start, count) in [(768, 1), (1706, 1), (0, 1), (1, 1), (11, 1), (12, 1), (50_000, 2)] {
        assert_eq!(inverter.read(start, count).await, Err(ILLEGAL_ADDRESS), "probe {start}");
    }
    assert_eq!(inverter.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    assert_eq!(inverter.read(40_002, 2).await.unwrap(), [1, 65]);
    let common = inverter.read(40_004, 66).await.unwrap();
    let bytes: Vec<u8> = common.iter().flat_map(|word| word.to_be_bytes()).collect();
    assert_eq!(bytes[..8], [0x46, 0x72, 0x6F, 0x6E, 0x69, 0x75, 0x73, 0x00]);
    assert_eq!(bytes[32..47], *b"Smart Meter IP\0");
    assert_eq!(bytes[96..108], *b"28491337002\0");
    assert_eq!(common[64..], [2, 213], "device address, and right behind it the next model");
    assert_eq!(inverter.read(40_069, 2).await.unwrap(), [213, 124]);
    assert_eq!(inverter.read(40_193, 2).await.unwrap(), [0, 0]);
    assert_eq!(inverter.read(40_195, 2).await.unwrap(), [0xFFFF, 0]);

    let (cyclic, energies) = expected();
    for _minute in 0..3 {
        for _second in 0..60 {
            assert_values(&floats(&inverter.read(40_071, 58).await.unwrap()), &cyclic);
        }
        assert_values(&floats(&inverter.read(40_129, 32).await.unwrap()), &energies);
    }
    assert_eq!(served.connections.usage().connections, 1);
    assert_eq!(served.connections.usage().requests, 7 + 6 + 3 * 61);
}

#[tokio::test]
async fn the_documented_sample_is_answered_to_the_byte() {
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
    client.send(&[0, 0x0A, 0, 0, 0, 6, 1, 3, 0x9C, 0x40, 0, 2]).await.unwrap();
    let answer = [0, 0x0A, 0, 0, 0, 7, 1, 3, 4, 0x53, 0x75, 0x6E, 0x53];
    assert_eq!(client.receive().await.unwrap(), answer);
}

#[tokio::test]
async fn reads_are_answered_inside_the_map_and_refused_outside() {
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
    for function in [READ_HOLDING, READ_INPUT] {
        for (start, count, refusal) in [
            (40_000, 1, None),
            (40_000, 125, None),
            (40_072, 125, None),
            (40_196, 1, None),
            (39_999, 1, Some(ILLEGAL_ADDRESS)),
            (39_999, 2, Some(ILLEGAL_ADDRESS)),
            (40_073, 125, Some(ILLEGAL_ADDRESS)),
            (40_196, 2, Some(ILLEGAL_ADDRESS)),
            (40_197, 1, Some(ILLEGAL_ADDRESS)),
            (0, 1, Some(ILLEGAL_ADDRESS)),
            (65_535, 1, Some(ILLEGAL_ADDRESS)),
            (65_535, 2, Some(ILLEGAL_ADDRESS)),
            (65_535, 125, Some(ILLEGAL_ADDRESS)),
            (40_000, 0, Some(ILLEGAL_VALUE)),
            (40_000, 126, Some(ILLEGAL_VALUE)),
            (40_000, 65_535, Some(ILLEGAL_VALUE)),
            (65_535, 65_535, Some(ILLEGAL_VALUE)),
        ] {
            let answer = client.read_by(function, start, count).await;
            assert_eq!(answer.err(), refusal, "function {function}, {start}/{count}");
        }
    }
}

#[tokio::test]
async fn both_read_functions_and_any_cut_give_the_same_registers() {
    let image = live();
    let served = serve(server_config(), image.clone()).await;
    let mut client = Client::connect(served.address).await;
    for function in [READ_HOLDING, READ_INPUT] {
        for (start, count) in [(40_000_u16, 125), (40_071, 58), (40_072, 125), (40_128, 2)] {
            let first = usize::from(start - BASE);
            let words = client.read_by(function, start, count).await.unwrap();
            let registers = image.registers.map(u16::from_be_bytes);
            assert_eq!(words, registers[first..first + usize::from(count)]);
        }
    }
}

#[tokio::test]
async fn other_functions_are_refused_and_write_nothing() {
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
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
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
    for unit in [0, 1, 2, 14, 127, 240, 247, 255] {
        // `ask` compares the unit id of the answer.
        assert_eq!(client.ask(unit, &[3, 0x9C, 0x43, 0, 1]).await, [3, 2, 0, 65]);
        assert_eq!(client.ask(unit, &[3, 0, 0, 0, 1]).await, [0x83, ILLEGAL_ADDRESS]);
    }
}

#[tokio::test]
async fn a_strict_meter_refuses_foreign_unit_ids() {
    let served = serve(ServerConfig { unit_ids: UnitIds::Strict, ..server_config() }, live()).await;
    let mut client = Client::connect(served.address).await;
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
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
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
    let served = serve(server_config(), image.clone()).await;
    let mut client = Client::connect(served.address).await;
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
    let served = serve(server_config(), live()).await;
    let mut client = Client::connect(served.address).await;
    let requests = [
        frame(7, 1, &read_request(READ_HOLDING, 40_002, 2)),
        frame(8, 1, &[0x10, 0x9C, 0x47, 0, 1, 2, 0, 5]),
    ];
    for byte in requests.concat() {
        client.send(&[byte]).await.unwrap();
        // Long enough for the server to see the byte on its own.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert_eq!(client.receive().await.unwrap(), frame(7, 1, &[3, 4, 0, 1, 0, 65]));
    assert_eq!(client.receive().await.unwrap(), frame(8, 1, &[0x90, ILLEGAL_FUNCTION]));
}

#[tokio::test]
async fn before_the_first_counter_only_what_never_changes_is_served() {
    let served = serve(server_config(), waiting()).await;
    let mut client = Client::connect(served.address).await;
    for function in [READ_HOLDING, READ_INPUT] {
        for (start, count) in
            [(40_000, 2), (40_000, 71), (40_004, 66), (40_069, 2), (40_195, 2), (40_196, 1)]
        {
            let answer = client.read_by(function, start, count).await;
            assert!(answer.is_ok(), "{start}/{count}: {answer:?}");
        }
        for (start, count) in [
            (40_000, 72),
            (40_070, 2),
            (40_071, 1),
            (40_071, 58),
            (40_070, 125),
            (40_072, 125),
            (40_129, 32),
            (40_193, 2),
            (40_194, 1),
            (40_194, 3),
        ] {
            let answer = client.read_by(function, start, count).await;
            assert_eq!(answer, Err(NO_TARGET), "{start}/{count}");
        }
        // What can never be answered is told apart from what cannot be answered yet.
        assert_eq!(client.read_by(function, 40_073, 125).await, Err(ILLEGAL_ADDRESS));
        assert_eq!(client.read_by(function, 40_071, 0).await, Err(ILLEGAL_VALUE));
    }
    served.show(live());
    let (cyclic, _) = expected();
    assert_values(&floats(&client.read(40_071, 58).await.unwrap()), &cyclic);
}

#[tokio::test]
async fn no_read_mixes_two_images() {
    let measured = usize::from(MEASURED.start - BASE)..usize::from(MEASURED.end - BASE);
    let of = |word| {
        let mut image = live();
        image.registers[measured.clone()].fill(u16::to_be_bytes(word));
        Arc::new(image)
    };
    // As floats 12.08 and 48.56. Half of the one beside half of the other would show, too.
    let words = [0x4141, 0x4242];
    let [one, other] = words.map(of);

    let served = serve(server_config(), live()).await;
    served.images.send_replace(Arc::clone(&one));
    let done = Arc::new(AtomicBool::new(false));
    let writer = thread::spawn({
        let (images, done) = (served.images.clone(), Arc::clone(&done));
        move || {
            while !done.load(Ordering::Relaxed) {
                images.send_replace(Arc::clone(&other));
                images.send_replace(Arc::clone(&one));
            }
        }
    });

    let mut client = Client::connect(served.address).await;
    let mut seen = [0; 2];
    for _ in 0..4000 {
        let read = client.read(40_071, 58).await.unwrap();
        let which = words.iter().position(|word| read.iter().all(|read| read == word));
        let Some(which) = which else { panic!("a mix of two images: {read:04x?}") };
        seen[which] += 1;
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(seen.iter().all(|count| *count > 0), "only one image was ever read: {seen:?}");
}

#[tokio::test]
async fn the_client_of_the_sunspec_crate_reads_every_point() {
    let served = serve(server_config(), live()).await;
    let context = within(tokio_modbus::client::tcp::connect(served.address)).await.unwrap();
    let client = AsyncClient::new(context, Config::default());
    let device = within(client.device(1)).await.unwrap();
    assert_eq!((device.models.m1.addr, device.models.m1.len), (40_004, 65));
    assert_eq!((device.models.m213.addr, device.models.m213.len), (40_071, 124));
    assert!(device.unknown_models.is_empty());

    let common: Model1 = within(device.read_model()).await.unwrap();
    assert_eq!((common.mn.as_str(), common.md.as_str()), ("Fronius", "Smart Meter IP"));
    assert_eq!((common.opt.as_deref(), common.vr.as_deref()), (Some("<secondary>"), Some("2.9")));
    assert_eq!((common.sn.as_str(), common.da), ("28491337002", Some(2)));

    let m: Model213 = within(device.read_model()).await.unwrap();
    let cyclic = [
        [m.a, m.aph_a, m.aph_b, m.aph_c].map(Some).to_vec(),
        [m.ph_v, m.ph_vph_a, m.ph_vph_b, m.ph_vph_c].map(Some).to_vec(),
        [m.ppv, m.pp_vph_ab, m.pp_vph_bc, m.pp_vph_ca].map(Some).to_vec(),
        vec![Some(m.hz)],
        vec![Some(m.w), m.wph_a, m.wph_b, m.wph_c],
        vec![m.va, m.v_aph_a, m.v_aph_b, m.v_aph_c],
        vec![m.var, m.va_rph_a, m.va_rph_b, m.va_rph_c],
        vec![m.pf, m.p_fph_a, m.p_fph_b, m.p_fph_c],
    ];
    let energies = [
        [Some(m.tot_wh_exp), m.tot_wh_exp_ph_a, m.tot_wh_exp_ph_b, m.tot_wh_exp_ph_c],
        [Some(m.tot_wh_imp), m.tot_wh_imp_ph_a, m.tot_wh_imp_ph_b, m.tot_wh_imp_ph_c],
        [m.tot_v_ah_exp, m.tot_v_ah_exp_ph_a, m.tot_v_ah_exp_ph_b, m.tot_v_ah_exp_ph_c],
        [m.tot_v_ah_imp, m.tot_v_ah_imp_ph_a, m.tot_v_ah_imp_ph_b, m.tot_v_ah_imp_ph_c],
    ];
    let present = |points: Vec<Option<f32>>| -> Vec<f32> {
        points.into_iter().map(|point| point.expect("a point is missing")).collect()
    };
    let (expected_cyclic, expected_energies) = expected();
    assert_values(&present(cyclic.concat()), &expected_cyclic);
    assert_values(&present(energies.concat()), &expected_energies);
    // Reactive energy is "not supported", which in floats is NaN.
    let reactive_energy = [m.tot_v_arh_imp_q1, m.tot_v_arh_imp_q2, m.tot_v_arh_exp_q3];
    assert!(reactive_energy.into_iter().all(|point| point.is_none_or(f32::is_nan)));
    assert!(m.evt.is_empty());
}
