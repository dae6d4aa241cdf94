//! What remains of a visitor between sessions: a few numbers, kept for a while.

use super::learn::moments::Account;
use crate::event::EventMs;
use serde::{Deserialize, Serialize};

/// What a visitor did in earlier sessions. All zero for a first visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Sessions ended so far.
    pub sessions: u32,
    /// Purchase events in them.
    pub purchases: u32,
    /// Sessions that ended with something in the cart and nothing bought.
    pub abandoned_carts: u32,
    /// Latest event time of the last session.
    pub last: EventMs,
    /// Number of the last session ([`super::live::Visit::session_number`]).
    pub last_session: u64,
    /// Decisions numbered so far, where numbering goes on over sessions.
    pub next_seq: u32,
    /// What the visitor came to within the experiment.
    pub account: Account,
    /// Whether the visitor counts among those who are compared slot by slot.
    pub compared: bool,
    /// Whether the visitor was found to be a bot: later sessions teach nothing.
    pub bot: bool,
}

impl History {
    /// Nothing was before.
    pub const FIRST_VISIT: History = History {
        sessions: 0,
        purchases: 0,
        abandoned_carts: 0,
        last: EventMs(0),
        last_session: 0,
        next_seq: 0,
        account: Account {
            sessions: 0,
            converted: 0,
            revenue: 0,
            margin: 0,
            before: 0,
        },
        compared: false,
        bot: false,
    };

    /// Whether the visitor was here before.
    pub fn returning(&self) -> bool {
        self.sessions > 0
    }
}
