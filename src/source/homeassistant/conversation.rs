//! A connection on which commands are given and numbered.

use std::{collections::BTreeMap, fmt};

use chrono::SecondsFormat;

use super::{
    SessionError,
    entities::{Change, Entities},
    history::highest,
    list::listed,
    message::{Command, Incoming, What},
    question::{NAMES, names, nearest},
    socket::{Socket, Text},
};
use crate::source::{
    ListedItem,
    http::Client,
    item::{ItemProblem, ItemReply},
    listing::month_ago,
};

/// A connection, and the id of the last command.
pub(super) struct Conversation {
    socket: Socket,
    last_id: u64,
}

/// What a message says about a command.
enum Answer<T> {
    Read(T),
    /// The command is understood, and its answer follows.
    ToCome,
    Unexpected,
}

impl<T> Answer<T> {
    fn of(read: Option<T>) -> Self {
        read.map_or(Self::Unexpected, Self::Read)
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

impl Conversation {
    pub(super) async fn open(
        client: &Client,
        path: &str,
        token: &str,
    ) -> Result<Self, SessionError> {
        Ok(Self { socket: Socket::open(client, path, token).await?, last_id: 0 })
    }

    /// Gives a command. Returns its id, which the answers have.
    pub(super) async fn command(&mut self, what: What<'_>) -> Result<u64, SessionError> {
        self.last_id = self.last_id.saturating_add(1);
        self.socket.send(&Command { id: self.last_id, what }).await?;
        Ok(self.last_id)
    }

    /// Waits for the next message, as [`Socket::receive`] does.
    pub(super) async fn receive(&mut self) -> Result<Text, SessionError> {
        self.socket.receive().await
    }

    /// Gives a command, and waits for a message about it that is an answer. The caller limits the time.
    async fn answer<T>(
        &mut self,
        what: What<'_>,
        read: impl Fn(&Incoming<'_>) -> Answer<T>,
    ) -> Result<T, SessionError> {
        let id = self.command(what).await?;
        loop {
            let text = self.receive().await?;
            let message = Incoming::parse(text.as_text())?;
            if message.id != Some(id) {
                continue;
            }
            match read(&message) {
                Answer::Read(value) => return Ok(value),
                Answer::ToCome => {}
                Answer::Unexpected => return Err(SessionError::unexpected(text.as_text())),
            }
        }
    }

    /// Gives a command, and waits for its first event. The caller limits the time.
    async fn event<T>(
        &mut self,
        what: What<'_>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, SessionError> {
        let first = |message: &Incoming<'_>| match message.event() {
            Some(event) => Answer::of(read(event)),
            None if message.success == Some(true) => Answer::ToCome,
            None => Answer::Unexpected,
        };
        self.answer(what, first).await
    }

    /// Gives a command, and waits for its result. The caller limits the time.
    async fn result<T>(
        &mut self,
        what: What<'_>,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, SessionError> {
        let result = |message: &Incoming<'_>| {
            Answer::of(message.result.and_then(|result| read(result.get())))
        };
        self.answer(what, result).await
    }

    /// Asks for all entities that have numbers. The caller limits the time.
    pub(super) async fn list(&mut self) -> Result<Vec<ListedItem>, SessionError> {
        self.result(What::GetStates, listed).await
    }

    /// Asks for the highest number that an entity has had, if its statistics are kept. The caller
    /// limits the time.
    pub(super) async fn highest(&mut self, entity: &str) -> Option<f64> {
        let start = month_ago().to_rfc3339_opts(SecondsFormat::Secs, true);
        let (statistic_ids, types) = ([entity], ["max"]);
        let what = What::Statistics { statistic_ids, start_time: &start, period: "day", types };
        self.result(what, highest).await.ok()
    }

    /// Asks for entities, and gives what is said of each: an error if there is no such entity, or
    /// nothing that can be read.
    ///
    /// # Errors
    /// Returns an error if the connection has ended.
    pub(super) async fn look_up(
        &mut self,
        ids: &[String],
    ) -> Result<BTreeMap<String, Result<ItemReply, ItemProblem>>, SessionError> {
        let apply = |event: &str| Entities::new(ids.iter().cloned()).apply(event);
        let changes = self.event(What::SubscribeEntities { entity_ids: ids }, apply).await?;
        let reply = |change| match change {
            Change::Found(state, last_state_update) => {
                Ok(ItemReply { state, last_state_update, is_group: false })
            }
            _ => Err(ItemProblem::NotAState),
        };
        let mut found: BTreeMap<_, _> =
            changes.into_iter().map(|(id, change)| (id, reply(change))).collect();
        if ids.iter().any(|id| !found.contains_key(id)) {
            let all = self.event(What::RenderTemplate { template: NAMES }, names).await?;
            for id in ids {
                let missing = || Err(ItemProblem::NoEntity(nearest(id, &all)));
                found.entry(id.clone()).or_insert_with(missing);
            }
        }
        Ok(found)
    }
}
