//! Layouts over several slots, their codes, the pairwise model over them, and its best layout.
//!
//! A layout is the arm of every slot; its code writes the arms in mixed radix. [`Model`] says where the
//! weights of the pairwise model stand: the intercept first, then one for every (slot, arm) but arm 0,
//! then one for every pair of such in two slots. A layout's reward is the sum of those it touches.
//!
//! The best layout is NP-hard to find exactly (it is quadratic optimisation); hill climbing from several
//! starts finds it in nearly all small problems (Hill et al. 2017, and the test below).
//!
//! Cost: a step of a climb adds up one weight per arm and other slot; a climb takes two to four rounds.

use super::super::policy::SLOTS_MAX;
use crate::rng::Rng;

/// Most weights of a model with pairs. Where a policy's slots would need more, pairs are left out.
pub const WEIGHTS_MAX: usize = 400;
/// Most rounds over all slots in one climb; each ends when nothing gets better.
const ROUNDS_MAX: usize = 64;

/// The arm of every slot.
pub type Layout = [usize; SLOTS_MAX];

/// Where the weights of a model stand, and how layouts are coded.
#[derive(Clone, Debug)]
pub struct Model {
    /// Number of arms of each slot.
    pub arms: Vec<usize>,
    /// First weight of each slot, less 1: arm `a` > 0 stands at `first[slot] + a`.
    first: Vec<usize>,
    /// First weight of each pair of slots, at `low * slots + high`; empty without pairs.
    pairs: Vec<usize>,
    /// Number of weights.
    pub weights: usize,
}

/// Number of weights of a model with pairs for slots with these numbers of arms.
pub fn weight_count(arms: &[usize]) -> usize {
    let free = |slot: usize| arms[slot].saturating_sub(1);
    let pairs = (0..arms.len()).flat_map(|high| (0..high).map(move |low| (low, high)));
    1 + (0..arms.len()).map(free).sum::<usize>()
        + pairs
            .map(|(low, high)| free(low) * free(high))
            .sum::<usize>()
}

/// The code of a layout: mixed radix, the first slot's arm counting ones.
pub fn encode(layout: &Layout, arms: &[usize]) -> u32 {
    let places = arms.iter().zip(layout).rev();
    places.fold(0u32, |code, (&arms, &arm)| {
        code.wrapping_mul(arms as u32).wrapping_add(arm as u32)
    })
}

/// The layout of a code; arms of slots that do not exist are 0.
pub fn decode(code: u32, arms: &[usize]) -> Layout {
    let (mut layout, mut rest) = ([0; SLOTS_MAX], code as usize);
    for (arm, &arms) in layout.iter_mut().zip(arms) {
        *arm = rest % arms.max(1);
        rest /= arms.max(1);
    }
    layout
}

impl Model {
    /// The model of slots with these numbers of arms, at least one each.
    pub fn of(arms: &[usize]) -> Model {
        let slots = arms.len();
        let (mut first, mut next) = (Vec::with_capacity(slots), 1);
        for &arms in arms {
            first.push(next - 1);
            next += arms - 1;
        }
        let mut pairs = Vec::new();
        if weight_count(arms) <= WEIGHTS_MAX {
            pairs.resize(slots * slots, 0);
            for high in 0..slots {
                for low in 0..high {
                    pairs[low * slots + high] = next;
                    next += (arms[low] - 1) * (arms[high] - 1);
                }
            }
        }
        Model {
            arms: arms.to_vec(),
            first,
            pairs,
            weights: next,
        }
    }

    /// The weight of arms `a` and `b`, both above 0, of the slots `low` < `high`.
    fn pair(&self, (low, a): (usize, usize), (high, b): (usize, usize)) -> Option<usize> {
        let first = self.pairs.get(low * self.arms.len() + high)?;
        Some(first + (a - 1) * (self.arms[high] - 1) + b - 1)
    }

    /// The weights that make up a layout's reward, the intercept first.
    pub fn active(&self, layout: &Layout) -> Vec<usize> {
        let mut active = vec![0];
        let shown = || {
            (0..self.arms.len())
                .map(|slot| (slot, layout[slot]))
                .filter(|s| s.1 > 0)
        };
        for high in shown() {
            active.push(self.first[high.0] + high.1);
            let pairs = shown().take_while(|low| low.0 < high.0);
            active.extend(pairs.filter_map(|low| self.pair(low, high)));
        }
        active
    }

    /// What arm `arm` of `slot` adds to the reward beside the other arms of a layout.
    fn worth(&self, weights: &[f64], layout: &Layout, slot: usize, arm: usize) -> f64 {
        if arm == 0 {
            return 0.0;
        }
        let mut worth = weights[self.first[slot] + arm];
        for (other, &shown) in layout[..self.arms.len()].iter().enumerate() {
            if other == slot || shown == 0 {
                continue;
            }
            let (low, high) = if other < slot {
                ((other, shown), (slot, arm))
            } else {
                ((slot, arm), (other, shown))
            };
            worth += self.pair(low, high).map_or(0.0, |at| weights[at]);
        }
        worth
    }

    /// The best layout that climbing finds: one slot is changed at a time, to its best arm beside the
    /// others, until no slot gets better.
    pub fn best(&self, weights: &[f64], open: &[Vec<usize>], starts: u32, rng: &mut Rng) -> Layout {
        let mut best: Option<(f64, Layout)> = None;
        for _ in 0..starts.max(1) {
            let mut layout = [0; SLOTS_MAX];
            for (arm, open) in layout.iter_mut().zip(open) {
                *arm = open[rng.below(open.len() as u32) as usize];
            }
            self.climb(weights, open, &mut layout);
            let reward: f64 = self.active(&layout).iter().map(|&at| weights[at]).sum();
            if best.is_none_or(|(most, _)| reward > most) {
                best = Some((reward, layout));
            }
        }
        best.map_or([0; SLOTS_MAX], |(_, layout)| layout)
    }

    fn climb(&self, weights: &[f64], open: &[Vec<usize>], layout: &mut Layout) {
        for _ in 0..ROUNDS_MAX {
            let before = *layout;
            for (slot, open) in open.iter().enumerate() {
                let mut most = self.worth(weights, layout, slot, layout[slot]);
                for &arm in open {
                    let worth = self.worth(weights, layout, slot, arm);
                    if worth > most {
                        most = worth;
                        layout[slot] = arm;
                    }
                }
            }
            if *layout == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_arms(arms: &[usize]) -> Vec<Vec<usize>> {
        arms.iter().map(|&arms| (0..arms).collect()).collect()
    }

    #[test]
    fn codes_and_layouts_are_one_to_one() {
        let arms = [3, 1, 4, 2];
        for code in 0..24 {
            assert_eq!(encode(&decode(code, &arms), &arms), code);
        }
        assert_eq!(decode(7, &arms)[..4], [1, 0, 2, 0]);
        let most = [16; SLOTS_MAX];
        assert_eq!(encode(&[15; SLOTS_MAX], &most), u32::MAX);
        assert_eq!(decode(u32::MAX, &most), [15; SLOTS_MAX]);
        assert_eq!(weight_count(&[2, 3, 4]), 1 + 6 + 2 + 3 + 6);
    }

    /// Every weight of a model has a place of its own, and all places are taken.
    #[test]
    fn weights_have_places_of_their_own() {
        for arms in [vec![3, 2, 4], vec![1, 5], vec![2], vec![16; 8]] {
            let model = Model::of(&arms);
            let mut places = vec![0];
            for (high, &many) in arms.iter().enumerate() {
                for b in 1..many {
                    places.push(model.first[high] + b);
                    for (low, &few) in arms[..high].iter().enumerate() {
                        places.extend((1..few).filter_map(|a| model.pair((low, a), (high, b))));
                    }
                }
            }
            places.sort_unstable();
            assert_eq!(places, (0..model.weights).collect::<Vec<_>>());
            let pairs = weight_count(&arms) <= WEIGHTS_MAX;
            assert_eq!(model.weights == weight_count(&arms), pairs);
        }
    }

    #[test]
    fn climbing_finds_what_trying_all_layouts_finds() {
        let mut rng = Rng::new(3);
        let (mut found, runs) = (0, 300);
        for run in 0..runs {
            let arms = [[3, 3, 3, 2], [4, 2, 3, 4], [2, 2, 2, 2]][run % 3];
            let model = Model::of(&arms);
            let weights: Vec<f64> = (0..model.weights).map(|_| rng.normal()).collect();
            let reward = |layout: &Layout| -> f64 {
                model.active(layout).iter().map(|&at| weights[at]).sum()
            };
            let end: usize = arms.iter().product();
            let most = (0..end as u32)
                .map(|code| reward(&decode(code, &arms)))
                .fold(f64::NEG_INFINITY, f64::max);
            let best = model.best(&weights, &open_arms(&arms), 8, &mut rng);
            found += usize::from(reward(&best) == most);
        }
        assert!(found >= runs * 98 / 100, "{found} of {runs}");
    }

    /// The worth of a change is the difference of the rewards.
    #[test]
    fn worth_is_a_difference_of_rewards() {
        let mut rng = Rng::new(12);
        let arms = [3, 4, 2];
        let model = Model::of(&arms);
        let weights: Vec<f64> = (0..model.weights).map(|_| rng.normal()).collect();
        let reward =
            |layout: &Layout| -> f64 { model.active(layout).iter().map(|&at| weights[at]).sum() };
        for code in 0..24 {
            let layout = decode(code, &arms);
            for slot in 0..3 {
                for arm in 0..arms[slot] {
                    let mut changed = layout;
                    changed[slot] = arm;
                    let worth = model.worth(&weights, &layout, slot, arm)
                        - model.worth(&weights, &layout, slot, layout[slot]);
                    assert!((worth - (reward(&changed) - reward(&layout))).abs() < 1e-12);
                }
            }
        }
    }
}
