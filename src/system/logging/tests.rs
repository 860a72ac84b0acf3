#![allow(clippy::restriction, reason = "a broken expectation is how a test fails")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tracing_subscriber::Registry;

use super::{quota::Quota, *};

/// The records that `log` makes.
fn records(log: impl FnOnce()) -> Vec<Record> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let finds = Arc::clone(&found);
    let gather = Gather(move |record| finds.lock().unwrap().push(record));
    tracing::dispatcher::with_default(&Registry::default().with(gather).into(), log);
    std::mem::take(&mut found.lock().unwrap())
}

fn item(name: &str, state: u32) {
    tracing::warn!(item = name, "item {name} gives no value: {state}");
}

fn messages(records: &[Record]) -> Vec<&str> {
    records.iter().map(Record::message).collect()
}

#[test]
fn a_record_is_replayed_with_all_its_fields() {
    let found = records(|| {
        tracing::info!(phase = 1, key = "P", other = tracing::field::Empty, "{} W", 800);
    });
    // While an event is under way, as where lost lines are reported.
    let again = records(|| tracing::dispatcher::get_default(|now| found[0].replay(now)));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].message(), "800 W");
    assert_eq!(again[0].level(), Level::INFO);
    assert_eq!(again[0].kind(), found[0].kind(), "the other fields");
}

#[test]
fn a_record_names_the_meters_it_is_about() {
    let found = records(|| {
        about(["roof"]).in_scope(|| tracing::info!("data is live"));
        tracing::info!(parent: &about(["roof", "grid"]), client = "::1", "client ::1 polls");
        tracing::info!(parent: &about([]), "data is live");
    });
    let expected = ["roof: data is live", "roof, grid: client ::1 polls", "data is live"];
    assert_eq!(messages(&found), expected);
    assert_ne!(found[0].kind(), records(|| tracing::info!("data is live"))[0].kind());

    // What the journal gets: a field for each.
    let fields = Arc::new(Mutex::new(Vec::new()));
    let journal = Registry::default().with(Fields(Arc::clone(&fields)));
    // As on the thread of the log, where the default is what gathers records.
    let gather = Registry::default().with(Gather(|_| panic!("a record of a record")));
    tracing::dispatcher::with_default(&gather.into(), || found[1].replay(&journal.into()));
    assert_eq!(*fields.lock().unwrap(), ["meter=roof", "meter=grid"]);
}

/// Notes the fields of spans around each event.
struct Fields(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Fields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Spoken::default();
        attributes.record(&mut fields);
        ctx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, _: &Event<'_>, ctx: Context<'_, S>) {
        // As the journal's layer does.
        for span in ctx.lookup_current().unwrap().scope().from_root() {
            let fields = span.extensions().get::<Spoken>().unwrap().0.clone();
            self.0.lock().unwrap().extend(fields);
        }
    }
}

#[derive(Default)]
struct Spoken(Vec<String>);

impl tracing::field::Visit for Spoken {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.push(format!("{field}={value}"));
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}

#[test]
fn lines_of_one_kind_are_few_and_then_a_count() {
    let start = Instant::now();
    let mut quota = Quota::default();
    let mut admit = |record: Record| quota.admit(record, start).is_some();
    let flips = records(|| (0..1000).for_each(|state| item("P", state)));
    let written = flips.into_iter().map(&mut admit).filter(|written| *written).count();
    assert_eq!(written, 5);
    // Another item is another kind, and so is another place in the code.
    let others = records(|| {
        item("E", 1);
        tracing::warn!(item = "P", "something else");
    });
    assert!(others.into_iter().all(&mut admit));

    assert_eq!(quota.next_due(), Some(start + Duration::from_mins(1)));
    assert!(quota.ended(start + Duration::from_secs(59)).is_empty());
    let counts = quota.ended(start + Duration::from_mins(1));
    let expected = "item P gives no value: 999 (and 994 more of this kind within a minute)";
    assert_eq!(messages(&counts), [expected]);
    assert_eq!(quota.next_due(), None);
}

#[test]
fn what_is_held_back_is_written_at_the_end() {
    let mut quota = Quota::default();
    for record in records(|| (0..6).for_each(|state| item("P", state))) {
        quota.admit(record, Instant::now());
    }
    assert_eq!(messages(&quota.finish()), ["item P gives no value: 5"]);
}

#[test]
fn lines_of_a_connection_have_no_limit() {
    let mut quota = Quota::default();
    let all = records(|| {
        (0..100).for_each(|request| tracing::debug!(peer = "::1", "request {request}"));
    });
    assert!(all.into_iter().all(|record| quota.admit(record, Instant::now()).is_some()));
    assert_eq!(quota.next_due(), None);
}

#[test]
fn many_kinds_need_no_more_memory_than_a_few() {
    let mut quota = Quota::default();
    let many = records(|| (0..10_000).for_each(|item| self::item(&item.to_string(), 1)));
    let now = Instant::now();
    let written = many.into_iter().filter_map(|record| quota.admit(record, now)).count();
    assert_eq!(written, 256 + 5);
    assert_eq!(quota.finish().len(), 1);
}
