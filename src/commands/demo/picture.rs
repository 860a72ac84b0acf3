//! What the demo draws: openHAB's view beside the inverter's, the day, and what happens in it.

use super::{curve::Curve, day::Moment, plant::ITEMS, story::Story};
use crate::{
    client::report::Report,
    commands::screen::{
        Size,
        line::{Line, Tone, wrap},
    },
    meter::Condition,
};

/// Between the two views.
const GAP: usize = 2;

/// As wide as the longest item with its state.
const OPENHAB: usize = 27;

/// What an inverter reads of the meter, from what matters most.
const POINTS: [(&str, &str, &str, usize); 5] = [
    ("W", "power", "W", 1),
    ("TotWhExp", "exported energy", "Wh", 0),
    ("A", "current", "A", 2),
    ("PhV", "voltage", "V", 1),
    ("Hz", "frequency", "Hz", 2),
];

/// What there is to know at one moment.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) moment: Moment,
    pub(super) story: Story,
    /// The states of [`ITEMS`].
    pub(super) states: [String; 6],
    pub(super) is_away: bool,
    pub(super) condition: Condition,
    pub(super) report: Option<&'a Report>,
    pub(super) curve: &'a Curve,
    /// Where meter and status page are.
    pub(super) meter: &'a str,
    pub(super) page: &'a str,
}

/// From this height on there is room for more than the bare facts.
const ROOMY: usize = 20;

/// Below this width, what is said takes more lines.
const NARROW: usize = 70;

/// As wide as the inverter's view must be for words.
const WORDY: usize = 30;

impl Scene<'_> {
    /// The picture in a window of `size`. The lower the window, the more is left out.
    pub(super) fn draw(&self, size: Size) -> Vec<Line> {
        let Size { columns, rows } = size;
        let is_roomy = rows >= ROOMY;
        let mut lines = vec![self.title(columns)];
        let mut below = vec![Line::new(self.story.tone, self.story.headline)];
        if is_roomy {
            lines.push(Line::default());
            below.insert(0, Line::default());
            below.extend(self.detail(columns));
            below.push(Line::default());
        }
        below.extend(self.places(columns, is_roomy));
        // The views have a head each, and below them is at least one line for the day.
        let left = |lines: &[Line]| rows.saturating_sub(lines.len().saturating_add(below.len()));
        lines.extend(self.views(columns, left(&lines).saturating_sub(2)));
        lines.extend(self.day(columns, left(&lines)));
        lines.extend(below);
        lines
    }

    fn title(&self, columns: usize) -> Line {
        let clock = Line::new(Tone::Strong, self.moment.clock());
        let title = Line::new(Tone::Strong, "A solar day in a minute");
        let more = if columns < NARROW { "" } else { "  the energy counts in real time" };
        title.and(Tone::Quiet, more).spread(' ', clock, columns)
    }

    /// openHAB's view beside the inverter's, with so many values at most.
    fn views(&self, columns: usize, rows: usize) -> Vec<Line> {
        let half = columns.saturating_sub(GAP) / 2;
        let left = half.max(OPENHAB);
        let right = columns.saturating_sub(left.saturating_add(GAP));
        let items = self.items(left);
        let points = self.points(right);
        items
            .into_iter()
            .zip(points)
            .take(rows.saturating_add(1))
            .map(|(item, point)| item.fill(left).and(Tone::Plain, " ".repeat(GAP)).join(point))
            .collect()
    }

    fn items(&self, width: usize) -> Vec<Line> {
        let state = if self.is_away {
            Line::new(Tone::Bad, " away")
        } else {
            Line::new(Tone::Good, " answers")
        };
        let head = Line::new(Tone::Strong, "openHAB ").spread('─', state, width);
        let tone = if self.is_away { Tone::Quiet } else { Tone::Plain };
        let items = ITEMS.iter().zip(&self.states).map(|(name, state)| {
            Line::new(Tone::Quiet, *name).spread(' ', Line::new(tone, state), width)
        });
        std::iter::once(head).chain(items).collect()
    }

    fn points(&self, width: usize) -> Vec<Line> {
        let tone = match self.condition {
            Condition::Live => Tone::Good,
            Condition::Stale => Tone::Bad,
            Condition::Waiting => Tone::Odd,
        };
        let is_wordy = width >= WORDY;
        let (title, fill) =
            if is_wordy { ("what the inverter reads ", '─') } else { ("meter", ' ') };
        let state = Line::new(tone, format!(" {}", self.condition));
        let head = Line::new(Tone::Strong, title).spread(fill, state, width);
        let points = POINTS.iter().map(|(point, label, unit, digits)| {
            let value = self.report.and_then(|report| report.value(point));
            let value = value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
            if is_wordy {
                let value = Line::new(Tone::Strong, value).and(Tone::Plain, format!(" {unit:2}"));
                Line::new(Tone::Quiet, *label).spread(' ', value, width)
            } else {
                let value = Line::new(Tone::Strong, value);
                Line::new(Tone::Quiet, *unit).spread(' ', value, width)
            }
        });
        let all = std::iter::once(head).chain(points);
        all.chain(std::iter::repeat(Line::default())).take(ITEMS.len().saturating_add(1)).collect()
    }

    /// The power of the day, with an axis where there is room for one.
    fn day(&self, columns: usize, rows: usize) -> Vec<Line> {
        if rows < 4 {
            return self.curve.bars(columns, rows);
        }
        let title = Line::new(Tone::Quiet, "power that it reads, to 6 kW; ")
            .and(Tone::Bad, "×")
            .and(Tone::Quiet, " stale");
        let axis =
            Line::new(Tone::Quiet, "06:00").spread(' ', Line::new(Tone::Quiet, "20:00"), columns);
        let mut lines = vec![Line::default(), title];
        lines.extend(self.curve.bars(columns, rows.saturating_sub(3)));
        lines.push(axis);
        lines
    }

    /// What there is to say about what happens: in as many lines for each story, so that nothing
    /// jumps.
    fn detail(&self, columns: usize) -> Vec<Line> {
        let mut detail = wrap(self.story.detail, columns);
        detail.resize(if columns < NARROW { 4 } else { 2 }, String::new());
        detail.into_iter().map(|line| Line::new(Tone::Plain, line)).collect()
    }

    /// Where to look further.
    fn places(&self, columns: usize, is_roomy: bool) -> Vec<Line> {
        let meter = Line::new(Tone::Quiet, "meter ").and(Tone::Plain, self.meter);
        let page =
            Line::new(Tone::Quiet, "page ").and(Tone::Plain, format!("http://{}", self.page));
        let end = Line::new(Tone::Quiet, "Ctrl-C ends it");
        if columns >= 80 {
            vec![meter.and(Tone::Plain, "   ").join(page).spread(' ', end, columns)]
        } else if is_roomy {
            vec![meter, page, end]
        } else {
            vec![page]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sunspec::{
        Model,
        models::{model1::Model1, model213::Model213},
    };

    use super::*;

    #[test]
    fn all_that_matters_fits_every_window() {
        let common = Model1::parse(&[0x4141; 66]).unwrap();
        let mut words = [0; 124];
        // TotWhExp, as wide as the demo shows it.
        words[58] = 0x4B0E;
        let report = Report::float(common, 213, &Model213::parse(&words).unwrap());
        let moment = Moment::after(Duration::from_secs(20));
        let scene = Scene {
            moment,
            story: Story::of(moment, true, Condition::Stale),
            states: ["4217 W", "626 W", "8345.690 kWh", "987.656 kWh", "235.4 V", "49.98 Hz"]
                .map(str::to_owned),
            is_away: true,
            condition: Condition::Stale,
            report: Some(&report),
            curve: &Curve::default(),
            meter: "127.0.0.1:5020",
            page: "127.0.0.1:45678",
        };
        for columns in 40..=100 {
            for rows in 10..=34 {
                let lines = scene.draw(Size { columns, rows });
                let text: Vec<_> = lines.iter().map(|line| line.paint(false)).collect();
                let text = text.join("\n");
                assert_eq!(lines.len(), rows, "{columns}x{rows}:\n{text}");
                for line in &lines {
                    assert!(line.width() <= columns, "{columns}x{rows}: {line:?}");
                }
                for part in ["8345.690 kWh", " away", " stale", "9306112", "127.0.0.1:45678"] {
                    assert!(text.contains(part), "{part} in {columns}x{rows}:\n{text}");
                }
                assert!(!text.contains('…'), "{columns}x{rows}:\n{text}");
            }
        }
    }
}
