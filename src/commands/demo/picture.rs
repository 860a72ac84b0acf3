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

impl Scene<'_> {
    /// The picture in a window of `size`. The lower the window, the more is left out.
    pub(super) fn draw(&self, size: Size) -> Vec<Line> {
        let Size { columns, rows } = size;
        let mut below = self.story(columns, rows);
        if rows > 15 {
            below.insert(0, Line::default());
            below.push(Line::default());
        }
        below.extend(self.places(columns, rows));
        let above = usize::from(rows > 13).saturating_add(1);
        // At least one line is for the day.
        let used = below.len().saturating_add(above).saturating_add(2);
        let mut lines = vec![self.title(columns)];
        lines.resize(above, Line::default());
        lines.extend(self.views(columns, rows.saturating_sub(used)));
        lines.extend(
            self.day(columns, rows.saturating_sub(lines.len().saturating_add(below.len()))),
        );
        lines.extend(below);
        lines
    }

    fn title(&self, columns: usize) -> Line {
        let clock = Line::new(Tone::Strong, self.moment.clock());
        Line::new(Tone::Strong, "A solar day in a minute").spread(' ', clock, columns)
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
        let title = if width > 30 { "what the inverter reads " } else { "meter " };
        let state = Line::new(tone, format!(" {}", self.condition));
        let head = Line::new(Tone::Strong, title).spread('─', state, width);
        let points = POINTS.iter().map(|(point, label, unit, digits)| {
            let value = self.report.and_then(|report| report.value(point));
            let value = value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
            if width > 30 {
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
        let title = Line::new(Tone::Quiet, "the power that the inverter reads, up to 6 kW");
        let axis =
            Line::new(Tone::Quiet, "06:00").spread(' ', Line::new(Tone::Quiet, "20:00"), columns);
        let mut lines = vec![Line::default(), title];
        lines.extend(self.curve.bars(columns, rows.saturating_sub(3)));
        lines.push(axis);
        lines
    }

    /// What happens, in one line or in several.
    fn story(&self, columns: usize, rows: usize) -> Vec<Line> {
        let Story { headline, detail, tone } = self.story;
        let mut lines = vec![Line::new(tone, headline)];
        if rows > 13 {
            // As many lines for each story, so that nothing jumps.
            let mut detail = wrap(detail, columns);
            detail.resize(if columns < 70 { 4 } else { 2 }, String::new());
            lines.extend(detail.into_iter().map(|line| Line::new(Tone::Plain, line)));
        }
        lines
    }

    /// Where to look further.
    fn places(&self, columns: usize, rows: usize) -> Vec<Line> {
        let meter = Line::new(Tone::Quiet, "meter ").and(Tone::Plain, self.meter);
        let page =
            Line::new(Tone::Quiet, "page ").and(Tone::Plain, format!("http://{}", self.page));
        let end = Line::new(Tone::Quiet, "Ctrl-C ends it");
        if columns >= 80 {
            return vec![meter.and(Tone::Plain, "   ").join(page).spread(' ', end, columns)];
        }
        if rows > 13 { vec![meter, page, end] } else { vec![page] }
    }
}
