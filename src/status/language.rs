//! The languages of the page.

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// The one for all who read neither.
    #[default]
    English,
    /// With the inverter's own words.
    German,
}
