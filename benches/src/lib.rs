//! What the servers and the tools of the comparison have in common.

use clap::ValueEnum;

pub mod bare;
pub mod block;
pub mod process;

/// Address of the first register.
pub const BASE: u16 = 40000;

/// The request that is repeated.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Query {
    /// 58 registers at 40071: the inverter's own poll, every second.
    Poll,
    /// 124 registers at 40071: all measured values.
    Block,
}

impl Query {
    /// First address and number of registers.
    #[must_use]
    pub fn range(self) -> (u16, u16) {
        match self {
            Self::Poll => (40071, 58),
            Self::Block => (40071, 124),
        }
    }
}

/// A whole frame that reads holding registers.
#[must_use]
pub fn request(transaction: u16, start: u16, count: u16) -> [u8; 12] {
    let [t1, t2] = transaction.to_be_bytes();
    let [s1, s2] = start.to_be_bytes();
    let [c1, c2] = count.to_be_bytes();
    [t1, t2, 0, 0, 0, 6, 1, 3, s1, s2, c1, c2]
}
