//! What a Modbus client is answered, byte by byte.

mod frames;
mod model203;
mod registers;
mod values;

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
