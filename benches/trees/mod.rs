//! Random trees of the shape that boosting grows, the same in every run: 16 leaves, some features
//! asked far more often than others, half of the thresholds shared.
#![allow(dead_code)]

use restage::visit::feature::FEATURE_COUNT;
use restage::visit::model::tree::{Child, Missing, Tree};

/// Leaves of a tree.
const LEAVES: usize = 16;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1u64 << 53) as f64
    }

    /// A tree.
    pub fn tree(&mut self) -> Tree {
        let mut tree = Tree::constant(self.unit() - 0.5, 100.0);
        let mut parent: Vec<Option<(usize, bool)>> = vec![None];
        for node in 0..LEAVES - 1 {
            let split = self.below(node as u64 + 1) as usize;
            match parent[split] {
                Some((above, true)) => tree.left[above] = Child::Inner(node as u32),
                Some((above, false)) => tree.right[above] = Child::Inner(node as u32),
                None => {}
            }
            parent[split] = Some((node, true));
            parent.push(Some((node, false)));
            tree.left.push(Child::Leaf(split as u32));
            tree.right.push(Child::Leaf(node as u32 + 1));
            let column = self.unit() * self.unit() * FEATURE_COUNT as f64;
            tree.feature.push(column as u32);
            tree.threshold.push(self.below(128) as f64 / 2.0);
            let left = self.below(2) == 0;
            tree.missing
                .push(if left { Missing::Left } else { Missing::Right });
            tree.value.push(self.unit() - 0.5);
            tree.cover.push(1.0 + self.unit() * 100.0);
        }
        tree
    }

    /// Trees.
    pub fn trees(&mut self, count: usize) -> Vec<Tree> {
        (0..count).map(|_| self.tree()).collect()
    }

    /// A row, a tenth of its values missing.
    pub fn row(&mut self) -> [f64; FEATURE_COUNT] {
        std::array::from_fn(|_| match self.below(10) {
            0 => f64::NAN,
            _ => self.below(70) as f64,
        })
    }
}
