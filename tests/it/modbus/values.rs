//! What the registers say, to an inverter and to a client of another make.

use sunspec::{
    client::{AsyncClient, Config},
    models::{model1::Model1, model213::Model213},
};

use super::{assert_values, expected};
use crate::harness::{
    client::{ILLEGAL_ADDRESS, floats},
    server::{live, serve, server_config},
    within,
};

#[tokio::test]
async fn the_poll_list_of_an_inverter_is_answered_on_one_connection() {
    let served = serve(&server_config(), live());
    let mut inverter = served.client().await;

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
async fn the_client_of_the_sunspec_crate_reads_every_point() {
    let served = serve(&server_config(), live());
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

    assert_measured(&within(device.read_model()).await.unwrap());
}

fn assert_measured(m: &Model213) {
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
