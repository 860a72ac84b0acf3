//! The energy counters of one meter.

use std::time::{Duration, Instant, SystemTime};

use super::{
    MeterConfig,
    binding::Binding,
    ceiling::Ceiling,
    counter::{Circumstances, Counter},
    explained::Explained,
    former::{Former, joined},
    guarded::{Guarded, PowerGroup, guarded},
    measurements::ThreePhase,
    news::News,
    power::Elapsed,
    reading::{Freshness, Measurand, Phase, Point, Reading},
    record::{CounterRecord, MeterRecord, Restored},
};

/// How far the ceiling on disk is ahead: what the present power brings in this time, in h.
const LEAD_H: f64 = 5.0 / 60.0;

/// The bounds of that, in Wh.
const MIN_LEAD_WH: f64 = 200.0;
const MAX_LEAD_WH: f64 = 500.0;

/// While there is power, the counters are saved at least this often, even if none rises: a crash
/// forgets what the power explains.
const MAX_UNSAVED: Duration = Duration::from_secs(900);

/// A list is served without those of its items that have had no value for this long.
const LEFT_OUT_AFTER: Duration = Duration::from_hours(24);

/// All counters of a meter.
#[derive(Clone, Debug)]
pub(super) struct Energies {
    min_energy_wh: f64,
    max_power_w: f64,
    counters: Vec<Guarded>,
    former: Former,
    groups: Vec<PowerGroup>,
    /// What was served before the start is known; nothing is counted until then.
    is_restored: bool,
    /// When the counters were last judged.
    judged: Instant,
    /// Something was served before; further items bring only what they count from now on.
    has_served: bool,
    /// Whether the disk takes writes: then what is served must be on it first.
    has_disk: bool,
    /// When the counters were last on disk.
    saved: Instant,
}

impl Energies {
    pub(super) fn new(config: &MeterConfig, bindings: &[Binding], now: Instant) -> Self {
        let (counters, groups) = guarded(config.role, bindings, now);
        Self {
            min_energy_wh: config.min_energy_wh,
            max_power_w: config.max_power_w,
            counters,
            former: Former::default(),
            groups,
            is_restored: false,
            judged: now,
            has_served: false,
            has_disk: false,
            saved: now,
        }
    }

    /// Lets the counters go on from what was remembered. One that is higher already goes on from
    /// where it is. To be called also where nothing is remembered.
    pub(super) fn restore(&mut self, restored: Restored, has_disk: bool, now: Instant) {
        self.is_restored = true;
        self.has_disk = has_disk;
        let Restored { record: Some(mut record), saved, is_legacy } = restored else { return };
        if is_legacy {
            record.counters.retain(|record| {
                self.counters
                    .iter()
                    .any(|own| own.channel.point == record.point() && own.item == record.item)
            });
        }
        if record.counters.is_empty() {
            return;
        }
        self.has_served = true;
        for record in joined(record.counters) {
            match self.counters.iter_mut().find(|own| own.is_that_of(&record)) {
                Some(own) if own.ceiling.served_wh() <= record.served_wh => {
                    let CounterRecord { served_wh, counter, power, .. } = record;
                    let explained = Explained::restored(counter.explained, power, saved, now);
                    own.ceiling = Ceiling::restored(served_wh, counter.offset_wh);
                    own.counter = Some(Counter::restored(counter, explained, now));
                    // What the source shows now was not offered to this one.
                    own.shown = None;
                    if let Some(group) = self.groups.get_mut(own.group) {
                        group.history.restore(power);
                    }
                }
                Some(_) => {}
                None => self.former.add(record),
            }
        }
        self.former.merge();
    }

    /// Whether the disk takes writes. Where it does not, what is served does not wait for it.
    pub(super) fn set_disk(&mut self, has_disk: bool) {
        self.has_disk = has_disk;
        self.follow();
    }

    /// Lets time pass until `now`, and offers what the source has updated to the guards, each
    /// update only once.
    pub(super) fn judge(
        &mut self,
        reading: &Reading,
        freshness: Freshness,
        now: Instant,
        clock: SystemTime,
        mut say: impl FnMut(Point, &str, News),
    ) {
        if !self.is_restored {
            return;
        }
        for place in 0..self.groups.len() {
            self.pass(place, reading, freshness, now);
        }
        for own in &mut self.counters {
            let Some(sample) = reading.get(own.channel) else { continue };
            let updated = own.shown.is_none_or(|(_, updated)| updated != sample.updated);
            own.shown = Some((sample.value, sample.updated));
            if let (Some(counter), Some(group), true) =
                (&mut own.counter, self.groups.get(own.group), updated)
            {
                let max_power_w = self.max_power_w;
                let at = Circumstances { power: &group.history, max_power_w, now, clock };
                let outcome = counter.offer(sample.value, at);
                // It is served as soon as it is on disk.
                let served = own.ceiling.served_wh().max(counter.reached_wh());
                if let Some(news) = own.standing.offered(outcome, sample.value, served, now) {
                    say(own.channel.point, &own.item, news);
                }
            }
        }
        self.start(now, &mut say);
        // Without a sign of life for longer, the source may have been away.
        let lived = reading.alive().map(|alive| alive.saturating_duration_since(self.judged));
        self.leave_out(lived.unwrap_or_default().min(freshness.stale_after), &mut say);
        self.judged = now;
        self.follow();
        self.watch(reading, freshness, now, &mut say);
    }

    /// Lets time pass for the counters that are judged by one power.
    fn pass(&mut self, place: usize, reading: &Reading, freshness: Freshness, now: Instant) {
        let Some(group) = self.groups.get_mut(place) else { return };
        let power = group.known(reading, freshness, self.max_power_w);
        let elapsed: Elapsed = group.history.advance(power, now);
        for own in self.counters.iter_mut().filter(|own| own.group == place) {
            if let Some(counter) = &mut own.counter {
                counter.add(elapsed, self.max_power_w);
            }
        }
    }

    /// Starts counters with their first value.
    fn start(&mut self, now: Instant, say: &mut impl FnMut(Point, &str, News)) {
        if self.counters.iter().all(|own| own.counter.is_some()) {
            return;
        }
        let is_out = |own: &Guarded| own.channel.point.measurand == Measurand::EnergyOut;
        let out = self.counters.iter().filter(|own| is_out(own));
        let sum_wh: f64 = out.filter_map(|own| own.shown).map(|(shown_wh, _)| shown_wh).sum();
        for own in self.counters.iter_mut().filter(|own| own.counter.is_none()) {
            let Some((shown_wh, _)) = own.shown else { continue };
            // Items of a list are devices of their own; phases are mostly those of one.
            let reached_wh = if own.is_member() { shown_wh } else { sum_wh };
            if is_out(own) && !self.has_served && reached_wh < self.min_energy_wh {
                if let Some(news) = own.standing.below(shown_wh, self.min_energy_wh) {
                    say(own.channel.point, &own.item, news);
                }
                continue;
            }
            let is_late = self.has_served || own.is_left_out;
            let start_wh = if is_late { 0.0 } else { shown_wh };
            own.counter = Some(Counter::new(shown_wh, start_wh, now));
        }
    }

    /// Does without items of a list that have had no value for a day in which the source lived, while
    /// others of the list had. They bring only what they count from then on.
    fn leave_out(&mut self, lived: Duration, say: &mut impl FnMut(Point, &str, News)) {
        if self.has_served {
            return;
        }
        let started = self.counters.iter().filter(|own| own.counter.is_some());
        let started: Vec<_> = started.map(|own| own.channel.point).collect();
        for own in self.counters.iter_mut().filter(|own| own.is_missing()) {
            if started.contains(&own.channel.point) {
                own.waited = own.waited.saturating_add(lived);
                if own.waited >= LEFT_OUT_AFTER {
                    own.is_left_out = true;
                    say(own.channel.point, &own.item, News::LeftOut);
                }
            }
        }
    }

    fn watch(
        &mut self,
        reading: &Reading,
        freshness: Freshness,
        now: Instant,
        say: &mut impl FnMut(Point, &str, News),
    ) {
        for own in &mut self.counters {
            let (Some(counter), Some((shown_wh, _))) = (&own.counter, own.shown) else { continue };
            let expiry = reading.get(own.channel).and_then(|sample| freshness.expiry(sample));
            let power = self.groups.get(own.group).is_some_and(|group| group.history.is_known());
            // If the power is stale too, the whole source is the problem.
            let is_confirmed = !power || expiry.is_some_and(|at| now < at);
            let served = own.ceiling.served_wh();
            let news = own.standing.watch(counter, shown_wh, served, is_confirmed, now);
            if let Some(news) = news {
                say(own.channel.point, &own.item, news);
            }
        }
    }

    /// Whether there is something to serve: every counter had a first value, or what was served
    /// before goes on.
    pub(super) fn is_ready(&self) -> bool {
        let is_saved = |own: &Guarded| own.ceiling.is_saved() || !self.has_disk;
        let is_ready = |own: &Guarded| own.is_left_out || own.counter.is_some() && is_saved(own);
        self.is_restored && (self.has_served || self.counters.iter().all(is_ready))
    }

    /// Counters that keep the meter from having something to serve.
    pub(super) fn missing(&self) -> impl Iterator<Item = String> {
        let missing = |own: &&Guarded| own.is_missing() && !self.has_served;
        self.counters.iter().filter(missing).map(Guarded::name)
    }

    /// The served total and phases of a measurand, in Wh.
    pub(super) fn served(&self, measurand: Measurand) -> ThreePhase {
        ThreePhase::sum(Phase::ALL.map(|phase| {
            let point = Point { measurand, phase };
            let own = self.counters.iter().filter(|own| own.channel.point == point);
            own.fold(self.former.share_wh(point), |sum, own| sum + own.ceiling.served_wh())
        }))
    }

    /// The counters that are held, and why.
    pub(super) fn stands(&self) -> impl Iterator<Item = (Point, &str, News)> {
        self.counters.iter().filter_map(|own| {
            let (shown_wh, _) = own.shown?;
            let served = own.ceiling.served_wh();
            let stand = own.standing.stand(own.counter.as_ref()?, shown_wh, served)?;
            Some((own.channel.point, own.item.as_str(), News::Stands(stand)))
        })
    }

    /// What is to be on disk now, if what is there does not suffice any more.
    pub(super) fn unsaved(&self, now: Instant, clock: SystemTime) -> Option<MeterRecord> {
        let complete = self.has_served || !self.counters.iter().any(Guarded::is_missing);
        let is_due = |own: &Guarded| {
            own.counter.as_ref().is_some_and(|c| own.ceiling.is_due(c, self.lead_wh(own)))
        };
        let has_power = self.groups.iter().any(|group| group.history.watts() > 0.0);
        let is_old = has_power && now.saturating_duration_since(self.saved) >= MAX_UNSAVED;
        let is_due = is_old || self.counters.iter().any(is_due);
        (self.is_restored && complete && is_due).then(|| {
            self.record(now, clock, |own, counter| own.ceiling.ahead_wh(counter, self.lead_wh(own)))
        })
    }

    /// What is to be on disk at the end.
    pub(super) fn last(&self, now: Instant, clock: SystemTime) -> Option<MeterRecord> {
        self.is_ready().then(|| self.record(now, clock, |own, _| own.ceiling.served_wh()))
    }

    /// This is on disk now.
    pub(super) fn saved(&mut self, record: &MeterRecord, now: Instant) {
        self.saved = now;
        for record in &record.counters {
            if let Some(own) = self.counters.iter_mut().find(|own| own.is_that_of(record)) {
                own.ceiling.saved(record.served_wh, record.counter.offset_wh);
            }
        }
        self.follow();
    }

    /// Lets what is served follow what may be.
    fn follow(&mut self) {
        for own in &mut self.counters {
            if let Some(counter) = &own.counter {
                own.ceiling.follow(counter, self.has_disk);
            }
        }
        self.has_served = self.is_ready();
    }

    /// How far the ceiling of a counter is to be ahead, in Wh. The items of a list share what a single
    /// one would have.
    fn lead_wh(&self, own: &Guarded) -> f64 {
        let watts = self.groups.get(own.group).map_or(0.0, |group| group.history.watts());
        (watts * LEAD_H).clamp(MIN_LEAD_WH, MAX_LEAD_WH) / f64::from(own.members)
    }

    fn record(
        &self,
        now: Instant,
        clock: SystemTime,
        served_wh: impl Fn(&Guarded, &Counter) -> f64,
    ) -> MeterRecord {
        let own = self.counters.iter().filter_map(|own| {
            let (counter, group) = (own.counter.as_ref()?, self.groups.get(own.group)?);
            Some(CounterRecord {
                key: own.channel.point.measurand,
                phase: own.channel.point.phase,
                item: own.item.clone(),
                served_wh: served_wh(own, counter),
                counter: counter.snapshot(&group.history, now, clock),
                power: group.history.snapshot(),
            })
        });
        MeterRecord { counters: own.chain(self.former.records()).collect() }
    }
}
