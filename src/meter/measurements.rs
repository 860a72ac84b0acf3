//! The values of a meter model, and how those that nobody measured follow from the others.

/// Voltage where the source has none, in V.
pub const NOMINAL_VOLTAGE_V: f64 = 230.0;

/// Below this voltage the device sleeps, and does not measure, in V.
pub const ASLEEP_V: f64 = 50.0;

/// Frequency where the source has none, in Hz.
const NOMINAL_FREQUENCY_HZ: f64 = 50.0;

/// A total and its phases A, B, C.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ThreePhase {
    /// Sum or mean of the phases.
    pub total: f64,
    /// L1, L2, L3.
    pub phases: [f64; 3],
}

impl ThreePhase {
    /// With the sum of the phases as total.
    #[must_use]
    pub fn sum(phases: [f64; 3]) -> Self {
        Self { total: phases.iter().sum(), phases }
    }

    /// With the mean of the phases as total.
    #[must_use]
    pub fn mean(phases: [f64; 3]) -> Self {
        Self { total: phases.iter().sum::<f64>() / 3.0, phases }
    }

    /// The total and behind it the phases, as every block of a meter model has them.
    #[must_use]
    pub fn fields(&self) -> [f64; 4] {
        let [a, b, c] = self.phases;
        [self.total, a, b, c]
    }
}

/// The values of a meter model at one instant, with the signs of SunSpec: + is import.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measurements {
    /// `A`, in A.
    pub current: ThreePhase,
    /// `PhV`, line to neutral, in V; the total is the mean.
    pub voltage: ThreePhase,
    /// `PPV`, AB, BC and CA, in V; the total is the mean.
    pub line_voltage: ThreePhase,
    /// `Hz`.
    pub frequency: f64,
    /// `W`.
    pub power: ThreePhase,
    /// `VA`.
    pub apparent_power: ThreePhase,
    /// `VAR`.
    pub reactive_power: ThreePhase,
    /// `PF`, −1 to 1.
    pub power_factor: ThreePhase,
    /// `TotWhExp`, in Wh.
    pub exported: ThreePhase,
    /// `TotWhImp`, in Wh.
    pub imported: ThreePhase,
}

impl Measurements {
    /// Completes what was measured, as a three-phase meter would show it: an idle phase carries the
    /// voltage of the others, nominal values stand in for missing ones, and on every phase
    /// S = U·I and S² = P² + Q². Totals are sums of the phases. Energies are left at 0.
    #[must_use]
    pub fn from_lines(
        power: [f64; 3],
        voltage: [Option<f64>; 3],
        current: [Option<f64>; 3],
        frequency: [Option<f64>; 3],
    ) -> Self {
        let voltage = voltage.map(|volts| volts.filter(|volts| *volts >= ASLEEP_V));
        let grid_voltage = mean(voltage).unwrap_or(NOMINAL_VOLTAGE_V);
        let voltage = voltage.map(|volts| volts.unwrap_or(grid_voltage));
        let mut lines = [Line::default(); 3];
        for (((line, power), voltage), current) in
            lines.iter_mut().zip(power).zip(voltage).zip(current)
        {
            *line = Line::new(voltage, power, current);
        }
        let power = ThreePhase::sum(power);
        let apparent_power = ThreePhase::sum(lines.map(|line| line.apparent_power));
        Self {
            current: ThreePhase::sum(lines.map(|line| line.current)),
            voltage: ThreePhase::mean(voltage),
            line_voltage: line_voltage(voltage),
            frequency: mean(frequency).unwrap_or(NOMINAL_FREQUENCY_HZ),
            power,
            apparent_power,
            reactive_power: ThreePhase::sum(lines.map(|line| line.reactive_power)),
            power_factor: ThreePhase {
                total: power_factor(power.total, apparent_power.total),
                phases: lines.map(|line| power_factor(line.power, line.apparent_power)),
            },
            ..Self::default()
        }
    }

    /// The same with the sign of its phase's power on each current, as meters of the grid
    /// connection have it.
    #[must_use]
    pub fn with_signed_current(self) -> Self {
        let mut phases = self.current.phases;
        for (current, watts) in phases.iter_mut().zip(self.power.phases) {
            if watts != 0.0 {
                *current = current.abs() * watts.signum();
            }
        }
        Self { current: ThreePhase::sum(phases), ..self }
    }
}

/// One line conductor against neutral.
#[derive(Clone, Copy, Default)]
struct Line {
    current: f64,
    power: f64,
    apparent_power: f64,
    reactive_power: f64,
}

impl Line {
    /// Fills in what was not measured, so that S = U·I and S² = P² + Q².
    fn new(voltage: f64, power: f64, current: Option<f64>) -> Self {
        let current = match current {
            Some(current) => current,
            None if voltage > 0.0 => power.abs() / voltage,
            None => 0.0,
        };
        // Measured apart, U·I can come out below P; in a power triangle it cannot.
        let apparent_power = (voltage * current).abs().max(power.abs());
        let reactive_power = (apparent_power.powi(2) - power.powi(2)).max(0.0).sqrt();
        Self { current, power, apparent_power, reactive_power }
    }
}

fn mean(values: [Option<f64>; 3]) -> Option<f64> {
    let (sum, count) =
        values.iter().flatten().fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Voltages AB, BC, CA between phases that are 120° apart.
fn line_voltage([a, b, c]: [f64; 3]) -> ThreePhase {
    let between = |x: f64, y: f64| (x * x + y * y + x * y).sqrt();
    ThreePhase::mean([between(a, b), between(b, c), between(c, a)])
}

/// With the sign of the power, as Fronius' own meters have it; 0 where nothing flows.
fn power_factor(watts: f64, volt_amperes: f64) -> f64 {
    if volt_amperes > 0.0 { watts / volt_amperes } else { 0.0 }
}
