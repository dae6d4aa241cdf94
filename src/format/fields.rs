//! From the texts of one row to one event: the checks that all formats share, in one order.
//!
//! A row that is wrong in several ways has one reason, the first of: encoding and syntax and the
//! number of fields (judged before, by the format), too long, missing visitor, times, kind,
//! numbers. An empty text is an absent field. A device is never wrong: what is none is unknown.

use crate::event::{
    Device, ID_BYTES_MAX, Kind, Micros, PAGE_BYTES_MAX, Reason, TIME_MS_END, TIME_MS_MIN,
};

use super::RawEvent;
use super::time::{self, TimeReader};

/// Most units in one event.
pub const QUANTITY_MAX: u32 = 1_000_000;

/// Number of an event's fields.
pub const FIELD_COUNT: usize = 13;

/// Restage's own names of an event's fields, in the order of its own CSV.
pub const FIELD_NAMES: [&str; FIELD_COUNT] = [
    "arrival_ms",
    "event_ms",
    "visitor",
    "session",
    "kind",
    "item",
    "category",
    "price",
    "quantity",
    "value",
    "page",
    "event_id",
    "device",
];

/// The fields without which there is no event, as places in [`FIELD_NAMES`].
pub const FIELDS_REQUIRED: [usize; 3] = [1, 2, 4];

/// The texts of one row, in the order of [`FIELD_NAMES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) arrival: &'a [u8],
    pub(super) time: &'a [u8],
    pub(super) visitor: &'a [u8],
    pub(super) session: &'a [u8],
    pub(super) kind: &'a [u8],
    pub(super) item: &'a [u8],
    pub(super) category: &'a [u8],
    pub(super) price: &'a [u8],
    pub(super) quantity: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) page: &'a [u8],
    pub(super) event_id: &'a [u8],
    pub(super) device: &'a [u8],
}

impl<'a> From<[&'a [u8]; FIELD_COUNT]> for Fields<'a> {
    fn from(texts: [&'a [u8]; FIELD_COUNT]) -> Fields<'a> {
        let [
            arrival,
            time,
            visitor,
            session,
            kind,
            item,
            category,
            price,
            quantity,
            value,
            page,
            event_id,
            device,
        ] = texts;
        Fields {
            arrival,
            time,
            visitor,
            session,
            kind,
            item,
            category,
            price,
            quantity,
            value,
            page,
            event_id,
            device,
        }
    }
}

impl<'a> Fields<'a> {
    /// The event, its times read by `time`.
    #[inline]
    pub(super) fn read(&self, time: TimeReader) -> Result<RawEvent<'a>, Reason> {
        self.read_with(time, Kind::parse)
    }

    /// The event, its times read by `time` and its kind by `kind`.
    #[inline]
    pub(super) fn read_with(
        &self,
        time: TimeReader,
        kind: impl FnOnce(&[u8]) -> Option<Kind>,
    ) -> Result<RawEvent<'a>, Reason> {
        let ids = [
            self.visitor,
            self.session,
            self.item,
            self.category,
            self.event_id,
        ];
        if ids.iter().any(|id| id.len() > ID_BYTES_MAX) || self.page.len() > PAGE_BYTES_MAX {
            return Err(Reason::TooLong);
        }
        if self.visitor.is_empty() {
            return Err(Reason::Id);
        }
        let event_ms = sensible(time(self.time))?;
        let arrival_ms = match self.arrival {
            b"" => None,
            text => Some(sensible(time(text))?),
        };
        let kind = kind(self.kind).ok_or(Reason::Kind)?;
        let value = amount(self.value)?;
        if kind == Kind::Scroll && value.get().is_some_and(|depth| depth > Micros::UNIT) {
            return Err(Reason::Number);
        }
        Ok(RawEvent {
            at: 0,
            arrival_ms,
            event_ms,
            kind,
            visitor: self.visitor,
            session: self.session,
            item: self.item,
            category: self.category,
            page: self.page,
            event_id: self.event_id,
            price: amount(self.price)?,
            value,
            quantity: quantity(self.quantity)?,
            device: match self.device {
                b"" => Device::Unknown,
                text => Device::parse(text),
            },
        })
    }
}

/// A time within the years that are taken for real.
pub(super) fn sensible(ms: Option<u64>) -> Result<u64, Reason> {
    ms.filter(|ms| (TIME_MS_MIN..TIME_MS_END).contains(ms))
        .ok_or(Reason::Timestamp)
}

fn amount(text: &[u8]) -> Result<Micros, Reason> {
    if text.is_empty() {
        return Ok(Micros::NONE);
    }
    Micros::parse(text).map_err(|_| Reason::Number)
}

fn quantity(text: &[u8]) -> Result<u32, Reason> {
    if text.is_empty() {
        return Ok(0);
    }
    time::whole(text)
        .and_then(|units| u32::try_from(units).ok())
        .filter(|&units| units <= QUANTITY_MAX)
        .ok_or(Reason::Number)
}

/// A line as text, if it is UTF-8 without a NUL.
#[inline]
pub(super) fn text(line: &[u8]) -> Result<&str, Reason> {
    match std::str::from_utf8(line) {
        Ok(text) if memchr::memchr(0, line).is_none() => Ok(text),
        _ => Err(Reason::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Fields<'static> {
        Fields {
            time: b"1600000000000",
            visitor: b"v",
            kind: b"scroll",
            ..Fields::default()
        }
    }

    fn reason(fields: Fields<'_>) -> Option<Reason> {
        fields.read(time::millis).err()
    }

    #[test]
    fn each_fault_has_its_reason() {
        let long = [b'x'; ID_BYTES_MAX + 1];
        let long_page = [b'x'; PAGE_BYTES_MAX + 1];
        let cases: [(Fields<'_>, Option<Reason>); 22] = [
            (good(), None),
            (
                Fields {
                    visitor: b"",
                    ..good()
                },
                Some(Reason::Id),
            ),
            (
                Fields {
                    visitor: &long,
                    ..good()
                },
                Some(Reason::TooLong),
            ),
            (
                Fields {
                    visitor: &long[1..],
                    ..good()
                },
                None,
            ),
            (
                Fields {
                    event_id: &long,
                    ..good()
                },
                Some(Reason::TooLong),
            ),
            (
                Fields {
                    page: &long_page,
                    ..good()
                },
                Some(Reason::TooLong),
            ),
            (
                Fields {
                    page: &long_page[1..],
                    ..good()
                },
                None,
            ),
            (
                Fields {
                    time: b"",
                    ..good()
                },
                Some(Reason::Timestamp),
            ),
            (
                Fields {
                    time: b"631151999999",
                    ..good()
                },
                Some(Reason::Timestamp),
            ),
            (
                Fields {
                    time: b"631152000000",
                    ..good()
                },
                None,
            ),
            (
                Fields {
                    time: b"4102444800000",
                    ..good()
                },
                Some(Reason::Timestamp),
            ),
            (
                Fields {
                    arrival: b"5",
                    ..good()
                },
                Some(Reason::Timestamp),
            ),
            (
                Fields {
                    kind: b"",
                    ..good()
                },
                Some(Reason::Kind),
            ),
            (
                Fields {
                    kind: b"jump",
                    ..good()
                },
                Some(Reason::Kind),
            ),
            (
                Fields {
                    price: b"-1",
                    ..good()
                },
                Some(Reason::Number),
            ),
            (
                Fields {
                    price: b"NaN",
                    ..good()
                },
                Some(Reason::Number),
            ),
            (
                Fields {
                    price: b"1e400",
                    ..good()
                },
                Some(Reason::Number),
            ),
            (
                Fields {
                    value: b"1",
                    ..good()
                },
                None,
            ),
            (
                Fields {
                    value: b"1.000001",
                    ..good()
                },
                Some(Reason::Number),
            ),
            (
                Fields {
                    quantity: b"1000000",
                    ..good()
                },
                None,
            ),
            (
                Fields {
                    quantity: b"1000001",
                    ..good()
                },
                Some(Reason::Number),
            ),
            (
                Fields {
                    quantity: b"1.5",
                    ..good()
                },
                Some(Reason::Number),
            ),
        ];
        for (fields, expected) in cases {
            assert_eq!(reason(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn the_first_fault_counts() {
        let all_wrong = Fields {
            item: &[b'x'; 200],
            ..Fields::default()
        };
        assert_eq!(reason(all_wrong), Some(Reason::TooLong));
        assert_eq!(
            reason(Fields {
                time: b"",
                kind: b"",
                ..good()
            }),
            Some(Reason::Timestamp)
        );
        assert_eq!(
            reason(Fields {
                kind: b"",
                price: b"x",
                ..good()
            }),
            Some(Reason::Kind)
        );
    }

    #[test]
    fn text_is_utf8_without_nul() {
        assert_eq!(text("straße".as_bytes()), Ok("straße"));
        assert_eq!(text(b"a\0b"), Err(Reason::Encoding));
        assert_eq!(text(b"stra\xdfe"), Err(Reason::Encoding));
    }
}
