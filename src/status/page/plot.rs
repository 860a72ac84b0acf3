//! The last day of a meter, as two plots: its power, and what its counters have grown by.

use std::{fmt::Write, iter::repeat_n};

use super::{View, heading, html::Html};
use crate::status::snapshot::HistorySnapshot;

/// The points of a day, a minute each.
const MINUTES: usize = 24 * 60;

/// So many of them are drawn as one: a screen has no more room.
const MINUTES_PER_POINT: usize = 3;

/// The height of a plot, in units of its own. Its width is a unit a point.
const HEIGHT: f64 = 200.0;

/// Lines across a plot, about.
const LINES: f64 = 3.0;

/// One line of a plot.
struct Series {
    /// Empty if it is the only one.
    name: String,
    class: &'static str,
    points: Vec<Option<f64>>,
}

/// What is at the bottom and at the top of a plot, and from one line across it to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl View<'_> {
    /// The last day of each meter, where there is a history.
    pub(super) fn plots(&self, html: &mut Html) {
        for meter in &self.snapshot.meters {
            let Some(history) = &meter.history else { continue };
            heading(html, meter.name.as_deref());
            if history.power_w.iter().all(Option::is_none) {
                html.raw("<p>").raw(self.language.pick("No values yet.", "Noch keine Werte."));
                html.raw("</p>");
                continue;
            }
            html.raw("<div class=pair>");
            self.power(html, history);
            self.energy(html, history);
            html.raw("</div>");
        }
    }

    fn power(&self, html: &mut Html, history: &HistorySnapshot) {
        let language = self.language;
        let known = || history.power_w.iter().flatten().copied();
        let [low, high] =
            [known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max)]
                .map(|power| language.quantity(power, "W"));
        let title = language.pick(
            format!("Power, between {low} and {high}"),
            format!("Leistung, zwischen {low} und {high}"),
        );
        let points = points(&history.power_w);
        self.plot(html, &title, "W", &[Series { name: String::new(), class: "power", points }]);
    }

    fn energy(&self, html: &mut Html, history: &HistorySnapshot) {
        let language = self.language;
        let (exported, imported) = (growth(&history.exported_wh), growth(&history.imported_wh));
        let [out, into] = [&exported, &imported].map(|growth| {
            let last = growth.iter().rev().flatten().next().copied();
            language.quantity(last.unwrap_or_default() * 1000.0, "Wh")
        });
        let exported = Series {
            name: language.pick(format!("{out} exported"), format!("{out} geliefert")),
            class: "exported",
            points: points(&exported),
        };
        let imported = Series {
            name: language.pick(format!("{into} imported"), format!("{into} bezogen")),
            class: "imported",
            points: points(&imported),
        };
        let title = language.pick("Energy", "Energie");
        self.plot(html, title, "kWh", &[exported, imported]);
    }

    fn plot(&self, html: &mut Html, title: &str, unit: &'static str, all: &[Series]) {
        let scale =
            Scale::of(all.iter().flat_map(|series| series.points.iter().flatten().copied()));
        html.raw("<figure><figcaption>").text(title);
        let mut label = title.to_owned();
        for series in all.iter().filter(|series| !series.name.is_empty()) {
            html.raw(" <span class=\"key ").raw(series.class).raw("\">").text(&series.name);
            html.raw("</span>");
            label.push_str(", ");
            label.push_str(&series.name);
        }
        html.raw("</figcaption><svg class=plot role=img aria-label=\"").text(label).raw("\">");
        for (value, percent) in scale.lines() {
            html.raw(if value == 0.0 { "<line class=zero" } else { "<line" });
            html.raw(" x2=\"100%\" y1=\"").text(&percent).raw("\" y2=\"").text(&percent);
            html.raw("\"/><text dy=\"-.3em\" y=\"").text(&percent).raw("\">");
            html.text(self.language.number(value, scale.decimals())).raw("\u{a0}").raw(unit);
            html.raw("</text>");
        }
        html.raw("<svg viewBox=\"0 0 480 200\" preserveAspectRatio=none>");
        for series in all {
            html.raw("<path class=\"").raw(series.class).raw("\" d=\"");
            html.text(path(&series.points, scale)).raw("\"/>");
        }
        html.raw("</svg></svg><div class=hours aria-hidden=true><span>−24 h</span><span>−18 h");
        html.raw("</span><span>−12 h</span><span>−6 h</span><span>");
        html.raw(self.language.pick("now", "jetzt")).raw("</span></div></figure>");
    }
}

/// What a counter has grown by since its first value, in kWh.
fn growth(counter_wh: &[Option<f64>]) -> Vec<Option<f64>> {
    let first = counter_wh.iter().flatten().next().copied().unwrap_or_default();
    counter_wh.iter().map(|value| Some((value.as_ref()? - first) / 1000.0)).collect()
}

/// The means that are drawn. A day that has not passed yet begins with nothing.
fn points(minutes: &[Option<f64>]) -> Vec<Option<f64>> {
    let missing = MINUTES.saturating_sub(minutes.len());
    let surplus = minutes.len().saturating_sub(MINUTES);
    let known = minutes.iter().skip(surplus).copied();
    let day: Vec<_> = repeat_n(None, missing).chain(known).collect();
    day.chunks(MINUTES_PER_POINT)
        .map(|minutes| {
            let known = || minutes.iter().flatten();
            let count = known().map(|_| 1.0).sum::<f64>();
            (count > 0.0).then(|| known().sum::<f64>() / count)
        })
        .collect()
}

impl Scale {
    /// One that has all values, and 0, on it.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let least = ((high - low) / LINES).max(0.01);
        let magnitude = 10_f64.powf(least.log10().floor());
        let round = [1.0, 2.0, 5.0].map(|digit| digit * magnitude);
        let step = round.into_iter().find(|step| *step >= least).unwrap_or(10.0 * magnitude);
        let high = (high / step).ceil() * step;
        let low = (low / step).floor() * step;
        Self { low, high: if high > low { high } else { low + step }, step }
    }

    /// From the top, in parts of the height.
    fn place(self, value: f64) -> f64 {
        (self.high - value) / (self.high - self.low)
    }

    /// Where lines go across the plot: their values and places.
    fn lines(self) -> impl Iterator<Item = (f64, String)> {
        (0..=10_u8)
            .map(move |count| self.low + f64::from(count) * self.step)
            .take_while(move |value| *value < self.high + self.step / 2.0)
            .map(move |value| (value, format!("{:.1}%", 100.0 * self.place(value))))
    }

    fn decimals(self) -> usize {
        match self.step {
            step if step > 0.99 => 0,
            step if step > 0.099 => 1,
            _ => 2,
        }
    }
}

/// The `d` of an SVG path through the points, with gaps where there are none.
fn path(points: &[Option<f64>], scale: Scale) -> String {
    let mut path = String::new();
    let mut pen: Option<(u32, f64)> = None;
    for (x, point) in (0_u32..).zip(points) {
        let y = point.map(|value| (HEIGHT * scale.place(value)).round());
        // Writing to a string cannot fail.
        let _ = match (y, pen) {
            (Some(y), Some((pen_x, pen_y))) if (y - pen_y).abs() >= 1.0 => {
                level(&mut path, pen_x, x.saturating_sub(1));
                pen = Some((x, y));
                write!(path, "l1{:+.0}", y - pen_y)
            }
            (Some(y), None) => {
                pen = Some((x, y));
                write!(path, "M{x} {y:.0}")
            }
            (None, Some((pen_x, _))) => {
                level(&mut path, pen_x, x.saturating_sub(1));
                pen = None;
                Ok(())
            }
            _ => Ok(()),
        };
    }
    if let Some((pen_x, _)) = pen {
        let end = u32::try_from(points.len()).unwrap_or(pen_x);
        level(&mut path, pen_x, end.saturating_sub(1));
    }
    path
}

/// A level stretch. One without length is seen as a dot.
fn level(path: &mut String, from: u32, to: u32) {
    if from < to || path.rsplit('M').next().is_some_and(|part| !part.contains(['l', 'h'])) {
        // Writing to a string cannot fail.
        let _ = write!(path, "h{}", to.saturating_sub(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_lines_and_zero() {
        for (values, low, high, step) in [
            (&[-3190.0, 0.0][..], -4000.0, 0.0, 2000.0),
            (&[-800.0, 1250.0], -1000.0, 2000.0, 1000.0),
            (&[0.0], 0.0, 0.01, 0.01),
            (&[0.42], 0.0, 0.6, 0.2),
            (&[f64::NAN], 0.0, 0.01, 0.01),
        ] {
            let scale = Scale::of(values.iter().copied());
            let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
            let found = close(scale.low, low) && close(scale.high, high) && close(scale.step, step);
            assert!(found, "{values:?}: {scale:?}");
            assert!(scale.lines().any(|(value, _)| value == 0.0), "{values:?}");
        }
    }

    #[test]
    fn a_path_has_gaps_and_joins_what_is_level() {
        let scale = Scale { low: 0.0, high: 2.0, step: 1.0 };
        let points =
            [Some(0.0), Some(0.0), Some(1.0), None, Some(2.0), None, None, Some(1.0), Some(1.0)];
        assert_eq!(path(&points, scale), "M0 200h1l1-100M4 0h0M7 100h1");
        assert_eq!(path(&[None; 3], scale), "");
    }

    #[test]
    fn a_day_is_drawn_in_480_points() {
        let drawn = points(&[Some(3.0), None, Some(5.0)]);
        assert_eq!(drawn.len(), 480);
        assert_eq!(drawn[479], Some(4.0));
        assert_eq!(drawn[478], None);
        assert_eq!(points(&vec![Some(1.0); 2000]).len(), 480);
    }

    #[test]
    fn a_counter_grows_from_its_first_value() {
        assert_eq!(
            growth(&[None, Some(5000.0), None, Some(5500.0)]),
            [None, Some(0.0), None, Some(0.5)]
        );
    }
}
