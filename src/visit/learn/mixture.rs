//! Drawing a whole layout: the learned layouts, and a floor under every arm.
//!
//! With probability ε every slot takes one of its eligible arms evenly and independently of the others;
//! else a layout is drawn from the learned list ([`super::pairwise`]), of which only those count
//! whose arms are all eligible here. ε is the floor times the greatest number of eligible arms of any
//! slot, so that every eligible arm of every slot is shown with at least the floor. If no layout of the
//! list can be shown, ε is 1.
//!
//! What is logged for a slot is its arm's marginal probability, p = ε/n + (1 − ε) · (share of the
//! layouts with that arm), which is what an inverse-propensity estimate for the slot needs. It is the
//! additive floor of [`super::draw`] with ε/n for the floor. It is logged in whole millionths, rounded so
//! that they sum to a million; the draw itself keeps to it to within that rounding.
//!
//! Cost: one pass over the list a draw, one a slot for the marginals. Nothing is allocated.

use super::super::choose::CERTAIN_PPM;
use super::super::policy::{ARMS_MAX, SLOTS_MAX};
use super::apportion::apportion;
use super::layout::{Layout, decode};
use super::spec::PerArm;

/// What may be drawn here: the learned layouts, the number of arms of each slot, the arms that are
/// eligible, and the floor.
#[derive(Clone, Copy, Debug)]
pub struct Mixture<'a> {
    /// Layouts by code with their shares, as [`super::pairwise::layouts`] gives them.
    pub layouts: &'a [(u32, u32)],
    /// Number of arms of each slot, at most [`SLOTS_MAX`] of them.
    pub arms: &'a [usize],
    /// A bit for each eligible arm of each slot; a slot without one shows arm 0.
    pub eligible: &'a [u16],
    /// Least probability of an eligible arm, in millionths.
    pub floor_ppm: u32,
}

impl Mixture<'_> {
    /// Draws a layout. `draw_ppm` gives a number below 1,000,000 for each slot, and for the number
    /// of slots one more, which decides between the floor and the layouts; all independent and even.
    pub fn pick(&self, draw_ppm: impl Fn(usize) -> u32) -> Layout {
        let slots = self.arms.len();
        let kept = self.kept();
        let even = self.even_ppm(kept);
        let draw = draw_ppm(slots);
        if draw < even {
            let mut layout = [0; SLOTS_MAX];
            for (slot, arm) in layout.iter_mut().enumerate().take(slots) {
                *arm = self.nth_eligible(slot, draw_ppm(slot));
            }
            return layout;
        }
        // Even over the shares that are kept: by what is left of the draw, and a slot's draw, which is
        // not needed otherwise, to fill the gaps between whole millionths.
        let certain = u64::from(CERTAIN_PPM);
        let fine = u64::from(draw - even) * certain + u64::from(draw_ppm(0));
        let left = fine * kept / (u64::from(CERTAIN_PPM - even) * certain);
        let mut end = 0;
        let mut last = [0; SLOTS_MAX];
        for (layout, share) in self.eligible_layouts() {
            last = layout;
            end += u64::from(share);
            if left < end {
                break;
            }
        }
        last
    }

    /// The probability of each arm of each slot, in millionths; each slot with an eligible arm sums
    /// to 1,000,000.
    pub fn marginals(&self) -> [PerArm<u32>; SLOTS_MAX] {
        let mut shares = [[0u32; ARMS_MAX]; SLOTS_MAX];
        let mut kept = 0;
        for (layout, share) in self.eligible_layouts() {
            kept += u64::from(share);
            for (shares, &arm) in shares.iter_mut().zip(&layout[..self.arms.len()]) {
                shares[arm] += share;
            }
        }
        let even = self.even_ppm(kept);
        let mut out = [[0; ARMS_MAX]; SLOTS_MAX];
        for (slot, &arms) in self.arms.iter().enumerate() {
            let (mask, count) = (self.mask(slot), u64::from(self.count(slot)));
            let mut weights = [0; ARMS_MAX];
            for arm in (0..arms.min(ARMS_MAX)).filter(|&arm| mask >> arm & 1 == 1) {
                let learned = u64::from(CERTAIN_PPM - even) * u64::from(shares[slot][arm]);
                weights[arm] = u64::from(even) * kept.max(1) + learned * count;
            }
            apportion(&weights, CERTAIN_PPM, &mut out[slot]);
        }
        out
    }

    /// Probability with which all slots draw evenly, in millionths.
    fn even_ppm(&self, kept: u64) -> u32 {
        if kept == 0 {
            return CERTAIN_PPM;
        }
        let most = (0..self.arms.len()).map(|slot| self.count(slot)).max();
        self.floor_ppm
            .saturating_mul(most.unwrap_or(0))
            .min(CERTAIN_PPM)
    }

    fn kept(&self) -> u64 {
        self.eligible_layouts()
            .map(|(_, share)| u64::from(share))
            .sum()
    }

    /// The layouts of which every arm is eligible; a slot without an eligible arm keeps out none.
    fn eligible_layouts(&self) -> impl Iterator<Item = (Layout, u32)> + '_ {
        self.layouts.iter().filter_map(|&(code, share)| {
            let mut layout = decode(code, self.arms);
            for (slot, arm) in layout.iter_mut().enumerate().take(self.arms.len()) {
                match self.mask(slot) {
                    0 => *arm = 0,
                    mask if mask >> *arm & 1 == 0 => return None,
                    _ => {}
                }
            }
            Some((layout, share))
        })
    }

    /// The eligible arm of a slot that a draw below 1,000,000 falls on, evenly.
    fn nth_eligible(&self, slot: usize, draw_ppm: u32) -> usize {
        let count = u64::from(self.count(slot));
        let nth = u64::from(draw_ppm) * count / u64::from(CERTAIN_PPM);
        let mask = self.mask(slot);
        let mut eligible = (0..ARMS_MAX).filter(|&arm| mask >> arm & 1 == 1);
        eligible.nth(nth as usize).unwrap_or(0)
    }

    /// Eligible arms of a slot, among those that it has.
    fn mask(&self, slot: usize) -> u16 {
        let has = ((1u32 << self.arms[slot].min(ARMS_MAX)) - 1) as u16;
        self.eligible.get(slot).copied().unwrap_or(0) & has
    }

    fn count(&self, slot: usize) -> u32 {
        self.mask(slot).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::VisitorId;
    use crate::visit::learn::draw::draw_ppm;
    use crate::visit::learn::layout::encode;

    const ARMS: [usize; 3] = [3, 2, 4];

    fn code(arms: [usize; 3]) -> u32 {
        let mut layout = [0; SLOTS_MAX];
        layout[..3].copy_from_slice(&arms);
        encode(&layout, &ARMS)
    }

    fn learned() -> Vec<(u32, u32)> {
        let mut layouts = vec![
            (code([0, 0, 0]), 100_000),
            (code([1, 1, 2]), 500_000),
            (code([2, 1, 3]), 300_000),
            (code([1, 0, 3]), 100_000),
        ];
        layouts.sort_unstable();
        layouts
    }

    fn counted(mixture: &Mixture<'_>, draws: u64) -> [[u32; ARMS_MAX]; 3] {
        let mut counts = [[0; ARMS_MAX]; 3];
        for visitor in 0..draws {
            let layout = mixture.pick(|slot| draw_ppm(VisitorId(visitor), 1, slot, 0, 60_000, 0));
            for (counts, arm) in counts.iter_mut().zip(layout) {
                counts[arm] += 1;
            }
        }
        counts
    }

    #[test]
    fn marginals_are_the_formula() {
        let layouts = learned();
        let mixture = Mixture {
            layouts: &layouts,
            arms: &ARMS,
            eligible: &[0b111, 0b11, 0b1111],
            floor_ppm: 20_000,
        };
        // ε is 0.08: the third slot has four arms.
        let out = mixture.marginals();
        let third = 0.08e6 / 3.0;
        for (arm, share) in [0.1, 0.6, 0.3].iter().enumerate() {
            assert!((f64::from(out[0][arm]) - (third + 0.92e6 * share)).abs() <= 1.0);
        }
        assert_eq!(out[1][..2], [224_000, 776_000]);
        assert_eq!(out[2][..4], [112_000, 20_000, 480_000, 388_000]);
    }

    #[test]
    fn layouts_come_as_often_as_their_marginals_say() {
        let layouts = learned();
        for eligible in [
            [0b111, 0b11, 0b1111],
            [0b110, 0b11, 0b1100],
            [0b100, 0b01, 0b0011],
        ] {
            let mixture = Mixture {
                layouts: &layouts,
                arms: &ARMS,
                eligible: &eligible,
                floor_ppm: 30_000,
            };
            let (marginals, draws) = (mixture.marginals(), 200_000);
            let counts = counted(&mixture, draws);
            for slot in 0..3 {
                assert_eq!(marginals[slot].iter().sum::<u32>(), 1_000_000);
                for arm in 0..ARMS_MAX {
                    let p = f64::from(marginals[slot][arm]) / 1e6;
                    let seen = f64::from(counts[slot][arm]) / draws as f64;
                    let error = (p * (1.0 - p) / draws as f64).sqrt();
                    assert!((seen - p).abs() <= 4.5 * error, "{slot} {arm}: {seen} {p}");
                    let can = eligible[slot] >> arm & 1 == 1;
                    assert!(p >= if can { 0.03 } else { 0.0 } && (can || p == 0.0));
                }
            }
        }
    }

    /// Beyond the floor, slots keep together what was learned together.
    #[test]
    fn without_a_floor_only_learned_layouts_come() {
        let layouts = learned();
        let mixture = Mixture {
            layouts: &layouts,
            arms: &ARMS,
            eligible: &[0b110, 0b11, 0b1111],
            floor_ppm: 0,
        };
        for visitor in 0..2_000 {
            let layout = mixture.pick(|slot| draw_ppm(VisitorId(visitor), 1, slot, 0, 0, 0));
            let code = encode(&layout, &ARMS);
            assert!(layouts.iter().any(|known| known.0 == code) && layout[0] > 0);
        }
    }

    #[test]
    fn nothing_learned_or_eligible_does_no_harm() {
        let mixture = |layouts, eligible, floor_ppm| Mixture {
            layouts,
            arms: &ARMS,
            eligible,
            floor_ppm,
        };
        let out = mixture(&[], &[0b111, 0b10, 0b1111], 0).marginals();
        assert_eq!(out[0][..3], [333_334, 333_333, 333_333]);
        assert_eq!((out[1][1], out[2][0]), (1_000_000, 250_000));
        let layouts = learned();
        let closed = mixture(&layouts, &[0, 0b11, 0b1111], 900_000);
        assert_eq!(closed.marginals()[0], [0; ARMS_MAX]);
        assert!(
            (0..50).all(|n| closed.pick(|slot| (n * 19_997 + 7 * slot as u32) % 1_000_000)[0] == 0)
        );
        assert_eq!(mixture(&layouts, &[], 10).pick(|_| 999_999), [0; SLOTS_MAX]);
        let all = mixture(&layouts, &[0b111, 0b11, 0b1111], u32::MAX);
        assert_eq!(all.marginals()[1][..2], [500_000, 500_000]);
    }
}
