//! JD.com micro-behaviours: one session a line, tokens `sku+behaviour+category+interval+dwell`.
//!
//! The interval is the time in seconds to the next token, the dwell that on the product. The data
//! name neither visitors nor times: a line is a visitor with one session, called by the line's
//! number, and the lines follow one another, each a second after the last event of the one before,
//! from 2018-01-01. Behaviours 1 to 5 say from where the product page was reached, which becomes
//! the page; 6 and 7 are reading on it, 8 is reading to its end, 9 the cart and 10 an order.
//!
//! Invariant: an event never says what could not be known when it happened. The recorded dwell is
//! the **total** time on the product, known only once it is left. So the dwell of a 6 or 7 is the
//! time since the run of tokens on the product began, at most the recorded one.
//!
//! Each event stands at the byte of its token. A wrong token costs only itself, and the time to
//! the next one where that cannot be read; a line with too many of them is given up there.

use crate::event::{ID_BYTES_MAX, Kind, Micros, Reason};

use super::fields::{self, sensible};
use super::lines::REJECTS_PER_LINE_MAX;
use super::time::whole;
use super::{Decoder, Line, RawEvent, Rows};

/// 2018-01-01T00:00:00Z, when the first line begins.
pub const BASE_MS: u64 = 1_514_764_800_000;
/// Longest interval that is taken for one: ten years.
const INTERVAL_S_MAX: u64 = 3650 * 86_400;

/// Reads JD's sessions. Holds the time at which the next line begins.
pub struct Jd {
    next_line_ms: u64,
}

impl Default for Jd {
    fn default() -> Self {
        Jd {
            next_line_ms: BASE_MS,
        }
    }
}

/// A product's run of tokens within a line.
struct Run<'a> {
    sku: &'a [u8],
    began_ms: u64,
}

/// One token, read.
struct Token<'a> {
    sku: &'a [u8],
    behaviour: &'a [u8],
    category: &'a [u8],
    interval_s: u64,
    dwell_s: u64,
}

impl Decoder for Jd {
    fn decode(&mut self, line: Line<'_>, rows: &mut dyn Rows) {
        if let Err(reason) = fields::text(line.bytes) {
            return rows.reject(0, reason);
        }
        let mut number = itoa::Buffer::new();
        let visitor = number.format(line.number).as_bytes();
        let mut now_ms = self.next_line_ms;
        let mut last_ms = None;
        let mut run: Option<Run<'_>> = None;
        let mut rejects = 0;
        let mut is_blank = true;
        for (at, text) in tokens(line.bytes) {
            is_blank = false;
            if rejects == REJECTS_PER_LINE_MAX {
                rows.reject(at, Reason::TooLong);
                break;
            }
            let token = match Token::read(text) {
                Ok(token) => token,
                Err(reason) => {
                    rejects += 1;
                    rows.reject(at, reason);
                    continue;
                }
            };
            let began_ms = match &run {
                Some(run) if run.sku == token.sku => run.began_ms,
                _ => now_ms,
            };
            run = Some(Run {
                sku: token.sku,
                began_ms,
            });
            last_ms = Some(now_ms);
            match token.event(visitor, now_ms, began_ms) {
                Ok(event) => rows.event(RawEvent { at, ..event }),
                Err(reason) => {
                    rejects += 1;
                    rows.reject(at, reason);
                }
            }
            now_ms = now_ms.saturating_add(token.interval_s * 1000);
        }
        if let Some(last_ms) = last_ms {
            self.next_line_ms = last_ms.saturating_add(1000);
        } else if is_blank {
            rows.reject(0, Reason::Syntax);
        }
    }
}

/// The tokens of a line with their places.
fn tokens(line: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut at = 0u32;
    line.split(|&byte| byte == b' ')
        .map(move |token| {
            let here = at;
            at += token.len() as u32 + 1;
            (here, token)
        })
        .filter(|(_, token)| !token.is_empty())
}

impl<'a> Token<'a> {
    fn read(text: &'a [u8]) -> Result<Token<'a>, Reason> {
        let mut parts = text.split(|&byte| byte == b'+');
        let mut next = || parts.next().ok_or(Reason::FieldCount);
        let (sku, behaviour, category) = (next()?, next()?, next()?);
        let (interval, dwell) = (next()?, next()?);
        if parts.next().is_some() {
            return Err(Reason::FieldCount);
        }
        let seconds = |text| {
            whole(text)
                .filter(|&s| s <= INTERVAL_S_MAX)
                .ok_or(Reason::Number)
        };
        Ok(Token {
            sku,
            behaviour,
            category,
            interval_s: seconds(interval)?,
            dwell_s: seconds(dwell)?,
        })
    }

    /// The event of the token, at `now_ms`, on a product reached at `began_ms`.
    fn event<'e>(
        &self,
        visitor: &'e [u8],
        now_ms: u64,
        began_ms: u64,
    ) -> Result<RawEvent<'e>, Reason>
    where
        'a: 'e,
    {
        let stayed_s = ((now_ms - began_ms) / 1000).min(self.dwell_s);
        let stayed = Micros::new(stayed_s as i64 * Micros::UNIT);
        let (kind, page, value): (Kind, &[u8], Micros) = match self.behaviour {
            b"1" => (Kind::ItemView, b"home", Micros::NONE),
            b"2" => (Kind::ItemView, b"list", Micros::NONE),
            b"3" => (Kind::ItemView, b"sale", Micros::NONE),
            b"4" => (Kind::ItemView, b"cart", Micros::NONE),
            b"5" => (Kind::ItemView, b"search", Micros::NONE),
            b"6" => (Kind::Dwell, b"comments", stayed),
            b"7" => (Kind::Dwell, b"specification", stayed),
            b"8" => (Kind::Scroll, b"", Micros::new(Micros::UNIT)),
            b"9" => (Kind::AddToCart, b"", Micros::NONE),
            b"10" => (Kind::Purchase, b"", Micros::NONE),
            _ => return Err(Reason::Kind),
        };
        if self.sku.len() > ID_BYTES_MAX || self.category.len() > ID_BYTES_MAX {
            return Err(Reason::TooLong);
        }
        if self.sku.is_empty() {
            return Err(Reason::Id);
        }
        Ok(RawEvent {
            session: visitor,
            item: self.sku,
            category: self.category,
            page,
            value,
            ..RawEvent::new(sensible(Some(now_ms))?, kind, visitor)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Found, decode, event, reject};
    use super::*;

    fn expected(
        at: u32,
        visitor: &str,
        s: u64,
        kind: Kind,
        item: &str,
        page: &str,
    ) -> RawEvent<'static> {
        let leak = |text: &str| -> &'static [u8] { text.as_bytes().to_vec().leak() };
        RawEvent {
            at,
            session: leak(visitor),
            item: leak(item),
            category: b"7",
            page: leak(page),
            ..RawEvent::new(BASE_MS + s * 1000, kind, leak(visitor))
        }
    }

    #[test]
    fn a_line_is_a_session_and_the_next_follows_it() {
        let found = decode(
            &mut Jd::default(),
            &[
                "11+5+7+10+90 11+8+7+5+90 22+1+7+4+3",
                "11+9+7+2+1 11+10+7+0+1",
            ],
        );
        let mut read_to_the_end = expected(13, "1", 10, Kind::Scroll, "11", "");
        read_to_the_end.value = Micros::new(Micros::UNIT);
        assert_eq!(
            found,
            [
                event(expected(0, "1", 0, Kind::ItemView, "11", "search")),
                event(read_to_the_end),
                event(expected(25, "1", 15, Kind::ItemView, "22", "home")),
                event(expected(0, "2", 16, Kind::AddToCart, "11", "")),
                event(expected(11, "2", 18, Kind::Purchase, "11", "")),
            ]
        );
    }

    /// The recorded dwell is known only once the product is left: it must not show before.
    #[test]
    fn a_dwell_is_what_had_passed_by_then() {
        let found = decode(
            &mut Jd::default(),
            &["11+5+7+10+12 11+6+7+10+12 11+7+7+5+12 22+7+7+1+50 11+6+7+1+50"],
        );
        let values: Vec<String> = found
            .iter()
            .map(|found| match found {
                Found::Event(event) => event.value.to_string(),
                Found::Reject(..) => panic!("rejected"),
            })
            .collect();
        assert_eq!(values, ["", "10", "12", "0", "0"]);
    }

    #[test]
    fn a_wrong_token_costs_only_itself() {
        let found = decode(
            &mut Jd::default(),
            &[
                "11+5+7+10",
                "11+5+7+x+1  11+11+7+3+1 +5+7+1+1 11+2+7+1+1",
                " ",
            ],
        );
        assert_eq!(
            found,
            [
                reject(0, Reason::FieldCount),
                reject(0, Reason::Number),
                reject(12, Reason::Kind),
                reject(24, Reason::Id),
                event(expected(33, "2", 4, Kind::ItemView, "11", "list")),
                reject(0, Reason::Syntax),
            ]
        );
        // Tabs are a token, wrong as it is: one reject and not another for the line.
        assert_eq!(
            decode(&mut Jd::default(), &["\t\t "]),
            [reject(0, Reason::FieldCount)]
        );
    }

    #[test]
    fn huge_intervals_do_not_overflow() {
        let line = vec!["1+5+7+315360000+1"; 200].join(" ");
        let found = decode(&mut Jd::default(), &[line.clone(), line]);
        assert_eq!(found.len(), 400);
        assert!(found.contains(&reject(18 * 10, Reason::Timestamp)));
    }

    #[test]
    fn a_line_of_rubbish_is_given_up() {
        let found = decode(&mut Jd::default(), &["x ".repeat(5000)]);
        assert_eq!(found.len(), 1025);
        assert_eq!(found[1024], reject(2048, Reason::TooLong));
    }
}
