//! The sessions with Home Assistant, one after another.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Access, SessionError, Shared,
    conversation::Conversation,
    entities::{Change, Entities},
    message::{Incoming, What},
    question::{self, NAMES, Question, ages, has_started, names, nearest},
};
use crate::{
    source::{
        backoff::{later, new_backoff},
        item::{ItemProblem, ItemReply},
        outage::Outage,
        server::Server,
        state::ItemStateError,
    },
    system::{liveness::Pulse, logging::log_end},
};

/// Between two pings, unless `stale_after` wants them more often.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// The share of `stale_after` after which a ping is due.
const PING_SHARE: f64 = 1.0 / 3.0;

/// A connection that has been silent for this long is dead. Home Assistant may be busy for a few seconds.
const MAX_SILENCE: Duration = Duration::from_secs(40);

/// After a refusal: Home Assistant may ban an address that keeps trying.
const REFUSAL_PAUSE: Duration = Duration::from_secs(75);

/// A session that has lasted this long is not held against the next one.
const STABLE: Duration = Duration::from_secs(60);

/// What the log already has.
#[derive(Default)]
struct SessionLog {
    outage: Outage,
    /// The last line says that it is away.
    says_away: bool,
}

/// Keeps the readings up to date: connects again whenever a session ends.
pub(super) async fn run(shared: &Shared, access: &Access, pulse: &Pulse) {
    let homeassistant = &shared.config.endpoint;
    let mut backoff = new_backoff();
    let mut log = SessionLog { says_away: true, ..SessionLog::default() };
    loop {
        let started = Instant::now();
        let error = match pulse.during(access.connect()).await {
            Ok(conversation) => Session::new(shared, conversation).run(&mut log, pulse).await,
            Err(error) => error,
        };
        let now = Instant::now();
        if now.duration_since(started) > STABLE {
            log.outage = Outage::default();
            backoff = new_backoff();
        }
        let pause = if error.is_refusal() {
            REFUSAL_PAUSE
        } else {
            backoff.next().unwrap_or(PING_INTERVAL)
        };
        let fault = error.to_string();
        let (is_news, when) = if error.is_refusal() {
            (log.outage.is_news_at_once(&fault, now.into_std()), " in a minute")
        } else {
            (log.outage.is_news(&fault, now.into_std()), "")
        };
        if is_news {
            log.says_away = true;
            tracing::warn!(%homeassistant, "{fault}; trying again{when}");
        }
        shared.tracker().away(&fault, later(now, pause).into_std(), now.into_std());
        pulse.during(sleep(pause)).await;
    }
}

/// One session.
struct Session<'a> {
    shared: &'a Shared,
    conversation: Conversation,
    ids: Vec<String>,
    entities: Entities,
    subscription: u64,
    /// It has said what they are at first.
    has_entities: bool,
    has_started: bool,
    /// What was asked last, if the answer is still to come.
    question: Option<(u64, Question)>,
    /// The missing entities that were said to be.
    named: BTreeSet<String>,
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, conversation: Conversation) -> Self {
        let ids = shared.tracker().names();
        Self {
            shared,
            conversation,
            entities: Entities::new(ids.iter().cloned()),
            ids,
            subscription: 0,
            has_entities: false,
            has_started: false,
            question: None,
            named: BTreeSet::new(),
        }
    }

    /// Listens until the connection ends, and returns why it did.
    async fn run(mut self, log: &mut SessionLog, pulse: &Pulse) -> SessionError {
        match self.listen(log, pulse).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn listen(
        &mut self,
        log: &mut SessionLog,
        pulse: &Pulse,
    ) -> Result<std::convert::Infallible, SessionError> {
        self.shared.tracker().on_connected(Instant::now().into_std());
        let what = What::SubscribeEntities { entity_ids: &self.ids };
        self.subscription = self.conversation.command(what).await?;
        self.ask(Question::HasStarted).await?;
        let share = self.shared.freshness.stale_after.mul_f64(PING_SHARE);
        let interval = PING_INTERVAL.min(share);
        let started = Instant::now();
        let mut heard = started;
        let mut next_ping = later(started, interval);
        loop {
            // A timeout ends even where there is always something more to read, and a select need not.
            let due = next_ping.min(later(heard, MAX_SILENCE));
            match pulse.during(timeout_at(due, self.conversation.receive())).await {
                Ok(text) => {
                    heard = Instant::now();
                    self.handle(text?.as_text(), heard, log).await?;
                }
                Err(_) if heard.elapsed() >= MAX_SILENCE => return Err(SessionError::Silent),
                Err(_) if !self.has_entities && started.elapsed() >= MAX_SILENCE => {
                    return Err(SessionError::Silent);
                }
                Err(_) => {
                    next_ping = later(Instant::now(), interval);
                    self.conversation.command(What::Ping).await?;
                    self.ask_what_is_open().await?;
                }
            }
        }
    }

    async fn handle(
        &mut self,
        text: &str,
        now: Instant,
        log: &mut SessionLog,
    ) -> Result<(), SessionError> {
        let message = Incoming::parse(text)?;
        let now = now.into_std();
        if message.id == Some(self.subscription) {
            match message.event() {
                Some(event) => {
                    let changes = self.entities.apply(event);
                    let changes = changes.ok_or_else(|| SessionError::unexpected(text))?;
                    self.has_entities = true;
                    self.take(changes, now, log);
                }
                None if message.success == Some(false) => {
                    return Err(SessionError::unexpected(text));
                }
                None => {}
            }
        } else if let Some((id, question)) = self.question
            && message.id == Some(id)
        {
            self.answer(question, &message).await?;
        }
        self.shared.tracker().on_sign_of_life(now);
        Ok(())
    }

    /// Takes what has become of the entities.
    fn take(&self, changes: Vec<(String, Change)>, now: std::time::Instant, log: &mut SessionLog) {
        let mut tracker = self.shared.tracker();
        let before = tracker.answered(now);
        if !matches!(before, Server::Answers(_)) && log.says_away {
            log.says_away = false;
            let homeassistant = &self.shared.config;
            log_end!(
                before == Server::Away,
                homeassistant = %homeassistant.endpoint,
                "{homeassistant} answers"
            );
        }
        for (id, change) in changes {
            let problem = match change {
                Change::Found(state, last_state_update) => {
                    let reply = ItemReply { state, last_state_update, is_group: false };
                    tracker.on_read(&id, &reply, now);
                    continue;
                }
                Change::Updated(state) => {
                    tracker.on_event(&id, &state, now);
                    continue;
                }
                Change::UnitLost => ItemProblem::State(ItemStateError::UnitLost),
                Change::Gone => ItemProblem::NoEntity(None),
                Change::Unreadable => ItemProblem::NotAState,
            };
            tracker.doubt(&id, now);
            tracker.on_failure(&id, &problem, now);
        }
    }

    /// Asks a question. An answer to the one before, which is late, is not waited for.
    async fn ask(&mut self, question: Question) -> Result<(), SessionError> {
        if let Some((subscription, late)) = self.question.take()
            && late != Question::HasStarted
        {
            if late == Question::Names {
                // A house may have more names than a template may give.
                self.name_missing(&[]);
            }
            self.conversation.command(What::UnsubscribeEvents { subscription }).await?;
        }
        let reports;
        let what = match question {
            Question::HasStarted => What::GetConfig,
            Question::Names => What::RenderTemplate { template: NAMES },
            Question::Reports => {
                reports = question::reports(&self.ids);
                What::RenderTemplate { template: &reports }
            }
        };
        let id = self.conversation.command(what).await?;
        self.question = Some((id, question));
        Ok(())
    }

    /// Asks what is not known yet, or not known any more.
    async fn ask_what_is_open(&mut self) -> Result<(), SessionError> {
        let now = Instant::now().into_std();
        let is_settled = self.shared.tracker().server.is_settled(now);
        let is_missing =
            self.has_entities && self.entities.missing().any(|id| !self.named.contains(id));
        let question = if !self.has_started {
            Question::HasStarted
        } else if is_missing && is_settled {
            Question::Names
        } else if self.shared.freshness.item_max_age.is_some() {
            Question::Reports
        } else {
            return Ok(());
        };
        self.ask(question).await
    }

    async fn answer(
        &mut self,
        question: Question,
        message: &Incoming<'_>,
    ) -> Result<(), SessionError> {
        if question == Question::HasStarted {
            self.question = None;
            self.has_started = message.result.is_some_and(|result| has_started(result.get()));
            if self.has_started {
                self.ask_what_is_open().await?;
            }
            return Ok(());
        }
        let Some(event) = message.event() else {
            if message.success == Some(false) {
                self.question = None;
            }
            return Ok(());
        };
        match question {
            Question::Names => self.name_missing(&names(event).unwrap_or_default()),
            _ => self.note_reports(&ages(event).unwrap_or_default()),
        }
        if let Some((subscription, _)) = self.question.take() {
            self.conversation.command(What::UnsubscribeEvents { subscription }).await?;
        }
        Ok(())
    }

    /// Says which of the wanted entities are missing.
    fn name_missing(&mut self, all: &[String]) {
        let now = Instant::now().into_std();
        let mut tracker = self.shared.tracker();
        for id in self.entities.missing() {
            tracker.on_failure(id, &ItemProblem::NoEntity(nearest(id, all)), now);
            self.named.insert(id.to_owned());
        }
    }

    fn note_reports(&self, ages: &[Option<f64>]) {
        let now = Instant::now().into_std();
        let mut tracker = self.shared.tracker();
        for (id, age) in self.ids.iter().zip(ages) {
            let age = age.and_then(|age| Duration::try_from_secs_f64(age.max(0.0)).ok());
            if let Some(reported) = age.and_then(|age| now.checked_sub(age)) {
                tracker.on_report(id, reported);
            }
        }
    }
}
