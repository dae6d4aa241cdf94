//! What a shopper is up to, and what follows from it: one row of numbers an intent.
//!
//! The five intents follow Moe (2003, "Buying, Searching, or Browsing", Journal of Consumer
//! Psychology 13), with hesitation at the cart as a state of its own; that they change within a
//! visit follows Montgomery, Li, Srinivasan and Liechty (2004, Marketing Science 23). The numbers
//! themselves are assumptions, set so that a shop's usual shares come out (see the module's page);
//! none is an estimate from data.

/// The latent state of a shopper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Intent {
    /// Just looking.
    Browsing,
    /// Wants to know what there is in a category.
    Exploring,
    /// Has a few items in mind and decides between them.
    Comparing,
    /// Knows what to buy, and buys it now.
    Urgent,
    /// Has something in the cart and doubts.
    Hesitating,
}

/// Number of intents.
pub const INTENT_COUNT: usize = 5;

impl Intent {
    /// All intents, in the order of their numbers.
    pub const ALL: [Intent; INTENT_COUNT] = [
        Intent::Browsing,
        Intent::Exploring,
        Intent::Comparing,
        Intent::Urgent,
        Intent::Hesitating,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Intent::Browsing => "browsing",
            Intent::Exploring => "exploring",
            Intent::Comparing => "comparing",
            Intent::Urgent => "urgent",
            Intent::Hesitating => "hesitating",
        }
    }

    /// What follows from the intent.
    pub(super) const fn habits(self) -> &'static Habits {
        &HABITS[self as usize]
    }
}

/// Weights of the intents with which a visit begins.
pub(super) struct Beginnings {
    /// Of somebody new.
    pub fresh: [f64; INTENT_COUNT],
    /// Of somebody who comes back.
    pub back: [f64; INTENT_COUNT],
    /// Of somebody who comes back to a cart that was left behind.
    pub back_to_cart: [f64; INTENT_COUNT],
}

pub(super) const BEGINNINGS: Beginnings = Beginnings {
    fresh: [0.66, 0.225, 0.075, 0.04, 0.0],
    back: [0.42, 0.28, 0.20, 0.10, 0.0],
    back_to_cart: [0.25, 0.20, 0.22, 0.18, 0.15],
};

/// How a shopper behaves under an intent. Plain numbers between 0 and 1 are probabilities.
pub(super) struct Habits {
    /// To leave from the very first page.
    pub bounce: f64,
    /// To leave from any later page, for a shopper of patience 1.
    pub leave: f64,
    /// To move to the edge of the window before leaving.
    pub exit: f64,
    /// Weights of the next intent.
    pub drift: [f64; INTENT_COUNT],
    /// Weights of the next page: home, info, list, search, an item, an item seen before.
    pub pages: [f64; 6],
    /// To put an item into the cart, when leaving its page.
    pub add: f64,
    /// To look at a cart that is not empty.
    pub cart: f64,
    /// To take something out, on the cart's page.
    pub remove: f64,
    /// To go on to the checkout, on the cart's page.
    pub checkout: f64,
    /// To place the order, at the checkout.
    pub pay: f64,
    /// Scale of the time on a page, in seconds.
    pub stay_s: f64,
    /// To scroll on a page.
    pub scroll: f64,
    /// Mean depth of a scroll.
    pub depth: f64,
    /// To click on something on a page.
    pub click: f64,
    /// That the time on a page is reported.
    pub dwell: f64,
}

const HABITS: [Habits; INTENT_COUNT] = [
    Habits {
        bounce: 0.6,
        leave: 0.38,
        exit: 0.06,
        drift: [0.964, 0.03, 0.005, 0.001, 0.0],
        pages: [0.22, 0.09, 0.4, 0.02, 0.26, 0.01],
        add: 0.026,
        cart: 0.1,
        remove: 0.2,
        checkout: 0.04,
        pay: 0.15,
        stay_s: 7.0,
        scroll: 0.25,
        depth: 0.28,
        click: 0.04,
        dwell: 0.25,
    },
    Habits {
        bounce: 0.44,
        leave: 0.23,
        exit: 0.08,
        drift: [0.06, 0.9, 0.036, 0.003, 0.001],
        pages: [0.04, 0.02, 0.36, 0.11, 0.43, 0.04],
        add: 0.042,
        cart: 0.15,
        remove: 0.15,
        checkout: 0.07,
        pay: 0.25,
        stay_s: 20.0,
        scroll: 0.55,
        depth: 0.55,
        click: 0.12,
        dwell: 0.45,
    },
    Habits {
        bounce: 0.18,
        leave: 0.11,
        exit: 0.1,
        drift: [0.02, 0.05, 0.875, 0.04, 0.015],
        pages: [0.01, 0.04, 0.07, 0.05, 0.27, 0.56],
        add: 0.13,
        cart: 0.25,
        remove: 0.2,
        checkout: 0.18,
        pay: 0.34,
        stay_s: 45.0,
        scroll: 0.74,
        depth: 0.76,
        click: 0.34,
        dwell: 0.72,
    },
    Habits {
        bounce: 0.05,
        leave: 0.05,
        exit: 0.03,
        drift: [0.01, 0.01, 0.02, 0.94, 0.02],
        pages: [0.01, 0.02, 0.04, 0.38, 0.46, 0.09],
        add: 0.54,
        cart: 0.52,
        remove: 0.05,
        checkout: 0.74,
        pay: 0.74,
        stay_s: 17.0,
        scroll: 0.45,
        depth: 0.55,
        click: 0.28,
        dwell: 0.5,
    },
    Habits {
        bounce: 0.25,
        leave: 0.2,
        exit: 0.3,
        drift: [0.06, 0.06, 0.14, 0.05, 0.69],
        pages: [0.08, 0.07, 0.15, 0.05, 0.2, 0.45],
        add: 0.04,
        cart: 0.5,
        remove: 0.2,
        checkout: 0.14,
        pay: 0.3,
        stay_s: 34.0,
        scroll: 0.5,
        depth: 0.45,
        click: 0.12,
        dwell: 0.55,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drifts_are_distributions_and_chances_are_chances() {
        for intent in Intent::ALL {
            let h = intent.habits();
            let sum: f64 = h.drift.iter().sum();
            assert!((sum - 1.0).abs() < 1e-9, "{}", intent.name());
            for chance in [
                h.bounce, h.leave, h.exit, h.add, h.cart, h.remove, h.checkout, h.pay, h.scroll,
                h.depth, h.click, h.dwell,
            ] {
                assert!((0.0..=1.0).contains(&chance), "{}", intent.name());
            }
        }
    }

    #[test]
    fn the_urgent_buy_and_the_browsing_leave() {
        let (browsing, urgent) = (Intent::Browsing.habits(), Intent::Urgent.habits());
        assert!(urgent.pay > browsing.pay && urgent.add > browsing.add);
        assert!(urgent.leave < browsing.leave && urgent.bounce < browsing.bounce);
    }
}
