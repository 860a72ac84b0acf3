//! What of a counter may be served before it is on disk: nothing that a crash could take back.

use super::counter::Counter;

/// What is served of one counter, and what of it is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ceiling {
    /// The highest value that was or may have been served, in Wh. Never falls.
    served_wh: f64,
    saved: Option<Saved>,
}

/// What is on disk.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Saved {
    ceiling_wh: f64,
    offset_wh: f64,
}

impl Ceiling {
    /// Goes on from what is on disk: this, and nothing higher, may have been served.
    pub(super) fn restored(served_wh: f64, offset_wh: f64) -> Self {
        Self { served_wh, saved: Some(Saved { ceiling_wh: served_wh, offset_wh }) }
    }

    /// The value to serve, in Wh.
    pub(super) fn served_wh(self) -> f64 {
        self.served_wh
    }

    /// Whether anything of it is on disk.
    pub(super) fn is_saved(self) -> bool {
        self.saved.is_some()
    }

    /// Follows the counter; where there is a disk, no further than what is on it.
    pub(super) fn follow(&mut self, counter: &Counter, has_disk: bool) {
        let limit = match self.saved {
            _ if !has_disk => f64::INFINITY,
            Some(saved) if saved.offset_wh.to_bits() == counter.offset_wh().to_bits() => {
                saved.ceiling_wh
            }
            // The new offset has to be on disk first.
            _ => self.served_wh,
        };
        self.served_wh = self.served_wh.max(counter.reached_wh().min(limit));
    }

    /// The value to have on disk, `lead_wh` ahead of what the source has reached. Counted from
    /// what is served instead, each crash would add to it.
    pub(super) fn ahead_wh(self, counter: &Counter, lead_wh: f64) -> f64 {
        self.served_wh.max(counter.reached_wh() + lead_wh)
    }

    /// Whether that is to be written now: half of the lead is used up, or the offset is new.
    pub(super) fn is_due(self, counter: &Counter, lead_wh: f64) -> bool {
        self.saved.is_none_or(|saved| {
            saved.offset_wh.to_bits() != counter.offset_wh().to_bits()
                || counter.reached_wh() + lead_wh / 2.0 > saved.ceiling_wh
        })
    }

    /// This is on disk now.
    pub(super) fn saved(&mut self, ceiling_wh: f64, offset_wh: f64) {
        self.saved = Some(Saved { ceiling_wh, offset_wh });
    }
}
