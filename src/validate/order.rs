//! Time in the order of the rows: how far the log runs backwards, and where its clock leaps.
//!
//! A row jumps back when it is earlier than the row before it, and lies behind when it is earlier
//! than the latest of all rows before it. The rule of the lateness is about the latter. A clock
//! jump is a leap forward of the latest time.

use super::finding::{Finding, Place};

/// What the order of the rows shows.
#[derive(Default)]
pub(super) struct OrderCheck {
    previous_ms: u64,
    latest_ms: u64,
    pub(super) jumps_back: Finding,
    pub(super) rows_behind: u64,
    /// The row that lies furthest behind, with how far.
    pub(super) furthest: Option<Place>,
    pub(super) clock_jumps: Finding,
}

impl OrderCheck {
    pub(super) fn row(&mut self, now_ms: u64, place: Place, jump_ms: u64, places_max: usize) {
        if now_ms < self.previous_ms {
            let back = place.lasting(self.previous_ms - now_ms);
            self.jumps_back.add(back, places_max);
        }
        self.previous_ms = now_ms;
        if now_ms < self.latest_ms {
            self.rows_behind += 1;
            let behind_ms = self.latest_ms - now_ms;
            if behind_ms > self.furthest_ms() {
                self.furthest = Some(place.lasting(behind_ms));
            }
            return;
        }
        let leap_ms = now_ms - self.latest_ms;
        if self.latest_ms > 0 && leap_ms > jump_ms {
            self.clock_jumps.add(place.lasting(leap_ms), places_max);
        }
        self.latest_ms = now_ms;
    }

    /// How far behind the furthest row lies.
    pub(super) fn furthest_ms(&self) -> u64 {
        self.furthest.and_then(|place| place.ms).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_and_rows_behind_are_told_apart() {
        let mut order = OrderCheck::default();
        for (line, now_ms) in [1000, 3000, 2500, 2600, 1500, 3000, 9000]
            .into_iter()
            .enumerate()
        {
            let place = Place {
                line: line as u64 + 1,
                byte: 0,
                ms: None,
            };
            order.row(now_ms, place, 5000, 5);
        }
        let back: Vec<_> = order
            .jumps_back
            .places
            .iter()
            .map(|p| (p.line, p.ms))
            .collect();
        assert_eq!(back, [(3, Some(500)), (5, Some(1100))]);
        assert_eq!(order.rows_behind, 3);
        assert_eq!(
            order.furthest.map(|p| (p.line, p.ms)),
            Some((5, Some(1500)))
        );
        assert_eq!(order.clock_jumps.count, 1);
        assert_eq!(order.clock_jumps.places[0].ms, Some(6000));
    }
}
