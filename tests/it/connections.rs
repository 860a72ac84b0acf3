//! What happens to connections: which ones are closed, when, and that it never costs another one.

use std::time::{Duration, Instant};

use fronius_smartmeter::{meter::OnStale, modbus::ServerConfig};
use tokio::{net::TcpSocket, time::sleep};

use crate::harness::{
    client::{Client, NO_TARGET, READ_HOLDING, floats, frame, read_request},
    server::{live, serve, server_config, stale},
    within,
};

/// Places of the totals in 40071/58.
const VOLTAGE: usize = 4;
const FREQUENCY: usize = 12;
const POWER: usize = 13;

/// 40071/58, which must be served.
async fn cyclic(client: &mut Client) -> Vec<u16> {
    client.read(40_071, 58).await.expect("measured values are refused")
}

#[tokio::test]
async fn stale_data_under_zero_shows_a_generator_at_rest() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let energies = client.read(40_129, 32).await;
    served.show(stale(OnStale::Zero));

    let values = floats(&cyclic(&mut client).await);
    assert_eq!(values[VOLTAGE..VOLTAGE + 4], [230.0; 4]);
    assert_eq!(values[FREQUENCY..=FREQUENCY], [50.0]);
    for (block, flow) in [(0, 4), (POWER, 16)] {
        let flowing = values[block..block + flow].iter().filter(|value| value.to_bits() != 0);
        assert_eq!(flowing.count(), 0, "{values:?}");
    }
    assert_eq!(client.read(40_129, 32).await, energies, "a counter does not fall");
    served.show(live());
    assert_eq!(floats(&cyclic(&mut client).await)[POWER..=POWER], [-800.0]);
}

#[tokio::test]
async fn stale_data_under_hold_shows_the_last_values() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let before = cyclic(&mut client).await;
    assert_eq!(floats(&before)[POWER..=POWER], [-800.0]);
    served.show(stale(OnStale::Hold));
    assert_eq!(cyclic(&mut client).await, before);
}

#[tokio::test]
async fn stale_data_under_exception_is_refused_on_a_connection_that_stays() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let before = cyclic(&mut client).await;
    served.show(stale(OnStale::Exception));
    for (start, count) in [(40_071, 58), (40_129, 32), (40_193, 2)] {
        assert_eq!(client.read(start, count).await, Err(NO_TARGET));
    }
    assert_eq!(client.read(40_069, 2).await.unwrap(), [213, 124]);
    assert_eq!(client.read(40_195, 2).await.unwrap(), [0xFFFF, 0]);
    served.show(live());
    assert_eq!(cyclic(&mut client).await, before);
}

#[tokio::test]
async fn stale_data_under_disconnect_closes_all_connections_until_it_is_live_again() {
    let served = serve(&server_config(), live());
    let mut clients = [served.client().await, served.client().await];
    for client in &mut clients {
        cyclic(client).await;
    }
    // The second time shows that the first was not the last.
    for _ in 0..2 {
        served.show(stale(OnStale::Disconnect));
        for client in &mut clients {
            client.ended().await;
        }
        for _ in 0..3 {
            served.client().await.ended().await;
        }
        assert_eq!(served.connections.usage().connections, 0);

        served.show(live());
        for client in &mut clients {
            *client = served.client().await;
            cyclic(client).await;
        }
    }
}

#[tokio::test]
async fn one_connection_too_many_costs_the_one_that_was_idle_longest() {
    // Idle times are told apart by the millisecond.
    let moment = || sleep(Duration::from_millis(5));
    let served = serve(&ServerConfig { max_connections: 3, ..server_config() }, live());
    let mut oldest = served.client().await;
    cyclic(&mut oldest).await;
    moment().await;
    let mut idle = served.client().await;
    cyclic(&mut idle).await;
    moment().await;
    let mut silent = served.client().await;
    cyclic(&mut silent).await;
    moment().await;
    cyclic(&mut oldest).await;

    let mut newest = served.client().await;
    idle.ended().await;
    for client in [&mut oldest, &mut silent, &mut newest] {
        cyclic(client).await;
    }
    assert_eq!(served.connections.usage().connections, 3);
}

#[tokio::test]
async fn a_connection_without_whole_requests_is_closed_and_a_polling_one_is_not() {
    let idle_timeout = Duration::from_millis(300);
    let pause = idle_timeout / 4;
    let served = serve(&ServerConfig { idle_timeout, ..server_config() }, live());
    let (address, clients) = (served.address, &served.connections);

    let silent = async {
        let mut client = Client::connect(address).await;
        cyclic(&mut client).await;
        let last_answer = Instant::now();
        client.ended().await;
        // The server counts from before it answered.
        assert!(last_answer.elapsed() > idle_timeout / 2, "{:?}", last_answer.elapsed());
    };
    let mute = async { Client::connect(address).await.ended().await };
    let dribbling = async {
        let mut client = Client::connect(address).await;
        for byte in frame(1, 1, &read_request(READ_HOLDING, 40_000, 2)) {
            if client.send(&[byte]).await.is_err() {
                break;
            }
            sleep(pause).await;
        }
        client.ended().await;
    };
    let polling = async {
        let mut client = Client::connect(address).await;
        for _ in 0..16 {
            cyclic(&mut client).await;
            sleep(pause).await;
        }
        assert_eq!(clients.usage().connections, 1, "only this one should be left");
    };
    tokio::join!(silent, mute, dribbling, polling);
}

#[tokio::test]
async fn a_client_that_takes_no_answers_harms_nobody_and_is_closed() {
    let idle_timeout = Duration::from_millis(500);
    let served = serve(&ServerConfig { idle_timeout, ..server_config() }, live());

    // A small window, so that the answers back up at once.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut greedy = Client::of(within(socket.connect(served.address)).await.unwrap());
    let requests = frame(1, 1, &read_request(READ_HOLDING, 40_000, 125)).repeat(100);
    let flood = async {
        // Closed with requests unread, the connection is reset: that ends the loop.
        while greedy.send(&requests).await.is_ok() {}
    };
    let polling = async {
        let mut client = served.client().await;
        let mut slowest = Duration::ZERO;
        let mut flooded = false;
        loop {
            let asked = Instant::now();
            cyclic(&mut client).await;
            slowest = slowest.max(asked.elapsed());
            let connections = served.connections.usage().connections;
            flooded |= connections == 2;
            if flooded && connections == 1 {
                return slowest;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let ((), slowest) = within(async { tokio::join!(flood, polling) }).await;
    // Else it was the end of the other one that it waited for.
    assert!(slowest < idle_timeout, "an answer took {slowest:?}");
}

#[tokio::test]
async fn a_hostile_frame_closes_its_own_connection_alone() {
    let served = serve(&server_config(), live());
    let mut bystander = served.client().await;
    let expected = cyclic(&mut bystander).await;
    for bytes in [
        // Not Modbus.
        &b"GET / HTTP/1.1\r\nHost: meter\r\n\r\n"[..],
        &[0, 1, 0, 1, 0, 6, 1, 3, 0x9C, 0x40, 0, 2],
        // Lengths that no frame has.
        &[0, 1, 0, 0, 0, 0],
        &[0, 1, 0, 0, 0, 1, 1],
        &[0, 1, 0, 0, 0, 255, 1, 3],
        &[0, 1, 0, 0, 0xFF, 0xFF, 1, 3],
    ] {
        for sound_before in [0, 2] {
            let mut attacker = served.client().await;
            let request = frame(7, 1, &read_request(READ_HOLDING, 40_000, 2));
            attacker.send(&[&request.repeat(sound_before), bytes].concat()).await.unwrap();
            for _ in 0..sound_before {
                let answer = attacker.receive().await.expect("asked before, and not answered");
                assert_eq!(answer, frame(7, 1, &[3, 4, 0x53, 0x75, 0x6E, 0x53]));
            }
            attacker.ended().await;
        }
        assert_eq!(cyclic(&mut bystander).await, expected, "after {bytes:02x?}");
    }
    assert_eq!(served.connections.usage().connections, 1);
}
