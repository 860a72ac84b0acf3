//! Which registers can be read, when, and that they are of one moment.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use fronius_smartmeter::meter::sunspec::{BASE, MeterModel};

use super::{assert_values, expected};
use crate::harness::{
    client::{ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET, READ_HOLDING, READ_INPUT, floats},
    expected::assert_expected,
    server::{live, serve, server_config, waiting},
};

#[tokio::test]
async fn reads_are_answered_inside_the_map_and_refused_outside() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
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

/// 16 registers a line, in hexadecimal.
fn dump(words: &[u16], first: u16) -> String {
    let lines = words.chunks(16).zip((first..).step_by(16)).map(|(line, address)| {
        let words: Vec<_> = line.iter().map(|word| format!("{word:04x}")).collect();
        format!("{address}: {}\n", words.join(" "))
    });
    lines.collect()
}

#[tokio::test]
async fn the_registers_of_model_213_are_the_same_to_the_last_bit() {
    let served = serve(&server_config(), live());
    let mut client = served.client().await;
    let mut words = client.read(40_000, 100).await.unwrap();
    words.extend(client.read(40_100, 97).await.unwrap());
    assert_expected("registers/213", &dump(&words, 40_000));
}

#[tokio::test]
async fn both_read_functions_and_any_cut_give_the_same_registers() {
    let image = live();
    let served = serve(&server_config(), image.clone());
    let mut client = served.client().await;
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
async fn before_the_first_counter_only_what_never_changes_is_served() {
    let served = serve(&server_config(), waiting());
    let mut client = served.client().await;
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
    let Range { start, end } = MeterModel::Float.measured();
    let measured = usize::from(start - BASE)..usize::from(end - BASE);
    let of = |word| {
        let mut image = live();
        image.registers[measured.clone()].fill(u16::to_be_bytes(word));
        Arc::new(image)
    };
    // As floats 12.08 and 48.56. Half of the one beside half of the other would show, too.
    let words = [0x4141, 0x4242];
    let [one, other] = words.map(of);

    let served = serve(&server_config(), live());
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

    let mut client = served.client().await;
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
