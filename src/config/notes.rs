//! What is wrong with a file, noted while it is read and located at the end.

use super::{
    document::{Document, Part, Path, Position},
    error::Problem,
};

/// More than this is not reported at once: to locate a problem costs another look at the text.
const MAX_PROBLEMS: usize = 50;

/// One thing that is wrong.
pub(super) struct Note {
    /// Empty for the file as a whole.
    pub(super) path: Path,
    pub(super) part: Part,
    /// The path of keys, as the file has it.
    pub(super) key: String,
    pub(super) message: String,
    /// Of a repeated key, where the first is, if its line is to be named.
    pub(super) first: Option<Path>,
}

/// Everything that is wrong.
pub(super) struct Notes {
    all: Vec<Note>,
    /// Nobody else can read the file, so that it may hold secrets.
    pub(super) is_private: bool,
}

impl Notes {
    pub(super) fn new(is_private: bool) -> Self {
        Self { all: Vec::new(), is_private }
    }

    pub(super) fn push(&mut self, note: Note) {
        self.all.push(note);
    }

    /// The problems in the order of the file, and only the first ones of very many.
    pub(super) fn into_problems(self, document: Document<'_>) -> Vec<Problem> {
        let mut notes = self.all;
        notes.sort_by(|a, b| a.path.cmp(&b.path));
        notes.truncate(MAX_PROBLEMS);
        let locate = |note| located(note, document);
        let mut problems: Vec<_> = notes.into_iter().map(locate).collect();
        problems.sort();
        problems
    }
}

fn located(note: Note, document: Document<'_>) -> Problem {
    let Note { path, part, key, mut message, first } = note;
    let position = if path.is_empty() { Position::START } else { document.locate(&path, part) };
    if let Some(first) = first {
        let line = document.locate(&first, Part::Key).line;
        message = format!("{message}; first on line {line}");
    }
    Problem { position, key, message }
}
