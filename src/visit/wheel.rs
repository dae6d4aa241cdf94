//! A hierarchical timing wheel on the arrival clock, exact to the millisecond.
//!
//! Eleven levels of 64 slots cover every 64-bit time; a bitmap a level finds the next slot in a
//! few instructions (Varghese, Lauck 1987, scheme 7). Setting a timer and passing an empty stretch
//! cost O(1); a timer moves down at most once a level on its way.
//!
//! Timers are not cancelled: the owner remembers the deadline it means and ignores any other, and
//! sweeps ([`Wheel::retain`]) when those ignored grow to outnumber the rest.

const LEVELS: usize = 11;
const SLOTS: usize = 64;

/// A timer that has come due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// When, in ms.
    pub deadline: u64,
    /// Whose.
    pub key: u32,
}

/// The wheel. Time starts at zero.
///
/// Timers lie in one arena and hang together slot by slot, so that a wheel in steady state never
/// allocates.
pub struct Wheel {
    now: u64,
    /// The first millisecond of the earliest occupied slot, or earlier.
    quiet_until: u64,
    occupied: [u64; LEVELS],
    /// The first timer of each slot, level by level.
    heads: Vec<u32>,
    nodes: Vec<Node>,
    /// The first free node.
    free: u32,
    timers: usize,
}

/// A timer and the next one of its slot, in sixteen bytes.
#[derive(Clone, Copy)]
struct Node {
    deadline: u64,
    key: u32,
    next: u32,
}

const _: () = assert!(size_of::<Node>() == 16);

impl Node {
    fn timer(self) -> Timer {
        Timer {
            deadline: self.deadline,
            key: self.key,
        }
    }
}

/// No node.
const END: u32 = u32::MAX;

impl Default for Wheel {
    fn default() -> Self {
        Wheel {
            now: 0,
            quiet_until: u64::MAX,
            occupied: [0; LEVELS],
            heads: vec![END; LEVELS * SLOTS],
            nodes: Vec::new(),
            free: END,
            timers: 0,
        }
    }
}

impl Wheel {
    /// Bytes that a timer takes.
    pub const TIMER_BYTES: usize = size_of::<Node>();

    /// Sets a timer. A deadline in the past comes due at once.
    pub fn set(&mut self, timer: Timer) {
        let Timer { deadline, key } = timer;
        let set = Node {
            deadline,
            key,
            next: END,
        };
        let node = if self.free == END {
            self.nodes.push(set);
            u32::try_from(self.nodes.len() - 1).expect("fewer than 2³² timers")
        } else {
            let node = self.free;
            self.free = std::mem::replace(&mut self.nodes[node as usize], set).next;
            node
        };
        self.timers += 1;
        self.place(node);
    }

    /// Hangs a node into the slot of its deadline.
    fn place(&mut self, node: u32) {
        let due = self.nodes[node as usize].deadline.max(self.now);
        let level = (63 - ((due ^ self.now) | (SLOTS as u64 - 1)).leading_zeros() as usize) / 6;
        let slot = (due >> (6 * level)) as usize % SLOTS;
        let head = &mut self.heads[level * SLOTS + slot];
        self.nodes[node as usize].next = std::mem::replace(head, node);
        self.occupied[level] |= 1 << slot;
        let start = due >> (6 * level) << (6 * level);
        self.quiet_until = self.quiet_until.min(start);
    }

    /// Moves the next timers that are due before `to` into `due`, all of one deadline, and returns
    /// true; or moves the clock to `to` and returns false. Call it until it returns false.
    pub fn next_due(&mut self, to: u64, due: &mut Vec<Timer>) -> bool {
        due.clear();
        if to < self.quiet_until {
            self.now = self.now.max(to);
            return false;
        }
        while let Some((level, slot, start)) = self.first_slot() {
            // The clock never stands inside an occupied slot of a higher level: its timers move
            // down first, or a later timer set on a lower level would overtake them.
            if start > to || (start == to && level == 0) {
                self.now = self.now.max(to);
                self.quiet_until = start;
                return false;
            }
            self.now = self.now.max(start);
            self.occupied[level] &= !(1 << slot);
            let mut node = std::mem::replace(&mut self.heads[level * SLOTS + slot], END);
            while node != END {
                let Node { next, .. } = self.nodes[node as usize];
                if level == 0 {
                    due.push(self.nodes[node as usize].timer());
                    self.nodes[node as usize].next = std::mem::replace(&mut self.free, node);
                } else {
                    self.place(node);
                }
                node = next;
            }
            if level == 0 {
                self.timers -= due.len();
                return true;
            }
        }
        self.now = self.now.max(to);
        self.quiet_until = u64::MAX;
        false
    }

    /// The earliest occupied slot, and the first millisecond that it stands for. Lower levels are
    /// always earlier: a timer sits on the lowest level whose turn includes both it and now.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = 6 * level as u32;
        let above = self.now.checked_shr(shift + 6).unwrap_or(0);
        let start = above.checked_shl(shift + 6).unwrap_or(0) | ((slot as u64) << shift);
        Some((level, slot, start))
    }

    /// Forgets the timers that nobody waits for any more, and hangs the others up anew. Cost: a
    /// look at every timer.
    pub fn retain(&mut self, mut awaited: impl FnMut(&Timer) -> bool) {
        let mut kept = Vec::new();
        for head in &mut self.heads {
            let mut node = std::mem::replace(head, END);
            while node != END {
                let timer = self.nodes[node as usize].timer();
                if awaited(&timer) {
                    kept.push(timer);
                }
                node = self.nodes[node as usize].next;
            }
        }
        self.nodes.clear();
        self.free = END;
        self.occupied = [0; LEVELS];
        self.quiet_until = u64::MAX;
        self.timers = 0;
        for timer in kept {
            self.set(timer);
        }
    }

    /// No timer is due before this time, in ms.
    pub fn quiet_until(&self) -> u64 {
        self.quiet_until
    }

    /// Timers set and not yet due.
    pub fn len(&self) -> usize {
        self.timers
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.timers == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::mix;

    #[test]
    fn timers_come_due_in_order_and_exactly_once() {
        let mut wheel = Wheel::default();
        let mut expected = std::collections::BTreeMap::<u64, Vec<u32>>::new();
        let mut fired = Vec::new();
        let mut due = Vec::new();
        let mut now = 0;
        for round in 0..2_000u64 {
            for n in 0..4 {
                let spread = 1 << (mix(round * 7 + n) % 34);
                let deadline = now + mix(round * 31 + n) % spread;
                let key = (round * 4 + n) as u32;
                wheel.set(Timer { deadline, key });
                expected.entry(deadline).or_default().push(key);
            }
            let to = now + mix(round) % 5_000;
            while wheel.next_due(to, &mut due) {
                assert!(due.iter().all(|timer| timer.deadline == due[0].deadline));
                fired.push(due.iter().map(|t| (t.deadline, t.key)).collect::<Vec<_>>());
            }
            now = to;
            let late = expected.range(..now).next();
            let seen: usize = fired.iter().map(Vec::len).sum();
            let owed: usize = expected.range(..now).map(|(_, keys)| keys.len()).sum();
            assert_eq!(seen, owed, "by {now}, first owed {late:?}");
        }
        while wheel.next_due(u64::MAX, &mut due) {
            fired.push(due.iter().map(|t| (t.deadline, t.key)).collect());
        }
        assert!(wheel.is_empty());
        let order: Vec<u64> = fired.iter().map(|group| group[0].0).collect();
        assert!(order.windows(2).all(|pair| pair[0] <= pair[1]));
        let mut all: Vec<(u64, u32)> = fired.concat();
        all.sort_unstable();
        let mut owed: Vec<(u64, u32)> = expected
            .into_iter()
            .flat_map(|(deadline, keys)| keys.into_iter().map(move |key| (deadline, key)))
            .collect();
        owed.sort_unstable();
        assert_eq!(all, owed);
    }

    #[test]
    fn a_deadline_is_passed_only_when_the_clock_is_beyond_it() {
        let mut wheel = Wheel::default();
        let mut due = Vec::new();
        wheel.set(Timer {
            deadline: 100,
            key: 1,
        });
        assert!(!wheel.next_due(100, &mut due));
        assert!(wheel.next_due(101, &mut due));
        assert_eq!(
            due,
            [Timer {
                deadline: 100,
                key: 1
            }]
        );
    }

    #[test]
    fn a_sweep_takes_exactly_the_timers_that_are_not_awaited() {
        let mut wheel = Wheel::default();
        for key in 0..5_000u32 {
            let deadline = mix(u64::from(key)) >> (key % 60);
            wheel.set(Timer { deadline, key });
        }
        wheel.retain(|timer| timer.key % 3 == 0);
        assert_eq!(wheel.len(), 1_667);
        let (mut due, mut seen) = (Vec::new(), Vec::new());
        while wheel.next_due(u64::MAX, &mut due) {
            for timer in &due {
                assert_eq!(
                    timer.deadline,
                    mix(u64::from(timer.key)) >> (timer.key % 60)
                );
                seen.push(timer.key);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..5_000).step_by(3).collect::<Vec<u32>>());
        assert!(wheel.is_empty());
    }

    #[test]
    fn the_last_millisecond_of_the_clock_is_waited_for_without_end() {
        let mut wheel = Wheel::default();
        let mut due = Vec::new();
        let deadline = u64::MAX;
        wheel.set(Timer { deadline, key: 1 });
        wheel.set(Timer {
            deadline: deadline - 1,
            key: 2,
        });
        assert!(wheel.next_due(u64::MAX, &mut due));
        assert_eq!(due[0].key, 2);
        assert!(!wheel.next_due(u64::MAX, &mut due));
        assert_eq!(wheel.len(), 1);
    }

    /// The clock stops on the first millisecond of a stretch in which a timer waits further up: a
    /// later timer set from there must not overtake it.
    #[test]
    fn a_timer_set_where_the_clock_stopped_does_not_overtake_an_earlier_one() {
        for shift in [6, 12, 30] {
            let start = 1u64 << shift;
            let (mut wheel, mut due, mut order) = (Wheel::default(), Vec::new(), Vec::new());
            wheel.set(Timer {
                deadline: start + 5,
                key: 1,
            });
            assert!(!wheel.next_due(start, &mut due));
            wheel.set(Timer {
                deadline: start + 6,
                key: 2,
            });
            while wheel.next_due(u64::MAX, &mut due) {
                order.extend(due.iter().map(|timer| timer.key));
            }
            assert_eq!(order, [1, 2], "in the stretch from {start}");
        }
    }
}
