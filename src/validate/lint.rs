//! The pass over a log: every row to every check.

use super::finding::{Finding, Place};
use super::order::OrderCheck;
use super::recent::Recent;
use super::report::{Duplicates, Holes, LogReport, Order, Purchases, Silences, TimeSpan};
use super::silence::SilenceCheck;
use super::texts::is_odd;
use super::visitors::VisitorCheck;
use super::{DUPLICATES_WINDOW, Limits};
use crate::event::{KIND_COUNT, Kind, Reason, hash_text, mix};
use crate::format::{InputError, Line, RawEvent, RowReader, Rows};

/// All checks, and the line that is being read.
pub(super) struct Lint {
    limits: Limits,
    line: u64,
    byte: u64,
    rows: u64,
    kinds: [u64; KIND_COUNT],
    rejected: [Finding; Reason::ALL.len()],
    order: OrderCheck,
    silence: SilenceCheck,
    visitors: VisitorCheck,
    ids_seen: Recent<bool>,
    rows_seen: Recent<bool>,
    duplicate_ids: Finding,
    duplicate_rows: Finding,
    odd_ids: Finding,
    nul_lines: Finding,
    blank_lines: Finding,
}

impl Lint {
    pub(super) fn new(limits: Limits) -> Lint {
        Lint {
            limits,
            line: 0,
            byte: 0,
            rows: 0,
            kinds: [0; KIND_COUNT],
            rejected: Default::default(),
            order: OrderCheck::default(),
            silence: SilenceCheck::new(limits.gap_ms),
            visitors: VisitorCheck::new(),
            ids_seen: Recent::new(DUPLICATES_WINDOW),
            rows_seen: Recent::new(DUPLICATES_WINDOW),
            duplicate_ids: Finding::default(),
            duplicate_rows: Finding::default(),
            odd_ids: Finding::default(),
            nul_lines: Finding::default(),
            blank_lines: Finding::default(),
        }
    }

    fn place(&self, at: u32) -> Place {
        Place {
            line: self.line,
            byte: self.byte + u64::from(at),
            ms: None,
        }
    }

    /// Why a row that could be read would still not be taken, by its own arrival.
    fn refusal(&self, event: &RawEvent<'_>) -> Option<Reason> {
        let arrival_ms = event.arrival_ms?;
        if event.event_ms < arrival_ms.saturating_sub(self.limits.lateness_ms) {
            Some(Reason::Late)
        } else if event.event_ms > arrival_ms.saturating_add(self.limits.future_ms) {
            Some(Reason::Future)
        } else {
            None
        }
    }

    fn check_texts(&mut self, event: &RawEvent<'_>, place: Place) {
        let places_max = self.limits.places_max;
        let ids = [
            event.visitor,
            event.session,
            event.item,
            event.category,
            event.event_id,
        ];
        if ids.into_iter().any(is_odd) {
            self.odd_ids.add(place, places_max);
        }
        if !event.event_id.is_empty() && self.ids_seen.seen(hash_text(event.event_id)) {
            self.duplicate_ids.add(place, places_max);
        }
        if self.rows_seen.seen(row_hash(event)) {
            self.duplicate_rows.add(place, places_max);
        }
    }

    /// Sums up. The reader is absent where the log could not even be opened as one.
    pub(super) fn report(
        self,
        log: String,
        reader: Option<&RowReader>,
        error: Option<InputError>,
    ) -> LogReport {
        let limits = self.limits;
        let rejected_rows: u64 = self.rejected.iter().map(|finding| finding.count).sum();
        let accepted = self.rows - rejected_rows;
        let furthest_ms = self.order.furthest_ms();
        let mut unusable = Vec::new();
        if let Some(error) = &error {
            let cause = std::error::Error::source(error);
            let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
            unusable.push(format!("{error}{cause}"));
        } else if accepted == 0 {
            unusable.push("no row could be taken".to_owned());
        }
        if rejected_rows as f64 > limits.max_reject_ratio * self.rows as f64 {
            unusable.push(format!(
                "{rejected_rows} of {} rows are rejected, more than a share of {}",
                self.rows, limits.max_reject_ratio
            ));
        }
        let needs_sort = furthest_ms > limits.lateness_ms;
        if needs_sort {
            unusable.push(format!(
                "it runs backwards by up to {}, further than the lateness of {}; \
                 sort it with `restage import`, or pass --sort",
                crate::format::error::human(furthest_ms),
                crate::format::error::human(limits.lateness_ms)
            ));
        }
        let kinds = Kind::ALL.map(Kind::name).into_iter().zip(self.kinds);
        let reasons = Reason::ALL.map(Reason::name).into_iter();
        let time = self.silence.span();
        let silences = self.silence.found(limits.places_max);
        LogReport {
            log,
            format: reader.map(|reader| reader.format().name()),
            usable: unusable.is_empty(),
            unusable,
            rows: self.rows,
            accepted,
            lines: reader.map_or(0, RowReader::lines),
            bytes: reader.map_or(0, RowReader::bytes),
            rejected: reasons
                .zip(self.rejected)
                .filter(|(_, finding)| finding.count > 0)
                .collect(),
            kinds: kinds.filter(|(_, count)| *count > 0).collect(),
            time: time.map(|(first_ms, last_ms)| TimeSpan { first_ms, last_ms }),
            order: Order {
                jumps_back: self.order.jumps_back,
                rows_behind: self.order.rows_behind,
                furthest: self.order.furthest,
                needs_sort,
            },
            silences: Silences {
                longest_ms: silences.places.first().and_then(|place| place.ms),
                found: silences,
                certain_above_ms: self.silence.certain_above_ms(),
            },
            clock_jumps: self.order.clock_jumps,
            duplicates: Duplicates {
                event_ids: self.duplicate_ids,
                rows: self.duplicate_rows,
                forgotten: self.ids_seen.forgotten() + self.rows_seen.forgotten(),
            },
            purchases: Purchases {
                count: self.visitors.purchases,
                visitors_forgotten: self.visitors.forgotten(),
                without_cart: self.visitors.without_cart,
            },
            holes: Holes {
                nul_lines: self.nul_lines,
                blank_lines: self.blank_lines,
                unterminated: reader.is_some_and(RowReader::unterminated),
            },
            odd_ids: self.odd_ids,
            busy_visitors: self.visitors.busy_count,
            busy: self.visitors.busy,
        }
    }
}

impl Rows for Lint {
    fn begin(&mut self, line: Line<'_>) {
        (self.line, self.byte) = (line.number, line.offset);
        if memchr::memchr(0, line.bytes).is_some() {
            let place = self.place(0);
            self.nul_lines.add(place, self.limits.places_max);
        }
    }

    fn blank(&mut self, line: Line<'_>) {
        (self.line, self.byte) = (line.number, line.offset);
        let place = self.place(0);
        self.blank_lines.add(place, self.limits.places_max);
    }

    fn event(&mut self, event: RawEvent<'_>) {
        let (place, places_max) = (self.place(event.at), self.limits.places_max);
        let now_ms = event.arrival_ms.unwrap_or(event.event_ms);
        self.order
            .row(now_ms, place, self.limits.jump_ms, places_max);
        if let Some(reason) = self.refusal(&event) {
            self.reject(event.at, reason);
            return;
        }
        self.rows += 1;
        self.kinds[event.kind as usize] += 1;
        self.silence.row(now_ms, place);
        self.visitors.row(&event, place, places_max);
        self.check_texts(&event, place);
    }

    fn reject(&mut self, at: u32, reason: Reason) {
        self.rows += 1;
        let place = self.place(at);
        self.rejected[reason as usize].add(place, self.limits.places_max);
    }
}

/// A hash of what makes a row the same as another: visitor, kind, item and time.
fn row_hash(event: &RawEvent<'_>) -> u64 {
    let item = match event.item {
        b"" => 0,
        item => hash_text(item),
    };
    let what = mix(item ^ event.kind as u64);
    mix(mix(hash_text(event.visitor) ^ what.rotate_left(17)) ^ event.event_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_the_same_only_where_all_four_are() {
        let row = |visitor: &'static [u8], kind, item: &'static [u8], ms| {
            row_hash(&RawEvent {
                item,
                ..RawEvent::new(ms, kind, visitor)
            })
        };
        let same = row(b"v", Kind::Click, b"i", 7);
        assert_eq!(same, row(b"v", Kind::Click, b"i", 7));
        for other in [
            row(b"w", Kind::Click, b"i", 7),
            row(b"v", Kind::Search, b"i", 7),
            row(b"v", Kind::Click, b"j", 7),
            row(b"v", Kind::Click, b"", 7),
            row(b"v", Kind::Click, b"i", 8),
            row(b"i", Kind::Click, b"v", 7),
        ] {
            assert_ne!(same, other);
        }
    }
}
