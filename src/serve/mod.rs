//! The serving layer: the decision log in, the latest page of each visitor out.
//!
//! A thread follows the log of decisions ([`tail`]), which holds committed lines only, and puts each on
//! the [`board`]: the latest decisions of each visitor. `GET /v1/decide` reads it, `GET /v1/stream` is
//! told of what comes ([`edge`]). Who asks shows a token and sees that visitor's decisions and no other's.
//!
//! What leaves is data, never markup, and of a record only what a page needs to be arranged.
//!
//! A reader that does not keep up loses its place, not the others theirs: its queue is bounded, and when
//! it is full it is told to ask anew.

pub mod board;
pub mod edge;
pub mod tail;

pub use board::Board;
pub use edge::{Server, router};
