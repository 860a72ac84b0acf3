//! What the program must keep to: how long an answer takes, what it needs, and how much it logs.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use rustix::process::Pid;

use crate::harness::{program::Lines, within};

/// The most that one answer of a thousand may take.
const P999: Duration = Duration::from_millis(50);

/// What a busy machine may add, as a multiple of what the control takes: the program has work to do
/// for all of its clients, and the control has but one.
const CONTROLS: u32 = 10;

/// How much more memory than before the chaos may be held after it, in KiB: buffers of as many
/// connections as there may be, as the allocator keeps them.
const MEMORY: u64 = 4 * 1024;

/// Lines of one kind in any minute.
const MAX_PER_MINUTE: usize = 10;

/// How long each answer took.
#[derive(Default)]
pub(crate) struct Latencies {
    pub(crate) meter: Vec<Duration>,
    pub(crate) control: Vec<Duration>,
}

impl Latencies {
    pub(crate) fn judge(mut self) {
        let p999 = |all: &mut Vec<Duration>| {
            all.sort_unstable();
            (all[(all.len() - 1) * 999 / 1000], all[all.len() - 1])
        };
        let (ours, longest) = p999(&mut self.meter);
        let (control, longest_control) = p999(&mut self.control);
        let bar = P999.max(control * CONTROLS);
        println!(
            "{} answers to the inverter: p99.9 {ours:.1?}, longest {longest:.1?}; of the control: \
             {control:.1?}, {longest_control:.1?}; so p99.9 may be {bar:.1?}",
            self.meter.len(),
        );
        assert!(ours <= bar, "p99.9 is {ours:?}, more than {bar:?}");
    }
}

/// What a process has taken of the machine.
#[derive(Debug)]
pub(crate) struct Footprint {
    rss: u64,
    pss: u64,
    pub(crate) descriptors: usize,
}

impl Footprint {
    pub(crate) fn of(process: Pid) -> Self {
        let folder = format!("/proc/{}", process.as_raw_nonzero());
        let rollup = fs::read_to_string(format!("{folder}/smaps_rollup")).unwrap();
        let kib = |name: &str| {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_end_matches("kB").trim().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("{folder}/fd")).unwrap().count();
        Self { rss: kib("Rss:"), pss: kib("Pss:"), descriptors }
    }

    pub(crate) fn judge(&self, before: &Self) {
        println!(
            "RSS {} KiB and then {}, PSS {} and then {}, descriptors {} and then {}",
            before.rss, self.rss, before.pss, self.pss, before.descriptors, self.descriptors,
        );
        assert!(self.rss <= before.rss + MEMORY, "RSS has grown: {before:?}, then {self:?}");
        assert!(self.pss <= before.pss + MEMORY, "PSS has grown: {before:?}, then {self:?}");
    }
}

/// All lines but those at DEBUG, and when they came.
#[derive(Debug, Default)]
pub(crate) struct Log(Vec<(Instant, String)>);

impl Log {
    /// Takes what is logged until `work` is done.
    pub(crate) async fn take_during<T>(
        &mut self,
        lines: &mut Lines,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(line) = lines.next() => self.extend([line]),
            }
        }
    }

    /// Takes what is logged until a line has come, after `since`, that contains `text`.
    pub(crate) async fn take_until(&mut self, lines: &mut Lines, since: Instant, text: &str) {
        while !self.0.iter().any(|(at, line)| *at >= since && line.contains(text)) {
            let line = within(lines.next()).await.expect("the log has ended");
            self.extend([line]);
        }
    }

    pub(crate) fn extend(&mut self, lines: impl IntoIterator<Item = String>) {
        let now = Instant::now();
        let lines = lines.into_iter().filter(|line| !line.contains(" DEBUG "));
        self.0.extend(lines.map(|line| (now, line)));
    }

    pub(crate) fn judge(&self) {
        assert!(!self.0.iter().any(|(_, line)| line.contains("panicked")), "{self:#?}");
        assert_bounded(&self.0);
    }
}

/// What a line says, without its time and whatever else is a number.
fn kind(line: &str) -> String {
    let kind: String = line.chars().filter(|c| !c.is_ascii_digit()).collect();
    kind.trim_start_matches(['-', ' ', ':', '.']).to_owned()
}

/// Lines of one kind are few in any minute, whatever happens.
fn assert_bounded(lines: &[(Instant, String)]) {
    let mut kinds: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
    for (at, line) in lines {
        kinds.entry(kind(line)).or_default().push(*at);
    }
    let minute = |times: &[Instant]| {
        let following = |from: &Instant| {
            times.iter().filter(|at| at >= &from && **at - *from < Duration::from_secs(60)).count()
        };
        times.iter().map(following).max().unwrap_or_default()
    };
    let mut most: Vec<_> = kinds.iter().map(|(kind, times)| (minute(times), kind)).collect();
    most.sort_unstable_by(|one, other| other.cmp(one));
    println!("{} lines above DEBUG; of each kind at most so many in a minute:", lines.len());
    for (count, kind) in &most {
        println!("{count:6}  {kind}");
    }
    assert!(most.iter().all(|(count, _)| *count <= MAX_PER_MINUTE), "more than {MAX_PER_MINUTE}");
}
